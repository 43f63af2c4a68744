//! What loading a topology finds, by changes to a good one.
mod cases;
mod changes;
mod covers;
mod crls;
mod docs;
mod faults;
mod identities;
mod json_schema;
mod loaded;
mod narrowed;
mod pools;
mod site;
mod tenants;

use super::*;
use sipward_lab::pki::{Authority, now};
use site::{GOOD, IDENTITY_END, Lab, POOL_END, SECOND, edited};
use std::collections::HashSet;
use std::time::Duration;

impl Lab {
    fn load(&self, text: &str) -> Result<Topology, Vec<Fault>> {
        load_text(text, &self.path("topology.toml"), now())
    }
    fn good(&self, text: &str) -> Topology {
        self.load(text)
            .unwrap_or_else(|faults| panic!("{}", shown(&faults)))
    }
}

fn shown(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// The line of the first occurrence.
fn line_of(text: &str, needle: &str) -> u32 {
    let at = text.find(needle).unwrap_or_else(|| panic!("{needle}"));
    u32::try_from(text[..at].matches('\n').count()).unwrap() + 1
}
