//! A message before it is sent: made by an end, changed line by line, sent on one of the end's connections.
use super::{End, LabError, SipMessage, Wire, fresh};

/// A request that was sent.
#[derive(Clone)]
pub struct Sent {
    /// The request.
    pub message: SipMessage,
    /// What it was sent on.
    pub wire: Wire,
}

/// A message before it is sent.
#[must_use = "a draft is sent by send()"]
pub struct Draft<'e> {
    pub(super) end: &'e End,
    pub(super) message: SipMessage,
    pub(super) wire: Option<Wire>,
}

impl Draft<'_> {
    /// Adds a line below all others.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.message.push(name, value);
        self
    }

    /// Replaces every line of this name.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.message.set(name, value);
        self
    }

    /// Removes every line of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.message.remove(name);
        self
    }

    /// From another address than this end's, with a tag.
    pub fn from(self, uri: &str) -> Self {
        let value = format!("<{uri}>;tag={}", fresh::token());
        self.set("From", &value)
    }

    /// This end's Contact.
    pub fn with_contact(self) -> Self {
        let value = format!("<{}>", self.end.contact());
        self.set("Contact", &value)
    }

    /// A body of this type.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.message.body = body.to_vec();
        self.set("Content-Type", content_type)
    }

    /// A session description with one audio stream, which nobody sends to.
    pub(super) fn sdp(self) -> Self {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
        self.body("application/sdp", sdp.as_bytes())
    }

    /// Send it on this connection.
    pub fn on(mut self, wire: &Wire) -> Self {
        self.wire = Some(wire.clone());
        self
    }

    /// The message without sending it.
    pub fn build(self) -> SipMessage {
        self.message
    }

    /// Sends it, on the newest live connection unless [`Self::on`] named one.
    ///
    /// # Errors
    /// There is no live connection.
    pub async fn send(self) -> Result<Sent, LabError> {
        let wire = match self.wire {
            Some(wire) => wire,
            None => self.end.wire()?,
        };
        self.end.put(&self.message, &wire).await?;
        Ok(Sent {
            message: self.message,
            wire,
        })
    }
}
