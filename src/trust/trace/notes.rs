//! What the steps of a decision found on their way, each on a line of its own, for `explain`.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{PeerRef, Revocation, RevocationScope, Topology, TrustSet, show_moment};
use crate::trust::certificate::chain::Chain;
use crate::trust::certificate::text::subject_text;
use crate::trust::certificate::validity::window;
use crate::trust::names::entry::active;
use crate::trust::names::presented::PresentedNames;
use crate::trust::path::cert_path::CertPath;
use crate::trust::revocation::distribution::CrlCoverage;
use crate::trust::revocation::ledger::Ledger;
use crate::trust::trace::step::{Note, StepOutcome};
use crate::trust::trace::words::{distance, named, set_words};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// Entries that do not match are shown up to this number; the rest is counted.
const MAX_ENTRIES: usize = 24;

fn note(step: &'static str, outcome: StepOutcome, text: String) -> Note {
    Note {
        step,
        outcome,
        text,
    }
}

/// Each presented certificate.
pub(crate) fn certificates(chain: &Chain<'_>) -> Vec<Note> {
    let lines = chain.all().enumerate().map(|(position, certificate)| {
        let role = if position == 0 { "leaf" } else { "issuer" };
        let text = format!(
            "{role} {}, issued by {}, serial {}, {}",
            named(&subject_text(certificate.subject())),
            named(&subject_text(certificate.issuer())),
            certificate.raw_serial_as_string(),
            period(certificate)
        );
        note("certificate", StepOutcome::Noted, text)
    });
    lines.collect()
}

fn period(certificate: &X509Certificate<'_>) -> String {
    let (from, to) = window(certificate);
    format!(
        "{} to {}",
        show_moment(from.as_secs()),
        show_moment(to.as_secs())
    )
}

/// The names that count, and those that do not, each with the reason.
pub(crate) fn each_name(chain: &Chain<'_>, names: Option<&PresentedNames>) -> Vec<Note> {
    let count = names.map(PresentedNames::with_kinds).unwrap_or_default();
    let count = count.into_iter();
    let ignored = PresentedNames::ignored(chain.leaf()).into_iter();
    count
        .map(|name| note("name", StepOutcome::Passed, name))
        .chain(ignored.map(|name| note("name", StepOutcome::Noted, name)))
        .collect()
}

/// Each entry that was tried, and why it did not match.
pub(crate) fn entries(
    names: &PresentedNames,
    topology: &Topology,
    dialled: Option<PeerRef>,
    at: UnixTime,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut left = MAX_ENTRIES;
    let mut more = 0usize;
    for (reference, peer) in topology.peer_refs() {
        let (outcome, text) = match names.speak_for(peer) {
            Ok(position) => match active(peer, at) {
                Ok(()) => (
                    StepOutcome::Passed,
                    format!("matched by {}", names.shown_at(position)),
                ),
                Err(reason) => (
                    StepOutcome::Failed,
                    format!("{reason}: it counts {}", peer.window),
                ),
            },
            Err(Some(reason)) => (StepOutcome::Failed, format!("{reason}: {}", reason.what())),
            Err(None) => (
                StepOutcome::Noted,
                "no presented name is this one".to_owned(),
            ),
        };
        let is_dialled = dialled == Some(reference);
        if outcome == StepOutcome::Noted && !is_dialled {
            let Some(rest) = left.checked_sub(1) else {
                more += 1;
                continue;
            };
            left = rest;
        }
        let outcome = if is_dialled && outcome == StepOutcome::Noted {
            StepOutcome::Failed
        } else {
            outcome
        };
        let text = format!("{} (line {}): {text}", peer.fqdn, peer.line);
        notes.push(note("peer", outcome, text));
    }
    if more > 0 {
        let text = format!("{more} more entries: no presented name is one of theirs");
        notes.push(note("peer", StepOutcome::Noted, text));
    }
    notes
}

/// The CRLs that bear the name of an issuer on the path, with age and what is next.
pub(crate) fn crls(
    path: &CertPath<'_>,
    trust: &TrustSet,
    ledger: &Ledger,
    at: UnixTime,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if trust.revocation == Revocation::Off {
        return notes;
    }
    let in_scope = match trust.scope {
        RevocationScope::Chain => usize::MAX,
        RevocationScope::Leaf => 1,
    };
    for certificate in path.certificates().take(in_scope) {
        let coverage = CrlCoverage::of(certificate);
        let subject = named(&subject_text(certificate.subject()));
        let mut any = false;
        let Some(name) = NameKey::of(certificate.issuer().as_raw()) else {
            continue;
        };
        let in_force = ledger.named(&name).flat_map(|series| series.crls());
        for crl in in_force.chain(ledger.beside(&name)) {
            if !coverage.is_covered_by(crl.scope()) {
                let issuer = named(crl.issuer());
                let text = format!("of {issuer}, for other certificates than {subject}");
                notes.push(note("crl", StepOutcome::Noted, text));
                continue;
            }
            any = true;
            let listed = crl.lists(certificate.raw_serial());
            let stale = crl.next_update() <= at.as_secs();
            let outcome = match (listed, stale) {
                (true, _) => StepOutcome::Failed,
                (false, true) => StepOutcome::Noted,
                (false, false) => StepOutcome::Passed,
            };
            let text = format!(
                "of {} for {subject}: {}; thisUpdate {} ({}), nextUpdate {} ({})",
                named(crl.issuer()),
                if listed {
                    "listed as revoked"
                } else {
                    "not listed"
                },
                show_moment(crl.this_update()),
                distance(crl.this_update(), at),
                show_moment(crl.next_update()),
                distance(crl.next_update(), at),
            );
            notes.push(note("crl", outcome, text));
        }
        if !any {
            let text = format!(
                "none of {} for {subject}, in {} or elsewhere",
                named(&subject_text(certificate.issuer())),
                set_words(trust)
            );
            notes.push(note("crl", StepOutcome::Failed, text));
        }
    }
    notes
}
