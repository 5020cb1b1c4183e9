//! Random numbers for the simulator, all from a single seed.
//!
//! Every concern draws from a separate stream. A run without a kind of fault thus stays close to
//! the run with the fault. Shrinking relies on this.

#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn stream(seed: u64, number: u64) -> Self {
        let mixed = (seed ^ number.rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
        let mut rng = Self(if mixed == 0 { 1 } else { mixed });
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { (self.next() >> 11) % bound }
    }

    /// From `low` to `high`, inclusive.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// True in `mille` of 1000 cases.
    pub fn rarely(&mut self, mille: u64) -> bool {
        self.below(1000) < mille
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len() as u64) as usize).copied()
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}
