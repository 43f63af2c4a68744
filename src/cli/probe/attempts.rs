//! The handshakes of a probe, one address after the other.
use crate::cli::Exit;
use crate::cli::complaint::complain;
use crate::edge::{ProbeAttempt, ProbeVerdict, probe};
use crate::topology::{DnsName, PeerRef};
use crate::trust::Generation;
use std::sync::Arc;
use std::time::Duration;

/// Shakes hands with each address of a peer, or of a name that its entry covers; none was found if the list is empty.
///
/// # Errors
/// [`Exit::Internal`]: the system or the TLS library refuses what is needed for it.
pub(super) fn try_addresses(
    generation: &Arc<Generation>,
    peer: (PeerRef, Option<&DnsName>),
    timeout: Duration,
) -> Result<Vec<ProbeAttempt>, Exit> {
    let internal = |error: &dyn std::fmt::Display| {
        complain(error);
        Exit::Internal
    };
    // One thread: addresses are tried one after the other, so that the page reads in the order of the attempts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| internal(&e))?;
    runtime
        .block_on(probe(generation, peer, timeout))
        .map_err(|e| internal(&e))
}

/// All addresses must work: the daemon may use any of them.
pub(super) fn is_good(attempts: &[ProbeAttempt]) -> bool {
    !attempts.is_empty() && attempts.iter().all(|a| a.verdict == ProbeVerdict::Good)
}
