//! What the log reports of CRLs as time passes: they come of age, or newer ones take effect.
use crate::daemon::node::Daemon;
use crate::observe::Event;
use crate::topology::{HeldCrl, Revocation, TrustSet};
use std::time::Duration;

/// The part of its validity that a CRL has left when it is first reported: a fifth, time enough to look why no newer one
/// came.
const SOON: u64 = 5;
/// What happens to a CRL by the passing of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AgeReport {
    /// A fifth of its validity is left.
    Soon,
    /// Past nextUpdate.
    Stale,
}

impl AgeReport {
    /// In the order in which a CRL reaches them.
    pub(super) const ALL: [Self; 2] = [Self::Soon, Self::Stale];

    /// When a CRL of a set gets there, Unix seconds; `None` when that is not a moment of its own.
    pub(super) fn at(self, crl: &HeldCrl, set: &TrustSet) -> Option<u64> {
        let next = crl.next_update();
        let validity = next.saturating_sub(crl.this_update());
        match self {
            // Without revocation nobody is refused for an old CRL.
            _ if set.revocation == Revocation::Off => None,
            Self::Soon => Some(next.saturating_sub(validity / SOON)),
            Self::Stale => Some(next),
        }
    }
}

/// Logs that a CRL has come to an age.
pub(super) fn log_age(age: AgeReport, crl: &HeldCrl, set: &TrustSet, at: u64, daemon: &Daemon) {
    let (trust, file) = (set.name.clone(), crl.file.to_path_buf());
    let issuer = crl.issuer().to_owned();
    let next_update = crl.next_update();
    match age {
        // One that is already stale is reported as such.
        AgeReport::Soon if next_update <= at => {}
        AgeReport::Soon => daemon.log.record(Event::CrlStaleSoon {
            trust,
            file,
            issuer,
            next_update,
            left: Duration::from_secs(next_update.saturating_sub(at)),
        }),
        AgeReport::Stale => daemon.log.record(Event::CrlStale {
            trust,
            file,
            issuer,
            next_update,
        }),
    }
}

/// Logs the CRLs that have taken effect.
pub(super) fn log_updated(updated: Vec<(String, HeldCrl)>, generation: u64, daemon: &Daemon) {
    for (trust, crl) in updated {
        daemon.log.record(Event::CrlUpdated {
            trust,
            file: crl.file.to_path_buf(),
            issuer: crl.issuer().to_owned(),
            revoked: crl.revoked(),
            next_update: crl.next_update(),
            generation,
        });
    }
}
