//! SIP domains as the topology lists them: names, addresses, and everything below a name (RFC 3261 §19.1.1 `host`).
use super::looks::{self, compares_by_text};
use super::{DnsName, NameError};
use crate::sip::Host;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

/// A domain in the one form that is compared: a name as [`DnsName`] has it, an address (IPv6 in brackets, an IPv4-mapped
/// one as IPv4), or `*.` with a name, which stands for all that lies below that name but not for the name itself.
/// A newtype, so that a domain that was not normalised cannot be compared with one that was.
#[derive(Clone, Debug, Eq, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

compares_by_text!(Domain);

impl Domain {
    /// One domain: a name or an address, the latter with or without brackets and never with a port.
    ///
    /// # Errors
    /// As [`DnsName::parse`], addresses apart.
    /// The port of a URI does not belong to its domain, so one here is a mistake and is refused.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let address = match bare {
            Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
            None => text.parse().ok(),
        };
        match address {
            Some(address) => Ok(Self(Arc::from(shown(address)))),
            None => DnsName::parse(text).map(Self::from),
        }
    }

    /// As [`Self::parse`], or `*.` with a name.
    ///
    /// # Errors
    /// As [`DnsName::parse`], addresses apart.
    pub fn parse_pattern(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix("*.") {
            Some(name) => DnsName::parse(name).map(|name| Self(Arc::from(format!("*.{name}")))),
            None => Self::parse(text),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        looks::note();
        &self.0
    }

    /// The name below which everything is meant.
    pub fn below(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        let literal = self.0.starts_with('[') || self.0.parse::<IpAddr>().is_ok();
        (!literal && self.below().is_none()).then_some(&*self.0)
    }

    /// Whether it is an address.
    pub fn is_address(&self) -> bool {
        self.below().is_none() && self.name().is_none()
    }

    /// A host in the form of a domain, written to `buffer`; `None` for names that are too long.
    ///
    /// Into a buffer of the caller, since it is done for each request and must not allocate.
    pub(crate) fn of_host<'b>(host: &Host<'_>, buffer: &'b mut [u8; 253]) -> Option<&'b str> {
        let Some(address) = host.ip() else {
            return host.lower(buffer);
        };
        let mut rest = &mut buffer[..];
        match address.to_canonical() {
            IpAddr::V4(address) => write!(rest, "{address}"),
            IpAddr::V6(address) => write!(rest, "[{address}]"),
        }
        .ok()?;
        let left = rest.len();
        let written = buffer.len() - left;
        std::str::from_utf8(buffer.get(..written)?).ok()
    }
}

fn shown(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

impl From<DnsName> for Domain {
    fn from(name: DnsName) -> Self {
        Self(name.0)
    }
}

/// The names above a name, the nearest first; of an address nothing that could be one.
///
/// So that a list with thousands of patterns is asked a few times for a name, and not once for each
/// pattern.
pub(crate) fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.')
        .filter_map(|(at, _)| name.get(at + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Uri;

    #[test]
    fn a_domain_is_a_name_an_address_or_all_below_a_name() {
        for (text, form) in [
            ("Contoso.TEST.", "contoso.test"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0:0::1", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("*.PSTNhub.microsoft.com", "*.pstnhub.microsoft.com"),
            ("*.test", "*.test"),
        ] {
            assert_eq!(Domain::parse_pattern(text).unwrap().as_str(), form);
        }
        for text in [
            "",
            "*",
            "*.",
            "*.*.test",
            "a.*.test",
            "*test",
            "*.192.0.2.1",
            "[192.0.2.1]",
            "192.0.2.1:5061",
            "[2001:db8::1]:5061",
            "[2001:db8::1",
            "fe80::1%eth0",
            "192.0.2",
            "*.[::1]",
            "sip:contoso.test",
        ] {
            assert!(Domain::parse_pattern(text).is_err(), "{text}");
        }
        assert!(Domain::parse("*.contoso.test").is_err());
    }

    #[test]
    fn the_host_of_a_uri_has_the_form_of_a_domain() {
        for (uri, form) in [
            ("sip:a@CONTOSO.test.", "contoso.test"),
            ("sip:a@192.0.2.1:5061", "192.0.2.1"),
            ("sip:[2001:DB8::0:1]:5061;lr", "[2001:db8::1]"),
            ("sip:a@[::ffff:192.0.2.1]", "192.0.2.1"),
        ] {
            let host = Uri::parse(uri.as_bytes()).unwrap().host;
            let mut buffer = [0; 253];
            assert_eq!(Domain::of_host(&host, &mut buffer), Some(form));
        }
    }
}
