//! From the peer: tokens of this node become what they stand for, before anything else reads the
//! message.
//!
//! Only what this node has sealed for this very peer is opened, and only in fields where a peer
//! sends back what it was given: the Request-URI, Route, the Vias of a response, and references in
//! a transfer. A token at this node's name that does not open is an attempt to be taken for
//! somebody else, and the message is refused.
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
    let Some(hiding) = from.peer().and_then(|peer| Hiding::of(peer, env)) else {
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
