//! Which certificates of its issuer a CRL covers (RFC 5280 §5.2.5), by what it means and not by how it is written.
use super::CrlReason;
use super::der::{Der, Element, SEQUENCE, UnreadList, context, context_value};
use super::printable::printable;

/// uniformResourceIdentifier of a GeneralName.
const URI: u8 = context_value(6);

/// Names of one distribution point that are read; CAs write one or two.
const MOST_NAMES: usize = 64;
/// Bytes of each of them.
const LONGEST_NAME: usize = 1_024;

/// Which certificates of its issuer a CRL covers.
///
/// Large CAs divide their CRLs, by kind of certificate or by ranges of them. A part must never be taken
/// for the whole: what it does not cover is not known to be good.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlScope {
    /// End entities only.
    pub users_only: bool,
    /// CA certificates only.
    pub authorities_only: bool,
    /// Only certificates with one of these GeneralNames (as DER, in order) as distribution point; empty: any.
    names: Vec<Vec<u8>>,
}

impl CrlScope {
    /// With the names in order.
    ///
    /// In order and each once, so that two scopes are equal if they mean the same.
    pub(crate) fn new(users_only: bool, authorities_only: bool, mut names: Vec<Vec<u8>>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self {
            users_only,
            authorities_only,
            names,
        }
    }

    /// Reads an issuingDistributionPoint.
    ///
    /// # Errors
    /// What makes a CRL with it unusable.
    /// Whatever would make the CRL cover less than it seems to is refused and not guessed at.
    pub(super) fn read(value: &[u8]) -> Result<Self, CrlReason> {
        let malformed = CrlReason::Malformed;
        let point = Der::new(value).expect(SEQUENCE).ok_or(malformed)?;
        let mut fields = point.inside();
        let mut names = Vec::new();
        if let Some(name) = fields.optional(context(0)) {
            let name = name.inside().next().ok_or(malformed)?;
            // A name relative to the CRL's issuer; nobody is known to use it.
            if name.tag != context(0) {
                return Err(CrlReason::ScopeUnsupported);
            }
            names = read_names(&name)?;
        }
        // DER writes TRUE as 0xff, and a FALSE that is the default not at all; other values are read as
        // BER readers do.
        let flag = |fields: &mut Der<'_>, number: u8| match fields.optional(context_value(number)) {
            Some(flag) => matches!(flag.content(), [value] if *value != 0),
            None => false,
        };
        let users_only = flag(&mut fields, 1);
        let authorities_only = flag(&mut fields, 2);
        if fields.optional(context_value(3)).is_some() {
            return Err(CrlReason::SomeReasons);
        }
        if flag(&mut fields, 4) {
            return Err(CrlReason::Indirect);
        }
        if flag(&mut fields, 5) {
            return Err(CrlReason::ScopeUnsupported);
        }
        // RFC 5280 §5.2.5: at most one of the two.
        if !fields.is_empty() || users_only && authorities_only {
            return Err(malformed);
        }
        Ok(Self::new(users_only, authorities_only, names))
    }

    /// The distribution points, as DER, in order; empty: the CRL is not named after any.
    pub fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// Whether it covers whatever the other covers.
    ///
    /// For the question whether a newer CRL can take another one's place.
    pub fn includes(&self, other: &Self) -> bool {
        let named = self.names.is_empty()
            || !other.names.is_empty() && other.names.iter().all(|name| self.is_named(name));
        (!self.users_only || other.users_only)
            && (!self.authorities_only || other.authorities_only)
            && named
    }

    /// Whether this is one of its distribution points.
    ///
    /// Compared as DER with the host in lower case; whatever else differs is another point.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        let order = |known: &Vec<u8>| known.as_slice().cmp(name);
        self.names.binary_search_by(order).is_ok()
    }
}

impl std::fmt::Display for CrlScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.users_only, self.authorities_only) {
            (true, _) => "end entities",
            (_, true) => "CA certificates",
            (false, false) => "all certificates",
        })?;
        // Shown to an operator, so without control characters and of bounded length: the name came in a
        // file.
        let uri = |name: &Vec<u8>| {
            let uri = Der::new(name).expect(URI)?;
            let text = String::from_utf8_lossy(uri.content());
            Some(printable(&text, 200))
        };
        match self.names.as_slice() {
            [] => Ok(()),
            [one] => match uri(one) {
                Some(uri) => write!(f, " of the distribution point {uri}"),
                None => f.write_str(" of one distribution point"),
            },
            several => write!(f, " of {} distribution points", several.len()),
        }
    }
}

/// The members of GeneralNames as DER, at least one and at most [`MOST_NAMES`]; of a URI the parts in lower case that are
/// equal in any (RFC 3986 §6.2.2.1).
/// The same form for the names in a certificate and in a CRL, so that they can be compared byte by
/// byte.
pub(crate) fn general_names(names: &Element<'_>) -> Option<Vec<Vec<u8>>> {
    read_names(names).ok()
}

fn read_names(names: &Element<'_>) -> Result<Vec<Vec<u8>>, UnreadList> {
    let mut found = Vec::new();
    let mut names = names.inside();
    while !names.is_empty() {
        let name = names.next().ok_or(UnreadList::Malformed)?;
        if found.len() >= MOST_NAMES || name.content().len() > LONGEST_NAME {
            return Err(UnreadList::TooLarge);
        }
        let mut der = name.whole().to_vec();
        if name.tag == URI {
            let begin = der.len() - name.content().len();
            if let Some(uri) = der.get_mut(begin..) {
                lower_host(uri);
            }
        }
        found.push(der);
    }
    if found.is_empty() {
        return Err(UnreadList::Malformed);
    }
    Ok(found)
}

/// Scheme and authority in lower case.
///
/// A CA may write one case into its certificates and another into its CRLs.
fn lower_host(uri: &mut [u8]) {
    let Some(colon) = uri.iter().position(|b| *b == b':') else {
        return;
    };
    let rest = uri.get(colon + 1..).unwrap_or_default();
    let authority = match rest.strip_prefix(b"//") {
        Some(rest) => {
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
            2 + end.unwrap_or(rest.len())
        }
        None => 0,
    };
    if let Some(part) = uri.get_mut(..colon + 1 + authority) {
        part.make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_includes_what_is_a_part_of_it() {
        let names = |names: &[&str]| names.iter().map(|n| n.as_bytes().to_vec()).collect();
        let all = CrlScope::default();
        let users = CrlScope::new(true, false, Vec::new());
        let one = CrlScope::new(false, false, names(&["1"]));
        let both = CrlScope::new(false, false, names(&["2", "1", "1"]));
        let users_of_one = CrlScope::new(true, false, names(&["1"]));
        for (wide, narrow) in [
            (&all, &users),
            (&all, &one),
            (&both, &one),
            (&one, &users_of_one),
            (&users, &users_of_one),
        ] {
            assert!(
                wide.includes(narrow) && wide.includes(wide),
                "{wide} {narrow}"
            );
            assert!(!narrow.includes(wide), "{narrow} {wide}");
        }
        assert!(!users.includes(&one) && !one.includes(&users));
        assert_eq!(both, CrlScope::new(false, false, names(&["1", "2"])));
    }

    #[test]
    fn of_a_uri_scheme_and_host_are_the_same_in_any_case() {
        let lowered = |uri: &str| {
            let mut octets = uri.as_bytes().to_vec();
            lower_host(&mut octets);
            String::from_utf8(octets).unwrap()
        };
        assert_eq!(
            lowered("HTTP://Crl.Test/A.crl?B"),
            "http://crl.test/A.crl?B"
        );
        assert_eq!(lowered("HTTP://Crl.Test"), "http://crl.test");
        assert_eq!(lowered("LDAP:///CN=A"), "ldap:///CN=A");
        assert_eq!(lowered("no uri"), "no uri");
    }
}
