//! Fetches from the host, and the supplies: old entries and snapshots for peers that lag.
//!
//! A peer has at most one fetch. While the fetch is open the peer counts as paused, and heartbeats
//! go on. The message keeps its place in the outbox. A host that answers before the next ready thus
//! sees the order of a core that reads the log itself.
//!
//! Invariants: `cancel_ask` closes a fetch that is no longer needed. A supply is checked against
//! the term runs before anything uses it [L-16, X-02].

use super::Raft;
use super::reconfig::as_state;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::blocks::Place;
use crate::membership::Configuration;
use crate::outbox::{Fate, OutMessage, Piece, Source};
use crate::peers::progress::{Ask, Flow};
use crate::raft::replication::{Carried, Empty};
use crate::types::{EntryRef, Index, MessageKind, NodeId, Role};
use crate::wire::{self, Head};

/// What the host has to supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum FetchKind {
    /// Entries of the host's log.
    Entries = 1,
    /// A snapshot of the host's state.
    Snapshot = 2,
    /// Entries of the host's log to be applied here, after they left the recent log. Nothing is
    /// applied before the supply.
    Apply = 3,
}

/// Work for the host: read these entries, or make a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// Identifies the fetch in the supply.
    pub id: u64,
    /// Entries or a snapshot.
    pub kind: FetchKind,
    /// The peer that lacks the entries; with APPLY, this node.
    pub peer: NodeId,
    /// ENTRIES, APPLY: first entry. SNAPSHOT: the snapshot must cover `first - 1` at least.
    pub first: Index,
    /// ENTRIES, APPLY: last entry. SNAPSHOT: highest index that the snapshot may have.
    pub last: Index,
    /// ENTRIES, APPLY: more bytes are not taken, except for a single entry. SNAPSHOT: data up to
    /// this size may pass through the core.
    pub max_bytes: u64,
}

/// The outcome of a supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Supplied {
    /// The next ready uses the supply.
    Taken,
    /// The supply is no longer needed; nothing was done.
    Ignored,
}

/// Why the host has nothing to supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Missing {
    /// The entries are compacted: the peer needs a snapshot.
    Gone = 1,
    /// Not now. The fetch comes again after the peer's next heartbeat answer; with APPLY, after the
    /// next tick.
    Later = 2,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetches {
    /// The newest identity. Identities are never used twice.
    pub last_id: u64,
    /// Fetches that `next_fetch` has not returned yet.
    pub untold: u32,
    /// Counts the readies taken. A place in the outbox is valid only until the next ready.
    pub outbox_number: u64,
}

impl Raft {
    // ---- fetching

    pub fn ask_for_entries(&mut self, at: usize, drain: bool) -> bool {
        if self.blobs.bytes() >= self.config.catchup_bytes {
            // The next heartbeat answer tries again.
            return false;
        }
        self.open_ask(at, false, drain)
    }

    pub fn ask_for_snapshot(&mut self, at: usize, drain: bool) -> bool {
        let Some(peer) = self.peers.at(at) else { return false };
        if !peer.recent_active {
            let id = peer.id;
            self.event(EventKind::MessageLost, Reason::PeerSilent, id, 0, MessageKind::Snap as u64, 0);
            return false;
        }
        self.open_ask(at, true, drain)
    }

    fn open_ask(&mut self, at: usize, snapshot: bool, drain: bool) -> bool {
        let place = self.outbox.now.len();
        let (last, number) = (self.log.recent_first() - 1, self.fetches.outbox_number);
        let id = self.fetches.last_id + 1;
        let Some(peer) = self.peers.at(at) else { return false };
        let (to, first) = (peer.id, peer.next);
        let head = Head { index: first, ..self.head(MessageKind::App, to) };
        let mut holder = OutMessage::new(head);
        holder.fate = Fate::Waits;
        if self.outbox.push(holder).is_err() {
            return false;
        }
        self.outbox.idle += 1;
        self.fetches.last_id = id;
        self.fetches.untold += 1;
        if let Some(peer) = self.peers.at_mut(at) {
            peer.ask = Some(Ask { id, first, last, snapshot, told: false, drain, outbox_number: number, place });
        }
        // No message was sent, but the peer's turn is used.
        false
    }

    /// Cancels a fetch that is no longer needed. The place in the outbox stays empty.
    pub fn cancel_ask(&mut self, at: usize) {
        let Some(ask) = self.peers.at_mut(at).and_then(|peer| peer.ask.take()) else { return };
        if !ask.told {
            self.fetches.untold -= 1;
        }
        if let Some(holder) = self.place_of(&ask) {
            holder.fate = Fate::Gone;
        }
    }

    fn place_of(&mut self, ask: &Ask) -> Option<&mut OutMessage> {
        let current = self.fetches.outbox_number == ask.outbox_number;
        self.outbox.now.get_mut(ask.place).filter(|m| current && m.fate == Fate::Waits)
    }

    /// Forgets the fetches of all peers, since leadership or term changed.
    pub fn forget_asks(&mut self) {
        self.fetches.untold = 0;
        for message in self.outbox.now.iter_mut().filter(|m| m.fate == Fate::Waits) {
            message.fate = Fate::Gone;
        }
    }

    /// Counts the fetches again after peers were removed together with their fetches.
    pub fn recount_asks(&mut self) {
        self.fetches.untold = self.peers.iter().filter(|peer| peer.ask.is_some_and(|ask| !ask.told)).count() as u32;
        let peers = &self.peers;
        for message in self.outbox.now.iter_mut().filter(|m| m.fate == Fate::Waits) {
            if peers.get(message.to).is_none() {
                message.fate = Fate::Gone;
            }
        }
    }

    pub fn next_fetch(&mut self) -> Option<Fetch> {
        if self.is_own_fetch_due() {
            return Some(self.next_own_fetch());
        }
        if self.fetches.untold == 0 {
            return None;
        }
        let (commit, max_msg, max_snapshot) =
            (self.log.commit, self.config.max_size_per_msg, self.config.max_snapshot_bytes);
        for peer in self.peers.iter_mut() {
            let Some(ask) = peer.ask.as_mut().filter(|ask| !ask.told) else { continue };
            ask.told = true;
            self.fetches.untold -= 1;
            return Some(Fetch {
                id: ask.id,
                kind: if ask.snapshot { FetchKind::Snapshot } else { FetchKind::Entries },
                peer: peer.id,
                first: ask.first,
                last: if ask.snapshot { commit } else { ask.last },
                max_bytes: if ask.snapshot { max_snapshot } else { max_msg },
            });
        }
        None
    }

    // ---- supplies

    /// Returns the peer of an open fetch; `None` if the fetch is no longer needed.
    fn open_ask_of(&mut self, id: u64, snapshot: Option<bool>) -> Result<Option<(usize, Ask)>> {
        if id == 0 || id > self.fetches.last_id {
            self.detail.set(format_args!("fetch {id} was never handed out"));
            return Err(Error::Arg);
        }
        let found = self
            .peers
            .iter()
            .enumerate()
            .find_map(|(at, peer)| peer.ask.filter(|ask| ask.id == id).map(|ask| (at, ask)));
        let Some((at, ask)) = found.filter(|_| self.role == Role::Leader) else { return Ok(None) };
        if !ask.told {
            self.detail.set(format_args!("fetch {id} was never handed out"));
            return Err(Error::Arg);
        }
        if snapshot.is_some_and(|snapshot| snapshot != ask.snapshot) {
            self.detail
                .set(format_args!("fetch {id} asks for {}", if ask.snapshot { "a snapshot" } else { "entries" }));
            return Err(Error::Arg);
        }
        let moved = self.peers.at(at).is_none_or(|peer| peer.next != ask.first || peer.is_paused());
        if moved {
            self.cancel_ask(at);
            return Ok(None);
        }
        Ok(Some((at, ask)))
    }

    pub fn supply_entries<'a>(
        &mut self,
        id: u64,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
    ) -> Result<Supplied> {
        if id == self.own_log.ask && id != 0 {
            return self.supply_own(entries);
        }
        let Some((at, ask)) = self.open_ask_of(id, Some(false))? else { return Ok(Supplied::Ignored) };
        let (bytes, carried) = self.encode_supply(&ask, entries)?;
        let Some(log_term) = self.log.term_at(ask.first - 1) else {
            // The entry before was compacted meanwhile, so the peer needs a snapshot.
            self.cancel_ask(at);
            self.send_append(at, Empty::Asks);
            return Ok(Supplied::Ignored);
        };
        let blob = self.blobs.put(bytes)?;
        let first_piece = self.outbox.begin_body();
        let place = Place { block: blob, offset: 0, len: carried.bytes as u32 };
        let pushed = self.outbox.push_piece(Piece { source: Source::Blob, place });
        if let Err(error) = pushed.and_then(|()| self.outbox.blobs.try_reserve(1).map_err(|_| Error::NoMem)) {
            self.blobs.free(blob);
            return Err(error);
        }
        self.outbox.blobs.push(blob);
        let mut carried = carried;
        let next = ask.first + carried.count;
        let counted = self.config.max_entries_per_msg > 0;
        let more = next <= self.log.last() && carried.bytes < self.config.max_size_per_msg && !counted;
        if next >= self.log.recent_first() && more {
            let own = self.put_entries(next, self.config.max_size_per_msg, carried.bytes);
            carried.count += own.count;
            carried.bytes += own.bytes;
            carried.payload += own.payload;
        }
        let to = self.peers.at(at).map_or(0, |peer| peer.id);
        let head = Head { log_term, index: ask.first - 1, commit: self.log.commit, ..self.head(MessageKind::App, to) };
        let mut message = OutMessage::new(head);
        message.pieces = (first_piece, self.outbox.begin_body());
        message.body_bytes = carried.bytes as u32;
        message.n_entries = carried.count as u32;
        let sent = self.fill_place(at, &ask, message);
        if sent && let Some(peer) = self.peers.at_mut(at) {
            if peer.flow == Flow::Replicate && peer.window.reserve().is_err() {
                peer.become_probe();
            }
            peer.on_sent(carried.count, carried.payload, head.commit);
        }
        self.go_on(at, ask.drain && sent);
        Ok(Supplied::Taken)
    }

    /// Checks supplied entries against the fetch and the term runs. Encodes as many as fit.
    fn encode_supply<'a>(
        &mut self,
        ask: &Ask,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
    ) -> Result<(Vec<u8>, Carried)> {
        let mut carried = Carried::default();
        for (entry, index) in entries.clone().zip(ask.first..) {
            self.check_supplied(&entry, index)?;
            let len = wire::full_record_len(&entry) as u64;
            let most = self.config.max_entries_per_msg;
            let over = carried.bytes + len > self.config.max_size_per_msg && carried.count > 0
                || most > 0 && carried.count >= u64::from(most);
            // Entries above `last` are in the recent log.
            if over || index > ask.last || carried.bytes + len > u64::from(u32::MAX / 2) {
                break;
            }
            carried.count += 1;
            carried.bytes += len;
            carried.payload += entry.data.len() as u64;
        }
        if carried.count == 0 {
            self.detail.set(format_args!("a supply without an entry: use supply_none"));
            return Err(Error::Arg);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(carried.bytes as usize).map_err(|_| Error::NoMem)?;
        for entry in entries.take(carried.count as usize) {
            wire::put_record(&mut bytes, &entry);
        }
        Ok((bytes, carried))
    }

    /// Whether a supplied entry fits the log at `index`, judged by index and term.
    pub fn check_supplied(&mut self, entry: &EntryRef<'_>, index: Index) -> Result<()> {
        let term = self.log.term_at(index);
        let other = term.is_some_and(|term| term != entry.term);
        if !entry.context.is_empty() && !self.log.contexts {
            self.detail.set(format_args!("supplied entry (index {index}) has a context: raftpb has none"));
            return Err(Error::Arg);
        }
        if entry.index == index && !other && index <= self.log.last() {
            return Ok(());
        }
        self.detail.set(format_args!(
            "supplied entry (index {}, term {}) contradicts the log: index {index}, term {} is wanted",
            entry.index,
            entry.term,
            term.unwrap_or(0)
        ));
        Err(Error::Arg)
    }

    /// Puts the message into its reserved place, or at the end if that place has left with a ready.
    /// Returns whether the message will be sent.
    fn fill_place(&mut self, at: usize, ask: &Ask, message: OutMessage) -> bool {
        if let Some(peer) = self.peers.at_mut(at) {
            peer.ask = None;
        }
        if !ask.told {
            self.fetches.untold -= 1;
        }
        if let Some(holder) = self.place_of(ask) {
            *holder = message;
            self.outbox.idle -= 1;
            return true;
        }
        let before = self.outbox.now.len();
        self.send(message);
        self.outbox.now.len() > before
    }

    fn go_on(&mut self, at: usize, drain: bool) {
        if drain {
            while self.send_append(at, Empty::Stays) {}
        }
    }

    pub fn supply_snapshot(&mut self, id: u64, index: Index, conf: &Configuration, data: &[u8]) -> Result<Supplied> {
        if id == self.own_log.ask && id != 0 {
            self.detail.set(format_args!("fetch {id} asks for entries of this node's own log"));
            return Err(Error::Arg);
        }
        let Some((at, ask)) = self.open_ask_of(id, Some(true))? else { return Ok(Supplied::Ignored) };
        let to = self.peers.at(at).map_or(0, |peer| peer.id);
        // A snapshot below the peer's matched index would set the peer back [L-04].
        let matched = self.peers.at(at).map_or(0, |peer| peer.matched);
        let wanted = self.peers.at(at).map_or(0, |peer| peer.wants_snapshot);
        let (lowest, commit) = (matched.max(self.log.first() - 1).max(wanted), self.log.commit);
        let term = self.log.term_at(index).filter(|_| (lowest..=commit).contains(&index) && index > 0);
        let Some(term) = term else {
            self.detail.set(format_args!("a snapshot at index {index} can't be used: {lowest} to {commit} can"));
            return Err(Error::Arg);
        };
        if conf.voters.is_empty() || (!conf.contains(to) && !self.flag(Flags::SNAPSHOT_ANY_CONF)) {
            self.detail.set(format_args!("the snapshot's configuration ({conf}) lacks its receiver, node {to}"));
            return Err(Error::Arg);
        }
        if data.len() as u64 > self.config.max_snapshot_bytes {
            self.detail.set(format_args!(
                "{} bytes of snapshot data, max_snapshot_bytes is {}: send them beside the core, and supply none",
                data.len(),
                self.config.max_snapshot_bytes
            ));
            return Err(Error::TooLarge);
        }
        let bytes = encode_snapshot(index, term, conf, data)?;
        let len = bytes.len() as u32;
        let blob = self.blobs.put(bytes)?;
        let first_piece = self.outbox.begin_body();
        let place = Place { block: blob, offset: 0, len };
        let pushed = self.outbox.push_piece(Piece { source: Source::Blob, place });
        if let Err(error) = pushed.and_then(|()| self.outbox.blobs.try_reserve(1).map_err(|_| Error::NoMem)) {
            self.blobs.free(blob);
            return Err(error);
        }
        self.outbox.blobs.push(blob);
        let head = self.head(MessageKind::Snap, to);
        let mut message = OutMessage::new(head);
        message.pieces = (first_piece, first_piece + 1);
        message.body_bytes = len;
        if let Some(peer) = self.peers.at_mut(at) {
            peer.become_snapshot(index);
        }
        self.fill_place(at, &ask, message);
        self.event(EventKind::SnapshotSent, Reason::None, to, index, u64::from(len), 0);
        Ok(Supplied::Taken)
    }

    pub fn supply_none(&mut self, id: u64, why: Missing) -> Result<Supplied> {
        if id == self.own_log.ask && id != 0 {
            return self.supply_no_own(why);
        }
        let Some((at, ask)) = self.open_ask_of(id, None)? else { return Ok(Supplied::Ignored) };
        if why == Missing::Later || ask.snapshot {
            self.cancel_ask(at);
            if let Some(peer) = self.peers.at_mut(at) {
                peer.ask_later = true;
            }
            return Ok(Supplied::Taken);
        }
        // From here on the reserved place waits for the snapshot.
        let recent = self.peers.at(at).is_some_and(|peer| peer.recent_active);
        if !recent {
            self.cancel_ask(at);
            return Ok(Supplied::Taken);
        }
        let id = self.fetches.last_id + 1;
        self.fetches.last_id = id;
        self.fetches.untold += 1;
        if let Some(peer) = self.peers.at_mut(at) {
            peer.ask = Some(Ask { id, snapshot: true, told: false, ..ask });
        }
        Ok(Supplied::Taken)
    }
}

/// Encodes the field of a MsgSnap that carries the whole snapshot.
pub(crate) fn encode_snapshot(index: Index, term: u64, conf: &Configuration, data: &[u8]) -> Result<Vec<u8>> {
    let state = as_state(conf);
    let len = wire::snapshot_field_len(index, term, &state, data.len());
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::NoMem)?;
    bytes.resize(len - data.len(), 0);
    wire::write_snapshot_field_head(&mut bytes, index, term, &state, data.len());
    bytes.extend_from_slice(data);
    Ok(bytes)
}
