//! What the steps of a decision found on their way, each on a line of its own, for `explain`.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{
    DnsName, Peer, PeerRef, Revocation, RevocationScope, Topology, TrustSet, show_moment,
};
use crate::trust::certificate::{chain::Chain, text::subject_text, validity::window};
use crate::trust::names::entry::{Meant, active, is_meant};
use crate::trust::names::presented::PresentedNames;
use crate::trust::path::cert_path::CertPath;
use crate::trust::revocation::{distribution::CrlCoverage, ledger::Ledger};
use crate::trust::trace::step::{Note, StepOutcome};
use crate::trust::trace::words::{distance, named, set_words};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// Entries that do not match are shown up to this number; the rest is counted.
const MAX_ENTRIES: usize = 24;

// Every function here returns finished lines. None of them takes part in a decision, and each reads the same
// data that the step itself looked at.
fn note(step: &'static str, outcome: StepOutcome, text: String) -> Note {
    Note {
        step,
        outcome,
        text,
    }
}

/// Each presented certificate.
pub(crate) fn certificates(chain: &Chain<'_>) -> Vec<Note> {
    // Serial numbers are what a CA and its CRLs know a certificate by.
    let lines = chain.all().enumerate().map(|(position, certificate)| {
        // By position alone: whether the others are issuers of anything is what the path shows.
        let role = if position == 0 { "leaf" } else { "issuer" };
        let subject = named(&subject_text(certificate.subject()));
        let issuer = named(&subject_text(certificate.issuer()));
        let (serial, period) = (certificate.raw_serial_as_string(), period(certificate));
        let text = format!("{role} {subject}, issued by {issuer}, serial {serial}, {period}");
        note("certificate", StepOutcome::Noted, text)
    });
    lines.collect()
}

/// Both ends, as moments: whether they include now is the step's to judge.
fn period(certificate: &X509Certificate<'_>) -> String {
    let (from, to) = window(certificate);
    let (from, to) = (show_moment(from.as_secs()), show_moment(to.as_secs()));
    format!("{from} to {to}")
}

/// The names that count, and those that do not, each with the reason.
pub(crate) fn each_name(chain: &Chain<'_>, names: Option<&PresentedNames>) -> Vec<Note> {
    // A name that counts has passed; all others are only noted, for none of them is a fault by itself.
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
    (dialled, name): (Option<PeerRef>, Option<&DnsName>),
    identity: Option<&str>,
    at: UnixTime,
) -> Vec<Note> {
    let mut notes = Vec::new();
    // A topology may hold thousands of peers. Those that match or were held back are always shown, of the
    // others a few.
    let mut left = MAX_ENTRIES;
    let mut more = 0usize;
    for (reference, peer) in topology.peer_refs() {
        // The same questions as in the decision: whether a name speaks for the entry, and whether the entry
        // counts now.
        let is_dialled = dialled == Some(reference);
        let under = name.filter(|_| is_dialled).map(|name| peer.under(name));
        let spoken = names.speak_for(under.as_ref().unwrap_or(peer));
        let (outcome, text) = match spoken {
            Ok(position) => match active(peer, at) {
                // Outbound the dialled one is meant, whatever shares its FQDN.
                Ok(()) if dialled.is_some() => {
                    let by = names.shown_at(position);
                    (StepOutcome::Passed, format!("matched by {by}"))
                }
                Ok(()) => matched(topology, peer, identity, &names.shown_at(position)),
                Err(reason) => (
                    StepOutcome::Failed,
                    format!("{reason}: it counts {}", peer.window),
                ),
            },
            // A name matches, and the entry's policy about names does not allow it.
            Err(Some(reason)) => (StepOutcome::Failed, format!("{reason}: {}", reason.what())),
            Err(None) => (
                StepOutcome::Noted,
                "no presented name is this one".to_owned(),
            ),
        };
        // Outbound the dialled entry is the one that matters, even if no name is near it.
        if outcome == StepOutcome::Noted && !is_dialled {
            // Counted and not shown.
            let Some(rest) = left.checked_sub(1) else {
                more += 1;
                continue;
            };
            left = rest;
        }
        // For the dialled entry a missing match is the refusal itself.
        let outcome = if is_dialled && outcome == StepOutcome::Noted {
            StepOutcome::Failed
        } else {
            outcome
        };
        let text = format!("{} (line {}): {text}", peer.name, peer.line);
        notes.push(note("peer", outcome, text));
    }
    if more > 0 {
        let text = format!("{more} more entries: no presented name is one of these");
        notes.push(note("peer", StepOutcome::Noted, text));
    }
    notes
}

/// An entry that a name speaks for. Of several with one FQDN, and of one with a name of this node's of its own, the identity that
/// was shown tells whether it is meant.
fn matched(
    topology: &Topology,
    peer: &Peer,
    identity: Option<&str>,
    by: &str,
) -> (StepOutcome, String) {
    let same = topology.peers_called(peer.fqdn.as_str());
    if same.len() < 2 && (peer.advertise.is_none() || identity.is_none()) {
        return (StepOutcome::Passed, format!("matched by {by}"));
    }
    let own = &topology.identity(peer.identity).name;
    let shown = identity.unwrap_or("one that is not said (`identity`)");
    let (outcome, verb) = match is_meant(peer, topology, identity) {
        Meant::Yes => (StepOutcome::Passed, "meant"),
        Meant::Another => (StepOutcome::Noted, "another is meant"),
        Meant::Nobody => (StepOutcome::Failed, "none is meant"),
    };
    let text = format!("matched by {by}; {verb}: it is shown {own}, and this node showed {shown}");
    (outcome, text)
}

/// Notes about CRLs of one path: a CA may have hundreds of scopes.
const MOST_CRLS: usize = 100;

/// The CRLs that bear the name of an issuer on the path, with age and what is next.
pub(crate) fn crls(
    path: &CertPath<'_>,
    trust: &TrustSet,
    ledger: &Ledger,
    at: UnixTime,
) -> Vec<Note> {
    let mut notes = Vec::new();
    // Nobody looked at any, so that a list would mislead.
    if trust.revocation == Revocation::Off {
        return notes;
    }
    // The leaf alone, or the whole path below the anchor.
    let in_scope = match trust.scope {
        RevocationScope::Chain => usize::MAX,
        RevocationScope::Leaf => 1,
    };
    for certificate in path.certificates().take(in_scope) {
        // Read once for each certificate, as in the check.
        let coverage = CrlCoverage::of(certificate);
        let subject = named(&subject_text(certificate.subject()));
        // Whether a CRL covers this certificate at all.
        let mut any = false;
        let Some(name) = NameKey::of(certificate.issuer().as_raw()) else {
            continue;
        };
        // Those that wait for a key are shown, too: they explain why nothing clears the certificate.
        let in_force = ledger.named(&name).flat_map(|series| series.crls());
        for crl in in_force.chain(ledger.waiting(&name)) {
            if !coverage.is_covered_by(crl.scope()) {
                // A CRL of the right issuer for other certificates: the usual trap of CAs that partition
                // their certificates.
                if notes.len() < MOST_CRLS {
                    let issuer = named(crl.issuer());
                    let text = format!("of {issuer}, for other certificates than {subject}");
                    notes.push(note("crl", StepOutcome::Noted, text));
                }
                continue;
            }
            any = true;
            // Listed outranks stale: a revocation stays one when its CRL ages.
            let listed = crl.lists(certificate.raw_serial());
            let stale = crl.next_update() <= at.as_secs();
            let outcome = match (listed, stale) {
                (true, _) => StepOutcome::Failed,
                // Stale by nextUpdate; whether the set's grace still covers it is the step's outcome.
                (false, true) => StepOutcome::Noted,
                (false, false) => StepOutcome::Passed,
            };
            // One that lists it decides, and is never left out.
            if notes.len() >= MOST_CRLS && !listed {
                continue;
            }
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
                // "Elsewhere": CRLs of all sets count, whichever of them names the file.
                "none of {} for {subject}, in {} or elsewhere",
                named(&subject_text(certificate.issuer())),
                set_words(trust)
            );
            notes.push(note("crl", StepOutcome::Failed, text));
        }
    }
    notes
}
