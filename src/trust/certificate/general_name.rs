//! The forms of names in certificates and how each is held against a subtree (RFC 5280 §4.2.1.6 and §4.2.1.10).
use crate::topology::der::{context, context_value};
use crate::topology::distinguished_name::NameKey;
use crate::topology::printable;
use x509_parser::extensions::GeneralName;

/// Characters of a name that are kept for logs.
const MOST_WORDS: usize = 200;

/// The form of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameForm {
    Dns,
    Uri,
    Mail,
    Address,
    Directory,
    /// One that is only recognised: otherName, x400Address, ediPartyName, registeredID, by its number.
    // Kept apart from each other, because a constraint on one of these forms does not concern the others.
    Other(u8),
}

impl NameForm {
    /// The form of a GeneralName, by its tag.
    ///
    /// The tags are those of the choices of GeneralName (RFC 5280 §4.2.1.6): context-specific, and
    /// constructed for those with a structure inside.
    pub(crate) fn of(tag: u8) -> Option<Self> {
        const DIRECTORY: u8 = context(4);
        const MAIL: u8 = context_value(1);
        const DNS: u8 = context_value(2);
        const URI: u8 = context_value(6);
        const ADDRESS: u8 = context_value(7);
        Some(match tag {
            MAIL => Self::Mail,
            DNS => Self::Dns,
            DIRECTORY => Self::Directory,
            URI => Self::Uri,
            ADDRESS => Self::Address,
            other if matches!(other & 0x1f, 0 | 3 | 5 | 8) => Self::Other(other & 0x1f),
            _ => return None,
        })
    }

    /// The form of that number.
    ///
    /// For a name that the library could not parse and returns with its bare number.
    fn numbered(number: u32) -> Self {
        match number {
            1 => Self::Mail,
            2 => Self::Dns,
            4 => Self::Directory,
            6 => Self::Uri,
            7 => Self::Address,
            other => Self::Other(u8::try_from(other).unwrap_or(u8::MAX)),
        }
    }
}

/// One name of a certificate.
///
/// Borrowed from the certificate: most chains have no constraints, and then no name is looked at.
pub(crate) enum Name<'n> {
    Dns(&'n str),
    /// A host that is to be taken for an identity, held against the subtrees of URIs.
    Host(&'n str),
    Uri(&'n str),
    Mail(&'n str),
    Address(&'n [u8]),
    Directory(NameKey),
    /// What cannot be read, or is of a form that cannot be compared.
    Other(NameForm),
}

impl<'n> Name<'n> {
    /// A name of subjectAltName.
    pub(crate) fn of(name: &'n GeneralName<'_>) -> Self {
        match name {
            GeneralName::DNSName(name) => Self::Dns(name),
            GeneralName::URI(uri) => Self::Uri(uri),
            GeneralName::RFC822Name(mail) => Self::Mail(mail),
            GeneralName::IPAddress(address) => Self::Address(address),
            GeneralName::DirectoryName(name) => {
                NameKey::of(name.as_raw()).map_or(Self::Other(NameForm::Directory), Self::Directory)
            }
            GeneralName::OtherName(..) => Self::Other(NameForm::Other(0)),
            GeneralName::X400Address(_) => Self::Other(NameForm::Other(3)),
            GeneralName::EDIPartyName(_) => Self::Other(NameForm::Other(5)),
            GeneralName::RegisteredID(_) => Self::Other(NameForm::Other(8)),
            GeneralName::Invalid(tag, _) => Self::Other(NameForm::numbered(tag.0)),
        }
    }

    pub(crate) fn form(&self) -> NameForm {
        match self {
            Self::Dns(_) => NameForm::Dns,
            Self::Host(_) | Self::Uri(_) => NameForm::Uri,
            Self::Mail(_) => NameForm::Mail,
            Self::Address(_) => NameForm::Address,
            Self::Directory(_) => NameForm::Directory,
            Self::Other(form) => *form,
        }
    }

    /// Whether it is what its form wants, so that a comparison means something.
    ///
    /// A dNSName with a space, or a URI without an authority, is in no subtree and outside none.
    pub(crate) fn is_comparable(&self) -> bool {
        match self {
            // One wildcard label in front is common in certificates, although RFC 5280 does not know it.
            Self::Dns(name) => is_domain(name.strip_prefix("*.").unwrap_or(name)),
            Self::Host(_) | Self::Directory(_) => true,
            Self::Uri(uri) => host_of(uri).is_some_and(is_host_name),
            Self::Mail(mail) => mail_parts(mail).is_some(),
            Self::Address(address) => matches!(address.len(), 4 | 16),
            Self::Other(_) => false,
        }
    }

    /// For logs, bounded.
    pub(crate) fn words(&self) -> String {
        let (form, text) = match self {
            Self::Dns(name) => ("dNSName ", *name),
            Self::Host(host) => ("host ", *host),
            Self::Uri(uri) => ("URI ", *uri),
            Self::Mail(mail) => ("rfc822Name ", *mail),
            Self::Address(_) => ("an iPAddress", ""),
            Self::Directory(_) => ("a directoryName", ""),
            Self::Other(_) => ("a name of another form", ""),
        };
        printable(&format!("{form}{text}"), MOST_WORDS)
    }
}

/// Whether it is labels with dots between; underscores occur.
///
/// Laxer than [`normalise`](crate::trust::names::presented_name::normalise), by which identities are read:
/// here a name that is not understood is refused, so that lax reading is the safe one.
pub(crate) fn is_domain(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// Whether a URI's host is a name and no address.
///
/// RFC 5280 §4.2.1.10 wants a URI whose host is an address to be refused where URIs are constrained.
fn is_host_name(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next();
    is_domain(host) && !last.is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// The host of a URI: that of its authority, or of a sip or sips URI, which has none (RFC 3261 §19.1.1).
pub(crate) fn host_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    // A sip URI has no `//`: what stands before the `@` is the user part, and parameters follow the host.
    let is_sip = ["sip", "sips"]
        .iter()
        .any(|sip| scheme.eq_ignore_ascii_case(sip));
    let (place, ends): (&str, &[char]) = if is_sip {
        (rest, &[':', ';', '?'])
    } else {
        let authority = rest.strip_prefix("//")?;
        (authority.split(['/', '?', '#']).next()?, &[':'])
    };
    // From the right: a user part may hold an `@` that was not escaped, and what counts is where a client
    // connects.
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    place.split(ends).next().filter(|host| !host.is_empty())
}

/// Local part and host of a mail address.
pub(crate) fn mail_parts(mail: &str) -> Option<(&str, &str)> {
    let (local, host) = mail.split_once('@')?;
    (!local.is_empty() && is_domain(host)).then_some((local, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_uri_is_that_of_its_scheme() {
        for (uri, host) in [
            ("sip:fe01.contoso.test", Some("fe01.contoso.test")),
            (
                "SIPS:a@b@edge.test:5061;transport=tls?x=y",
                Some("edge.test"),
            ),
            ("https://user@web.test:8443/a@b", Some("web.test")),
            ("urn:uuid:1", None),
            ("sip:", None),
            ("nothing", None),
        ] {
            assert_eq!(host_of(uri), host, "{uri}");
        }
        assert!(!is_host_name("192.0.2.1") && !is_host_name("[2001"));
    }
}
