//! Via values (RFC 3261 §20.42, RFC 3581).
use super::grammar::{self, Cursor, cut};
use super::params::{self, Params};
use super::{HeaderName, Host, Malformed, host};

/// What every branch of RFC 3261 begins with (§8.1.1.7).
const COOKIE: &[u8] = b"z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// Transport token as written.
    pub transport: &'a [u8],
    /// Host of sent-by.
    pub host: Host<'a>,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// sent-by as written.
    pub sent_by: &'a [u8],
    /// Parameters from the first `;` on, as written.
    pub params: &'a [u8],
    /// The branch.
    pub branch: Option<&'a [u8]>,
}

impl<'a> Via<'a> {
    /// Parses one value by its generic syntax (any protocol name and version). Errors carry an offset relative to the
    /// value.
    ///
    /// # Errors
    /// `bad_via`, `bad_host`, `bad_port`, `bad_param`, `duplicate_param` (two branches, or a branch without a value).
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let fault = |offset, rule| Malformed {
            field: HeaderName::Via,
            offset,
            rule,
        };
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
        let transport = cursor.take(grammar::TOKEN);
        if !is_named || transport.is_empty() || !cursor.skip_lws() {
            return Err(fault(cursor.at, "bad_via"));
        }
        let from = cursor.at;
        let (host, length) = Host::begin(cursor.rest()).ok_or(fault(from, "bad_host"))?;
        cursor.at += length;
        let mut sent_by = cursor.since(from);
        let mut port = None;
        if cursor.eat_separator(b':') {
            let at = cursor.at;
            port = Some(host::port(cursor.take(grammar::NAME)).ok_or(fault(at, "bad_port"))?);
            sent_by = cursor.since(from);
        }
        cursor.skip_lws();
        let begin = cursor.at;
        let params = cut(value, begin, value.len());
        let mut branch = None;
        for param in Params::new(params) {
            let param = param.map_err(|at| fault(begin + at, "bad_param"))?;
            if param.name.eq_ignore_ascii_case(b"branch") {
                let duplicate = fault(begin + param.start, "duplicate_param");
                if branch.is_some() {
                    return Err(duplicate);
                }
                branch = Some(param.value.ok_or(duplicate)?);
            }
        }
        Ok(Self {
            transport,
            host,
            port,
            sent_by,
            params,
            branch,
        })
    }

    /// A parameter: `None` absent, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        params::find(self.params, name)
    }

    /// Whether the branch begins with the magic cookie `z9hG4bK` (any case) and has more after it.
    pub fn has_cookie(&self) -> bool {
        self.after_cookie().is_some_and(|rest| !rest.is_empty())
    }

    /// Whether the branch is the magic cookie and nothing else, which names no transaction (RFC 4475 §3.2.1).
    pub fn is_bare_cookie(&self) -> bool {
        self.after_cookie().is_some_and(<[u8]>::is_empty)
    }

    fn after_cookie(&self) -> Option<&'a [u8]> {
        let (cookie, rest) = self.branch?.split_at_checked(COOKIE.len())?;
        cookie.eq_ignore_ascii_case(COOKIE).then_some(rest)
    }
}
