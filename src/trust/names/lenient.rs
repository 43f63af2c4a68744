//! The names that anybody might read in a certificate, however leniently: which of them must be none of the topology before the certificate
//! is passed over. The strict reading, which lets servers in, is in `names`.
use crate::sip::unescape;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_DOMAIN_COMPONENT, OID_X509_EXT_SUBJECT_ALT_NAME};
use x509_parser::x509::X509Name;

/// Bytes that a host name can have before IDNA maps it; longer runs of other letters are none.
///
/// IDNA takes time that grows with the length, and a stranger may write 64 KiB of letters.
const LONGEST: usize = 512;

/// A name as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameParts {
    /// A whole name, lower case, without dots at its ends.
    Name(String),
    /// A wildcard: everything below this name.
    Below(String),
    /// A wildcard that leaves nothing out.
    ///
    /// Such as `*` or `f*`, which some readers let stand for any host.
    Everything,
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for NameParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Everything => f.write_str("*"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Calls `found` with every name in the subject and in subjectAltName.
///
/// Text is read as other programs might read it: as far as a NUL and without it, with `%` escapes undone, with the letters
/// of other scripts as IDNA maps them, behind a scheme, a user or an underscore label, and with domain components put
/// together.
///
/// # Errors
/// A subjectAltName that cannot be read, since nobody knows which names it holds.
pub(crate) fn each_name(
    leaf: &X509Certificate<'_>,
    mut found: impl FnMut(NameParts),
) -> Result<(), String> {
    // The subject counts even where there is a subjectAltName: not every program ignores the CN then (RFC
    // 9525 §6.4.4 asks for it).
    in_directory_name(leaf.subject(), &mut found);
    for extension in leaf.extensions() {
        if extension.oid != OID_X509_EXT_SUBJECT_ALT_NAME {
            continue;
        }
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
            return Err("its subjectAltName cannot be read".to_owned());
        };
        for name in &names.general_names {
            in_general_name(name, &mut found)?;
        }
    }
    Ok(())
}

fn in_general_name(
    name: &GeneralName<'_>,
    found: &mut impl FnMut(NameParts),
) -> Result<(), String> {
    match name {
        // The text of all three is read alike: a host may stand in an address, in a URI or alone.
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            in_text(text, found);
        }
        GeneralName::DirectoryName(name) => in_directory_name(name, found),
        GeneralName::IPAddress(bytes) => {
            // Other lengths are no address to any reader.
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            if let Ok(address) = address {
                found(NameParts::Address(address));
            }
        }
        // A structure of unknown form: its text is found between the bytes that frame it.
        GeneralName::OtherName(_, bytes) => in_text(&String::from_utf8_lossy(bytes), found),
        GeneralName::X400Address(any) | GeneralName::EDIPartyName(any) => {
            in_text(&String::from_utf8_lossy(any.data), found);
        }
        GeneralName::RegisteredID(_) => {}
        // Another library may read it, and find a listed name there.
        GeneralName::Invalid(..) => return Err("its subjectAltName cannot be read".to_owned()),
    }
    Ok(())
}

fn in_directory_name(name: &X509Name<'_>, found: &mut impl FnMut(NameParts)) {
    let mut components = Vec::new();
    for part in name.iter_attributes() {
        let text = decoded(part.attr_value().tag().0, part.attr_value().data);
        if *part.attr_type() == OID_DOMAIN_COMPONENT {
            components.push(text.clone().into_owned());
        }
        in_text(&text, found);
    }
    // The most significant component comes first (RFC 2247 §2).
    // dc=contoso, dc=test names contoso.test; written in either order by different CAs.
    if components.len() > 1 {
        in_text(&components.join("."), found);
        components.reverse();
        in_text(&components.join("."), found);
    }
}

/// The text of a string of this universal tag (X.680 §8.4).
pub(crate) fn decoded(tag: u32, bytes: &[u8]) -> Cow<'_, str> {
    const UNIVERSAL: u32 = 28;
    const BMP: u32 = 30;
    match tag {
        BMP => {
            let units = bytes
                .as_chunks()
                .0
                .iter()
                .map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
                .into()
        }
        // Two and four bytes for each character, the high one first.
        UNIVERSAL => bytes
            .as_chunks()
            .0
            .iter()
            .map(|four| {
                char::from_u32(u32::from_be_bytes(*four)).unwrap_or(char::REPLACEMENT_CHARACTER)
            })
            .collect::<String>()
            .into(),
        // T61String is mostly Latin-1 in practice.
        _ => std::str::from_utf8(bytes).map_or_else(
            |_| {
                bytes
                    .iter()
                    .map(|b| char::from(*b))
                    .collect::<String>()
                    .into()
            },
            Cow::from,
        ),
    }
}

/// Every name in a text, in each of its readings.
fn in_text(text: &str, found: &mut impl FnMut(NameParts)) {
    // A certificate of `fe01.contoso.test\0.evil.test` was once a well-known trick: C programs stop at the
    // NUL.
    in_reading(text, found);
    if text.contains('\0') {
        in_reading(&text.replace('\0', ""), found);
    }
    if text.contains('%') {
        in_reading(&String::from_utf8_lossy(&unescape(text.as_bytes())), found);
    }
}

fn in_reading(text: &str, found: &mut impl FnMut(NameParts)) {
    // An address may stand alone, with or without brackets.
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return found(NameParts::Address(address));
    }
    // An IPv6 address inside a URI stands in brackets (RFC 3986 §3.2.2).
    if let Some((_, rest)) = text.split_once('[')
        && let Some((inner, _)) = rest.split_once(']')
        && let Ok(address) = inner.parse()
    {
        found(NameParts::Address(address));
    }
    // Everything that is not part of a host name ends a run: scheme, port, user and parameters are other
    // runs, which harm nobody.
    let in_name =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*') || !c.is_ascii();
    for run in text.split(|c| !in_name(c)) {
        if !run.is_empty() {
            in_run(run, found);
        }
    }
}

fn in_run(run: &str, found: &mut impl FnMut(NameParts)) {
    let mapped = if run.is_ascii() || run.len() > LONGEST {
        Cow::Borrowed(run)
    } else {
        // What IDNA cannot map names no host; the ASCII parts of it may.
        idna::domain_to_ascii_cow(run.as_bytes(), idna::AsciiDenyList::EMPTY)
            .unwrap_or(Cow::Borrowed(run))
    };
    // Letters that IDNA refuses separate names here, as they would for a reader that drops them.
    if !mapped.is_ascii() {
        for part in mapped.split(|c: char| !c.is_ascii()) {
            if !part.is_empty() {
                in_run(part, found);
            }
        }
        return;
    }
    // Dots at either end are dropped by most readers.
    let name = mapped.trim_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse() {
        return found(NameParts::Address(address));
    }
    // Stars inside labels and further to the left widen what a lax reader lets the wildcard cover.
    if let Some((_, behind)) = name.rsplit_once('*') {
        // Part of a label may stand behind the star; the whole labels behind that say what is covered.
        return found(match behind.split_once('.') {
            Some((_, rest)) if !rest.is_empty() => NameParts::Below(rest.to_owned()),
            _ => NameParts::Everything,
        });
    }
    // A service name is its domain's (RFC 4985).
    // _sips._tcp.example.test is a name of example.test's service.
    let mut rest = name.as_str();
    while let Some((label, parent)) = rest.split_once('.')
        && label.starts_with('_')
    {
        rest = parent;
    }
    if !rest.is_empty() {
        found(NameParts::Name(rest.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        in_text(text, &mut |part| found.push(part.to_string()));
        found
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for text in [
            "fe01.contoso.test",
            "FE01.Contoso.TEST.",
            "fe01.contoso.test\0.evil.test",
            "fe01.con\0toso.test",
            "sip:fe01.contoso.test:5061;transport=tls",
            "sips:alice@fe01.contoso.test",
            "sip:fe01%2Econtoso.test",
            "https://fe01.contoso.test/path",
            "_sips.fe01.contoso.test",
            "_sips._tcp.fe01.contoso.test",
            "SIP server fe01.contoso.test (old)",
            "\u{ff46}e01.contoso.test",
            "fe01\u{3002}contoso.test",
            "fe01.conto\u{ad}so.test",
        ] {
            assert!(
                names(text).contains(&"fe01.contoso.test".to_owned()),
                "{text:?}: {:?}",
                names(text)
            );
        }
        assert_eq!(names("b\u{fc}cher.test"), ["xn--bcher-kva.test"]);
    }

    #[test]
    fn a_wildcard_covers_what_stands_below_its_last_star() {
        for (text, covers) in [
            ("*.contoso.test", "*.contoso.test"),
            ("fe*.contoso.test", "*.contoso.test"),
            ("*.*.test", "*.test"),
            ("fe01.*.test", "*.test"),
            ("*", "*"),
            ("f*", "*"),
            ("sip:*.contoso.test", "*.contoso.test"),
        ] {
            assert_eq!(names(text).last().unwrap(), covers, "{text}");
        }
    }

    #[test]
    fn addresses_are_found_bare_in_brackets_and_in_uris() {
        for text in ["10.0.0.11", "sip:10.0.0.11:5061", "10.0.0.11."] {
            assert!(names(text).contains(&"10.0.0.11".to_owned()), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "sip:[2001:db8::1]:5061"] {
            assert_eq!(names(text).first().unwrap(), "2001:db8::1", "{text}");
        }
    }

    #[test]
    fn strings_of_every_type_give_their_text() {
        assert_eq!(decoded(30, b"\0a\0.\0b"), "a.b");
        assert_eq!(decoded(28, b"\0\0\0a\0\0\0."), "a.");
        assert_eq!(decoded(12, "é".as_bytes()), "é");
        assert_eq!(decoded(20, b"\xe9"), "é");
    }
}
