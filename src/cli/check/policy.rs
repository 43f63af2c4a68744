//! The policy that results from a good topology, for an operator to read from top to bottom.
//!
//! Sections are titled with what they answer. A section without content is still printed with `none`, so that its absence is
//! never taken for an answer.
use super::outlook::{self, PeersSeen};
use super::{boundary, listeners, node, peers, routes, settings};
use crate::cli::output::{Page, counted, print_faults};
use crate::topology::Fault;
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::io::{self, Write};

/// What works but may surprise: found in the file itself, or when its certificates were put together.
pub(super) fn warnings(generation: &Generation) -> impl Iterator<Item = &Fault> {
    let topology = generation.topology();
    topology.warnings().iter().chain(generation.notes())
}

/// The policy of a good topology, for an operator to read.
pub(super) fn policy(
    generation: &Generation,
    (warned, peers_seen): (&[&Fault], &PeersSeen),
    at: UnixTime,
    out: &mut dyn Write,
) -> io::Result<()> {
    let topology = generation.topology();
    // The order is that of the file, from what this node is to whom it serves; what is about to end comes last, where a
    // reader of a long page looks first.
    let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let mut page = Page { out, now };
    let (file, counted) = (topology.path().display(), counted(warned.len(), "warning"));
    writeln!(page.out, "{file}: good, {counted}")?;
    node::node(topology, &mut page)?;
    node::identities(topology, &mut page)?;
    listeners::listeners(topology, &mut page)?;
    peers::peers(topology, &mut page)?;
    routes::domains(topology, &mut page)?;
    routes::pools(topology, &mut page)?;
    routes::clients(topology, &mut page)?;
    boundary::boundary(topology, &mut page)?;
    settings::settings(topology, &mut page)?;
    outlook::of_the_file(&generation.forecast(at), &mut page)?;
    peers_seen.show(topology, &mut page)?;
    if !warned.is_empty() {
        page.title("Warnings")?;
        print_faults(warned.iter().copied(), page.out)?;
    }
    Ok(())
}
