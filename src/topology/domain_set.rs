//! A set of domains that is asked whether a name is one of them or lies below one, in time that does not grow with it.
use super::domain::above;
use super::{Domain, DomainList};

/// Domains, each with all that lies below it; of `*.name` only that.
///
/// For deny lists, where a name stands for all below it as well; a list of what is allowed is a
/// `DomainList`, where it does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct DomainSet(DomainList);

impl DomainSet {
    /// Whether this is one of the domains or lies below one; in the form of a domain.
    pub(crate) fn covers(&self, name: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let covers = |name: &str| self.0.has(name) || self.0.has_below(name);
        self.0.has(name) || above(name).any(covers)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'d> FromIterator<&'d Domain> for DomainSet {
    fn from_iter<I: IntoIterator<Item = &'d Domain>>(domains: I) -> Self {
        Self(domains.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_what_lies_below_it_and_nothing_else() {
        let set: DomainSet = [
            Domain::parse_pattern("evil.test").unwrap(),
            Domain::parse_pattern("deep.er.test").unwrap(),
            Domain::parse_pattern("*.star.test").unwrap(),
            Domain::parse_pattern("192.0.2.1").unwrap(),
        ]
        .iter()
        .collect();
        for (name, covered) in [
            ("evil.test", true),
            ("a.b.evil.test", true),
            ("x.deep.er.test", true),
            ("er.test", false),
            ("star.test", false),
            ("a.star.test", true),
            ("*.star.test", true),
            ("192.0.2.1", true),
            ("0.2.1", false),
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
