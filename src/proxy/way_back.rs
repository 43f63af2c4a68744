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
/// this node has stamped behind that (§18.2.1), and such a one needs no parser.
fn is_returned_as_written(response: &Message<'_>, names: &[u8]) -> bool {
    let mut lines = response.whole_values(HeaderName::Via);
    let is_alone = lines.next().is_some_and(|own| !own.contains(&b','));
    let rest = lines.next().and_then(|next| next.strip_prefix(names));
    // Other parameters, and no second branch among them.
    let is_stamp = |rest: &[u8]| {
        matches!(rest.first(), None | Some(b';')) && memchr::memchr2(b'b', b'B', rest).is_none()
    };
    is_alone && !names.is_empty() && rest.is_some_and(is_stamp)
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
