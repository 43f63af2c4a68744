//! The way back of an answer: the Via below that of this node, by which whoever asked knows it.
//!
//! A server returns every Via value as it came (RFC 3261 §8.2.6.2). Whoever asked finds its transaction by branch and sent-by of
//! its own value (§17.1.3, §18.1.2) and discards an answer that has another one. Such an answer must not end the
//! transaction here, since it would not end there: a server has damaged the value, or it is one that topology hiding has sealed
//! and that does not open any more. It is dropped as `response_malformed`, and the caller gets its final answer
//! from what the server sends next, from another branch or by the timer.
use super::environment::Environment;
use super::request_places::RequestPlaces;
use crate::sip::{HeaderName, Message, Via};

/// Whether the Via below this node's is the one that this request came with.
pub(crate) fn is_returned(
    response: &Message<'_>,
    (request, places): (&[u8], &RequestPlaces),
    env: &Environment,
) -> bool {
    is_returned_as_written(response, places.via_names(request)) || {
        let asked = Via::parse(places.via(request)).ok();
        asked.is_some_and(|via| next_hop(response, env) == Some(hop(&via, env)))
    }
}

/// Whether it has come back byte for byte up to the last of sent-by and branch, on a line of its own. Nearly every one does, with what
/// this node has stamped between these two parts or behind both (§18.2.1, RFC 3581 §4), and such a one needs no parser.
fn is_returned_as_written(response: &Message<'_>, (first, second): (&[u8], &[u8])) -> bool {
    let mut lines = response.whole_values(HeaderName::Via);
    let is_alone = lines
        .next()
        .is_some_and(|own| memchr::memchr(b',', own).is_none());
    let rest = lines.next().and_then(|next| next.strip_prefix(first));
    let rest = rest.and_then(|rest| without_port(rest).strip_prefix(second));
    // Other parameters, and no second branch among them.
    let is_stamp = |rest: &[u8]| {
        matches!(rest.first(), None | Some(b';')) && memchr::memchr2(b'b', b'B', rest).is_none()
    };
    is_alone && !first.is_empty() && rest.is_some_and(is_stamp)
}

/// Behind a port that begins the text, with the `=` in front of it; all of it, if none does.
fn without_port(text: &[u8]) -> &[u8] {
    let Some((b'=', digits)) = text.split_first() else {
        return text;
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    digits.get(length..).unwrap_or_default()
}

/// The hop that the Via below this node's names; `None`: there is none that can be read.
pub(crate) fn next_hop(response: &Message<'_>, env: &Environment) -> Option<u64> {
    let next = response.values(HeaderName::Via).nth(1)?.ok()?;
    Some(hop(&Via::parse(next).ok()?, env))
}

/// A hash of what a hop knows its own Via by, as §17.2.3 compares sent-by.
pub(crate) fn hop(via: &Via<'_>, env: &Environment) -> u64 {
    env.secrets.hash(|input| {
        input.sent_by(via);
        input.texts([via.branch.unwrap_or_default()]);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client writes, in the two parts that a context keeps, and what has come back of it.
    #[test]
    fn what_this_node_has_stamped_needs_no_parser() {
        let usual = ("SIP/2.0/TLS a.test:5061;rport", ";branch=z9hG4bKone");
        let late = ("SIP/2.0/TLS a.test;branch=z9hG4bKone", "");
        for ((first, second), returned, expected) in [
            (
                usual,
                "SIP/2.0/TLS a.test:5061;rport=4071;branch=z9hG4bKone;received=10.0.0.9",
                true,
            ),
            (
                usual,
                "SIP/2.0/TLS a.test:5061;rport;branch=z9hG4bKone",
                true,
            ),
            (
                late,
                "SIP/2.0/TLS a.test;branch=z9hG4bKone;rport=4071;received=10.0.0.9",
                true,
            ),
            (late, "SIP/2.0/TLS a.test;branch=z9hG4bKone", true),
            // What the parser has to say of the others is no matter of this way.
            (
                usual,
                "SIP/2.0/TLS a.test:5061;rport=4071;branch=z9hG4bKtwo",
                false,
            ),
            (
                usual,
                "SIP/2.0/TLS a.test:5061;rport=4071x;branch=z9hG4bKone",
                false,
            ),
            (
                usual,
                "SIP/2.0/TLS b.test:5061;rport=4071;branch=z9hG4bKone",
                false,
            ),
            (late, "SIP/2.0/TLS a.test;branch=z9hG4bKone2", false),
            (
                late,
                "SIP/2.0/TLS a.test;branch=z9hG4bKone;branch=z9hG4bKtwo",
                false,
            ),
            (("", ""), "SIP/2.0/TLS a.test", false),
        ] {
            let text = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS edge.test;branch=z9hG4bKx\r\nVia: {returned}\r\nl: 0\r\n\r\n"
            );
            let response = Message::parse(text.as_bytes()).unwrap();
            let names = (first.as_bytes(), second.as_bytes());
            assert_eq!(
                is_returned_as_written(&response, names),
                expected,
                "{returned}"
            );
        }
    }
}
