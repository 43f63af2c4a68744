//! A set of domains that is asked whether a name is one of them or lies below one, in time that does not grow with it.
use super::DnsName;
use std::collections::HashSet;

/// Domains, each with all that lies below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DomainSet(HashSet<DnsName>);

impl DomainSet {
    /// Whether the name is one of the domains or lies below one; in lower case.
    pub(crate) fn covers(&self, name: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let below = name
            .match_indices('.')
            .filter_map(|(at, _)| name.get(at + 1..));
        std::iter::once(name)
            .chain(below)
            .any(|domain| self.0.contains(domain))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'d> FromIterator<&'d DnsName> for DomainSet {
    fn from_iter<I: IntoIterator<Item = &'d DnsName>>(domains: I) -> Self {
        Self(domains.into_iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_what_lies_below_it_and_nothing_else() {
        let set: DomainSet = [
            DnsName::parse("evil.test").unwrap(),
            DnsName::parse("deep.er.test").unwrap(),
        ]
        .iter()
        .collect();
        for (name, covered) in [
            ("evil.test", true),
            ("a.b.evil.test", true),
            ("x.deep.er.test", true),
            ("er.test", false),
            ("notevil.test", false),
            ("evil.test.example", false),
            ("test", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(set.covers(name), covered, "{name}");
        }
        assert!(!DomainSet::default().covers("evil.test"));
    }
}
