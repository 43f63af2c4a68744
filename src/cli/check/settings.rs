//! Limits that the file changes, and expectations that held.
//!
//! Everything else about a limit (range, meaning, whether it needs a restart) is in docs/topology.md.
use crate::cli::output::{Page, counted};
use crate::topology::Topology;
use std::io;

/// Only what differs from its default: an operator looks for what was changed.
pub(super) fn settings(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Limits that differ from their default")?;
    // The whole list with meanings is docs/topology.md.
    let mut same = true;
    for limit in topology.limits().all() {
        if limit.shown != limit.default {
            same = false;
            let value = format!("{} (default {})", limit.shown, limit.default);
            page.item(&format!("{:<24}", limit.key.name), &value)?;
        }
    }
    if same {
        page.line("none")?;
    }
    // They held, or the file would not be good.
    let expectations = topology.expectations().len();
    if expectations > 0 {
        page.title("Expectations")?;
        let expectations = counted(expectations, "expectation");
        page.line(&format!("{expectations} held"))?;
    }
    Ok(())
}
