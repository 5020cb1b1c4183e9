//! The loop of a host: it delivers messages, takes readies, supplies, stores, applies, acknowledges.

use super::*;

impl Group<'_> {
    pub(super) fn settle(&mut self) {
        for _ in 0..60 {
            for at in 0..MEMBERS {
                if self.hosts[at].runs {
                    while self.has_work(at) && self.work(at) {}
                }
            }
            if self.network.is_empty() && self.hosts.iter().all(|host| host.jobs.is_empty()) {
                return;
            }
            while !self.network.is_empty() {
                self.deliver();
            }
        }
    }

    pub(super) fn deliver(&mut self) {
        let Some(m) = self.network.pop_front() else { return };
        let at = m.to as usize - 1;
        let lost = self.cut.is_some_and(|id| id == m.from || id == m.to) || self.chance.one_in(40);
        if lost || at >= MEMBERS || !self.hosts[at].runs {
            return;
        }
        let message = &m.frame[wire::FRAME_HEADER..];
        if wire::parse_message(message).unwrap().snapshot.is_some() || self.chance.one_in(30) {
            self.call(format!("snapshot_split - {}", hex(message)));
        }
        if self.chance.one_in(2) {
            self.on("step", at, format!("{} {}", m.from, hex(message)));
            return;
        }
        // Those that follow from the same peer in one read of the stream; the last one is cut, and comes again with the rest.
        let mut stream = m.frame;
        while self.network.front().is_some_and(|next| (next.from, next.to) == (m.from, m.to)) {
            stream.extend_from_slice(&self.network.pop_front().unwrap().frame);
        }
        if self.chance.one_in(8) {
            self.call(format!("frame_next - {} {}", 1 << 20, hex(&stream)));
        }
        let split = if self.chance.one_in(3) { stream.len() - 1 } else { stream.len() };
        self.on("step_frames", at, format!("{} {}", m.from, hex(&stream[..split])));
        if split < stream.len() {
            let rest = stream[self.replay.taken..].to_vec();
            self.on("step_frames", at, format!("{} {}", m.from, hex(&rest)));
        }
    }

    pub(super) fn has_work(&self, at: usize) -> bool {
        self.kinds(at) & !raftcore::has::EVENTS != 0 || !self.hosts[at].jobs.is_empty()
    }

    pub(super) fn kinds(&self, at: usize) -> u32 {
        self.replay.nodes[at].as_ref().unwrap().has_ready().unwrap()
    }

    /// One batch, or one acknowledgement; false: there is nothing to do.
    pub(super) fn work(&mut self, at: usize) -> bool {
        if self.mode != StorageMode::Messages && self.chance.one_in(12) {
            self.turn(at);
            return true;
        }
        let asks = self.kinds(at) & raftcore::has::FETCH != 0 || self.chance.one_in(8);
        while asks && self.bare("next_fetch", at) == 0 {
            self.supply(at);
        }
        let crowded =
            self.hosts[at].jobs.len() > 2 || (self.mode == StorageMode::Sync && !self.hosts[at].jobs.is_empty());
        if crowded || self.chance.one_in(2) {
            return self.acknowledge(at) || self.take(at);
        }
        self.take(at) || self.acknowledge(at)
    }

    pub(super) fn supply(&mut self, at: usize) {
        let fetch = self.replay.fetch.unwrap();
        let host = &self.hosts[at];
        self.fetches += 1;
        if self.fetches == 1 || self.chance.one_in(8) {
            self.on("supply_none", at, format!("{} 2", fetch.id));
        } else if fetch.kind == FetchKind::Snapshot {
            let (index, conf) = (host.applied, hex(&host.conf));
            let state = format!("state at {index}");
            let conf = if host.conf.is_empty() { FOUNDERS.into() } else { format!("bytes {conf}") };
            // Too large, now and then.
            let data = hex(state.repeat(if self.chance.one_in(6) { 200 } else { 1 }).as_bytes());
            if self.on("supply_snapshot", at, format!("{} {index} {conf} {data}", fetch.id)) < 0 {
                self.on("supply_none", at, format!("{} 2", fetch.id));
            }
        } else {
            let range: Vec<_> = host.log.range(fetch.first..=fetch.last).map(|(i, e)| (*i, e.clone())).collect();
            if range.first().is_some_and(|(index, _)| *index == fetch.first) {
                self.on("supply_entries", at, format!("{} {}", fetch.id, entries(&range)));
            } else {
                self.on("supply_none", at, format!("{} 1", fetch.id));
            }
        }
    }

    pub(super) fn take(&mut self, at: usize) -> bool {
        let flat = self.chance.one_in(2);
        if self.bare(if flat { "ready_flat" } else { "get_ready" }, at) != 0 {
            return false;
        }
        let number = self.replay.number;
        if self.mode == StorageMode::Sync {
            // The same batch, seen both ways.
            self.bare(if flat { "get_ready" } else { "ready_flat" }, at);
        } else if self.chance.one_in(2) {
            self.on(if flat { "view" } else { "view_flat" }, at, number);
        }
        self.store(at, number);
        true
    }

    /// One turn of the loop in one call.
    pub(super) fn turn(&mut self, at: usize) {
        if self.mode == StorageMode::Messages || !self.hosts[at].runs {
            return;
        }
        let ends = self.chance.one_in(2) && self.confirm(at);
        let job = self.hosts[at].jobs.front().filter(|_| ends);
        let done = job.map_or(0, |job| job.number);
        let ticks = self.chance.below(3);
        let comes = self.network.front().is_some_and(|m| m.to == at as u64 + 1 && self.cut.is_none());
        let sent = if comes { self.network.pop_front() } else { None };
        let (from, frame) = sent.map_or((0, vec![]), |sent| (sent.from, sent.frame));
        let call = if self.chance.one_in(2) { "turn" } else { "turn_flat" };
        let code = self.on(call, at, format!("{ticks} {done} 0 0 0 {from} {}", hex(&frame)));
        let number = self.replay.number;
        if done > 0 {
            // An error would be one of the ready: its acknowledgements are in order.
            let job = self.hosts[at].jobs.pop_front().unwrap();
            self.network.extend(job.after);
        }
        if matches!(code, 0 | 3) && self.hosts[at].jobs.iter().all(|job| job.number != number) {
            self.store(at, number);
        }
    }

    /// Confirms committed entries that came without bytes. Returns whether there is a ready to acknowledge.
    pub(super) fn confirm(&mut self, at: usize) -> bool {
        let Some(job) = self.hosts[at].jobs.front_mut() else { return false };
        if std::mem::take(&mut job.apart) && self.mode != StorageMode::Messages {
            let last = job.last;
            self.on("applied", at, last);
        }
        true
    }

    /// What a host does with a ready: writes, keeps messages for later or sends them, applies.
    pub(super) fn store(&mut self, at: usize, number: u64) {
        let ready = self.replay.nodes[at].as_ref().unwrap().view(number).unwrap();
        let host = &mut self.hosts[at];
        if let Some(snapshot) = ready.snapshot() {
            host.log.clear();
            host.before = (snapshot.index, snapshot.term);
            host.applied = snapshot.index;
            host.conf = snapshot.conf.to_vec();
        }
        if let Some(first) = ready.entries().next() {
            host.log.split_off(&first.index);
        }
        for e in ready.entries() {
            host.log.insert(
                e.index,
                Stored { term: e.term, kind: e.kind as u64, data: e.data.to_vec(), context: e.context.to_vec() },
            );
        }
        if let Some(state) = ready.hard_state() {
            (host.term, host.vote, host.commit) = (state.term, state.vote, state.commit);
        }
        let mut job = Job { number, last: 0, apart: false, after: Vec::new(), own: Vec::new(), durable: false };
        for m in ready.messages() {
            let frame: Vec<u8> = m.parts().flatten().copied().collect();
            let sent = Sent { from: m.from(), to: m.to(), frame };
            if !matches!(m.to(), LOCAL_APPEND | LOCAL_APPLY) {
                if m.after() {
                    job.after.push(sent)
                } else {
                    self.network.push_back(sent)
                }
                continue;
            }
            for response in wire::parse_message(&sent.frame[wire::FRAME_HEADER..]).unwrap().responses.iter() {
                let to = wire::parse_message(response).unwrap().head.to;
                if to == at as u64 + 1 {
                    job.own.push(response.to_vec());
                } else {
                    let mut frame = vec![0; wire::FRAME_HEADER];
                    wire::write_frame_header(frame.first_chunk_mut().unwrap(), response.len() as u32, GROUP);
                    frame.extend_from_slice(response);
                    job.after.push(Sent { from: at as u64 + 1, to, frame });
                }
            }
        }
        let span = ready.committed_span();
        job.apart = span.is_some() && ready.committed().len() == 0;
        if let Some((first, last)) = span {
            job.last = last;
            let host = &self.hosts[at];
            let changes: Vec<_> = host.log.range(first..=last).filter(|(_, e)| e.kind != 0).collect();
            let changes: Vec<_> = changes.into_iter().map(|(index, e)| (*index, e.clone())).collect();
            for (index, e) in changes {
                self.apply_change(at, index, &e);
            }
            self.hosts[at].applied = last;
        }
        self.hosts[at].jobs.push_back(job);
    }

    pub(super) fn apply_change(&mut self, at: usize, index: u64, e: &Stored) {
        if e.data.ends_with(SKIPPED) {
            if self.on("skip_conf", at, index) == 0 {
                self.hosts[at].conf = self.replay.conf.clone();
            }
            return;
        }
        let code =
            self.on("apply_conf", at, format!("{} {index} {} {} {}", e.term, e.kind, hex(&e.data), hex(&e.context)));
        if code == 0 {
            self.hosts[at].conf = self.replay.conf.clone();
            return;
        }
        assert!(self.flags.has(Flags::NO_CONF_VALIDATION), "{}", self.replay.out.last().unwrap());
        if self.on("skip_conf", at, index) == 0 {
            self.hosts[at].conf = self.replay.conf.clone();
        }
    }

    pub(super) fn acknowledge(&mut self, at: usize) -> bool {
        self.confirm(at);
        let Some(job) = self.hosts[at].jobs.front_mut() else { return false };
        let number = job.number;
        match self.mode {
            StorageMode::Messages if !job.own.is_empty() => {
                let own = job.own.remove(0);
                self.on("step_local", at, hex(&own));
                return true;
            }
            StorageMode::Messages => _ = self.on("release", at, number),
            StorageMode::Async if !job.durable && self.chance.one_in(3) => _ = self.on("advance", at, number),
            StorageMode::Async if !job.durable => {
                job.durable = true;
                let sent = std::mem::take(&mut job.after);
                self.network.extend(sent);
                self.on("persisted", at, number);
                return true;
            }
            StorageMode::Async => {
                if job.last > 0 {
                    let last = job.last;
                    self.on("applied", at, last);
                }
                self.on("release", at, number);
            }
            StorageMode::Sync => _ = self.on("advance", at, number),
        }
        let job = self.hosts[at].jobs.pop_front().unwrap();
        self.network.extend(job.after);
        true
    }
}
