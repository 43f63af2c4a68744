//! Some header fields, as a table of the file chooses them: those with a bit, and the names of all others.
use crate::sip::{HeaderName, HeaderSet, NameRules};

/// What a list of the file chooses.
#[derive(Clone, Default)]
pub(super) struct FieldList {
    /// The fields that have a bit.
    pub(super) set: HeaderSet,
    /// Names and patterns of all others, as they were written.
    pub(super) names: Vec<String>,
}

impl FieldList {
    /// The first entry that both lists have.
    pub(super) fn clash(&self, other: &Self) -> Option<String> {
        if let Some(field) = self.set.both(other.set).names().next() {
            return Some(field.as_str().to_owned());
        }
        // Of a pattern only the pattern itself: `X-*` out and `X-Billing` in is no contradiction.
        let is_there = |name: &&String| other.names.iter().any(|it| it.eq_ignore_ascii_case(name));
        self.names.iter().find(is_there).cloned()
    }

    /// Puts the names of two lists of one table behind the rules of wider tables. In `set` stand the fields with a bit, after
    /// both lists.
    pub(super) fn extend(
        strip: &Self,
        keep: &Self,
        (set, rules): (&mut HeaderSet, &mut NameRules),
    ) {
        for family in [HeaderName::PrivateP, HeaderName::PrivateMs] {
            let of = HeaderSet::of(family);
            let mut kept = keep.names.iter();
            // A bit stands for the whole family. Where one of it is kept, a rule takes its place.
            if set.has(family) && kept.any(|name| HeaderName::from_bytes(name.as_bytes()) == family)
            {
                *set = set.without(of);
                rules.add(family.as_str(), true);
            } else if keep.set.has(family) && !rules.is_empty() {
                rules.add(family.as_str(), false);
            }
        }
        for name in &strip.names {
            rules.add(name, true);
        }
        // Behind them: `X-*` out and `X-Billing` in is what people mean.
        for name in &keep.names {
            rules.add(name, false);
        }
    }
}
