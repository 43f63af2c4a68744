//! The kernel's scheduling policy of a shard's thread (sched(7)).
use crate::topology::Scheduling;
use preempt_rt::sched::{
    Pid, PreemptRtError, Scheduler, SchedulerParams, get_scheduler, set_scheduler,
};
use std::io;

/// Gives the calling thread the policy that the topology asks for.
///
/// Under SCHED_BATCH a thread that wakes does not interrupt the one that runs. The program that has sent us a message is
/// about to send more or to sleep: left alone it does so at once, and the messages are then read, carried and written
/// together. Interrupted after each, it and the shard would take turns at every single one. What an operator has chosen
/// for the whole process goes before.
///
/// # Errors
/// The system refuses, such as by a filter of system calls; the policy is then what it was.
pub(super) fn apply(wanted: Scheduling) -> io::Result<()> {
    if wanted == Scheduling::Inherit
        || get_scheduler(Pid::current_thread()).map_err(plain)? != Scheduler::SCHED_NORMAL
    {
        return Ok(());
    }
    // The only priority that the policy knows; nice values go on to count.
    let priority = SchedulerParams { priority: 0 };
    set_scheduler(Pid::current_thread(), Scheduler::SCHED_BATCH, priority).map_err(plain)
}

/// The system's own words for its number.
fn plain(error: PreemptRtError) -> io::Error {
    if let PreemptRtError::Errno(number) = error {
        io::Error::from_raw_os_error(number)
    } else {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of a thread of its own that began with one and then applied what was wanted.
    fn after(began: Scheduler, wanted: Scheduling) -> Scheduler {
        std::thread::spawn(move || {
            let thread = Pid::current_thread();
            set_scheduler(thread, began, SchedulerParams { priority: 0 }).unwrap();
            apply(wanted).unwrap();
            get_scheduler(thread).unwrap()
        })
        .join()
        .unwrap()
    }

    #[test]
    fn a_shard_gets_the_policy_that_was_asked_for_unless_the_process_has_one() {
        use Scheduler::{SCHED_BATCH, SCHED_IDLE, SCHED_NORMAL};
        assert_eq!(after(SCHED_NORMAL, Scheduling::Batch), SCHED_BATCH);
        assert_eq!(after(SCHED_NORMAL, Scheduling::Inherit), SCHED_NORMAL);
        assert_eq!(after(SCHED_BATCH, Scheduling::Batch), SCHED_BATCH);
        assert_eq!(after(SCHED_BATCH, Scheduling::Inherit), SCHED_BATCH);
        assert_eq!(after(SCHED_IDLE, Scheduling::Batch), SCHED_IDLE);
    }
}
