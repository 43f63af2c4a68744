//! The words of an explanation: what each step of the decision looked at, for `explain`.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{
    Direction, Peer, PeerRef, PurposePolicy, Revocation, RevocationScope, Topology, TrustSet,
    Window, show_duration, show_moment,
};
use crate::trust::certificate::chain::Chain;
use crate::trust::certificate::text::subject_text;
use crate::trust::certificate::validity::window;
use crate::trust::names::entry::active;
use crate::trust::names::presented::PresentedNames;
use crate::trust::path::cert_path::CertPath;
use crate::trust::path::{pins, purpose, validity};
use crate::trust::revocation::distribution::CrlCoverage;
use crate::trust::revocation::ledger::Ledger;
use crate::trust::trace::fact::Fact;
use crate::trust::trace::step::{Note, StepOutcome};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// Entries that do not match are shown up to this number; the rest is counted.
const MAX_ENTRIES: usize = 24;

impl Fact<'_> {
    /// The name of the step, as [`ExplainedStep`](crate::trust::ExplainedStep) lists them.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "chain",
            Self::Names { .. } => "names",
            Self::Entries { .. } => "topology",
            Self::Vouching => "path",
            Self::Set(_) | Self::ClosedSet(_) | Self::OtherSet(..) => "trust",
            Self::MissingIssuer(_) => "issuer",
            Self::Path(_) => "anchor",
            Self::Keys(_) => "key",
            Self::Validity(..) => "validity",
            Self::Revocation { .. } => "revocation",
            Self::Purpose(..) => "purpose",
            Self::Pins(..) => "pin",
            Self::Observed => "stage",
            Self::ClientRule(_) => "client",
        }
    }

    /// What the step looks at, in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Chain { presented, .. } => presented_words(presented),
            Self::Names { .. } => "names presented".to_owned(),
            Self::Entries {
                topology, dialled, ..
            } => sought(topology, *dialled),
            Self::Vouching => "a path to an anchor that may vouch for this peer".to_owned(),
            Self::Set(set) => set_words(set),
            Self::ClosedSet(refusal) => refusal.to_string(),
            Self::OtherSet(set, peer) => format!(
                "{}: the chain leads there, but {} (line {}) does not name it in `trust`",
                set_words(set),
                peer.fqdn,
                peer.line
            ),
            Self::MissingIssuer(chain) => missing_issuer(chain),
            Self::Path(path) => path_words(path),
            Self::Keys(path) => {
                let keys: Vec<String> = path.parts().map(|part| part.key().words()).collect();
                format!("keys, leaf first: {}", keys.join(", "))
            }
            Self::Validity(path, at) => validity_words(path, *at),
            Self::Revocation { set, .. } => revocation_words(set),
            Self::Purpose(path, direction, peer) => purpose_words(path, *direction, peer),
            Self::Pins(path, peer) => pin_words(path, peer),
            Self::Observed => "observed: the strictest policies and the pins".to_owned(),
            Self::ClientRule(listener) => format!(
                "listener {} has client_certificates = \"{}\"",
                listener.name,
                listener.client_certificates.word()
            ),
        }
    }

    /// What the step found on its way, each on a line below it.
    pub(crate) fn notes(&self) -> Vec<Note> {
        match self {
            Self::Chain {
                parsed: Ok(chain), ..
            } => certificates(chain),
            Self::Names { chain, names } => each_name(chain, *names),
            Self::Entries {
                names,
                topology,
                dialled,
                at,
            } => entries(names, topology, *dialled, *at),
            Self::Revocation {
                path,
                set,
                ledger,
                at,
            } => crls(path, set, ledger, *at),
            Self::Chain { .. }
            | Self::Vouching
            | Self::Set(_)
            | Self::ClosedSet(_)
            | Self::OtherSet(..)
            | Self::MissingIssuer(_)
            | Self::Path(_)
            | Self::Keys(_)
            | Self::Validity(..)
            | Self::Purpose(..)
            | Self::Pins(..)
            | Self::Observed
            | Self::ClientRule(_) => Vec::new(),
        }
    }
}

fn note(step: &'static str, outcome: StepOutcome, text: String) -> Note {
    Note {
        step,
        outcome,
        text,
    }
}

/// A span of time in its two largest units: `3d 4h`.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (
        seconds / 86_400,
        seconds % 86_400 / 3_600,
        seconds % 3_600 / 60,
    );
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `in 3d 4h` or `3d 4h ago`.
fn distance(moment: u64, at: UnixTime) -> String {
    let at = at.as_secs();
    if moment >= at {
        format!("in {}", span(moment - at))
    } else {
        format!("{} ago", span(at - moment))
    }
}

fn presented_words(presented: &[CertificateDer<'_>]) -> String {
    let bytes: usize = presented.iter().map(|c| c.as_ref().len()).sum();
    match presented.len() {
        0 => "no certificate".to_owned(),
        1 => format!("1 certificate, {bytes} bytes"),
        n => format!("{n} certificates, {bytes} bytes"),
    }
}

/// Each presented certificate.
fn certificates(chain: &Chain<'_>) -> Vec<Note> {
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

/// A distinguished name; an empty one text so.
pub(crate) fn named(name: &str) -> String {
    if name.is_empty() {
        "(empty subject)".to_owned()
    } else {
        format!("\"{name}\"")
    }
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
fn each_name(chain: &Chain<'_>, names: Option<&PresentedNames>) -> Vec<Note> {
    let count = names.map(PresentedNames::with_kinds).unwrap_or_default();
    let count = count.into_iter();
    let ignored = PresentedNames::ignored(chain.leaf()).into_iter();
    count
        .map(|name| note("name", StepOutcome::Passed, name))
        .chain(ignored.map(|name| note("name", StepOutcome::Noted, name)))
        .collect()
}

fn sought(topology: &Topology, dialled: Option<PeerRef>) -> String {
    match dialled {
        Some(peer) => format!("the names must cover {}", topology.peer(peer).fqdn),
        None => format!(
            "the entry among {} that a name matches",
            topology.peers().len()
        ),
    }
}

/// Each entry that was tried, and why it did not match.
fn entries(
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

fn set_words(trust: &TrustSet) -> String {
    let counts = if trust.window == Window::default() {
        String::new()
    } else {
        format!(", counts {}", trust.window)
    };
    format!("trust set {} (line {}{counts})", trust.name, trust.line)
}

/// `leaf <- issuer <- anchor`.
fn path_words(path: &CertPath<'_>) -> String {
    let mut names: Vec<String> = path.parts().map(|part| named(&part.text())).collect();
    names.push(format!("anchor {}", named(path.anchor().text())));
    names.join(" <- ")
}

/// Why no path was found, where the chain itself shows it.
fn missing_issuer(chain: &Chain<'_>) -> String {
    let end = chain.end();
    if end.is_self_issued() {
        return format!(
            "the chain ends in the self-signed {}, which is no anchor here",
            named(&end.text())
        );
    }
    format!(
        "{} is missing: it issued {}, was not presented, and is no anchor here",
        named(&subject_text(end.read().issuer())),
        named(&end.text())
    )
}

fn validity_words(path: &CertPath<'_>, at: UnixTime) -> String {
    let ends = validity::ends(path).unwrap_or_default();
    format!(
        "at {}; the first certificate of the path ends {} ({})",
        show_moment(at.as_secs()),
        show_moment(ends),
        distance(ends, at)
    )
}

fn revocation_words(trust: &TrustSet) -> String {
    let scope = match trust.scope {
        RevocationScope::Chain => "each certificate of the path",
        RevocationScope::Leaf => "the leaf",
    };
    match trust.revocation {
        Revocation::Off => format!(
            "not checked: {} says revocation = \"off\"",
            set_words(trust)
        ),
        Revocation::Require => format!("a current CRL for {scope}"),
        Revocation::Grace(grace) => format!(
            "a CRL for {scope}, up to {} past its nextUpdate",
            show_duration(grace)
        ),
    }
}

/// The CRLs that bear the name of an issuer on the path, with age and what is next.
fn crls(path: &CertPath<'_>, trust: &TrustSet, ledger: &Ledger, at: UnixTime) -> Vec<Note> {
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

fn pin_words(path: &CertPath<'_>, peer: &Peer) -> String {
    let keys: Vec<String> = pins::keys(path).map(|key| key.to_string()).collect();
    match peer.pins.len() {
        0 => "no pins".to_owned(),
        n => format!(
            "one of {n} pins; the path has, leaf first: {}",
            keys.join(", ")
        ),
    }
}

fn purpose_words(path: &CertPath<'_>, direction: Direction, peer: &Peer) -> String {
    let policy = match (direction, peer.purpose) {
        (Direction::Outbound, PurposePolicy::ServerOrClient | PurposePolicy::Strict) => {
            "as a server: sipDomain, serverAuth, any or no extended key usage"
        }
        (Direction::Inbound, PurposePolicy::ServerOrClient) => {
            "connecting to us: sipDomain, clientAuth, serverAuth, any or no extended key usage"
        }
        (Direction::Inbound, PurposePolicy::Strict) => {
            "connecting to us, strict: sipDomain, clientAuth, any or no extended key usage"
        }
    };
    let has = purpose::words_of(path);
    format!("{policy}; the path has, leaf first: {has}")
}
