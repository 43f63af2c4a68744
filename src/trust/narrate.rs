//! The words of an explanation: what each step of the decision looked at, for `explain`.
use super::certificate::chain::Chain;
use super::certificate::text::subject_text;
use super::certificate::validity::window;
use super::distribution::Reach;
use super::ledger::Ledger;
use super::names::presented::PresentedNames;
use super::path::Path;
use super::trace::{Outcome, Trace};
use super::{Reason, Refusal};
use crate::topology::distinguished_name::NameKey;
use crate::topology::distinguished_name::same_name;
use crate::topology::{
    Direction, Peer, PeerRef, PurposePolicy, Revocation, RevocationScope, Topology, TrustSet,
    Window, show_duration, show_moment,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// Entries that do not match are shown up to this number; the rest is counted.
const MAX_ENTRIES: usize = 24;

/// A span of time in its two largest units: `3d 4h`.
pub(super) fn span(seconds: u64) -> String {
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

pub(super) fn chain(presented: &[CertificateDer<'_>]) -> String {
    let octets: usize = presented.iter().map(|c| c.as_ref().len()).sum();
    match presented.len() {
        0 => "no certificate".to_owned(),
        1 => format!("1 certificate, {octets} octets"),
        n => format!("{n} certificates, {octets} octets"),
    }
}

/// Each presented certificate.
pub(super) fn certificates(trace: &Trace, chain: &Chain<'_>) {
    if !trace.is_on() {
        return;
    }
    for (position, certificate) in chain.all().enumerate() {
        trace.note("certificate", Outcome::Noted, || {
            let role = if position == 0 { "leaf" } else { "issuer" };
            format!(
                "{role} {}, issued by {}, serial {}, {}",
                named(&subject_text(certificate.subject())),
                named(&subject_text(certificate.issuer())),
                certificate.raw_serial_as_string(),
                period(certificate)
            )
        });
    }
}

/// A distinguished name; an empty one says so.
pub(super) fn named(name: &str) -> String {
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

pub(super) fn names() -> String {
    "names presented".to_owned()
}

/// The names that count, and those that do not, each with the reason.
pub(super) fn each_name(trace: &Trace, chain: &Chain<'_>, names: Option<&PresentedNames>) {
    if !trace.is_on() {
        return;
    }
    for shown in names.map(PresentedNames::with_kinds).unwrap_or_default() {
        trace.passed("name", || shown);
    }
    for ignored in PresentedNames::ignored(chain.leaf()) {
        trace.note("name", Outcome::Noted, || ignored);
    }
}

pub(super) fn sought(topology: &Topology, dialled: Option<PeerRef>) -> String {
    match dialled {
        Some(peer) => format!("the names must cover {}", topology.peer(peer).fqdn),
        None => format!(
            "the entry among {} that a name matches",
            topology.peers().len()
        ),
    }
}

/// Each entry that was tried, and why it did not match.
pub(super) fn entries(
    trace: &Trace,
    names: &PresentedNames,
    topology: &Topology,
    dialled: Option<PeerRef>,
    at: UnixTime,
) {
    if !trace.is_on() {
        return;
    }
    let mut left = MAX_ENTRIES;
    let mut more = 0usize;
    for (reference, peer) in topology.peer_refs() {
        let (outcome, says) = match names.speak_for(peer) {
            Ok(position) => match super::names::entry::active(peer, at) {
                Ok(()) => (
                    Outcome::Passed,
                    format!("matched by {}", names.shown_at(position)),
                ),
                Err(reason) => (
                    Outcome::Failed,
                    format!("{reason}: it counts {}", peer.window),
                ),
            },
            Err(Some(reason)) => (Outcome::Failed, format!("{reason}: {}", reason.sentence())),
            Err(None) => (Outcome::Noted, "no presented name is this one".to_owned()),
        };
        let is_dialled = dialled == Some(reference);
        if outcome == Outcome::Noted && !is_dialled {
            let Some(rest) = left.checked_sub(1) else {
                more += 1;
                continue;
            };
            left = rest;
        }
        let outcome = if is_dialled && outcome == Outcome::Noted {
            Outcome::Failed
        } else {
            outcome
        };
        trace.note("peer", outcome, || {
            format!("{} (line {}): {says}", peer.fqdn, peer.line)
        });
    }
    if more > 0 {
        trace.note("peer", Outcome::Noted, || {
            format!("{more} more entries: no presented name is one of theirs")
        });
    }
}

pub(super) fn vouching() -> String {
    "a path to an anchor that may vouch for this peer".to_owned()
}

pub(super) fn set(trust: &TrustSet) -> String {
    let counts = if trust.window == Window::default() {
        String::new()
    } else {
        format!(", counts {}", trust.window)
    };
    format!("trust set {} (line {}{counts})", trust.name, trust.line)
}

/// `leaf <- issuer <- anchor`.
pub(super) fn path(path: &Path<'_>) -> String {
    let mut names: Vec<String> = path.parts().map(|part| named(&part.text())).collect();
    names.push(format!("anchor {}", named(path.anchor().text())));
    names.join(" <- ")
}

pub(super) fn not_among(trust: &TrustSet, peer: &Peer) -> String {
    format!(
        "{}: the chain leads there, but {} (line {}) does not name it in `trust`",
        set(trust),
        peer.fqdn,
        peer.line
    )
}

/// Why no path was found, where the chain itself tells.
pub(super) fn issuers(trace: &Trace, chain: &Chain<'_>, refusal: &Refusal) {
    if let Reason::UnknownIssuer | Reason::SelfSigned | Reason::BadSignature = refusal.reason {
        trace.note("issuer", Outcome::Failed, || {
            let end = end_of(chain);
            if same_name(end.subject().as_raw(), end.issuer().as_raw()) {
                return format!(
                    "the chain ends in the self-signed {}, which is no anchor here",
                    named(&subject_text(end.subject()))
                );
            }
            format!(
                "{} is missing: it issued {}, was not presented, and is no anchor here",
                named(&subject_text(end.issuer())),
                named(&subject_text(end.subject()))
            )
        });
    }
}

/// The certificate at which following the issuers' names through what was presented ends.
pub(super) fn end_of<'c, 'a>(chain: &'c Chain<'a>) -> &'c X509Certificate<'a> {
    let mut end = chain.leaf_certificate();
    // Each step leads to another certificate; a circle of cross-certificates ends with their number.
    for _ in chain.above() {
        let mut above = chain.above().iter();
        let issuer = above.find(|c| c.subject() == end.issuer() && !end.is_self_issued());
        let Some(issuer) = issuer else { break };
        end = issuer;
    }
    end.read()
}

pub(super) fn keys(path: &Path<'_>) -> String {
    let keys: Vec<String> = path.parts().map(|part| part.key().words()).collect();
    format!("keys, leaf first: {}", keys.join(", "))
}

pub(super) fn validity(path: &Path<'_>, at: UnixTime) -> String {
    let ends = super::validity::ends(path).unwrap_or_default();
    format!(
        "at {}; the first certificate of the path ends {} ({})",
        show_moment(at.as_secs()),
        show_moment(ends),
        distance(ends, at)
    )
}

pub(super) fn revocation(trust: &TrustSet) -> String {
    let scope = match trust.scope {
        RevocationScope::Chain => "each certificate of the path",
        RevocationScope::Leaf => "the leaf",
    };
    match trust.revocation {
        Revocation::Off => format!("not checked: {} says revocation = \"off\"", set(trust)),
        Revocation::Require => format!("a current CRL for {scope}"),
        Revocation::Grace(grace) => format!(
            "a CRL for {scope}, up to {} past its nextUpdate",
            show_duration(grace)
        ),
    }
}

/// The CRLs that bear the name of an issuer on the path, with age and what is next.
pub(super) fn crls(
    trace: &Trace,
    path: &Path<'_>,
    trust: &TrustSet,
    ledger: &Ledger,
    at: UnixTime,
) {
    if !trace.is_on() || trust.revocation == Revocation::Off {
        return;
    }
    let in_scope = match trust.scope {
        RevocationScope::Chain => usize::MAX,
        RevocationScope::Leaf => 1,
    };
    for certificate in path.certificates().take(in_scope) {
        let reach = Reach::of(certificate);
        let subject = named(&subject_text(certificate.subject()));
        let mut any = false;
        let Some(name) = NameKey::of(certificate.issuer().as_raw()) else {
            continue;
        };
        let in_force = ledger.named(&name).flat_map(|series| series.crls());
        for crl in in_force.chain(ledger.beside(&name)) {
            if !reach.is_covered_by(crl.scope()) {
                trace.note("crl", Outcome::Noted, || {
                    let issuer = named(crl.issuer());
                    format!("of {issuer}, for other certificates than {subject}")
                });
                continue;
            }
            any = true;
            let listed = crl.lists(certificate.raw_serial());
            let stale = crl.next_update() <= at.as_secs();
            let outcome = match (listed, stale) {
                (true, _) => Outcome::Failed,
                (false, true) => Outcome::Noted,
                (false, false) => Outcome::Passed,
            };
            trace.note("crl", outcome, || {
                format!(
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
                )
            });
        }
        if !any {
            trace.note("crl", Outcome::Failed, || {
                format!(
                    "none of {} for {subject}, in {} or elsewhere",
                    named(&subject_text(certificate.issuer())),
                    set(trust)
                )
            });
        }
    }
}

pub(super) fn pins(path: &Path<'_>, peer: &Peer) -> String {
    let keys: Vec<String> = super::pins::keys(path).map(|key| key.to_string()).collect();
    match peer.pins.len() {
        0 => "no pins".to_owned(),
        n => format!(
            "one of {n} pins; the path has, leaf first: {}",
            keys.join(", ")
        ),
    }
}

pub(super) fn stage() -> String {
    "observed: the strictest policies and the pins".to_owned()
}

pub(super) fn purpose(path: &Path<'_>, direction: Direction, peer: &Peer) -> String {
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
    let has = super::purpose::words_of(path);
    format!("{policy}; the path has, leaf first: {has}")
}
