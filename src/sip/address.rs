//! name-addr and addr-spec with header parameters (RFC 3261 §20.10, §25.1).
use super::cursor::Cursor;
use super::grammar::{self, cut};
use super::params::{self, Params};
use super::{Malformed, Rule, Uri, uri};

/// A name-addr or addr-spec with header parameters (From, To, Route, Record-Route, Path, Contact).
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The URI as written, without `<>`. It is parsed only when somebody asks ([`Self::parse_uri`]): most addresses of a
    /// message are relayed without a look into them. Nothing but what URIs are written with stands in it.
    pub uri: &'a [u8],
    /// The header parameters as written, from the first `;` on (may be empty).
    pub params: &'a [u8],
    /// The tag, found while the parameters were checked: it is asked for in every message, to tell dialogs apart.
    tag: Option<&'a [u8]>,
    /// Two `tag` parameters contradict each other, or one has no value that could be a tag. It is no error here, because
    /// only From and To have tags; [`Message::from`](super::Message::from) and `to` refuse it.
    pub(super) has_bad_tag: bool,
}

impl<'a> Address<'a> {
    /// Parses one value. Errors carry an offset relative to the value.
    ///
    /// Without `<>` every parameter belongs to the header, and a URI with `,` or `?` is refused (RFC 3261 §20). The URI
    /// itself is looked at as far as its scheme; [`Self::parse_uri`] does the rest. `Contact: *` is no address.
    ///
    /// # Errors
    /// `unbalanced_quotes`, `bad_display_name`, `unbalanced_angle`, `space_in_uri`, `bad_uri`, `bad_address`, `bad_param`.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let begin = cursor.at;
        // A quoted display name may hold any character, `<` too, so it is stepped over as a whole.
        let bracketed = if cursor.peek() == Some(b'"') {
            cursor
                .take_quoted()
                .ok_or(Malformed::other(begin, Rule::UnbalancedQuotes))?;
            cursor.skip_lws();
            if cursor.peek() != Some(b'<') {
                return Err(Malformed::other(cursor.at, Rule::BadDisplayName));
            }
            true
        } else {
            // What comes before a `<` is a display name, token or not, unless it could be a URI itself or part of a list.
            let rest = cursor.rest();
            let stops =
                |b: &u8| matches!(b, b'<' | b'>' | b'"' | b',' | b';' | b':' | b'@' | b'\\');
            cursor.at += rest.iter().position(stops).unwrap_or(rest.len());
            cursor.peek() == Some(b'<')
        };
        // In brackets the URI ends at `>` and nowhere else. Bare, it ends at the first `;`, `,` or `?`: those belong to
        // the field (RFC 3261 §20), and a proxy that took them for the URI's would route by a header parameter.
        let uri = if bracketed {
            cursor.eat(b'<');
            let uri = cursor.take(grammar::URI);
            let at = cursor.at;
            if !cursor.eat(b'>') {
                return Err(Malformed::other(
                    at,
                    match cursor.peek() {
                        None => Rule::UnbalancedAngle,
                        Some(b) if grammar::is_blank(b) => Rule::SpaceInUri,
                        Some(_) => Rule::BadUri,
                    },
                ));
            }
            uri
        } else {
            cursor.at = begin;
            cursor.take(grammar::ADDR_SPEC)
        };
        if uri::scheme_len(uri).is_none() {
            return Err(Malformed::other(
                grammar::offset_in(value, uri),
                Rule::BadUri,
            ));
        }
        cursor.skip_lws();
        let from = cursor.at;
        // Behind the URI only parameters may follow. A second URI there would be read by some parsers instead of the first.
        if !cursor.is_done() && cursor.peek() != Some(b';') {
            return Err(Malformed::other(from, Rule::BadAddress));
        }
        let params = cut(value, from, value.len());
        let (mut tag, mut has_bad_tag) = (None, false);
        for param in Params::new(params) {
            let param = param.map_err(|at| Malformed::other(from + at, Rule::BadParam))?;
            if param.name.eq_ignore_ascii_case(b"tag") {
                // `;tag` and `;tag=` are no tags: some phones write them before a dialog exists.
                let value = param.value.filter(|value| !value.is_empty());
                has_bad_tag |= tag.is_some() || value.is_some() && param.counting_value().is_none();
                tag = tag.or(Some(value));
            }
        }
        Ok(Self {
            uri,
            params,
            tag: tag.flatten(),
            has_bad_tag,
        })
    }

    /// The parsed URI.
    ///
    /// # Errors
    /// As [`Uri::parse`]; the offset is relative to the URI.
    pub fn parse_uri(&self) -> Result<Uri<'a>, Malformed> {
        Uri::parse_written(self.uri)
    }

    /// A header parameter, the name in any case: `None` absent, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        params::find(self.params, name)
    }

    /// The header parameters one by one as written, without their `;`.
    pub fn each_param(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let text = self.params;
        let params = Params::new(text).map_while(Result::ok);
        params.map(move |param| grammar::trim(cut(text, param.start + 1, param.end)))
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.tag
    }
}
