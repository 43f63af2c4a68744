//! What is drawn from the seed: a run with the same seed has the same faults in the same order.
use std::time::Duration;

/// A splitmix64 generator: even enough for a choice, and the same in every run.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Each `lane` of one seed draws by itself: what one does must not change what the other draws.
    pub(crate) fn new(seed: u64, lane: u64) -> Self {
        let mut dice = Self(seed ^ lane.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.draw();
        dice
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `most`; 0 if that is 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.draw() as usize % most.max(1)
    }

    /// A time between two, in milliseconds.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let range = most.saturating_sub(least).as_millis() as usize;
        least + Duration::from_millis(self.below(range + 1) as u64)
    }

    /// In another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
