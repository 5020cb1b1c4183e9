//! For etcd's confchange suite: what a change does to a leader's peers, without a node around it.

use crate::error::Result;
use crate::membership::Configuration;
use crate::peers::Peers;
use crate::peers::progress::{Flow, Progress};
use crate::types::{Index, NodeId};

/// A peer as the suite prints it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookPeer {
    pub id: NodeId,
    pub matched: Index,
    pub next: Index,
    pub flow: Flow,
    pub is_learner: bool,
}

/// Brings peers in line with a configuration, as a leader does whose log ends at `last`.
pub(crate) fn rebuild(
    before: impl Iterator<Item = HookPeer>,
    conf: &Configuration,
    last: Index,
) -> Result<impl Iterator<Item = HookPeer>> {
    let mut old: Vec<HookPeer> = before.collect();
    old.sort_unstable_by_key(|peer| peer.id);
    let mut peers = Peers::default();
    let known = |id| old.iter().find(|peer| peer.id == id);
    peers.rebuild(old.iter().map(|peer| peer.id), |id| {
        let mut progress = Progress::new(id, last, false, 1, 0);
        if let Some(peer) = known(id) {
            (progress.matched, progress.next, progress.flow) = (peer.matched, peer.next, peer.flow);
            progress.is_learner = peer.is_learner;
        }
        progress
    })?;
    peers.set_members(conf, last, 1, 0)?;
    let list: Vec<HookPeer> = peers
        .iter()
        .map(|peer| HookPeer {
            id: peer.id,
            matched: peer.matched,
            next: peer.next,
            flow: peer.flow,
            is_learner: peer.is_learner,
        })
        .collect();
    Ok(list.into_iter())
}
