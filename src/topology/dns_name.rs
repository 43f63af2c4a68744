//! Host names and domains in the one form that is compared (RFC 1123 §2.1, RFC 5890 §2.3.1, RFC 5922 §7.2).
use super::looks::{self, compares_by_text};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a text is not a host name or domain.
///
/// The texts are remedies as well: each is shown beside the name that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing between two dots.
    #[error("it has an empty label; write the name without leading or double dots")]
    EmptyLabel,
    /// Over 253 bytes.
    #[error("it is longer than 253 bytes")]
    TooLong,
    /// A label over 63 bytes.
    #[error("one of its labels is longer than 63 bytes")]
    LabelTooLong,
    /// A letter outside ASCII.
    #[error("it is internationalised; write its A-label (xn--...)")]
    ULabel,
    /// An asterisk.
    #[error(
        "it has a wildcard; write the whole name (`*.` with a name stands in the domains of partners, of their pools and in deny lists only; for certificates a peer may opt in to names = \"one-label-wildcard\")"
    )]
    Wildcard,
    /// A byte that is no letter, digit or hyphen, or a hyphen at the edge of a label.
    #[error(
        "labels have letters, digits and inner hyphens only (no underscore, space, port or scheme)"
    )]
    NotLdh,
    /// An address.
    #[error("it is an IP address; servers and certificates go by name")]
    IpLiteral,
}

/// A DNS name in the one form that is compared: lower-case A-labels, no trailing dot, at most 253 bytes.
#[derive(Clone, Debug, Eq, PartialOrd, Ord)]
pub struct DnsName(pub(crate) Arc<str>);

impl DnsName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        looks::note();
        &self.0
    }
}

compares_by_text!(DnsName);

impl DnsName {
    /// Normalises a host name or domain: lower case, one trailing dot removed.
    ///
    /// # Errors
    /// Whatever keeps the text from being a name of LDH labels.
    /// Only what DNS and certificates can hold: letters, digits and hyphens. An internationalised name
    /// must be written as its A-label, because that is what both of them contain.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        // An address is no name, with or without brackets; certificates have them in a field of their
        // own.
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err(NameError::IpLiteral);
        }
        if !text.is_ascii() {
            return Err(NameError::ULabel);
        }
        if text.contains('*') {
            return Err(NameError::Wildcard);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > 253 {
            return Err(NameError::TooLong);
        }
        for label in name.split('.') {
            check_label(label)?;
        }
        // A last label of digits would be read as an address by others (RFC 1123 §2.1).
        let last = name.rsplit('.').next().unwrap_or(name);
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::IpLiteral);
        }
        Ok(Self(Arc::from(name.to_ascii_lowercase())))
    }
}

/// RFC 1035 §2.3.4 and RFC 1123 §2.1.
fn check_label(label: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    if label.len() > 63 {
        return Err(NameError::LabelTooLong);
    }
    let ldh = label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !ldh || label.starts_with('-') || label.ends_with('-') {
        return Err(NameError::NotLdh);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_without_trailing_dot() {
        for (text, name) in [
            ("Edge01.Contoso.TEST", "edge01.contoso.test"),
            ("contoso.test.", "contoso.test"),
            ("xn--bcher-kva.test", "xn--bcher-kva.test"),
            ("localhost", "localhost"),
            ("3com.test", "3com.test"),
        ] {
            assert_eq!(DnsName::parse(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_for_its_reason() {
        let long_label = format!("{}.test", "a".repeat(64));
        let long_name = format!("{}.test", vec!["abcdefg"; 32].join("."));
        for (text, error) in [
            ("", NameError::EmptyLabel),
            (".", NameError::EmptyLabel),
            ("a..test", NameError::EmptyLabel),
            (".test", NameError::EmptyLabel),
            ("a.test..", NameError::EmptyLabel),
            (long_label.as_str(), NameError::LabelTooLong),
            (long_name.as_str(), NameError::TooLong),
            ("bücher.test", NameError::ULabel),
            ("*.contoso.test", NameError::Wildcard),
            ("a_b.test", NameError::NotLdh),
            ("-a.test", NameError::NotLdh),
            ("a-.test", NameError::NotLdh),
            ("a.test:5061", NameError::NotLdh),
            ("sip:a.test", NameError::NotLdh),
            ("a .test", NameError::NotLdh),
            ("a\0.test", NameError::NotLdh),
            ("10.0.0.1", NameError::IpLiteral),
            ("10.0.0.1.", NameError::IpLiteral),
            ("1.2.3", NameError::IpLiteral),
            ("::1", NameError::IpLiteral),
            ("[::1]", NameError::IpLiteral),
        ] {
            assert_eq!(DnsName::parse(text), Err(error), "{text:?}");
        }
    }
}
