//! Errors: a table of codes, variants and texts.
//!
//! An `Error` is for the caller: the call did nothing, and the text advises the caller. The numbers
//! are the codes of the C ABI. `Detail` holds the numbers of the single case.

#[cfg(test)]
mod tests;

use core::fmt;

macro_rules! errors {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why a call was refused. The node is unchanged, but for [`Error::Panic`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Error { $($(#[doc = $doc])* $name = $code,)* }

        impl Error {
            /// Every error, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The C ABI's code: negative.
            pub const fn code(self) -> i32 {
                self as i32
            }

            /// The cause in a few words; the node's detail text has the numbers.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

errors! {
    /// A required pointer was NULL (C only).
    Null = -1, "a required pointer is NULL";
    /// Not a live node (C only).
    Handle = -2, "not a live node: freed, or never created";
    /// Another thread uses the node (C only).
    Busy = -3, "the node is in use by another thread";
    /// A bug was caught; the node is poisoned now.
    Panic = -4, "a bug in the core was caught: the node is poisoned, free it and boot again from disk";
    /// An earlier fault poisoned the node. You can still look inside, and free the node.
    Poisoned = -5, "the node is poisoned by an earlier fault: free it and boot again from disk";
    /// The library does not know `abi_version` or `struct_size` (C only).
    Abi = -6, "abi_version or struct_size is not one this library knows";
    /// An argument is out of range, or a number or index was never handed out.
    Arg = -7, "an argument is out of range";
    /// The call is out of order.
    State = -8, "the call is not allowed in this state";
    /// Acknowledged before: harmless.
    Stale = -9, "acknowledged before: nothing to do";
    /// An allocation failed; the node is unchanged.
    NoMem = -10, "out of memory: the node is unchanged";
    /// A configured capacity is reached: retry after the next advance.
    Full = -11, "a configured capacity is reached: retry after the next advance";
    /// The caller's buffer is too small; the needed size was told.
    TooSmall = -12, "the buffer is too small: the needed size was stored";
    /// The bytes are no message, entry or membership.
    Decode = -13, "malformed bytes";
    /// No leader is known, or leadership is being transferred.
    NoLeader = -14, "no leader is known, or leadership is being transferred: retry later";
    /// A response from an unknown node, or an unknown peer.
    NoPeer = -15, "no such peer: not a member of the group";
    /// A membership change is in flight.
    ConfBusy = -16, "a membership change is in flight: retry once the change is applied";
    /// The change is invalid here.
    Conf = -17, "the membership change is invalid here";
    /// Boot data contradict each other.
    Corrupt = -18, "the stored state contradicts itself";
    /// This library or this configuration does not support the call.
    Unsupported = -19, "not supported by this library or this storage mode";
    /// A message to another id or group, from the node itself, or of a local type.
    NotForMe = -20, "the message is not for this node, or not from the authenticated peer";
    /// A message contradicts committed entries of this node.
    Implausible = -21, "the message contradicts what is committed here: refused";
    /// An entry or snapshot data above a configured limit. Send large snapshot data over your own
    /// channel, and supply the snapshot without data.
    TooLarge = -22, "too large: a configured limit is passed";
    /// Another node leads: [`Status::leader`](crate::Status::leader) names the leader.
    NotLeader = -23, "this node is not the leader: propose at the leader";
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}

/// The result of a call.
pub type Result<T> = core::result::Result<T, Error>;

/// The numbers behind the last refusal, in a fixed store: an error path allocates nothing.
#[derive(Clone, Copy)]
pub(crate) struct Detail {
    text: [u8; 255],
    len: u8,
}

impl Detail {
    pub const fn new() -> Self {
        Self { text: [0; 255], len: 0 }
    }

    pub fn set(&mut self, text: fmt::Arguments<'_>) {
        self.len = 0;
        // A text cut short is better than no text.
        let _ = fmt::write(self, text);
    }

    /// Forgets the text of an earlier call.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or(&[]);
        core::str::from_utf8(text).unwrap_or("")
    }
}

impl fmt::Write for Detail {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let at = usize::from(self.len);
        let mut fits = part.len().min(self.text.len() - at);
        while !part.is_char_boundary(fits) {
            fits -= 1;
        }
        let (Some(room), Some(text)) = (self.text.get_mut(at..at + fits), part.as_bytes().get(..fits)) else {
            return Err(fmt::Error);
        };
        room.copy_from_slice(text);
        self.len += fits as u8;
        if fits < part.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
