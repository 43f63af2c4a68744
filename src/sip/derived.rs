//! Requests that the proxy makes itself within the transaction of an INVITE that it forwarded: CANCEL (RFC 3261 §9.1) and
//! the ACK for a non-2xx (§17.1.1.3).
use super::digits::write_decimal;
use super::grammar::cut;
use super::new_text::{ViaParams, write_via};
use super::remainder::{Remainder, remainders};
use super::{HeaderName, Message};

/// How the forwarded request differed from the received one.
#[derive(Clone, Copy, Debug)]
pub struct Derived<'d> {
    /// Its Request-URI.
    pub request_uri: &'d [u8],
    /// How many Route values were removed from the front.
    pub popped_routes: usize,
    /// Whether the last Route value was removed.
    pub popped_last_route: bool,
    /// A Route value that was added at the end, for a strict router downstream (RFC 3261 §16.6 step 6).
    pub appended_route: Option<&'d [u8]>,
    /// The sent-by of this node.
    pub sent_by: &'d str,
    /// The branch that the forwarded INVITE has: CANCEL and ACK are matched by it.
    pub branch: &'d [u8],
    /// The other parameters of the Via that was added.
    pub params: ViaParams,
}

/// Writes a CANCEL for the INVITE that was forwarded from `request` (RFC 3261 §9.1).
///
/// Nothing is written if its From, To, Call-ID or CSeq cannot be used, which is checked before anything is forwarded.
pub fn write_cancel(request: &Message<'_>, derived: &Derived<'_>, out: &mut Vec<u8>) {
    write_derived(request, derived, b"CANCEL", request, out);
}

/// Writes the ACK for the non-2xx `response` to the INVITE that was forwarded from `request` (RFC 3261 §17.1.1.3).
///
/// Nothing is written if a field that it needs cannot be used; To is taken from the response.
pub fn write_ack(
    request: &Message<'_>,
    derived: &Derived<'_>,
    response: &Message<'_>,
    out: &mut Vec<u8>,
) {
    write_derived(request, derived, b"ACK", response, out);
}

/// A request of this node within the transaction of the forwarded INVITE: its Request-URI, one Via with its branch, Route,
/// From, Call-ID and CSeq number; the To of another message.
fn write_derived(
    request: &Message<'_>,
    derived: &Derived<'_>,
    method: &[u8],
    to_of: &Message<'_>,
    out: &mut Vec<u8>,
) {
    // The number must be the INVITE's, in both requests: the next hop finds the transaction by it (RFC 3261 §9.1,
    // §17.1.1.3).
    let Ok(cseq) = request.cseq() else {
        return;
    };
    // Half a request would be worse than none: the next hop would answer it with a 400.
    let is_whole = request.has(HeaderName::From)
        && request.has(HeaderName::CallId)
        && to_of.has(HeaderName::To);
    if !is_whole {
        return;
    }
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(derived.request_uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    write_via(derived.sent_by, derived.branch, derived.params, out);
    // As a UAC writes it (RFC 3261 §8.1.1.6). The received value would do no harm, but may be missing.
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    write_routes(request, derived, out);
    request.copy_first(HeaderName::From, out);
    to_of.copy_first(HeaderName::To, out);
    request.copy_first(HeaderName::CallId, out);
    out.extend_from_slice(b"CSeq: ");
    write_decimal(u64::from(cseq.number), out);
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
}

/// The Route lines as the INVITE was forwarded with: both requests must take its way through the hops behind this one.
fn write_routes(request: &Message<'_>, derived: &Derived<'_>, out: &mut Vec<u8>) {
    let bytes = request.bytes();
    remainders(
        request,
        HeaderName::Route,
        derived.popped_routes,
        usize::from(derived.popped_last_route),
        |line, kept| match kept {
            Remainder::Line => out.extend_from_slice(request.raw(line)),
            Remainder::Values(range) => {
                out.extend_from_slice(cut(bytes, line.start(), line.value_start()));
                out.extend_from_slice(cut(bytes, range.start, range.end));
                out.extend_from_slice(cut(bytes, line.value_end(), line.end()));
            }
            Remainder::Nothing => {}
        },
    );
    if let Some(uri) = derived.appended_route {
        out.extend_from_slice(b"Route: <");
        out.extend_from_slice(uri);
        out.extend_from_slice(b">\r\n");
    }
}
