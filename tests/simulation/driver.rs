//! A node and the calls of the node. Here a crash can cut in between two calls, the C ABI runs in
//! parallel, and the script is written.

use crate::check::Head;
use crate::disk::Record;
use crate::law::{Called, Halt};
use crate::script::Script;
#[cfg(feature = "capi")]
use crate::twin::Twin;
use raftcore::*;
use std::rc::Rc;

/// A message in flight.
#[derive(Clone, Debug)]
pub struct Packet {
    pub head: Head,
    /// Life of the sender, and of the receiver, when the message left.
    pub life: u64,
    pub to_life: u64,
    pub bytes: Rc<Vec<u8>>,
}

/// A ready, owned.
#[derive(Debug, Default)]
pub struct Batch {
    pub number: u64,
    pub must_sync: bool,
    pub role: Role,
    pub state: HardState,
    pub has_state: bool,
    pub snapshot: Option<(EntryId, Rc<[u8]>, Vec<u8>)>,
    pub first: u64,
    pub entries: Vec<Record>,
    /// The messages. True: the message waits for the disk.
    pub messages: Vec<(bool, Packet)>,
    pub span: Option<(u64, u64)>,
    pub committed: Vec<(Record, u64)>,
    pub reads: Vec<Read>,
    pub dropped: Vec<Dropped>,
    pub done: Vec<Done>,
}

pub struct Driver {
    pub id: u64,
    pub life: u64,
    node: Node,
    #[cfg(feature = "capi")]
    twin: Option<Box<Twin>>,
    /// Calls until the process dies; none: no such death is planned.
    pub fuse: Option<u32>,
    pub calls: u64,
    pub script: Script,
}

/// Converts a node's answer to the code of the C ABI.
#[cfg(feature = "capi")]
trait Coded {
    fn code(&self) -> i32;
}

#[cfg(feature = "capi")]
impl Coded for () {
    fn code(&self) -> i32 {
        ffi::RAFTCORE_OK
    }
}

#[cfg(feature = "capi")]
impl Coded for Supplied {
    fn code(&self) -> i32 {
        if *self == Supplied::Taken { ffi::RAFTCORE_OK } else { ffi::RAFTCORE_IGNORED }
    }
}

#[cfg(feature = "capi")]
fn code_of<T: Coded>(outcome: &Result<T>) -> i32 {
    match outcome {
        Ok(value) => value.code(),
        Err(error) => error.code(),
    }
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])* $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => { $(
        $(#[doc = $doc])*
        pub fn $name(&mut self, $($arg: $type),*) -> Called<$out> {
            let outcome = self.node.$name($($arg),*);
            #[cfg(feature = "capi")]
            if let Some(twin) = &mut self.twin {
                let code = twin.$name($($arg),*);
                twin.agree(stringify!($name), code_of(&outcome), code, &self.node)?;
            }
            if self.script.is_on() {
                let args: &[String] = &[$(format!("{}={:?}", stringify!($arg), $arg)),*];
                match (stringify!($name), args) {
                    ("tick", [one]) if one == "ticks=1" && outcome.is_ok() => self.script.tick(self.id),
                    (name, args) => self.script.call(name, self.id, args, &outcome),
                }
            }
            self.after_call()?;
            Ok(outcome)
        } )* };
}

impl Driver {
    pub fn new(config: &Config, life: u64, beside: bool, script: Script) -> Self {
        let node = Node::new(config).unwrap_or_else(|e| panic!("{e}: {:?}", config.check()));
        #[cfg(not(feature = "capi"))]
        let _ = beside;
        Self {
            id: config.id,
            life,
            node,
            #[cfg(feature = "capi")]
            twin: beside.then(|| Box::new(Twin::new(config))),
            fuse: None,
            calls: 0,
            script,
        }
    }

    calls! {
        boot_state(state: HardState) -> ();
        boot_done(applied: u64) -> ();
        tick(ticks: u32) -> ();
        read_index(token: u64) -> ();
        campaign() -> ();
        transfer(to: u64) -> ();
        abort_transfer() -> ();
        forget_leader() -> ();
        set_electable(electable: bool) -> ();
        set_priority(priority: i32) -> ();
        set_window(peer: u64, max_msgs: u32, max_bytes: u64) -> ();
        set_commit_broadcast(on: bool) -> ();
        request_snapshot() -> ();
        ping() -> ();
        trim() -> ();
        report_unreachable(peer: u64) -> ();
        report_snapshot(peer: u64, report: SnapshotReport) -> ();
        compacted(index: u64) -> ();
        advance(number: u64) -> ();
        persisted(number: u64) -> ();
        applied(index: u64) -> ();
        release(number: u64) -> ();
        supply_none(id: u64, why: Missing) -> Supplied;
    }

    fn after_call(&mut self) -> std::result::Result<(), Halt> {
        self.calls += 1;
        match &mut self.fuse {
            Some(0) => Err(Halt::Crash),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub fn boot_conf(&mut self, conf: &[u8], before: EntryId) -> Called<()> {
        let outcome = self.node.boot_conf_bytes(conf, before);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.boot_conf(conf, before);
            twin.agree("boot_conf", code_of(&outcome), code, &self.node)?;
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn boot_terms(&mut self, runs: &[TermRun], last: u64) -> Called<()> {
        let outcome = self.node.boot_terms(runs, last);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.boot_terms(runs, last);
            twin.agree("boot_terms", code_of(&outcome), code, &self.node)?;
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn boot_entries<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Called<()> {
        let outcome = self.node.boot_entries(entries.clone());
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.boot_entries(entries);
            twin.agree("boot_entries", code_of(&outcome), code, &self.node)?;
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn step(&mut self, peer: u64, bytes: &[u8]) -> Called<()> {
        let outcome = self.node.step(peer, bytes);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.step(peer, bytes);
            twin.agree("step", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            self.script.message("deliver", self.id, bytes, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn step_local(&mut self, bytes: &[u8]) -> Called<()> {
        let outcome = self.node.step_local(bytes);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.step_local(bytes);
            twin.agree("step_local", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            self.script.message("deliver-local", self.id, bytes, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn propose(&mut self, data: &[u8], token: u64) -> Called<()> {
        let outcome = self.node.propose(data, token);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.propose(data, token);
            twin.agree("propose", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            let args = [format!("token={token}"), format!("bytes={}", data.len())];
            self.script.call("propose", self.id, &args, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn propose_conf(&mut self, changes: &[Change], how: ChangeEncoding, context: &[u8], token: u64) -> Called<()> {
        let outcome = self.node.propose_conf(changes, how, context, token);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.propose_conf(changes, how, context, token);
            twin.agree("propose_conf", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            let args = [format!("{how:?}"), format!("{changes:?}"), format!("token={token}")];
            self.script.call("propose_conf", self.id, &args, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    /// Puts a change in force. Returns the configuration to be stored.
    pub fn apply_conf(&mut self, entry: EntryRef<'_>) -> Called<Rc<[u8]>> {
        let outcome = self.node.apply_conf(entry).map(|conf| Rc::from(conf.bytes));
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let theirs = twin.apply_conf(entry);
            let same = theirs == outcome.as_deref().map_err(|error| error.code()).map(<[u8]>::to_vec);
            twin.hold("apply_conf", same)?;
        }
        if self.script.is_on() {
            self.script.conf(self.id, entry.index, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    /// Skips a change. Returns the configuration to be stored.
    pub fn skip_conf(&mut self, index: u64) -> Called<Rc<[u8]>> {
        let outcome = self.node.skip_conf(index).map(|conf| Rc::from(conf.bytes));
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let theirs = twin.skip_conf(index);
            let same = theirs == outcome.as_deref().map_err(|error| error.code()).map(<[u8]>::to_vec);
            twin.hold("skip_conf", same)?;
        }
        if self.script.is_on() {
            self.script.conf(self.id, index, &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn next_fetch(&mut self) -> Called<Option<Fetch>> {
        let outcome = self.node.next_fetch();
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let theirs = twin.next_fetch();
            twin.hold("next_fetch", theirs == outcome.map_err(|error| error.code()))?;
        }
        if let (true, Ok(Some(fetch))) = (self.script.is_on(), &outcome) {
            self.script.say(&format!("next-fetch {}", self.id), &format!("{fetch:?}"));
        }
        Ok(outcome)
    }

    pub fn supply_entries<'a>(
        &mut self,
        id: u64,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
    ) -> Called<Supplied> {
        let outcome = self.node.supply_entries(id, entries.clone());
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.supply_entries(id, entries.clone());
            twin.agree("supply_entries", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            self.script.call(
                "supply_entries",
                self.id,
                &[format!("fetch={id}"), format!("n={}", entries.count())],
                &outcome,
            );
        }
        self.after_call()?;
        Ok(outcome)
    }

    pub fn supply_snapshot(&mut self, id: u64, index: u64, conf: &[u8], data: &[u8]) -> Called<Supplied> {
        let outcome = self.node.supply_snapshot_bytes(id, index, conf, data);
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let code = twin.supply_snapshot(id, index, conf, data);
            twin.agree("supply_snapshot", code_of(&outcome), code, &self.node)?;
        }
        if self.script.is_on() {
            self.script.call("supply_snapshot", self.id, &[format!("fetch={id}"), format!("index={index}")], &outcome);
        }
        self.after_call()?;
        Ok(outcome)
    }

    /// Takes the next ready, copied out of the node's buffers.
    pub fn ready(&mut self) -> Called<Option<Batch>> {
        let (id, life) = (self.id, self.life);
        let outcome = self.node.ready().map(|ready| ready.map(|ready| copy(&ready, id, life)));
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            let number = outcome.as_ref().map(|batch| batch.as_ref().map(|batch| batch.number));
            twin.ready(&self.node, number.map_err(|error| error.code()))?;
        }
        if let (true, Ok(Some(batch))) = (self.script.is_on(), &outcome) {
            self.script.batch(self.id, batch);
        }
        if !matches!(outcome, Ok(None)) {
            self.after_call()?;
        }
        Ok(outcome)
    }

    // ---- looking inside

    /// Whether there is a ready or a fetch to take.
    pub fn has_work(&self) -> bool {
        self.node.has_ready().is_ok_and(|kinds| kinds & (has::READY | has::FETCH) != 0)
    }

    pub fn status(&self) -> Status {
        self.node.status()
    }

    pub fn is_sound(&self) -> bool {
        !self.node.is_poisoned()
    }

    pub fn detail(&self) -> &str {
        self.node.error_detail()
    }

    pub fn runs(&self) -> Vec<TermRun> {
        self.node.term_runs().to_vec()
    }

    pub fn peers(&self) -> impl ExactSizeIterator<Item = PeerStatus> + '_ {
        self.node.peers()
    }

    pub fn digest(&self) -> u64 {
        self.node.digest(true)
    }

    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.node.next_event();
        #[cfg(feature = "capi")]
        if let Some(twin) = &mut self.twin {
            twin.next_event(event.as_ref());
        }
        if let (true, Some(event)) = (self.script.is_on(), &event) {
            self.script.event(self.id, event);
        }
        event
    }
}

fn copy(ready: &Ready<'_>, id: u64, life: u64) -> Batch {
    let mut batch = Batch {
        number: ready.number(),
        must_sync: ready.must_sync(),
        role: ready.role(),
        state: ready.state(),
        has_state: ready.hard_state().is_some(),
        snapshot: ready.snapshot().map(|s| (EntryId { term: s.term, index: s.index }, s.conf.into(), s.data.to_vec())),
        span: ready.committed_span(),
        ..Batch::default()
    };
    let entries = ready.entries();
    if entries.len() > 0 {
        batch.first = entries.clone().next().map_or(0, |entry| entry.index);
        batch.entries.extend(entries.map(|entry| Record::of(&entry)));
    }
    batch.committed.extend(ready.committed().map(|entry| (Record::of(&entry), entry.token)));
    batch.reads.extend_from_slice(ready.reads());
    batch.dropped.extend_from_slice(ready.dropped());
    batch.done.extend_from_slice(ready.done());
    for m in ready.messages() {
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        let head = Head {
            kind: m.kind(),
            from: id,
            to: m.to(),
            term: m.term(),
            log_term: m.log_term(),
            index: m.index(),
            reject: m.reject(),
        };
        batch.messages.push((m.after(), Packet { head, life, to_life: 0, bytes: Rc::new(bytes) }));
    }
    batch
}
