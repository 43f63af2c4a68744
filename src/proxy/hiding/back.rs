//! From the peer: tokens of ours become what they stand for, before anything else reads the message.
use super::seal::Kind;
use super::towards::{BRANCH, Hiding, USER};
use super::uri::{Place, restored};
use crate::proxy::environment::Environment;
use crate::proxy::leg::Leg;
use crate::reason::MessageReason;
use crate::sip::{Address, HeaderName, Message, Splices, StartLine, Uri, plain_user};

/// Fields in which a token may come back; none of them but Route decides where a request goes.
const REFERENCES: [HeaderName; 5] = [
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
    HeaderName::ReplyTo,
    HeaderName::HistoryInfo,
    HeaderName::Diversion,
];

/// The message without the tokens of topology hiding, and whether its Request-URI was one: `None` if there are none in
/// it.
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
    /// [`MessageReason::TokenForged`] for a token at our name that none of our keys has sealed for this peer.
    pub(crate) fn restore(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, MessageReason> {
        let mut splices = Splices::new(message);
        let fields: &[HeaderName] = match message.start() {
            StartLine::Request { uri, .. } => {
                self.restore_uri(uri, Place::RequestLine, &mut splices)?;
                &[HeaderName::Route]
            }
            StartLine::Response { status, .. } => {
                if let Some(via) = splices.second_via()
                    && let Some(token) = via.branch.and_then(|b| b.strip_prefix(BRANCH))
                {
                    let lines = self
                        .plain(Kind::Vias, token)
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
                    self.restore_uri(address.uri, Place::Field, &mut splices)?;
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

    /// Whether the URI is one that we have sealed for this peer.
    pub(super) fn is_sealed(&self, text: &[u8]) -> bool {
        let uri = Uri::parse(text).ok();
        let token = uri.and_then(|uri| uri.user?.strip_prefix(USER));
        token.is_some_and(|token| self.plain(Kind::Uri, token).is_some())
    }

    fn restore_uri<'a>(
        &self,
        text: &'a [u8],
        place: Place,
        splices: &mut Splices<'_, 'a>,
    ) -> Result<(), MessageReason> {
        // Cheap for all that are none of ours: most URIs have no such user.
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
        match self.plain(Kind::Uri, token) {
            Some(sealed) => splices.replace_uri(text, &restored(&sealed, &uri, place)),
            None if self.routing.is_own_name(&uri.host) => return Err(MessageReason::TokenForged),
            // Somebody of that name, elsewhere.
            None => {}
        }
        Ok(())
    }
}
