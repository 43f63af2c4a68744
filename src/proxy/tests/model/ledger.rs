//! What a bystander writes down: every request, every copy of it that came out, and every answer; and what must hold.
use super::super::world::{field, fields};
use crate::proxy::LinkId;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Who is at a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// A server by its name.
    Server(&'static str),
    /// A client; its connection is all that it is.
    Client(LinkId),
}

/// One request as it was sent, and what became of it.
pub(super) struct Call {
    pub(super) invite: bool,
    pub(super) who: Who,
    pub(super) link: LinkId,
    pub(super) text: String,
    pub(super) sent: Instant,
    pub(super) copies: Vec<Copy>,
    /// Final answers that the sender has seen.
    pub(super) finals: Vec<u16>,
    /// When it saw the first of them.
    pub(super) answered: Option<Instant>,
    /// The last answer that it saw.
    pub(super) last: Option<String>,
    /// How many answers it saw, repetitions aside.
    pub(super) seen: usize,
    pub(super) cancelled: bool,
    /// When its sender's connection was lost while it waited: so long ago a registered client has come back or never will.
    left: Option<Instant>,
    /// Answers that the far ends gave and that the sender has not seen yet.
    upstream: Vec<u16>,
    /// Whether an answer was due that must come, so that silence at the end is a fault.
    pub(super) certain: bool,
}

/// One copy that came out.
pub(super) struct Copy {
    pub(super) text: String,
    pub(super) branch: String,
    pub(super) who: Who,
    pub(super) link: LinkId,
    sent: Instant,
    /// When a provisional answer was last given, as far as it moves Timer C.
    heard: Option<Instant>,
    pub(super) finals: Vec<u16>,
    cancelled: Option<Instant>,
    /// A lost connection may have ended this branch.
    doubtful: bool,
}

/// The book.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<Call>,
    branches: HashSet<String>,
}

impl Ledger {
    /// A request was sent; its branch and Call-ID end in its number.
    pub(super) fn sent(
        &mut self,
        invite: bool,
        who: Who,
        link: LinkId,
        text: String,
        now: Instant,
    ) {
        self.calls.push(Call {
            invite,
            who,
            link,
            text,
            sent: now,
            copies: Vec::new(),
            finals: Vec::new(),
            answered: None,
            last: None,
            seen: 0,
            cancelled: false,
            left: None,
            upstream: Vec::new(),
            certain: false,
        });
    }

    /// A connection was lost.
    pub(super) fn lost(&mut self, link: LinkId, now: Instant) {
        for call in &mut self.calls {
            let waits = call.finals.is_empty() && matches!(call.who, Who::Client(_));
            if waits && call.link == link {
                call.left = Some(now);
            }
        }
        for copy in self.calls.iter_mut().flat_map(|c| &mut c.copies) {
            if copy.link == link && (copy.heard.is_none() || matches!(copy.who, Who::Client(_))) {
                copy.doubtful = true;
            }
        }
    }

    /// Whether an answer of a far end to this copy must have its effect: nothing that the model leaves open has
    /// happened. Times are taken with a second to spare.
    pub(super) fn is_certain(&self, call: usize, copy: usize, status: u16, now: Instant) -> bool {
        let call = &self.calls[call];
        let is_current = copy + 1 == call.copies.len();
        let copy = &call.copies[copy];
        let age = now - copy.sent + SECOND;
        let in_time = match (call.invite, copy.heard) {
            (true, None) => age < 8 * SECOND,
            (true, Some(heard)) => {
                now - heard + SECOND < 181 * SECOND
                    && copy
                        .cancelled
                        .is_none_or(|at| now - at + SECOND < 32 * SECOND)
            }
            (false, None) => age < 5 * SECOND && now - call.sent + SECOND < 16 * SECOND,
            (false, Some(_)) => now - call.sent + SECOND < 32 * SECOND,
        };
        let open = match call.answered {
            None => in_time,
            Some(at) => {
                call.invite
                    && (200..300).contains(&status)
                    && call.finals.iter().all(|f| (200..300).contains(f))
                    && now - at + SECOND < 32 * SECOND
            }
        };
        is_current && open && !copy.doubtful && copy.finals.iter().all(|f| *f < 300)
    }

    /// A far end answered a copy.
    pub(super) fn answered(&mut self, call: usize, copy: usize, status: u16, now: Instant) {
        let call = &mut self.calls[call];
        let invite = call.invite;
        let copy = &mut call.copies[copy];
        // After so long a silence the next target may have had its turn.
        let patience = if invite { 7 } else { 4 } * SECOND;
        copy.doubtful |= copy.heard.is_none() && now - copy.sent >= patience;
        if status >= 200 {
            copy.finals.push(status);
        } else if copy.finals.is_empty() && (copy.heard.is_none() || status > 100) {
            // Once Timer C has decided to cancel, no later sign of life revokes that, even if the CANCEL still waits for
            // a connection.
            let is_too_late = |heard| invite && now - heard >= 180 * SECOND;
            if !copy.heard.is_some_and(is_too_late) {
                copy.heard = Some(now);
            }
        }
        if status >= 200 || invite && status > 100 {
            call.upstream.push(status);
        }
    }

    /// A message came out at a far end.
    pub(super) fn observe(
        &mut self,
        at: LinkId,
        who: Who,
        text: &str,
        repeated: bool,
        now: Instant,
    ) {
        let branch = branch_of(text).to_owned();
        if let Some(status) = text.strip_prefix("SIP/2.0 ") {
            let status: u16 = status[..3].parse().unwrap();
            return self.observe_answer(at, who, &branch, status, text, repeated, now);
        }
        let call_id = field(text, "Call-ID").unwrap();
        let number: usize = call_id.strip_prefix("call-").unwrap().parse().unwrap();
        let call = &mut self.calls[number];
        let (sequence, method) = field(text, "CSeq").unwrap().split_once(' ').unwrap();
        assert_eq!(sequence, "1", "the CSeq number as it was sent");
        assert!(text.starts_with(&format!("{method} ")), "{text}");
        let known = call.copies.iter_mut().find(|c| c.branch == branch);
        match (method, known) {
            ("ACK", Some(copy)) => {
                assert_eq!(copy.who, who, "an ACK goes where the answer came from");
                assert!(
                    copy.finals.iter().any(|f| *f >= 300),
                    "an ACK of ours answers a refusal"
                );
                assert_eq!(fields(text, "Via").len(), 1);
                assert_eq!(text.split(' ').nth(1), copy.text.split(' ').nth(1));
            }
            ("ACK", None) => {
                assert_eq!(
                    fields(text, "Via").len(),
                    2,
                    "an ACK of the sender's, passed on"
                );
                assert!(call.finals.iter().any(|f| (200..300).contains(f)));
            }
            ("CANCEL", Some(copy)) => {
                assert_eq!(copy.who, who, "a CANCEL goes where its INVITE went");
                assert!(
                    call.invite && copy.cancelled.is_none(),
                    "one CANCEL for one branch"
                );
                let has_left = call.left.is_some_and(|at| now - at >= 29 * SECOND);
                let heard = copy.heard.expect("no CANCEL before a provisional answer");
                assert!(
                    call.cancelled || has_left || now - heard >= 180 * SECOND,
                    "nobody asked to cancel"
                );
                assert!(copy.finals.is_empty(), "no CANCEL after the final answer");
                assert_eq!(text.split(' ').nth(1), copy.text.split(' ').nth(1));
                assert_eq!(fields(text, "Via").len(), 1);
                copy.cancelled = Some(now);
            }
            ("CANCEL", None) => panic!("a CANCEL for nothing that was sent: {text}"),
            (_, Some(_)) => panic!("the same branch twice: {text}"),
            (_, None) => {
                assert!(
                    self.branches.insert(branch.clone()),
                    "a branch of another request"
                );
                assert_eq!(fields(text, "Via").len(), 2, "{text}");
                assert_eq!(field(text, "Max-Forwards"), Some("69"));
                assert!(
                    call.finals.is_empty(),
                    "forwarded after it was answered: {text}"
                );
                assert!(!call.cancelled, "forwarded after it was cancelled: {text}");
                let waits = call.left.is_none_or(|at| now - at <= 31 * SECOND);
                assert!(waits, "forwarded for nobody: {text}");
                if let Some(before) = call.copies.last() {
                    let silent = before.heard.is_none();
                    assert!(
                        before.doubtful || before.finals.contains(&503) || silent,
                        "a second branch while the first one lives"
                    );
                    assert_ne!(before.who, who, "the same target twice");
                }
                call.copies.push(Copy {
                    text: text.to_owned(),
                    branch,
                    who,
                    link: at,
                    sent: now,
                    heard: None,
                    finals: Vec::new(),
                    cancelled: None,
                    doubtful: false,
                });
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what is seen of one answer")]
    fn observe_answer(
        &mut self,
        at: LinkId,
        who: Who,
        branch: &str,
        status: u16,
        text: &str,
        repeated: bool,
        now: Instant,
    ) {
        let number: usize = branch
            .strip_prefix("z9hG4bKr")
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("an answer to nothing that was asked: {text}"));
        let call = &mut self.calls[number];
        assert!(
            call.link == at || matches!(who, Who::Server(_)) && call.who == who,
            "an answer for a stranger: {text}"
        );
        assert_eq!(
            fields(text, "Via").len(),
            1,
            "only the sender's Via is left"
        );
        if field(text, "CSeq").unwrap().ends_with(" CANCEL") {
            assert!(matches!(status, 200 | 481), "{text}");
            return;
        }
        if repeated && call.last.as_deref() == Some(text) {
            return;
        }
        let ours = field(text, "Warning").is_some_and(|w| w.starts_with("399 edge01"));
        let is_success = (200..300).contains(&status);
        if status == 100 {
            assert!(call.finals.is_empty(), "100 after the final answer");
        } else if status < 200 {
            assert!(
                call.invite,
                "RFC 4320: no provisional answer but 100 to {text}"
            );
            assert!(
                call.finals.is_empty(),
                "a provisional answer after the final one"
            );
        } else if is_success && call.invite {
            assert!(
                call.finals.iter().all(|f| (200..300).contains(f)),
                "2xx after a refusal"
            );
        } else {
            assert_eq!(call.finals, [0; 0], "a second final answer: {text}");
            assert!(
                status != 408 || call.invite,
                "RFC 4320: no 408 to a non-INVITE"
            );
            assert!(
                status != 503 || ours,
                "RFC 3261 §16.7: 503 is not passed on"
            );
        }
        assert!(!(ours && is_success), "no success of our own making");
        if status > 100 && !ours {
            let given = call.upstream.iter().position(|s| *s == status);
            call.upstream
                .swap_remove(given.unwrap_or_else(|| panic!("nobody gave this answer: {text}")));
        }
        if status >= 200 {
            call.finals.push(status);
            call.answered.get_or_insert(now);
        }
        call.last = Some(text.to_owned());
        call.seen += 1;
    }
}

/// The branch of the topmost Via.
pub(super) fn branch_of(text: &str) -> &str {
    let via = fields(text, "Via")[0];
    via.split(";branch=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
}
