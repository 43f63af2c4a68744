//! Via values (RFC 3261 §20.42, RFC 3581).
//!
//! The topmost names the sender, and responses are matched by its branch. The others belong to hops behind it; they are
//! relayed untouched and parsed only where loops are looked for.
use super::cursor::Cursor;
use super::grammar::{self, cut};
use super::params::{self, Empty, Param, Params};
use super::{HeaderName, Host, Malformed, Rule, host};

/// What every branch of RFC 3261 begins with (§8.1.1.7).
const COOKIE: &[u8] = b"z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// Transport token as written.
    pub transport: &'a [u8],
    /// Host of sent-by; what is neither a name nor an address stands here as a name that nobody has.
    pub host: Host<'a>,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// sent-by as written.
    pub sent_by: &'a [u8],
    /// Parameters from the first `;` on, as written.
    pub params: &'a [u8],
    /// The branch.
    pub branch: Option<&'a [u8]>,
    /// Where this node stamps it; `None`: its sender has written what only a receiver may write.
    pub(super) stamps: Option<StampPlaces>,
}

/// Where the receiver of a Via writes into its parameters (RFC 3261 §18.2.1, RFC 3581 §4), as offsets in them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StampPlaces {
    /// Behind the name of `rport`, and behind its value.
    pub(super) rport: Option<(usize, usize)>,
    /// Behind the last parameter.
    pub(super) end: usize,
}

impl StampPlaces {
    /// With the next parameter; `None`: it is one for the receiver to write.
    fn with(mut self, param: &Param<'_>) -> Option<Self> {
        self.end = param.end;
        if param.name.eq_ignore_ascii_case(b"rport") {
            let place = (param.name_end, param.end);
            return self.rport.replace(place).is_none().then_some(self);
        }
        (!param.name.eq_ignore_ascii_case(b"received")).then_some(self)
    }
}

impl<'a> Via<'a> {
    /// Parses one value by its generic syntax (any protocol name and version). Errors carry an offset relative to the
    /// value.
    ///
    /// # Errors
    /// `bad_via`, `bad_host` (no sent-by at all), `bad_param`, `duplicate_param` (two branches, or one without a value).
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let fault = |offset, rule| Malformed::of(HeaderName::Via, offset, rule);
        let mut cursor = Cursor::new(value);
        // Nearly every Via begins so; what follows is for the others.
        let is_sip = cursor.eat_text(b"SIP/2.0/");
        cursor.skip_lws();
        let is_named = is_sip || {
            let protocol = cursor.take(grammar::TOKEN);
            let first = cursor.eat_separator(b'/');
            let version = cursor.take(grammar::TOKEN);
            let second = cursor.eat_separator(b'/');
            first && second && !protocol.is_empty() && !version.is_empty()
        };
        // The transport is not compared with the connection's: hops behind a TLS client may well have spoken UDP.
        let transport = cursor.take(grammar::TOKEN);
        if !is_named || transport.is_empty() || !cursor.skip_lws() {
            return Err(fault(cursor.at, Rule::BadVia));
        }
        let from = cursor.at;
        let (host, port, sent_by) = match sent_by(cursor) {
            Some((host, port, behind)) => {
                let sent_by = cut(value, from, behind);
                cursor.at = behind;
                (host, port, sent_by)
            }
            // An odd sent-by is no reason to refuse: responses go back on the connection that the request came by, and
            // never to the place that stands here. It only matters whether it is this node's name.
            None => {
                let rest = cursor.rest();
                let stops =
                    |b: &u8| grammar::is_blank(*b) || matches!(b, b';' | b',' | b'"' | b'<' | b'>');
                let length = rest.iter().position(stops).unwrap_or(rest.len());
                let odd = cut(rest, 0, length);
                if odd.is_empty() {
                    return Err(fault(from, Rule::BadHost));
                }
                cursor.at += length;
                (Host::Name(odd), None, odd)
            }
        };
        cursor.skip_lws();
        let begin = cursor.at;
        let params = cut(value, begin, value.len());
        let mut branch = None;
        let mut stamps = Some(StampPlaces::default());
        for param in Params::reading(params, Empty::Refused) {
            let param = param.map_err(|at| fault(begin + at, Rule::BadParam))?;
            // Responses and CANCEL find their transaction by it, so there must be no doubt which one it is.
            if param.name.eq_ignore_ascii_case(b"branch") {
                let duplicate = fault(begin + param.start, Rule::DuplicateParam);
                if branch.is_some() {
                    return Err(duplicate);
                }
                branch = Some(param.counting_value().ok_or(duplicate)?);
            }
            stamps = stamps.and_then(|places| places.with(&param));
        }
        Ok(Self {
            transport,
            host,
            port,
            sent_by,
            params,
            branch,
            stamps,
        })
    }

    /// Where in the parameters this node writes the port that the request came from (RFC 3581 §4); `None`: nowhere.
    pub(crate) fn port_stamp(&self) -> Option<usize> {
        self.stamps?.rport.map(|(name_end, _)| name_end)
    }

    /// A parameter: `None` absent, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        params::find(self.params, name)
    }

    /// Whether the transaction can be matched by its branch alone (RFC 3261 §17.2.3): whether the branch begins with the
    /// magic cookie `z9hG4bK` (any case) and has more after it.
    pub fn has_cookie(&self) -> bool {
        self.after_cookie().is_some_and(|rest| !rest.is_empty())
    }

    /// Whether the branch is the magic cookie and nothing else, which names no transaction (RFC 4475 §3.2.1).
    pub fn is_bare_cookie(&self) -> bool {
        self.after_cookie().is_some_and(<[u8]>::is_empty)
    }

    /// What follows the magic cookie; `None` for a branch of RFC 2543, which has none.
    fn after_cookie(&self) -> Option<&'a [u8]> {
        let (cookie, rest) = self.branch?.split_at_checked(COOKIE.len())?;
        cookie.eq_ignore_ascii_case(COOKIE).then_some(rest)
    }
}

/// `host [ : port ]` with white space around the colon, which RFC 3261 §25.1 allows here (`COLON`), and where it ends; `None` for anything else.
fn sent_by<'a>(mut cursor: Cursor<'a>) -> Option<(Host<'a>, Option<u16>, usize)> {
    let (host, length) = Host::begin(cursor.rest())?;
    cursor.at += length;
    let mut behind = cursor.at;
    let mut port = None;
    if cursor.eat_separator(b':') {
        port = Some(host::port(cursor.take(grammar::NAME))?);
        behind = cursor.at;
    }
    cursor.skip_lws();
    let ends = cursor.is_done() || cursor.peek() == Some(b';');
    ends.then_some((host, port, behind))
}
