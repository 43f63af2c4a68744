//! The one request that this node begins itself: an OPTIONS outside of a dialog, to see whether a peer lives (RFC 3261
//! §11.1).

/// What differs between two of them. Nothing in it comes from a message.
#[derive(Clone, Copy, Debug)]
pub struct OptionsRequest<'a> {
    /// The peer's FQDN, in the Request-URI and To.
    pub to: &'a str,
    /// This node's FQDN, in From and the Call-ID.
    pub from: &'a str,
    /// From's tag, and the unique part of the Call-ID.
    pub tag: &'a [u8],
    /// This node's name and port as the peer knows them, in Via and Contact.
    pub sent_by: &'a str,
    /// The Via branch.
    pub branch: &'a [u8],
    /// The value of Allow.
    pub allow: &'a str,
}

impl OptionsRequest<'_> {
    /// Writes the request to the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (to, from) = (self.to.as_bytes(), self.from.as_bytes());
        let parts = [
            &b"OPTIONS sip:"[..],
            to,
            b";transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS ",
            self.sent_by.as_bytes(),
            b";branch=",
            self.branch,
            b";alias\r\nMax-Forwards: 70\r\nFrom: <sip:",
            from,
            b">;tag=",
            self.tag,
            b"\r\nTo: <sip:",
            to,
            b">\r\nCall-ID: ",
            self.tag,
            b"@",
            from,
            b"\r\nCSeq: 1 OPTIONS\r\nContact: <sip:",
            self.sent_by.as_bytes(),
            b";transport=tls>\r\nAllow: ",
            self.allow.as_bytes(),
            b"\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n",
        ];
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}
