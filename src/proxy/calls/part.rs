//! What a request does to a call, known from its beginning.
use super::key::CallKey;
use crate::sip::Method;
use smallvec::SmallVec;
use std::time::Instant;

/// Dialogs that one INVITE may form and that are kept: a forked one has as many answers as it reached phones at once,
/// and whoever sends more to it wants to fill the table.
const MOST_DIALOGS: usize = 8;

/// What a request does to a call.
#[derive(Debug)]
pub(crate) enum CallPart {
    /// Nothing: most requests.
    None,
    /// An INVITE that begins one.
    Begins(Box<Beginning>),
    /// A re-INVITE or UPDATE in a dialog: it shows that the call lives (RFC 4028).
    Refreshes,
    /// A BYE in a dialog.
    Ends,
}

/// An INVITE on its way to become a call.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// When a provisional response was passed on first.
    pub(crate) ringing: Option<Instant>,
    /// This node has waited for too long and cancelled it: nobody has hung up.
    pub(crate) timed_out: bool,
    /// The dialogs that it has formed. A callee repeats its 2xx until the ACK comes (RFC 3261 §13.3.1.4), and the call
    /// may be over by then.
    answered: SmallVec<[CallKey; 1]>,
}

impl CallPart {
    /// Of a request, before it is sent anywhere. `in_dialog`: its token proves that it belongs to a dialog through this node.
    pub(crate) fn of(method: Method<'_>, in_dialog: bool, has_to_tag: bool) -> Self {
        match method {
            Method::Invite if in_dialog => Self::Refreshes,
            // With a To tag and without a token it is in a dialog that does not run through this node.
            Method::Invite if !has_to_tag => Self::Begins(Box::default()),
            Method::Update if in_dialog => Self::Refreshes,
            Method::Bye if in_dialog => Self::Ends,
            Method::Invite
            | Method::Update
            | Method::Bye
            | Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Info
            | Method::Refer
            | Method::Message
            | Method::Other(_) => Self::None,
        }
    }

    /// A provisional response other than 100 goes to the caller.
    pub(crate) fn rings(&mut self, now: Instant) {
        if let Self::Begins(beginning) = self {
            beginning.ringing.get_or_insert(now);
        }
    }

    /// Timer C has fired (RFC 3261 §16.8).
    pub(crate) fn times_out(&mut self) {
        if let Self::Begins(beginning) = self {
            beginning.timed_out = true;
        }
    }
}

impl Beginning {
    /// The first dialog that it has formed.
    pub(crate) fn first(&self) -> Option<CallKey> {
        self.answered.first().copied()
    }

    /// Whether this dialog is one that it had not formed before.
    pub(crate) fn is_new(&mut self, key: CallKey) -> bool {
        let is_new = self.answered.len() < MOST_DIALOGS && !self.answered.contains(&key);
        if is_new {
            self.answered.push(key);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::secrets::Secrets;

    #[test]
    fn only_requests_that_form_refresh_or_end_a_dialog_count() {
        let part = |method, in_dialog, has_to_tag| CallPart::of(method, in_dialog, has_to_tag);
        assert!(matches!(
            part(Method::Invite, false, false),
            CallPart::Begins(_)
        ));
        assert!(matches!(
            part(Method::Invite, true, true),
            CallPart::Refreshes
        ));
        assert!(matches!(
            part(Method::Update, true, true),
            CallPart::Refreshes
        ));
        assert!(matches!(part(Method::Bye, true, true), CallPart::Ends));
        for (method, in_dialog) in [
            (Method::Invite, false),
            (Method::Update, false),
            (Method::Bye, false),
            (Method::Message, true),
            (Method::Info, true),
        ] {
            assert!(
                matches!(part(method, in_dialog, true), CallPart::None),
                "{method:?}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_repeated_forms_nothing_and_there_is_a_bound() {
        let secrets = Secrets::new(&[3; 32], 0);
        let mut beginning = Beginning::default();
        let key = |tag: u8| CallKey::of(&secrets, b"id", b"a", &[tag]);
        assert!(beginning.is_new(key(0)) && !beginning.is_new(key(0)));
        let formed = (1..100).filter(|tag| beginning.is_new(key(*tag))).count();
        assert_eq!(formed, MOST_DIALOGS - 1);
        assert!(!beginning.is_new(key(0)));
    }
}
