//! The live hosts, by id: a place for each.

use crate::host::Host;

/// Ids are below this limit.
pub const MAX_NODES: usize = 24;

#[derive(Default)]
pub struct Hosts {
    places: [Option<Box<Host>>; MAX_NODES],
    /// Places from here on were never used.
    top: usize,
}

impl Hosts {
    pub fn get(&self, id: &u64) -> Option<&Host> {
        self.places.get(*id as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, id: &u64) -> Option<&mut Host> {
        self.places.get_mut(*id as usize)?.as_deref_mut()
    }

    pub fn contains_key(&self, id: &u64) -> bool {
        self.get(id).is_some()
    }

    pub fn insert(&mut self, id: u64, host: Host) {
        self.top = self.top.max(id as usize + 1);
        if let Some(place) = self.places.get_mut(id as usize) {
            *place = Some(Box::new(host));
        }
    }

    pub fn remove(&mut self, id: &u64) -> Option<Host> {
        self.places.get_mut(*id as usize)?.take().map(|host| *host)
    }

    pub fn values(&self) -> impl Iterator<Item = &Host> {
        self.places[..self.top].iter().flatten().map(|host| &**host)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        self.places[..self.top].iter_mut().flatten().map(|host| &mut **host)
    }

    /// Ids that are or were in use, in order.
    pub fn range(&self) -> std::ops::Range<u64> {
        1..self.top as u64
    }

    pub fn ids(&self) -> Vec<u64> {
        self.values().map(|host| host.id).collect()
    }
}
