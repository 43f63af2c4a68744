//! A list of domains as an entry of the file has them, for the question whether one of them covers a host.
use super::Domain;
use super::domain::above;
use std::collections::HashSet;

/// A list of domains that is asked whether one of them covers a host or another domain.
///
/// A name stands for itself alone, and only `*.` for what lies below: what is allowed is never wider
/// than what is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct DomainList {
    whole: HashSet<Domain>,
    below: HashSet<Box<str>>,
}

impl DomainList {
    /// Whether it is one of the list, or lies below a `*.` of it; in the form of a domain.
    pub(crate) fn covers(&self, domain: &str) -> bool {
        self.has(domain) || above(domain).any(|name| self.has_below(name))
    }
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }
    /// Whether it is one of the list as it is.
    pub(crate) fn has(&self, domain: &str) -> bool {
        self.whole.contains(domain)
    }
    /// Whether all that lies below this name is one of the list.
    pub(crate) fn has_below(&self, name: &str) -> bool {
        self.below.contains(name)
    }
}

impl<'d> FromIterator<&'d Domain> for DomainList {
    fn from_iter<I: IntoIterator<Item = &'d Domain>>(domains: I) -> Self {
        let mut listed = Self::default();
        for domain in domains {
            listed.whole.insert(domain.clone());
            listed.below.extend(domain.below().map(Box::from));
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_covers_what_it_names_and_what_lies_below_its_stars() {
        let domains =
            ["a.test", "*.b.test", "192.0.2.1"].map(|d| Domain::parse_pattern(d).unwrap());
        let listed: DomainList = domains.iter().collect();
        for (domain, covered) in [
            ("a.test", true),
            ("x.a.test", false),
            ("b.test", false),
            ("x.b.test", true),
            ("y.x.b.test", true),
            ("*.x.b.test", true),
            ("*.b.test", true),
            ("xb.test", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
        ] {
            assert_eq!(listed.covers(domain), covered, "{domain}");
        }
    }
}
