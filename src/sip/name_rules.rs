//! Header fields chosen by their names alone: for fields that no row of the table of names stands for.
//!
//! What the proxy uses has a bit in [`HeaderSet`](super::HeaderSet); everything else is known by its text, and only where a
//! topology asks for it: an empty list of rules is never walked.
use super::HeaderName;

/// Rules over names, of which the last that fits decides; what no rule fits stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameRules(Vec<NameRule>);

/// One name, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct NameRule {
    /// As it was written; of a pattern what stands before its asterisk.
    text: Box<[u8]>,
    is_pattern: bool,
    /// Of `P-*` and `ms-*`: the family, of which not all names begin so.
    family: Option<HeaderName>,
    strips: bool,
}

/// Compact forms of fields that the table of names does not have (the registry of RFC 3261 §27.2).
const COMPACT: [(&str, u8); 8] = [
    ("accept-contact", b'a'),
    ("allow-events", b'u'),
    ("content-encoding", b'e'),
    ("identity", b'y'),
    ("identity-info", b'n'),
    ("reject-contact", b'j'),
    ("request-disposition", b'd'),
    ("subject", b's'),
];

impl NameRules {
    /// Whether there is none.
    // Asked before any line is looked at.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a rule that comes before all later ones: a name in any case, or the beginning of names and an asterisk.
    pub fn add(&mut self, name: &str, strips: bool) {
        let mut families = [HeaderName::PrivateP, HeaderName::PrivateMs].into_iter();
        let (text, is_pattern) = match name.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (name, false),
        };
        self.0.push(NameRule {
            text: text.as_bytes().into(),
            is_pattern,
            family: families.find(|family| family.as_str().eq_ignore_ascii_case(name)),
            strips,
        });
    }

    /// The names as they would be written, with whether each is stripped.
    pub fn shown(&self) -> impl Iterator<Item = (String, bool)> {
        self.0.iter().map(|rule| {
            let text = String::from_utf8_lossy(&rule.text);
            let end = if rule.is_pattern { "*" } else { "" };
            (format!("{text}{end}"), rule.strips)
        })
    }

    /// Whether a line goes. Only what the table of names does not know by itself is asked for: the rest has a bit.
    pub(super) fn strips(&self, name: HeaderName, written: &[u8]) -> bool {
        // A name with a bit is decided by the set, also where a pattern would fit it.
        let is_free = matches!(
            name,
            HeaderName::Other | HeaderName::PrivateP | HeaderName::PrivateMs
        );
        // Lists are short, and most messages have no such line.
        let mut last_first = self.0.iter().rev();
        is_free
            && last_first
                .find(|rule| rule.fits(name, written))
                .is_some_and(|rule| rule.strips)
    }
}

impl NameRule {
    /// RFC 3261 §7.3.1: names are the same in any case, and in their compact form.
    fn fits(&self, name: HeaderName, written: &[u8]) -> bool {
        if let Some(family) = self.family {
            return name == family;
        }
        // A pattern has no compact form: it stands for names that nobody has counted.
        if self.is_pattern {
            let beginning = written.get(..self.text.len());
            return beginning.is_some_and(|it| it.eq_ignore_ascii_case(&self.text));
        }
        written.eq_ignore_ascii_case(&self.text)
            || matches!(written, [letter] if self.compact() == Some(letter.to_ascii_lowercase()))
    }

    /// Looked up at each line that might be one: there are eight.
    fn compact(&self) -> Option<u8> {
        let mut known = COMPACT.iter();
        let found = known.find(|(long, _)| long.as_bytes().eq_ignore_ascii_case(&self.text));
        found.map(|(_, letter)| *letter)
    }
}

/// What the programs behind this node are called towards one receiver, in place of what they call themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProductTexts {
    /// In User-Agent (RFC 3261 §20.41).
    pub user_agent: Option<Box<str>>,
    /// In Server (RFC 3261 §20.35).
    pub server: Option<Box<str>>,
}

impl ProductTexts {
    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.user_agent.is_none() && self.server.is_none()
    }

    /// What a line's value becomes, if it is one of these fields.
    pub(super) fn text(&self, name: HeaderName, written: &[u8]) -> Option<&str> {
        // One of the two is in the table of names, for the log.
        if name == HeaderName::UserAgent {
            return self.user_agent.as_deref();
        }
        // The table has no row for it: nothing else asks for it.
        let is_server = name == HeaderName::Other && written.eq_ignore_ascii_case(b"Server");
        self.server.as_deref().filter(|_| is_server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides_about_what_has_no_bit() {
        let mut rules = NameRules::default();
        assert!(rules.is_empty());
        rules.add("X-*", true);
        rules.add("Subject", true);
        rules.add("X-Kept", false);
        let strips = |name: &str| {
            let known = HeaderName::from_bytes(name.as_bytes());
            rules.strips(known, name.as_bytes())
        };
        for name in ["X-Anything", "x-", "SUBJECT", "s", "S"] {
            assert!(strips(name), "{name}");
        }
        for name in ["x-kept", "Via", "v", "X", "Subjects", "X-Sipward-Peer", "y"] {
            assert!(!strips(name), "{name}");
        }
        rules.add("x-kept*", true);
        assert!(rules.strips(HeaderName::Other, b"X-Kept"));
        // Of a family whose names do not all begin alike.
        let lync = "X-MS-SkypeChain";
        let mut rules = NameRules::default();
        rules.add("ms-*", true);
        rules.add(lync, false);
        let strips =
            |name: &str| rules.strips(HeaderName::from_bytes(name.as_bytes()), name.as_bytes());
        assert!(strips("X-MS-Other") && strips("ms-other"));
        assert!(!strips(lync) && !strips("X-Other"));
    }
}
