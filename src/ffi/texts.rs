//! The texts of codes, events and reasons as C strings: the core's own, each with a NUL behind it, copied once into static memory.

use std::sync::OnceLock;

use libc::c_char;

use super::constants::*;
use super::types::*;
use crate::{Error, EventKind, Reason};

const BYTES: usize = 12 << 10;
const TEXTS: usize = 256;

struct Texts {
    bytes: [u8; BYTES],
    used: usize,
    /// Where each begins: codes, events, reasons, by their numbers.
    codes: [u16; TEXTS],
    events: [u16; TEXTS],
    reasons: [u16; TEXTS],
}

impl Texts {
    fn all() -> &'static Self {
        static ALL: OnceLock<Texts> = OnceLock::new();
        ALL.get_or_init(Self::copied)
    }

    fn copied() -> Self {
        // The first byte is the NUL of an empty text.
        let mut all = Self { bytes: [0; BYTES], used: 1, codes: [0; TEXTS], events: [0; TEXTS], reasons: [0; TEXTS] };
        for &error in Error::ALL {
            let at = all.add(error.text());
            set(&mut all.codes, error.code().unsigned_abs(), at);
        }
        for &kind in EventKind::ALL {
            let at = all.add(kind.text());
            set(&mut all.events, kind as u32, at);
        }
        for &reason in Reason::ALL {
            let at = all.add(reason.text());
            set(&mut all.reasons, reason as u32, at);
        }
        all
    }

    /// Copies a text and its NUL; an empty one, or one for which there is no room, is the empty text.
    fn add(&mut self, text: &str) -> u16 {
        let at = self.used;
        let end = at + text.len();
        match (self.bytes.get_mut(at..end), u16::try_from(at)) {
            (Some(room), Ok(place)) if !text.is_empty() && end < BYTES => {
                room.copy_from_slice(text.as_bytes());
                self.used = end + 1;
                place
            }
            _ => 0,
        }
    }

    fn at(&'static self, place: u16) -> *const c_char {
        self.bytes.get(usize::from(place)..).map_or(c"".as_ptr(), |text| text.as_ptr().cast())
    }
}

fn set(table: &mut [u16; TEXTS], number: u32, at: u16) {
    if let Some(entry) = table.get_mut(number as usize) {
        *entry = at;
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
        _ => {
            let all = Texts::all();
            let place = if code < 0 { find(&all.codes, code.unsigned_abs()) } else { 0 };
            if place == 0 { c"a code of another version of this library".as_ptr() } else { all.at(place) }
        }
    }
}

pub(super) fn event(kind: u32) -> *const c_char {
    let all = Texts::all();
    all.at(find(&all.events, kind))
}

pub(super) fn reason(reason: u32) -> *const c_char {
    let all = Texts::all();
    all.at(find(&all.reasons, reason))
}
