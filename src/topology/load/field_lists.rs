//! Lists of header fields as the file has them: which fields may be chosen, and how each is recognised.
use super::loading::Loading;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::TopologyReason;
use crate::topology::did_you_mean;
use crate::topology::field_list::FieldList;
use crate::topology::keys::Text;
use crate::topology::trust_fields::FIELD_NAMES;

/// Fields without which a message is no message, goes elsewhere, belongs to no dialog, or is answered by nobody; and those that
/// this node writes itself. RFC 3261 §20, RFC 3262, RFC 3265, RFC 3327, RFC 3608, RFC 4028, RFC 5626.
const NEEDED: &[HeaderName] = &[
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::MaxBreadth,
    HeaderName::Contact,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Path,
    HeaderName::ServiceRoute,
    HeaderName::ProxyRequire,
    HeaderName::Require,
    HeaderName::Supported,
    HeaderName::Unsupported,
    HeaderName::Expires,
    HeaderName::Event,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::TargetDialog,
    HeaderName::SessionExpires,
    HeaderName::Privacy,
    HeaderName::WwwAuthenticate,
    HeaderName::ProxyAuthenticate,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
];
/// The same of fields that the proxy itself never looks at.
const NEEDED_BY_OTHERS: &[&str] = &[
    "content-disposition",
    "content-encoding",
    "flow-timer",
    "mime-version",
    "min-expires",
    "min-se",
    "rack",
    "rseq",
    "security-client",
    "security-server",
    "security-verify",
    "sip-etag",
    "sip-if-match",
    "subscription-state",
];
/// What only this node writes: it is taken out of what comes in, whatever a list says.
const OWN: &[HeaderName] = &[
    HeaderName::PeerName,
    HeaderName::ClientAddress,
    HeaderName::SiblingOrigin,
    HeaderName::MsKeepAlive,
];

/// What an entry chooses.
enum ChosenField {
    /// What has a bit, and nothing else.
    Known(HeaderSet),
    /// What has none; of a pattern, with those known ones that it fits.
    Named(HeaderSet),
}

impl FieldList {
    /// Reads a list; what may not stand in it is reported, and so is what stands there twice.
    pub(super) fn read(list: &[Text], what: &str, loading: &mut Loading<'_, '_>) -> Self {
        let mut read = Self::default();
        for text in list {
            let name = text.get_ref();
            let chosen = match choose(name) {
                Ok(chosen) => chosen,
                Err(why) => {
                    let what = format!("{what} \"{name}\" {why}");
                    let remedy = "name a field that neither a proxy nor a parser needs, or a pattern such as X-* of which no such field is one";
                    loading.add(TopologyReason::FieldNotPermitted, text, what, remedy);
                    continue;
                }
            };
            let (set, is_named) = match chosen {
                ChosenField::Known(set) => (set, false),
                ChosenField::Named(set) => (set, true),
            };
            let mut others = read.names.iter();
            let is_there = match is_named {
                true => others.any(|other| other.eq_ignore_ascii_case(name)),
                false => !read.set.both(set).is_empty(),
            };
            if is_there {
                loading.twice(text, what, name);
            }
            read.set = read.set.with(set);
            if is_named {
                read.names.push(name.clone());
            }
        }
        read
    }
}

/// What an entry chooses, or why it may not stand there.
fn choose(name: &str) -> Result<ChosenField, String> {
    let refused = |why: String| Err(why);
    if FIELD_NAMES
        .iter()
        .any(|word| word.eq_ignore_ascii_case(name))
    {
        return Ok(ChosenField::Known(HeaderSet::of(HeaderName::from_bytes(
            name.as_bytes(),
        ))));
    }
    let beginning = name.strip_suffix('*');
    let text = beginning.unwrap_or(name);
    // RFC 3261 §25.1; a compact form would hide which field is meant.
    if text.len() < 2 || !text.bytes().all(is_token) {
        return refused("is no name of a header field, and no pattern such as X-*".to_owned());
    }
    let known = HeaderName::from_bytes(name.as_bytes());
    if beginning.is_none() && [HeaderName::Other, HeaderName::PrivateP].contains(&known) {
        // A slip in the name of a field that must not cross would let it cross.
        let hint = did_you_mean(name, FIELD_NAMES.iter().copied());
        // Names of somebody's own (RFC 6648) are short and like nothing.
        let is_own = name
            .get(..2)
            .is_some_and(|it| it.eq_ignore_ascii_case("x-"));
        if !hint.is_empty() && !is_own {
            return refused(format!("is a field that nobody knows{hint}"));
        }
    }
    let fits = |other: &str| match beginning {
        Some(beginning) => other
            .get(..beginning.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(beginning)),
        None => other.eq_ignore_ascii_case(name),
    };
    let needed = NEEDED.iter().map(|field| field.as_str());
    let mut needed = needed.chain(NEEDED_BY_OTHERS.iter().copied());
    if let Some(field) = needed.find(|field| fits(field)) {
        return refused(format!("is {field}, which a proxy or a parser needs"));
    }
    let mut own = OWN.iter().map(|field| field.as_str());
    if beginning.is_none() && own.any(fits) {
        return refused("is a field of this node, which is in no list".to_owned());
    }
    let others = HeaderName::KNOWN.iter().copied();
    let others = others.filter(|other| !OWN.contains(other) && fits(other.as_str()));
    let set = others.fold(HeaderSet::EMPTY, |set, other| {
        set.with(HeaderSet::of(other))
    });
    let is_whole = beginning.is_none() && !set.is_empty();
    Ok(if is_whole {
        ChosenField::Known(set)
    } else {
        ChosenField::Named(set)
    })
}

/// A byte of a token (RFC 3261 §25.1), but the asterisk.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%_+`'~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_or_a_parser_needs_is_in_no_list() {
        for name in [
            "Via",
            "v",
            "from",
            "Call-ID",
            "C*",
            "Content-*",
            "Record-Route",
            "R*",
            "*",
            "",
            "X Y",
            "X:",
            "RSeq",
            "X-Sipward-Peer",
            "Min-SE",
            "P-Asserted-Identiy",
        ] {
            assert!(choose(name).is_err(), "{name}");
        }
        for name in [
            "User-Agent",
            "P-Asserted-Identity",
            "p-asserted-identity",
            "P-*",
            "Warning",
        ] {
            assert!(matches!(choose(name), Ok(ChosenField::Known(_))), "{name}");
        }
        for name in [
            "X-*",
            "X-A",
            "X-Sipward-*",
            "Subject",
            "Server",
            "P-Acme-Cost",
            "ms-acme",
            "User-*",
        ] {
            assert!(matches!(choose(name), Ok(ChosenField::Named(_))), "{name}");
        }
    }
}
