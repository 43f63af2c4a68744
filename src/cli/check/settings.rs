//! Limits that the file changes, and expectations that held.
//!
//! Everything else about a limit (range, meaning, whether it needs a restart) is in docs/topology.md.
use crate::cli::output::{Page, counted};
use crate::edge::DescriptorRoom;
use crate::topology::{Topology, show_size};
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
    // By this process: the service may have another limit, which its unit has and the daemon logs where it is too low. What
    // is needed is the same for both, and what an operator writes into the unit.
    let room = DescriptorRoom::of(topology);
    let enough = if room.is_short() {
        format!(
            "a process like this one may have {}, and takes {} connections in each shard",
            room.limit, room.connections
        )
    } else {
        "which a process like this one may have".to_owned()
    };
    page.item(
        &format!("{:<24}", "descriptors"),
        &format!("{} needed, {enough}", room.wanted),
    )?;
    // By this machine, or its cgroup, where the file does not say: the service may be allowed less by its unit.
    let memory = show_size(topology.limits().memory.bytes() as u64);
    page.item(
        &format!("{:<24}", "memory"),
        &format!("{memory} at most for what others make this node keep"),
    )?;
    // They held, or the file would not be good.
    let expectations = topology.expectations().len();
    if expectations > 0 {
        page.title("Expectations")?;
        let expectations = counted(expectations, "expectation");
        page.line(&format!("{expectations} held"))?;
    }
    Ok(())
}
