//! Every shipped topology of config/ as it is shipped, with whole dialogs both ways by stand-ins that write what the real
//! programs write.
//!
//! `shipped` loads a file and changes nothing in it but addresses; `chart` plays a message chart between two ends and
//! compares what arrives with what was written, line by line; `dialect` is what a program writes besides what its
//! dialog asks for, `lync` the longest of them. Each other file is one profile: its dialects, and what is particular to it.

mod asterisk;
mod chart;
mod dialect;
pub(crate) mod freeswitch;
mod kamailio;
mod lync;
mod plain;
mod shipped;
mod side;
pub(crate) mod skype_for_business;
mod teams;

/// A call with all that may happen in it, ended by the caller.
const WHOLE_CALL: &str = "
    caller -> callee   INVITE
    caller <- callee   183 INVITE
    caller -> callee   PRACK
    caller <- callee   200 PRACK
    caller -> callee   UPDATE
    caller <- callee   200 UPDATE
    caller <- callee   180 INVITE
    caller <- callee   200 INVITE
    caller -> callee   ACK
    caller -> callee   INVITE
    caller <- callee   200 INVITE
    caller -> callee   ACK
    caller <- callee   INVITE
    caller -> callee   200 INVITE
    caller <- callee   ACK
    caller <- callee   UPDATE
    caller -> callee   200 UPDATE
    caller -> callee   INFO
    caller <- callee   200 INFO
    caller -> callee   REFER
    caller <- callee   202 REFER
    caller <- callee   NOTIFY
    caller -> callee   200 NOTIFY
    caller <- callee   REFER
    caller -> callee   202 REFER
    caller -> callee   NOTIFY
    caller <- callee   200 NOTIFY
    caller -> callee   BYE
    caller <- callee   200 BYE
";

/// A call that the callee ends.
const CALLEE_HANGS_UP: &str = "
    caller -> callee   INVITE
    caller <- callee   180 INVITE
    caller <- callee   200 INVITE
    caller -> callee   ACK
    caller <- callee   BYE
    caller -> callee   200 BYE
";

/// A call that the caller gives up.
const CANCELLED: &str = "
    caller -> callee   INVITE
    caller <- callee   180 INVITE
    caller -> callee   CANCEL
    caller <- edge     200 CANCEL
    edge   <- callee   200 CANCEL
    caller <- callee   487 INVITE
    edge   -> callee   ACK
";

/// A call that the callee does not take.
const REFUSED: &str = "
    caller -> callee   INVITE
    caller <- callee   486 INVITE
    edge   -> callee   ACK
";

/// The same four between whoever it is.
const CALLS: [&str; 4] = [WHOLE_CALL, CALLEE_HANGS_UP, CANCELLED, REFUSED];

/// A phone shows that it knows its password.
const REGISTRATION: &str = "
    caller -> callee   REGISTER
    caller <- callee   401 REGISTER
    caller -> callee   REGISTER
    caller <- callee   200 REGISTER
";

/// A question outside of any dialog.
const OPTIONS: &str = "
    caller -> callee   OPTIONS
    caller <- callee   200 OPTIONS
";
