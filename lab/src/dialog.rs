//! A dialog as one of its two ends holds it (RFC 3261 §12): tags, route set, remote target, sequence number.
use super::address::param;
use super::{LabError, SipMessage};

/// What an end keeps of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// This end's name-addr with its tag: From of what it sends.
    pub local: String,
    /// The other end's name-addr with its tag: To of what this end sends.
    pub remote: String,
    /// The other end's Contact: the Request-URI.
    pub target: String,
    /// Route values, first hop first.
    pub routes: Vec<String>,
    /// CSeq number of the last request that this end sent.
    pub cseq: u32,
}

impl Dialog {
    /// The caller's side (RFC 3261 §12.1.2): the route set is Record-Route in reverse.
    ///
    /// # Errors
    /// A field that makes the dialog is missing.
    pub fn caller(request: &SipMessage, answer: &SipMessage) -> Result<Self, LabError> {
        let mut routes = answer.values("record-route");
        routes.reverse();
        Ok(Self {
            call_id: request.call_id().to_owned(),
            local: tagged(request, "from", "From tag")?,
            remote: tagged(answer, "to", "To tag")?,
            target: contact(answer)?,
            routes,
            cseq: request.cseq().map_or(1, |(n, _)| n),
        })
    }

    /// The callee's side (RFC 3261 §12.1.1): the route set is Record-Route in order.
    ///
    /// # Errors
    /// A field that makes the dialog is missing.
    pub fn callee(request: &SipMessage, answer: &SipMessage) -> Result<Self, LabError> {
        Ok(Self {
            call_id: request.call_id().to_owned(),
            local: tagged(answer, "to", "To tag")?,
            remote: tagged(request, "from", "From tag")?,
            target: contact(request)?,
            routes: request.values("record-route"),
            cseq: 0,
        })
    }
}

fn tagged(message: &SipMessage, name: &str, field: &'static str) -> Result<String, LabError> {
    message
        .header(name)
        .filter(|value| param(value, "tag").is_some())
        .map(str::to_owned)
        .ok_or_else(|| incomplete(message, field))
}

fn contact(message: &SipMessage) -> Result<String, LabError> {
    message
        .contact()
        .ok_or_else(|| incomplete(message, "Contact"))
}

fn incomplete(message: &SipMessage, field: &'static str) -> LabError {
    LabError::Incomplete {
        field,
        start: message.start.clone(),
    }
}
