//! What is read of a REGISTER and of its 200 (RFC 3261 §10.2.4, §10.3; RFC 5626 §4.2, §6): whom it binds, and for how
//! long.
//!
//! Nothing that the client says binds by itself. The REGISTER names the binding, the registrar's 200 says whether it is
//! in force: it must list the very contact that was asked for, with time left.
use super::id::{BindingName, ContactMark, Device};
use crate::sip::{Address, HeaderName, Message, Uri};
use smallvec::SmallVec;
use std::time::Duration;

/// RFC 3261 §10.2.1.1: what a registrar grants if neither side says otherwise.
const USUAL: Duration = Duration::from_secs(3_600);
/// A registration that is granted for longer is kept for this long.
const LONGEST: u64 = 7 * 86_400;
/// The least that a binding outlives what was granted: the refresh may be late by a transaction's time.
const MARGIN: Duration = Duration::from_secs(30);
/// The contacts of a REGISTER that are looked at: a client registers one or two. Of the 200 all are, however many a
/// registrar lists of the user's other devices, since the client's own may be the last.
const MOST_CONTACTS: usize = 16;

/// What the 200 says of the registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is in force for so long, the margin included; with the contact, of a device without an instance.
    Bound(Duration, Option<ContactMark>),
    /// The user has no such contact any more.
    Ended,
    /// The user has no contact at all any more (`Contact: *`).
    AllEnded,
    /// Nothing of it was asked for: a query.
    Nothing,
}

/// The contacts of one REGISTER.
pub(crate) type ContactMarks = SmallVec<[ContactMark; 2]>;

/// A client's REGISTER.
pub(crate) struct Registration<'a> {
    contacts: SmallVec<[Address<'a>; 2]>,
    /// What RFC 5626 knows the contact by; the first contact that has an instance.
    instance: Option<(&'a [u8], &'a [u8])>,
    removes_all: bool,
}

impl<'a> Registration<'a> {
    /// Reads the contacts.
    pub(crate) fn of(register: &Message<'a>) -> Self {
        let contacts: SmallVec<_> = contacts(register).take(MOST_CONTACTS).collect();
        Self {
            instance: contacts.iter().find_map(instance),
            contacts,
            removes_all: register
                .values(HeaderName::Contact)
                .flatten()
                .any(|value| value.trim_ascii() == b"*"),
        }
    }

    /// Whom it binds, `aor` being the URI of its To.
    pub(crate) fn name(&self, aor: &Uri<'_>, call_id: &[u8]) -> BindingName {
        let device = match self.instance {
            Some((instance, reg_id)) => Device::Instance { instance, reg_id },
            None => Device::CallId(call_id),
        };
        BindingName::of(aor, device)
    }

    /// What a 2xx to it says.
    pub(crate) fn outcome(&self, ok: &Message<'_>) -> Outcome {
        if self.removes_all {
            return Outcome::AllEnded;
        }
        if self.contacts.is_empty() {
            return Outcome::Nothing;
        }
        let own = self.own_uris();
        let granted = contacts(ok).filter(|contact| self.names(contact, &own));
        let granted = granted.map(|contact| (expires(&contact, ok), contact));
        match granted.max_by_key(|(time, _)| *time) {
            Some((time, contact)) if time > Duration::ZERO => {
                let mark = contact.parse_uri().ok().filter(|_| self.instance.is_none());
                let mark = mark.map(|uri| ContactMark::of(&uri));
                Outcome::Bound(time + (time / 10).max(MARGIN), mark)
            }
            Some(_) | None => Outcome::Ended,
        }
    }

    /// The contacts of a device without an instance, whose binding may lead to another one; none: of a device with one.
    pub(crate) fn marks(&self) -> ContactMarks {
        match self.instance {
            Some(_) => ContactMarks::new(),
            None => self.own_uris().iter().map(ContactMark::of).collect(),
        }
    }

    /// The URIs that it registers for its instance, if it has one. Read once, however many contacts the 200 lists.
    fn own_uris(&self) -> SmallVec<[Uri<'a>; 2]> {
        let own = self.contacts.iter();
        let own =
            own.filter(|contact| self.instance.is_none() || instance(contact) == self.instance);
        own.filter_map(|contact| contact.parse_uri().ok()).collect()
    }

    /// Whether a contact of the 200 is the one that this registers.
    fn names(&self, listed: &Address<'_>, own: &[Uri<'a>]) -> bool {
        match (self.instance, instance(listed)) {
            (Some(own), Some(listed)) => listed == own,
            // One that lists no instance is held to the URI, since not every registrar keeps the parameters.
            (Some(_), None) | (None, _) => {
                let listed = listed.parse_uri();
                listed.is_ok_and(|listed| own.iter().any(|own| own.is_same(&listed)))
            }
        }
    }
}

fn contacts<'m, 'a>(message: &'m Message<'a>) -> impl Iterator<Item = Address<'a>> + use<'m, 'a> {
    let all = message.values(HeaderName::Contact).flatten();
    all.filter_map(|value| Address::parse(value).ok())
}

/// `+sip.instance` and `reg-id` of a contact that has the first.
fn instance<'a>(contact: &Address<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let instance = contact.param("+sip.instance")??;
    let reg_id = contact.param("reg-id").flatten().unwrap_or_default();
    Some((instance, reg_id))
}

/// RFC 3261 §10.2.1.1: the contact's own parameter, else the field.
fn expires(contact: &Address<'_>, ok: &Message<'_>) -> Duration {
    let own = contact.param("expires").flatten();
    let text = own.or_else(|| ok.first(HeaderName::Expires));
    let seconds = text.and_then(|text| {
        let text = text.trim_ascii();
        // What is too long for a number is longer than all that is kept.
        let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(text).ok()?.parse::<u64>();
        is_number.then(|| number.unwrap_or(LONGEST).min(LONGEST))
    });
    seconds.map_or(USUAL, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "+sip.instance=\"<urn:uuid:1>\"";

    fn outcome(register: &str, ok: &str) -> Outcome {
        let frame = |start: &str, more: &str| {
            let mut head = format!("{start}\r\nCall-ID: c\r\n");
            for line in more.lines() {
                head += line;
                head += "\r\n";
            }
            head + "\r\n"
        };
        let register = frame("REGISTER sip:contoso.test SIP/2.0", register);
        let ok = frame("SIP/2.0 200 OK", ok);
        let message = Message::parse(register.as_bytes()).unwrap();
        match Registration::of(&message).outcome(&Message::parse(ok.as_bytes()).unwrap()) {
            Outcome::Bound(time, _) => bound_for(time),
            other @ (Outcome::Ended | Outcome::AllEnded | Outcome::Nothing) => other,
        }
    }

    fn bound_for(time: Duration) -> Outcome {
        Outcome::Bound(time, None)
    }

    fn bound(seconds: u64) -> Outcome {
        bound_for(Duration::from_secs(seconds))
    }

    #[test]
    fn the_200_must_list_this_contact_with_time_left() {
        let own = "Contact: <sip:a@10.0.0.1;transport=tls>;expires=600";
        for (ok, expected) in [
            (
                "Contact: <sip:a@10.0.0.1;transport=tls>;expires=600",
                bound(660),
            ),
            (
                "Contact: <sip:a@10.0.0.1;transport=TLS;ob>;expires=60",
                bound(90),
            ),
            (
                "m: <sip:x@10.0.0.9>, <sip:a@10.0.0.1;transport=tls>\nExpires: 100",
                bound(130),
            ),
            ("Contact: <sip:a@10.0.0.1;transport=tls>", bound(3_960)),
            (
                "Contact: <sip:a@10.0.0.1;transport=tls>;expires=0",
                Outcome::Ended,
            ),
            (
                "Contact: <sip:a@10.0.0.2;transport=tls>;expires=600",
                Outcome::Ended,
            ),
            ("Contact: <sip:a@10.0.0.1>;expires=600", Outcome::Ended),
            ("", Outcome::Ended),
        ] {
            assert_eq!(outcome(own, ok), expected, "{ok}");
        }
    }

    #[test]
    fn a_contact_is_found_behind_any_number_of_others() {
        for own in [
            "<sip:a@10.0.0.1>".to_owned(),
            format!("<sip:a@10.0.0.1>;{INSTANCE};reg-id=1"),
        ] {
            let mut ok: String = (0..3_000)
                .map(|n| format!("Contact: <sip:a@10.1.0.1:{n}>;expires=60\n"))
                .collect();
            let register = format!("Contact: {own}");
            assert_eq!(outcome(&register, &ok), Outcome::Ended);
            ok += &format!("Contact: {own};expires=600");
            assert_eq!(outcome(&register, &ok), bound(660), "{own}");
        }
    }

    #[test]
    fn an_instance_is_known_by_itself_and_by_nothing_else() {
        let own = format!("Contact: <sip:a@10.0.0.1>;reg-id=1;{INSTANCE}");
        for (ok, expected) in [
            (
                format!("Contact: <sip:gruu@x>;expires=60;{INSTANCE};reg-id=1"),
                bound(90),
            ),
            ("Contact: <sip:a@10.0.0.1>;expires=60".to_owned(), bound(90)),
            (
                format!("Contact: <sip:a@10.0.0.1>;expires=60;{INSTANCE};reg-id=2"),
                Outcome::Ended,
            ),
            (
                "Contact: <sip:a@10.0.0.1>;expires=60;+sip.instance=\"<urn:uuid:2>\";reg-id=1"
                    .to_owned(),
                Outcome::Ended,
            ),
        ] {
            assert_eq!(outcome(&own, &ok), expected, "{ok}");
        }
    }

    #[test]
    fn a_star_ends_a_query_says_nothing_and_no_number_is_too_long() {
        assert_eq!(outcome("Contact: *\nExpires: 0", ""), Outcome::AllEnded);
        assert_eq!(
            outcome("", "Contact: <sip:a@10.0.0.1>;expires=60"),
            Outcome::Nothing
        );
        let week = bound(LONGEST + LONGEST / 10);
        for expires in ["99999999999999999999999", "4294967295"] {
            let ok = format!("Contact: <sip:a@b>;expires={expires}");
            assert_eq!(outcome("Contact: <sip:a@b>", &ok), week);
        }
        let ok = "Contact: <sip:a@b>;expires=soon";
        assert_eq!(outcome("Contact: <sip:a@b>", ok), bound(3_960));
    }
}
