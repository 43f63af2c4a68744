//! The keys of the table `health` of a pool.
use super::key::{HOUR, ValueType, duration};
use super::keys;
use std::time::Duration;

keys! {
    /// `[[pool]] health`: how a member is found to be down before a request goes there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Health {
        options_every: Duration = default(Duration::from_secs(10)), duration(100, HOUR), reload,
            "Between two OPTIONS to a member.";
        timeout: Duration = default(Duration::from_secs(2)), duration(100, HOUR), reload,
            "How long a member may take to answer, a connect included.";
        down_after: u8 = default(2), ValueType::Integer(1, 100), reload,
            "Unanswered OPTIONS in a row that take it down; as many requests without any answer do so too. 503 counts as \
             unanswered, every other answer as alive.";
        up_after: u8 = default(2), ValueType::Integer(1, 100), reload,
            "Answered OPTIONS in a row that bring it back.";
        fail_back: Duration = default(Duration::from_secs(30)), duration(0, HOUR), reload,
            "How long a member that came back comes after those that stayed.";
    }
}

/// What `check` prints, so that an operator sees what the numbers mean for a call.
impl Health {
    /// The longest time from a member's death to its being passed over: it died right after it had answered a ping, and
    /// every ping after that waits for its whole timeout.
    pub fn detection(&self) -> Duration {
        let further = u32::from(self.down_after.saturating_sub(1));
        self.options_every + self.options_every.max(self.timeout) * further + self.timeout
    }

    /// The longest time from a member's revival to the end of its probation.
    pub fn recovery(&self) -> Duration {
        self.options_every * u32::from(self.up_after) + self.timeout + self.fail_back
    }
}
