//! Subtrees of names: what lies in the base of a name constraint (RFC 5280 §4.2.1.10).
use crate::trust::certificate::general_name::{is_domain, mail_parts};

/// A base of DNS names or hosts.
#[derive(Clone, Debug)]
pub(crate) struct DomainSubtree {
    /// Lower case, without dots at the ends; empty is every name.
    name: String,
    /// Whether the base itself is in the subtree, and whether what is below it is.
    itself: bool,
    below: bool,
}

impl DomainSubtree {
    /// A dNSName subtree: the name and all below it. With a leading dot, which RFC 5280 does not know for dNSName and CAs
    /// write all the same, only what is below.
    ///
    /// An empty base covers every name: CAs exclude a whole form by it.
    pub(crate) fn subtree(text: &str) -> Option<Self> {
        Some(Self {
            itself: !text.starts_with('.'),
            below: true,
            name: base(text)?,
        })
    }

    /// A URI's host, or with a leading dot all hosts below.
    pub(crate) fn host(text: &str) -> Option<Self> {
        let below = text.starts_with('.');
        Some(Self {
            itself: !below,
            below,
            name: base(text)?,
        })
    }

    /// Whether a name, or all names of a wildcard, lie here.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        if self.name.is_empty() {
            return true;
        }
        // Compared from the end and label by label: `xfabrikam.test` must not lie in `fabrikam.test`.
        let Some(at) = name.len().checked_sub(self.name.len()) else {
            return false;
        };
        let ends = name
            .get(at..)
            .is_some_and(|end| end.eq_ignore_ascii_case(&self.name));
        let apart = at > 0 && name.as_bytes().get(at - 1) == Some(&b'.');
        ends && (at == 0 && self.itself || apart && self.below)
    }

    /// Whether a wildcard stands for this very name.
    pub(crate) fn is_reached_by(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let Some((label, parent)) = name.split_once('.') else {
            return false;
        };
        // `*.contoso.test` stands for `fe01.contoso.test`, which is not below, but beside the wildcard's own
        // text.
        let above = self.name.split_once('.').map(|(_, above)| above);
        label.contains('*')
            && self.itself
            && above.is_some_and(|above| above.eq_ignore_ascii_case(parent))
    }
}

/// The base of a domain subtree; `None` for what is no domain, a wildcard for one.
fn base(text: &str) -> Option<String> {
    let name = text.strip_prefix('.').unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    (name.is_empty() || is_domain(name)).then(|| name.to_ascii_lowercase())
}

/// A base of mail addresses: one mailbox, all of a host, or all of the hosts below.
///
/// RFC 5280 §4.2.1.10 names these three kinds of subtrees for rfc822Name.
#[derive(Clone, Debug)]
pub(crate) enum Mailbox {
    One(String, String),
    At(DomainSubtree),
}

impl Mailbox {
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.contains('@') {
            let (local, host) = mail_parts(text)?;
            return Some(Self::One(local.to_owned(), host.to_owned()));
        }
        DomainSubtree::host(text).map(Self::At)
    }

    fn covers_parts(&self, local: &str, host: &str) -> bool {
        match self {
            Self::One(its_local, its_host) => {
                // The local part is the mail host's to interpret (RFC 5321 §2.4): upper and lower case differ
                // there.
                its_local == local && its_host.eq_ignore_ascii_case(host)
            }
            Self::At(domain) => domain.covers(host),
        }
    }

    pub(crate) fn covers(&self, mail: &str) -> bool {
        mail_parts(mail).is_some_and(|(local, host)| self.covers_parts(local, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_subtree_is_the_name_and_what_is_below() {
        let base = DomainSubtree::subtree("Fabrikam.test").unwrap();
        for name in [
            "fabrikam.test",
            "EDGE.fabrikam.TEST",
            "a.b.fabrikam.test.",
            "*.fabrikam.test",
        ] {
            assert!(base.covers(name), "{name}");
        }
        for name in ["xfabrikam.test", "test", "fabrikam.test.evil", "*.test", ""] {
            assert!(!base.covers(name), "{name}");
        }
        let below = DomainSubtree::subtree(".fabrikam.test").unwrap();
        assert!(below.covers("edge.fabrikam.test") && !below.covers("fabrikam.test"));
        assert!(DomainSubtree::subtree("").unwrap().covers("anything.test"));
        assert!(DomainSubtree::subtree("*.fabrikam.test").is_none());
    }

    #[test]
    fn a_host_is_itself_or_with_a_dot_what_is_below() {
        let host = DomainSubtree::host("fabrikam.test").unwrap();
        assert!(host.covers("fabrikam.test") && !host.covers("edge.fabrikam.test"));
        let below = DomainSubtree::host(".fabrikam.test").unwrap();
        assert!(!below.covers("fabrikam.test") && below.covers("a.b.fabrikam.test"));
    }

    #[test]
    fn a_wildcard_reaches_the_names_one_label_below_its_parent() {
        let base = DomainSubtree::subtree("fe01.contoso.test").unwrap();
        assert!(base.is_reached_by("*.contoso.test") && base.is_reached_by("f*.contoso.test"));
        for name in ["*.test", "*.fe01.contoso.test", "fe02.contoso.test", "*"] {
            assert!(!base.is_reached_by(name), "{name}");
        }
    }

    #[test]
    fn the_local_part_of_a_mailbox_keeps_its_case() {
        let one = Mailbox::read("Root@Contoso.test").unwrap();
        assert!(one.covers("Root@contoso.TEST") && !one.covers("root@contoso.test"));
        let host = Mailbox::read("contoso.test").unwrap();
        assert!(host.covers("any@contoso.test") && !host.covers("any@a.contoso.test"));
        let below = Mailbox::read(".contoso.test").unwrap();
        assert!(below.covers("any@a.contoso.test") && !below.covers("any@contoso.test"));
        assert!(Mailbox::read("a@b@c.test").is_none());
    }
}
