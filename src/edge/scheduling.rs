//! The kernel's scheduling policy of a shard's thread (sched(7)).
use crate::topology::Scheduling;
use preempt_rt::sched::{
    Pid, PreemptRtError, RtResult, Scheduler, SchedulerParams, get_scheduler, set_scheduler,
};
use std::io;

/// Sets the calling thread to the policy that the topology asks for.
///
/// Under SCHED_BATCH a thread that wakes does not interrupt the one that runs. The program that has sent a message is
/// about to send more or to sleep: left alone it does so at once, and the messages are then read, carried and written
/// together. Interrupted after each, it and the shard would take turns at every single one. What an operator has chosen
/// for the whole process goes before.
///
/// # Errors
/// The system refuses, such as by a filter of system calls; the policy is then what it was.
pub(super) fn apply(wanted: Scheduling) -> io::Result<()> {
    if wanted == Scheduling::Inherit || !is_default(get_scheduler(Pid::current_thread()))? {
        return Ok(());
    }
    // The only priority that the policy knows; nice values go on to count.
    let priority = SchedulerParams { priority: 0 };
    set_scheduler(Pid::current_thread(), Scheduler::SCHED_BATCH, priority).map_err(plain)
}

/// Whether nobody has chosen a policy. One that is not known here (SCHED_EXT, say) was chosen.
fn is_default(found: RtResult<Scheduler>) -> io::Result<bool> {
    match found {
        Ok(policy) => Ok(policy == Scheduler::SCHED_NORMAL),
        Err(PreemptRtError::UnknownScheduler(_)) => Ok(false),
        Err(error) => Err(plain(error)),
    }
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

    #[test]
    fn a_policy_that_is_not_known_was_chosen_and_only_the_system_refuses() {
        assert!(is_default(Ok(Scheduler::SCHED_NORMAL)).unwrap());
        assert!(!is_default(Ok(Scheduler::SCHED_RR)).unwrap());
        assert!(!is_default(Err(PreemptRtError::UnknownScheduler(7))).unwrap());
        let refused = is_default(Err(PreemptRtError::Errno(1))).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
