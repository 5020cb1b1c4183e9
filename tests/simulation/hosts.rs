//! The hosts that live, by id: a place for each.

use crate::host::Host;

/// Ids are below this.
pub const MAX_NODES: usize = 24;

#[derive(Default)]
pub struct Hosts([Option<Box<Host>>; MAX_NODES]);

impl Hosts {
    pub fn get(&self, id: &u64) -> Option<&Host> {
        self.0.get(*id as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, id: &u64) -> Option<&mut Host> {
        self.0.get_mut(*id as usize)?.as_deref_mut()
    }

    pub fn contains_key(&self, id: &u64) -> bool {
        self.get(id).is_some()
    }

    pub fn insert(&mut self, id: u64, host: Host) {
        if let Some(place) = self.0.get_mut(id as usize) {
            *place = Some(Box::new(host));
        }
    }

    pub fn remove(&mut self, id: &u64) -> Option<Host> {
        self.0.get_mut(*id as usize)?.take().map(|host| *host)
    }

    pub fn values(&self) -> impl Iterator<Item = &Host> {
        self.0.iter().flatten().map(|host| &**host)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        self.0.iter_mut().flatten().map(|host| &mut **host)
    }

    pub fn ids(&self) -> Vec<u64> {
        self.values().map(|host| host.id).collect()
    }
}
