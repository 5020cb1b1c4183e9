//! The floor of W1: the work of any core with a wire of protocol buffers, without Raft. Usage:
//! `floor ROUNDS BATCH SIZE [REPS]`.
//!
//! A round: the leader writes each entry into its log, header and payload, with one copy. For each
//! follower the leader writes a head of ten numbers, sent with a view of the log. A follower reads
//! head and entries and checks every bound, term and index. Then the follower copies the run of
//! entries into its log at once, and writes an acknowledgement. The leader reads both
//! acknowledgements, takes the median of the three ends as the commit index, and notifies the
//! followers, who read the message. All three nodes walk the committed entries, for index and
//! length.
//!
//! Left out: elections, a change of term, a slow follower, storage, the acknowledgements of the
//! commit messages.

use bench_kit::{Args, Proposals, Workload};
use std::hint::black_box;

// ---- numbers on the wire

/// Writes a varint. SAFETY: ten bytes at `to` are writable.
#[inline(always)]
unsafe fn write_number(mut to: *mut u8, mut number: u64) -> *mut u8 {
    // SAFETY: a varint has ten bytes at most.
    unsafe {
        while number > 0x7f {
            to.write(number as u8 | 0x80);
            to = to.add(1);
            number >>= 7;
        }
        to.write(number as u8);
        to.add(1)
    }
}

/// Returns the bytes of an encoded `number`.
#[inline(always)]
fn number_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

/// Reads a varint of up to four bytes and advances; none if the varint is longer. SAFETY: four
/// bytes at `at` are readable.
#[inline(always)]
unsafe fn read_short(at: &mut *const u8) -> Option<u64> {
    // SAFETY: as above, and no more than four bytes are passed.
    let word = unsafe { at.cast::<u32>().read_unaligned() };
    let low = |bytes: u32| {
        let mut number = word & 0x7f;
        for byte in 1..bytes {
            number |= (word >> byte) & (0x7f << (7 * byte));
        }
        u64::from(number)
    };
    let (number, bytes) = match () {
        () if word & 0x80 == 0 => (low(1), 1),
        () if word & 0x8000 == 0 => (low(2), 2),
        () if word & 0x80_0000 == 0 => (low(3), 3),
        () if word & 0x8000_0000 == 0 => (low(4), 4),
        () => return None,
    };
    // SAFETY: see above.
    *at = unsafe { at.add(bytes) };
    Some(number)
}

/// Reads a varint of any length at `at` of `bytes` and advances.
#[inline(always)]
fn read_any(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut byte = *bytes.get(*at)?;
    *at += 1;
    let mut number = u64::from(byte & 0x7f);
    let mut shift = 7;
    while byte >= 0x80 {
        if shift > 63 {
            return None;
        }
        byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    Some(number)
}

// ---- heads

/// Numbers of a message: kind, to, from, term, log_term, index, commit, reject, hint, vote.
type Head = [u64; 10];

const TAGS: [u8; 10] = [0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x40, 0x50, 0x58, 0x68];
const APPEND: u64 = 3;
const APPENDED: u64 = 4;
const TERM: u64 = 2;

#[derive(Clone, Copy)]
struct Message {
    bytes: [u8; 128],
    len: usize,
}

#[inline(always)]
fn write_head(head: &Head, message: &mut Message) {
    let start = message.bytes.as_mut_ptr();
    let mut to = start;
    for (tag, number) in TAGS.into_iter().zip(*head) {
        // SAFETY: ten fields of at most eleven bytes are less than 128.
        unsafe {
            to.write(tag);
            to = if number < 0x80 {
                to.add(1).write(number as u8);
                to.add(2)
            } else {
                write_number(to.add(1), number)
            };
        }
    }
    message.len = to as usize - start as usize;
}

/// Reads a head with all fields, in order. `read_head_any` reads any other head.
#[inline]
fn read_head(bytes: &[u8]) -> Option<Head> {
    let mut head = Head::default();
    let mut at = 0;
    let mut short = false;
    // Kind, to, from and term are mostly a byte each, so one comparison checks all four.
    if let Some(first) = bytes.first_chunk::<8>() {
        let word = u64::from_le_bytes(*first);
        if word & 0x80ff_80ff_80ff_80ff == 0x0020_0018_0010_0008 {
            for (field, number) in head.iter_mut().take(4).enumerate() {
                *number = word >> (16 * field + 8) & 0x7f;
            }
            (at, short) = (8, true);
        }
    }
    macro_rules! field {
        ($field:literal) => {
            let (Some(&tag), Some(&byte)) = (bytes.get(at), bytes.get(at + 1)) else { return read_head_any(bytes) };
            if tag != TAGS[$field] {
                return read_head_any(bytes);
            }
            at += 1;
            head[$field] = if byte < 0x80 {
                at += 1;
                u64::from(byte)
            } else {
                read_any(bytes, &mut at)?
            };
        };
    }
    if !short {
        field!(0);
        field!(1);
        field!(2);
        field!(3);
    }
    field!(4);
    field!(5);
    field!(6);
    field!(7);
    field!(8);
    field!(9);
    if at == bytes.len() { Some(head) } else { read_head_any(bytes) }
}

#[cold]
#[inline(never)]
fn read_head_any(bytes: &[u8]) -> Option<Head> {
    let mut head = Head::default();
    let mut at = 0;
    while at < bytes.len() {
        let field = TAGS.iter().position(|tag| *tag == bytes[at])?;
        at += 1;
        head[field] = read_any(bytes, &mut at)?;
    }
    Some(head)
}

// ---- entries

/// Most bytes of an entry's headers: five tags and four numbers.
const HEADER: usize = 48;

#[derive(Clone, Copy)]
struct Entry {
    term: u64,
    index: u64,
    data: u64,
}

/// Writes an entry, canonical like raftcore's. SAFETY: HEADER bytes and the payload's at `to` are
/// writable.
#[inline(always)]
unsafe fn write_entry(to: *mut u8, index: u64, payload: &[u8]) -> *mut u8 {
    let data = payload.len();
    let body = 3 + number_len(TERM) + number_len(index) + number_len(data as u64) + data;
    // SAFETY: as above.
    unsafe {
        to.write(0x3a);
        let to = write_number(to.add(1), body as u64);
        to.write(0x10);
        let to = write_number(to.add(1), TERM);
        to.write(0x18);
        let to = write_number(to.add(1), index);
        to.write(0x22);
        let to = write_number(to.add(1), data as u64);
        to.copy_from_nonoverlapping(payload.as_ptr(), data);
        to.add(data)
    }
}

/// Reads the entry at `at` and advances. `read_entry_any` reads entries in any other form than
/// `write_entry`'s.
#[inline(always)]
fn read_entry(bytes: &[u8], at: &mut usize) -> Option<Entry> {
    if bytes.len() - *at < 20 {
        return read_entry_any(bytes, at);
    }
    // SAFETY: four tags and four numbers of at most four bytes: 20 are read at most.
    unsafe {
        let start = bytes.as_ptr().add(*at);
        let mut here = start;
        macro_rules! field {
            ($tag:literal) => {{
                let number = if here.read() == $tag {
                    here = here.add(1);
                    read_short(&mut here)
                } else {
                    None
                };
                let Some(number) = number else { return read_entry_any(bytes, at) };
                number
            }};
        }
        let body = field!(0x3a);
        let inside = here;
        let (term, index, data) = (field!(0x10), field!(0x18), field!(0x22));
        if here.offset_from_unsigned(inside) as u64 + data != body {
            return read_entry_any(bytes, at);
        }
        let end = *at + here.offset_from_unsigned(start) + data as usize;
        if end > bytes.len() {
            return None;
        }
        *at = end;
        Some(Entry { term, index, data })
    }
}

#[cold]
#[inline(never)]
fn read_entry_any(bytes: &[u8], at: &mut usize) -> Option<Entry> {
    if *bytes.get(*at)? != 0x3a {
        return None;
    }
    *at += 1;
    let body = read_any(bytes, at)? as usize;
    let end = at.checked_add(body).filter(|end| *end <= bytes.len())?;
    let mut entry = Entry { term: 0, index: 0, data: 0 };
    while *at < end {
        let tag = bytes[*at];
        *at += 1;
        let number = read_any(bytes, at)?;
        match tag {
            0x10 => entry.term = number,
            0x18 => entry.index = number,
            0x22 => {
                entry.data = number;
                *at = at.checked_add(number as usize)?;
            }
            _ => return None,
        }
    }
    (*at == end).then_some(entry)
}

// ---- nodes

/// Entries back to back. An entry that would pass the end of the buffer goes to the beginning.
struct Log {
    bytes: Vec<u8>,
    end: usize,
    /// End of the entries before the last wrap.
    turn: usize,
    /// End of the applied entries.
    read: usize,
    applied: u64,
}

impl Log {
    fn new(bytes: usize) -> Self {
        // Not zeros, so that the pages are resident.
        Self { bytes: vec![1; bytes], end: 0, turn: usize::MAX, read: 0, applied: 0 }
    }

    /// Returns the place for `len` bytes.
    #[inline]
    fn room(&mut self, len: usize) -> usize {
        if self.end + len > self.bytes.len() {
            (self.turn, self.end) = (self.end, 0);
        }
        self.end
    }

    /// Walks the committed entries. Returns a sum, so that the compiler keeps the walk.
    #[inline]
    fn apply(&mut self, commit: u64) -> u64 {
        let mut sum = 0;
        while self.applied < commit {
            if self.read == self.turn {
                (self.read, self.turn) = (0, usize::MAX);
            }
            let entry = read_entry(&self.bytes, &mut self.read).expect("an entry");
            self.applied = entry.index;
            sum += entry.index ^ entry.data;
        }
        sum
    }
}

struct Group {
    leader: Log,
    followers: [Log; 2],
    last: u64,
    commit: u64,
    proposals: Proposals,
    /// Most bytes of a round.
    room: usize,
    sum: u64,
}

impl Group {
    fn new(args: Args) -> Self {
        let round = args.batch * (args.size + args.size / 2 + HEADER);
        let room = (args.keep() as usize + 1) * round;
        Self {
            leader: Log::new(room),
            followers: [Log::new(room), Log::new(room)],
            last: 0,
            commit: 0,
            proposals: Proposals::new(args),
            room: round,
            sum: 0,
        }
    }

    /// Writes the leader's entries of a round. Returns their place.
    #[inline]
    fn propose(&mut self) -> (usize, usize) {
        let start = self.leader.room(self.room);
        let mut to = self.leader.bytes[start..].as_mut_ptr();
        for (payload, _) in self.proposals.round() {
            self.last += 1;
            // SAFETY: `room` is for so many entries.
            to = unsafe { write_entry(to, self.last, payload) };
        }
        self.leader.end = to as usize - self.leader.bytes.as_ptr() as usize;
        (start, self.leader.end)
    }

    fn round(&mut self) {
        let mut message = Message { bytes: [0; 128], len: 0 };
        let before = self.last;
        let (start, end) = self.propose();
        let mut ends = [self.last, 0, 0];
        for (log, id) in self.followers.iter_mut().zip(2..) {
            write_head(&[APPEND, id, 1, TERM, TERM, before, self.commit, 0, 0, 0], black_box(&mut message));
            follow(log, black_box(&mut message), &self.leader.bytes[start..end]);
            let [kind, _, from, term, _, index, _, reject, ..] =
                read_head(&message.bytes[..message.len]).expect("a head");
            assert!(kind == APPENDED && term == TERM && reject == 0);
            ends[from as usize - 1] = index;
        }

        let [a, b, c] = ends;
        self.commit = a.min(b).max(a.max(b).min(c));
        for id in 2..4 {
            write_head(&[APPEND, id, 1, TERM, TERM, self.last, self.commit, 0, 0, 0], black_box(&mut message));
            let head = read_head(&message.bytes[..message.len]).expect("a head");
            assert!(head[6] <= self.last);
        }

        self.sum = self.sum.wrapping_add(self.leader.apply(self.commit));
        for log in &mut self.followers {
            self.sum = self.sum.wrapping_add(log.apply(self.commit));
        }
    }
}

/// Does a follower's part of an append. The answer replaces the message.
#[inline]
fn follow(log: &mut Log, message: &mut Message, entries: &[u8]) {
    let [_, to, from, term, _, before, commit, ..] = read_head(&message.bytes[..message.len]).expect("a head");
    let (mut at, mut last) = (0, before);
    while at < entries.len() {
        let entry = read_entry(entries, &mut at).expect("an entry");
        assert!(entry.index == last + 1 && entry.term == term, "a gap in the log");
        last = entry.index;
    }
    let start = log.room(entries.len() + 1);
    log.bytes[start..start + entries.len()].copy_from_slice(entries);
    log.end = start + entries.len();
    write_head(&[APPENDED, from, to, term, 0, last, commit, 0, 0, 0], black_box(message));
}

impl Workload for Group {
    // A follower reads the entries from the leader's memory.
    const NETWORK: bool = false;

    fn run(&mut self, rounds: u64, _twice: bool) {
        for _ in 0..rounds {
            self.round();
        }
        black_box(self.sum);
    }

    fn applied(&self) -> [u64; 3] {
        [self.leader.applied, self.followers[0].applied, self.followers[1].applied]
    }
}

fn main() {
    let args = Args::from_command_line();
    bench_kit::measure("floor", args, &mut Group::new(args));
}
