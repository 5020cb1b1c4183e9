//! The texts of codes, events and reasons as C strings: the core's own texts, each with a NUL,
//! copied into static memory at compile time.

use libc::c_char;

use super::constants::*;
use super::types::*;
use crate::{Error, EventKind, Reason};

const BYTES: usize = 12 << 10;
const TEXTS: usize = 256;

struct Texts {
    bytes: [u8; BYTES],
    used: usize,
    /// The beginning of each text: codes, events, reasons, by their numbers.
    codes: [u16; TEXTS],
    events: [u16; TEXTS],
    reasons: [u16; TEXTS],
}

/// Copied while compiling: a table that is made at the first call would have to be waited for, in a forked child perhaps for ever.
static ALL: Texts = Texts::copied();

impl Texts {
    const fn copied() -> Self {
        // The first byte is the NUL of an empty text.
        let mut all = Self { bytes: [0; BYTES], used: 1, codes: [0; TEXTS], events: [0; TEXTS], reasons: [0; TEXTS] };
        let mut i = 0;
        while i < Error::ALL.len() {
            all.codes[Error::ALL[i].code().unsigned_abs() as usize] = all.used as u16;
            all.add(Error::ALL[i].text());
            i += 1;
        }
        i = 0;
        while i < EventKind::ALL.len() {
            all.events[EventKind::ALL[i] as usize] = all.used as u16;
            all.add(EventKind::ALL[i].text());
            i += 1;
        }
        i = 0;
        while i < Reason::ALL.len() {
            all.reasons[Reason::ALL[i] as usize] = all.used as u16;
            all.add(Reason::ALL[i].text());
            i += 1;
        }
        all
    }

    /// Copies a text and a NUL. A text without room does not compile.
    const fn add(&mut self, text: &str) {
        let (bytes, mut i) = (text.as_bytes(), 0);
        while i < bytes.len() {
            self.bytes[self.used] = bytes[i];
            (self.used, i) = (self.used + 1, i + 1);
        }
        self.used += 1;
    }

    fn at(&'static self, place: u16) -> *const c_char {
        self.bytes.get(usize::from(place)..).map_or(c"".as_ptr(), |text| text.as_ptr().cast())
    }
}

fn find(table: &[u16; TEXTS], number: u32) -> u16 {
    table.get(number as usize).copied().unwrap_or(0)
}

pub(super) fn code(code: raftcore_code) -> *const c_char {
    match code {
        RAFTCORE_OK => c"done".as_ptr(),
        RAFTCORE_NONE => c"nothing there".as_ptr(),
        RAFTCORE_IGNORED => c"no longer wanted: nothing was done".as_ptr(),
        RAFTCORE_LAST => c"a ready, and nothing can follow it".as_ptr(),
        RAFTCORE_FETCH_FIRST => c"a fetch waits to be answered first".as_ptr(),
        _ => {
            let all = &ALL;
            let place = if code < 0 { find(&all.codes, code.unsigned_abs()) } else { 0 };
            if place == 0 { c"a code of another version of this library".as_ptr() } else { all.at(place) }
        }
    }
}

pub(super) fn event(kind: u32) -> *const c_char {
    let all = &ALL;
    all.at(find(&all.events, kind))
}

pub(super) fn reason(reason: u32) -> *const c_char {
    let all = &ALL;
    all.at(find(&all.reasons, reason))
}
