//! The names by which one section refers to another.
use super::loading::{Loading, Located};
use crate::topology::TopologyReason;
use crate::topology::keys::Text;
use std::collections::{HashMap, HashSet};
use toml::Spanned;

/// The names of one kind of section, with their positions.
///
/// A reference is resolved to a position once, when the file is loaded; nothing looks a name up
/// afterwards.
pub(super) struct SectionNames {
    kind: &'static str,
    /// Of a name that stands twice, which is a fault, the first.
    positions: HashMap<String, u32>,
    /// In the order of the file, for suggestions.
    known: Vec<String>,
    sections: usize,
}

impl SectionNames {
    /// Registers the name of each section as it is written: these are the operator's own words.
    pub(super) fn of<R>(
        kind: &'static str,
        sections: &[Spanned<R>],
        name: fn(&R) -> Option<&Text>,
        loading: &mut Loading<'_, '_>,
    ) -> Self {
        let names = sections.iter().map(|section| name(section.get_ref()));
        let names = names.map(|name| name.map(|text| (text.get_ref().clone(), text)));
        Self::register(kind, names, loading)
    }
    /// Registers a name for each section; a repeated one is reported.
    ///
    /// All names of a kind are registered before any is looked up, so that the order of sections does
    /// not matter. A section without a name keeps its position.
    pub(super) fn register<'n>(
        kind: &'static str,
        names: impl Iterator<Item = Option<(String, &'n Text)>>,
        loading: &mut Loading<'_, '_>,
    ) -> Self {
        let mut registered = Self {
            kind,
            positions: HashMap::new(),
            known: Vec::new(),
            sections: 0,
        };
        // Lines are needed only while registering, to name the first of two.
        let mut lines: HashMap<String, u32> = HashMap::new();
        for (position, name) in (0u32..).zip(names) {
            // Counted also without a name, so that positions stay those of the file.
            registered.sections += 1;
            let Some((name, text)) = name else {
                continue;
            };
            let line = loading.line(text);
            if let Some(first) = lines.get(&name) {
                let what = format!("{kind} \"{name}\" is defined twice, first in line {first}");
                let remedy = "merge the two sections, or give one of them another name";
                loading.add(TopologyReason::DuplicateName, line, what, remedy);
                continue;
            }
            lines.insert(name.clone(), line);
            registered.known.push(name.clone());
            registered.positions.insert(name, position);
        }
        registered
    }
    /// The position of the first section, where one is taken that nobody names; `None` when there is none at all, which
    /// the shape check has reported.
    /// Even if its own name was repeated or missing: the position is what counts.
    pub(super) fn first(&self) -> Option<u32> {
        (self.sections > 0).then_some(0)
    }
    /// The position of a name; an unknown one is reported with the nearest that is known.
    ///
    /// `place` is the entry that refers, as the message has it.
    pub(super) fn find(
        &self,
        name: &str,
        at: impl Located,
        place: &str,
        loading: &mut Loading<'_, '_>,
    ) -> Option<u32> {
        let position = self.positions.get(name).copied();
        if position.is_none() {
            // Only for unknown names: a suggestion costs a walk through all of them.
            let hint = loading.suggestion(name, &self.known);
            let kind = self.kind;
            let what = format!("{place} names the {kind} \"{name}\", which is not defined{hint}");
            let remedy = format!("correct the name or add a [[{kind}]] section for it");
            loading.add(TopologyReason::UnknownReference, at, what, remedy);
        }
        position
    }
    /// Whether a section has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.positions.contains_key(name)
    }
    /// The positions of a list of names; `None` when one of them is unknown. A repetition is reported, too.
    ///
    /// All of them are looked at even if the first is unknown, so that one reading reports all.
    pub(super) fn find_all(
        &self,
        list: &[Text],
        key: &str,
        place: &str,
        loading: &mut Loading<'_, '_>,
    ) -> Option<Vec<u32>> {
        let mut positions = Vec::with_capacity(list.len());
        let mut known = HashSet::new();
        let mut whole = true;
        for text in list {
            match self.find(text.get_ref(), text, place, loading) {
                None => whole = false,
                Some(at) if !known.insert(at) => {
                    loading.twice(text, &format!("{place} {key}"), text.get_ref())
                }
                Some(at) => positions.push(at),
            }
        }
        whole.then_some(positions)
    }
}
