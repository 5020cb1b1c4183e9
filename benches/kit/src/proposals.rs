//! The proposals of a host: mixed lengths, or equal lengths (`ALIKE=1` in the environment). Every
//! host program of W1 proposes equal lengths in an equal order.

use crate::Args;

/// Lengths before they repeat.
pub(crate) const CYCLE: usize = 1024;

/// Returns `CYCLE` lengths, then the first `batch` again, so that each round is a slice. Lengths go
/// from half of `size` to one and a half times `size`, with `size` as the mean.
fn lengths(args: Args, alike: bool) -> Vec<usize> {
    let span = args.size / 2 + 1;
    let mut state = 1_u32;
    let mut all = Vec::with_capacity(CYCLE + args.batch);
    while all.len() < CYCLE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let apart = if alike { 0 } else { (state >> 16) as usize % span };
        all.extend([args.size - apart, args.size + apart]);
    }
    for at in 0..args.batch {
        all.push(all[at]);
    }
    all
}

/// Rounds of proposals, without an end.
pub struct Proposals {
    payload: Vec<u8>,
    lengths: Vec<usize>,
    /// Token of each entry; zeros: no tokens.
    tokens: Vec<u64>,
    at: usize,
    batch: usize,
    alike: bool,
}

impl Proposals {
    pub fn new(args: Args) -> Self {
        let alike = std::env::var("ALIKE").is_ok_and(|given| given == "1");
        let lengths = lengths(args, alike);
        let tokens = (1..=lengths.len() as u64).map(|token| if alike { 0 } else { token }).collect();
        Self { payload: vec![7; args.size + args.size / 2], lengths, tokens, at: 0, batch: args.batch, alike }
    }

    /// Whether all entries have equal lengths and no proposal has a token: the second table of W1.
    pub fn are_alike(&self) -> bool {
        self.alike
    }

    /// Returns payload and token of each entry of the next round.
    #[inline]
    pub fn round(&mut self) -> impl ExactSizeIterator<Item = (&[u8], u64)> + Clone {
        let start = self.at;
        self.at = (start + self.batch) % CYCLE;
        let payload = self.payload.as_slice();
        let end = start + self.batch;
        self.lengths[start..end]
            .iter()
            .zip(&self.tokens[start..end])
            .map(move |(len, token)| (&payload[..*len], *token))
    }
}
