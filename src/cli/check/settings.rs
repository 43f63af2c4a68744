//! Limits that the file changes, and expectations that held.
use crate::cli::output::{Page, counted};
use crate::topology::{Topology, limits};
use std::io;

/// Only what differs from its default: an operator looks for what was changed.
pub(super) fn settings(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Limits that differ from their default")?;
    let mut same = true;
    for limit in limits::shown(topology.limits()) {
        if limit.value != limit.default {
            same = false;
            let value = format!("{} (default {})", limit.value, limit.default);
            page.item(&format!("{:<24}", limit.key), &value)?;
        }
    }
    if same {
        page.item("none", "")?;
    }
    let expectations = topology.expectations().len();
    if expectations > 0 {
        page.title("Expectations")?;
        page.item(
            &format!("{} held", counted(expectations, "expectation")),
            "",
        )?;
    }
    Ok(())
}
