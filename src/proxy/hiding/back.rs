//! From the peer: tokens of this node become what they stand for, before anything else reads the
//! message.
//!
//! Only what this node has sealed for this very peer is opened, and only in fields where a peer
//! sends back what it was given. What does not open:
//!
//! | where | what becomes of the message | why |
//! |---|---|---|
//! | Via of a response, as this node writes a sealed one | dropped, `token_forged` | altered, or another peer's |
//! | Via of a response, otherwise: no longer in that form, unreadable, gone | dropped, `response_malformed` | who asked would not know the answer; nothing here can tell this from a server's own Via, so `way_back` compares it with the request's |
//! | a URI with a token at this node's name, in any of these fields | refused or dropped, `token_forged` | an attempt to be taken for somebody else |
//! | Request-URI and Route that cannot be read | refused | admission reads them, token or not |
//! | Record-Route and Path of a response, contacts of a 3xx, references, that cannot be read or name somebody else | relayed | the peer may put such values there by itself: they are addresses that whoever asked may try or not, its transaction ends by the answer all the same, and a request that follows them here is judged anew |
//! | Contact of other messages, bodies, fields that no rule names | relayed | they are the peer's own |
use super::fields::REFERENCES;
use super::seal::SealedKind;
use super::towards::{BRANCH, Hiding, USER};
use super::uri::{UriPlace, restored};
use crate::proxy::environment::Environment;
use crate::proxy::leg::Leg;
use crate::reason::MessageReason;
use crate::sip::{Address, HeaderName, Message, Splices, StartLine, Uri, plain_user};

/// The message without the tokens of topology hiding, and whether its Request-URI was one: `None`
/// if there are none in it.
///
/// # Errors
/// As [`Hiding::restore`].
pub(crate) fn unhidden(
    from: Leg,
    message: &Message<'_>,
    env: &Environment,
) -> Result<Option<(Vec<u8>, bool)>, MessageReason> {
    let Some(hiding) = from.peer().and_then(|peer| Hiding::opening(peer, env)) else {
        return Ok(None);
    };
    let is_sealed = || match message.start() {
        StartLine::Request { uri, .. } => hiding.is_sealed(uri),
        StartLine::Response { .. } => false,
    };
    let restored = hiding.restore(message)?;
    Ok(restored.map(|whole| (whole, is_sealed())))
}

impl Hiding<'_> {
    /// The message as it was before it was hidden; `None` if nothing in it is.
    ///
    /// # Errors
    /// [`MessageReason::TokenForged`] for a token at this node's name that none of its keys has
    /// sealed for this peer.
    pub(crate) fn restore(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, MessageReason> {
        let mut splices = Splices::new(message);
        let fields: &[HeaderName] = match message.start() {
            StartLine::Request { uri, .. } => {
                self.restore_uri(uri, UriPlace::RequestLine, &mut splices)?;
                &[HeaderName::Route]
            }
            StartLine::Response { status, .. } => {
                // One that cannot be read, or is in another form, has no token to open: see above.
                if let Some(via) = splices.second_via()
                    && let Some(token) = via.branch.and_then(|b| b.strip_prefix(BRANCH))
                {
                    let lines = self
                        .plain(SealedKind::Vias, token)
                        .ok_or(MessageReason::TokenForged)?;
                    if !splices.restore_second_via(lines) {
                        return Err(MessageReason::TokenForged);
                    }
                }
                if (300..400).contains(&status) {
                    &[
                        HeaderName::RecordRoute,
                        HeaderName::Path,
                        HeaderName::Contact,
                    ]
                } else {
                    &[HeaderName::RecordRoute, HeaderName::Path]
                }
            }
        };
        for name in fields.iter().chain(&REFERENCES) {
            for value in message.values(*name).flatten() {
                if let Ok(address) = Address::parse(value) {
                    self.restore_uri(address.uri, UriPlace::Field, &mut splices)?;
                }
            }
        }
        if splices.is_empty() {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(message.bytes().len());
        splices.write(&mut whole);
        Ok(Some(whole))
    }

    /// Whether the URI is one that was sealed for this peer.
    pub(super) fn is_sealed(&self, text: &[u8]) -> bool {
        let uri = Uri::parse(text).ok();
        let token = uri.and_then(|uri| uri.user?.strip_prefix(USER));
        token.is_some_and(|token| self.plain(SealedKind::Uri, token).is_some())
    }

    fn restore_uri<'a>(
        &self,
        text: &'a [u8],
        place: UriPlace,
        splices: &mut Splices<'_, 'a>,
    ) -> Result<(), MessageReason> {
        // Cheap for all others: most URIs have no such user, and a search is faster than a parse.
        if memchr::memmem::find(text, USER).is_none() && memchr::memchr(b'%', text).is_none() {
            return Ok(());
        }
        let Ok(uri) = Uri::parse(text) else {
            return Ok(());
        };
        let user = plain_user(uri.user.unwrap_or_default());
        let Some(token) = user.strip_prefix(USER) else {
            return Ok(());
        };
        match self.plain(SealedKind::Uri, token) {
            Some(sealed) => splices.replace_uri(text, &restored(&sealed, &uri, place)),
            None if self.routing.is_own_name(&uri.host) => return Err(MessageReason::TokenForged),
            // Somebody of that name, elsewhere: it is relayed as it is.
            None => {}
        }
        Ok(())
    }
}
