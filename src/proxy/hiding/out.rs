//! Towards the peer: what reveals the home side in a message is sealed or taken out before it
//! leaves.
//!
//! What is hidden depends on the field. Lists of routes and contacts lead to home servers by their
//! nature, so everything in them is sealed that is not public; fields that refer to people are
//! sealed where they name the home side; the rest is left alone, or taken out if it reveals
//! something. From, To, Call-ID and what proves something over its own bytes stay: without them the
//! call is another one.
use super::fields::{IDENTITIES, KEPT, REFERENCES, ROUTES, is_by_params, is_harmless};
use super::inside::{Hidden, text_of};
use super::seal::SealedKind;
use super::towards::{BRANCH, Hiding, USER};
use super::uri::SplitUri;
use crate::proxy::leg::Leg;
use crate::proxy::plan::is_recorded;
use crate::proxy::token::Token;
use crate::reason::MessageReason;
use crate::sip::{
    Address, HeaderLine, HeaderName, HeaderSet, Host, Message, Scheme, Splices, StartLine, Uri, Via,
};

/// How often a message is gone through for hosts that will be sealed.
const MOST_ROUNDS: usize = 3;

/// Which URIs of a field are hidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HideRule {
    /// All but those that name this node or a home domain, which the peer knows.
    AllButPublic,
    /// All but those that name this node: whoever finds it by the host of Contact (Teams) finds it
    /// by its own name only.
    AllButOwn,
    /// Those that are known to be of the home side.
    Home,
    /// Those that can be nobody but a home server: what the peer itself has put there is full of
    /// private addresses too.
    Server,
}

/// One message on its way out.
struct Leaving<'h, 'c, 'm, 'a> {
    hiding: &'h Hiding<'c>,
    splices: Splices<'m, 'a>,
    hidden: Hidden,
}

impl Hiding<'_> {
    /// Hides what stands in `out` from `start` on, a message on its way to the peer. What cannot be
    /// hidden is taken back.
    ///
    /// # Errors
    /// [`MessageReason::TopologyNotHidden`]: it must not be sent.
    pub(crate) fn hide(&self, start: usize, out: &mut Vec<u8>) -> Result<(), MessageReason> {
        let sent = out.split_off(start);
        let message = Message::parse(&sent).map_err(|_| MessageReason::TopologyNotHidden)?;
        hidden(self, &message)?.write(out);
        Ok(())
    }
}

/// Plans what is written instead of what the message reveals.
///
/// First the hosts that will be hidden are collected, since a name that is sealed in one field must
/// not stand in another. Then lists of URIs are sealed value by value, and last every line that no
/// rule names and that still reveals something is taken out whole.
///
/// # Errors
/// [`MessageReason::TopologyNotHidden`]: something could not be sealed.
fn hidden<'m, 'a>(
    hiding: &Hiding<'_>,
    message: &'m Message<'a>,
) -> Result<Splices<'m, 'a>, MessageReason> {
    let mut leaving = Leaving {
        hiding,
        splices: Splices::new(message),
        hidden: Hidden::default(),
    };
    leaving.note_all(message);
    let mut seen = HeaderSet::EMPTY;
    for name in ROUTES {
        let (rule, most) = leaving.rule(message, name);
        leaving.list(message, name, rule, most)?;
        seen = seen.with(HeaderSet::of(name));
    }
    for name in REFERENCES.into_iter().chain(IDENTITIES) {
        leaving.list(message, name, HideRule::Home, usize::MAX)?;
        seen = seen.with(HeaderSet::of(name));
    }
    for name in KEPT {
        seen = seen.with(HeaderSet::of(name));
    }
    leaving.params_only(message);
    match message.start() {
        StartLine::Request { .. } => leaving.vias()?,
        StartLine::Response { status, phrase } => {
            leaving.strange_vias(message)?;
            leaving.phrase(status, phrase);
        }
    }
    let Leaving {
        mut splices,
        hidden,
        ..
    } = leaving;
    let reveals = |text: &[u8]| hiding.routing.inside().is_revealed_by(text, &hidden);
    splices.strip_lines(|line| {
        let is_seen = seen.has(line.name) || is_by_params(line) && !reveals(first_part(line.value));
        !is_seen && (reveals(line.value) || reveals(line.raw_name))
    });
    Ok(splices)
}

impl<'m, 'a> Leaving<'_, '_, 'm, 'a> {
    fn reveals(&self, text: &[u8]) -> bool {
        self.hiding
            .routing
            .inside()
            .is_revealed_by(text, &self.hidden)
    }

    /// Learns the hosts that will be sealed, before any text is judged by them. What is hidden only
    /// because it names such a host makes known its own, so it takes more than one round, but not
    /// many.
    fn note_all(&mut self, message: &'m Message<'a>) {
        self.note_vias(message);
        for _ in 0..MOST_ROUNDS {
            let known = self.hidden.len();
            for name in ROUTES {
                let (rule, most) = self.rule(message, name);
                for address in message.addresses(name).take(most).flatten() {
                    self.note_uri(&address, rule);
                }
            }
            for name in REFERENCES.into_iter().chain(IDENTITIES) {
                for address in message.addresses(name).flatten() {
                    self.note_uri(&address, HideRule::Home);
                }
            }
            if self.hidden.len() == known {
                break;
            }
        }
    }

    fn note_uri(&mut self, address: &Address<'a>, rule: HideRule) {
        if let Ok(uri) = address.parse_uri()
            && !self.hiding.is_public(&uri.host)
            && self.is_hidden(address, &uri, rule)
        {
            self.note(&uri.host);
        }
    }

    /// The hosts of the Via lines that will be sealed. A response's are the peer's own.
    fn note_vias(&mut self, message: &Message<'a>) {
        if let StartLine::Response { .. } = message.start() {
            return;
        }
        for via in message.vias().skip(1).flatten() {
            let received = via.param("received").flatten();
            if let Some(received) = received.and_then(|text| std::str::from_utf8(text).ok()) {
                self.hidden.add(received);
            }
            self.note(&via.host);
        }
    }

    /// A host that will be hidden, and so must not stand elsewhere.
    fn note(&mut self, host: &Host<'_>) {
        if !self.hiding.is_public(host)
            && let Some(text) = text_of(host)
        {
            self.hidden.add(&text);
        }
    }

    /// Takes out the parameters that tell of fields without which the message would be refused.
    ///
    /// Event's name a call, as Call-ID does.
    fn params_only(&mut self, message: &Message<'a>) {
        for line in message.lines().filter(is_by_params) {
            if !self.reveals(line.value) || self.reveals(first_part(line.value)) {
                continue;
            }
            let stays = |part: &&[u8]| {
                let name = part.split(|b| *b == b'=').next().unwrap_or_default();
                line.name == HeaderName::Event && name.trim_ascii().eq_ignore_ascii_case(b"call-id")
                    || !self.reveals(part)
            };
            let kept: Vec<_> = parts(line.value).into_iter().filter(stays).collect();
            self.splices.keep_parts(line.value, &kept);
        }
    }

    /// RFC 3261 §7.2: the phrase is free text for people, and a proxy may choose it.
    fn phrase(&mut self, status: u16, text: &'a [u8]) {
        if self.reveals(text) {
            self.splices.replace_phrase(text, status);
        }
    }

    /// A Via line that a home server has put below this node's into an answer: the peer's request
    /// cannot have had it.
    fn strange_vias(&mut self, message: &Message<'a>) -> Result<(), MessageReason> {
        for value in message.values(HeaderName::Via).skip(1).flatten() {
            let Ok(via) = Via::parse(value) else {
                continue;
            };
            if self.hiding.routing.inside().is_surely(&via.host) {
                let token = self.hiding.token(SealedKind::Vias, value)?;
                let branch = [BRANCH, token.as_bytes()].concat();
                self.splices
                    .replace_via(value, self.hiding.sent_by, &branch);
            }
        }
        Ok(())
    }

    /// All Via lines below this node's become one whose branch holds them sealed: the peer returns
    /// it unchanged in its response (RFC 3261 §8.2.6.2), and they are restored there.
    fn vias(&mut self) -> Result<(), MessageReason> {
        let Some(lines) = self.splices.lower_vias() else {
            return Ok(());
        };
        let token = self.hiding.token(SealedKind::Vias, &lines)?;
        let branch = [BRANCH, token.as_bytes()].concat();
        self.splices
            .replace_lower_vias(self.hiding.sent_by, &branch);
        Ok(())
    }

    /// How a list of routes or contacts is hidden, and how many of its values.
    fn rule(&self, message: &Message<'a>, name: HeaderName) -> (HideRule, usize) {
        // Of the two values that this node records (RFC 5658 §6) the lower one has the name for the other side: a tenant's
        // partner has no use for it but to send it back.
        let is_recorded_twice = name == HeaderName::RecordRoute && self.hiding.has_many_names;
        let standard = if name == HeaderName::Contact || is_recorded_twice {
            HideRule::AllButOwn
        } else {
            HideRule::AllButPublic
        };
        let StartLine::Response { status, .. } = message.start() else {
            return (standard, usize::MAX);
        };
        if name == HeaderName::RecordRoute {
            return match self.own_place(message) {
                // What stands below this node's own value the peer has put there itself, and knows.
                Some(place) => (standard, place),
                // This node has recorded one, and it is gone: nobody knows which value came from
                // where.
                None if message.cseq().is_ok_and(|c| is_recorded(c.method)) => {
                    (standard, usize::MAX)
                }
                // This node has recorded none: what the peer's request came with has come back, and
                // if more has, then what reveals of the home side is hidden.
                None => (HideRule::Home, usize::MAX),
            };
        }
        // Path is what the request came with, from the peer itself; the contacts of a redirection
        // are mostly other people's addresses, to be asked directly.
        let is_others =
            name == HeaderName::Path || name == HeaderName::Contact && (300..400).contains(&status);
        let rule = if is_others { HideRule::Home } else { standard };
        (rule, usize::MAX)
    }

    /// The place of the Record-Route value that this node added to the peer's own request, counted
    /// from above. A request that has passed here more than once has several: the lowest whose
    /// token names this peer as the caller.
    fn own_place(&self, message: &Message<'a>) -> Option<usize> {
        let call_id = message.call_id().unwrap_or_default();
        let (mut of_peer, mut any) = (None, None);
        for (place, address) in message.addresses(HeaderName::RecordRoute).enumerate() {
            let Some(uri) = address.ok().and_then(|a| a.parse_uri().ok()) else {
                continue;
            };
            let Some(user) = uri.user.filter(|user| !user.starts_with(USER)) else {
                continue;
            };
            if !self.hiding.routing.is_own_name(&uri.host) {
                continue;
            }
            any = Some(place);
            let token = self.hiding.tokens.open(user, call_id);
            if let Ok(Token::Dialog { caller, .. }) = token
                && self.is_the_peer(caller)
            {
                of_peer = Some(place);
            }
        }
        of_peer.or(any)
    }

    /// Whether the leg is the peer's, or that of an entry that grants the same.
    fn is_the_peer(&self, leg: Leg) -> bool {
        let own = self.hiding.peer;
        let is = |key| key == own || self.hiding.routing.equals(own).contains(&key);
        matches!(leg, Leg::Peer(key) if is(key))
    }

    /// The first `most` values of a field; of the others those that are a home server's.
    fn list(
        &mut self,
        message: &'m Message<'a>,
        name: HeaderName,
        rule: HideRule,
        most: usize,
    ) -> Result<(), MessageReason> {
        let mut left = most;
        for line in message.lines().filter(|line| line.name == name) {
            let of = |left: usize| if left > 0 { rule } else { HideRule::Server };
            let values: Vec<_> = line.list_values().collect();
            // Of a line that cannot be split nobody knows what is a value.
            if values.iter().any(Result::is_err) {
                self.unread(&line, of(left))?;
                left = left.saturating_sub(1);
                continue;
            }
            for value in values.into_iter().flatten() {
                if !value.is_empty() {
                    self.value(value, of(left))?;
                }
                left = left.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn unread(&mut self, line: &HeaderLine<'a>, rule: HideRule) -> Result<(), MessageReason> {
        if self.is_unread_hidden(line.value, rule) {
            self.seal_whole(line.value)?;
        }
        Ok(())
    }

    fn is_unread_hidden(&self, text: &[u8], rule: HideRule) -> bool {
        match rule {
            HideRule::AllButPublic | HideRule::AllButOwn => true,
            HideRule::Home => self.reveals(text),
            HideRule::Server => false,
        }
    }

    /// Replaces a value that cannot be read: it fails closed, since another parser may find a host
    /// in it.
    fn seal_whole(&mut self, value: &'a [u8]) -> Result<(), MessageReason> {
        let shown = self.shown(&SplitUri::unread(value))?;
        self.splices
            .replace_address(value, &shown, std::iter::empty());
        Ok(())
    }

    fn shown(&self, parts: &SplitUri) -> Result<Vec<u8>, MessageReason> {
        let token = self.hiding.token(SealedKind::Uri, &parts.sealed)?;
        Ok(parts.shown(&token, self.hiding.sent_by))
    }

    /// Hides one value of a list: the URI if the rule hides it, and the display name and parameters
    /// that reveal something.
    fn value(&mut self, value: &'a [u8], rule: HideRule) -> Result<(), MessageReason> {
        // Every contact (RFC 3261 §10.2.2).
        if value == b"*" {
            return Ok(());
        }
        let read = Address::parse(value).ok();
        let read = read.and_then(|address| Some((address, address.parse_uri().ok()?)));
        let Some((address, uri)) = read else {
            if self.is_unread_hidden(value, rule) {
                self.seal_whole(value)?;
            }
            return Ok(());
        };
        let is_hidden = self.is_hidden(&address, &uri, rule);
        if rule == HideRule::Server && !is_hidden {
            return Ok(());
        }
        if is_hidden {
            self.note(&uri.host);
        }
        let shown = if is_hidden {
            let parts = SplitUri::of(address.uri, &uri, |text| self.reveals(text));
            Some(self.shown(&parts)?)
        } else {
            None
        };
        let place = address.uri.as_ptr() as usize - value.as_ptr() as usize;
        let before = value.get(..place).unwrap_or_default();
        if self.reveals(before) || self.reveals(address.params) {
            let shown = shown.as_deref().unwrap_or(address.uri);
            let stays = |param: &&[u8]| !self.reveals(param);
            let kept: Vec<_> = address.each_param().filter(stays).collect();
            self.splices.replace_address(value, shown, kept.into_iter());
        } else if let Some(shown) = shown {
            self.splices.replace_uri(address.uri, &shown);
        }
        Ok(())
    }

    /// Whether the rule hides this URI. Exhaustive over schemes and rules, so that a new one cannot
    /// pass by default.
    fn is_hidden(&self, address: &Address<'a>, uri: &Uri<'a>, rule: HideRule) -> bool {
        match (uri.scheme, rule) {
            (Scheme::Sip | Scheme::Sips, HideRule::AllButPublic | HideRule::AllButOwn) => {
                let is_known = match rule {
                    HideRule::AllButOwn => self.hiding.is_face(&uri.host),
                    HideRule::AllButPublic | HideRule::Home | HideRule::Server => {
                        self.hiding.is_public(&uri.host)
                    }
                };
                !(is_known
                    && uri.headers.is_empty()
                    && is_harmless(uri.params)
                    && !self.reveals(address.uri))
            }
            (Scheme::Sip | Scheme::Sips, HideRule::Home) => {
                self.hiding.routing.inside().has(&uri.host)
                    || self.reveals(&without_calls(address.uri, uri))
            }
            (_, HideRule::Server) => self.hiding.routing.inside().is_surely(&uri.host),
            (Scheme::Tel, _) | (Scheme::Other, HideRule::Home) => self.reveals(address.uri),
            (Scheme::Other, HideRule::AllButPublic | HideRule::AllButOwn) => {
                !address
                    .uri
                    .get(..4)
                    .is_some_and(|s| s.eq_ignore_ascii_case(b"urn:"))
                    || self.reveals(address.uri)
            }
        }
    }
}

/// The URI without its header parts, which are looked at one by one when it is taken apart.
fn without_calls(text: &[u8], uri: &Uri<'_>) -> Vec<u8> {
    let end = text.len().saturating_sub(uri.headers.len());
    let mut rest = text.get(..end).unwrap_or(text).to_vec();
    for part in uri.headers.split(|b| *b == b'&') {
        if !super::uri::names_a_call(part) {
            rest.push(b' ');
            rest.extend_from_slice(part);
        }
    }
    rest
}

/// A value without its parameters.
fn first_part(value: &[u8]) -> &[u8] {
    value.split(|b| *b == b';').next().unwrap_or_default()
}

/// What `;` parts outside of quotes.
fn parts(value: &[u8]) -> Vec<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value
        .split(|b| {
            let is_plain = !std::mem::take(&mut is_escaped);
            match b {
                b'"' if is_plain => is_quoted = !is_quoted,
                b'\\' if is_quoted && is_plain => is_escaped = true,
                _ => {}
            }
            *b == b';' && !is_quoted
        })
        .collect()
}
