//! Where `decide` and OpenSSL differ on purpose: from the facts of a case to the name of the rule.
use super::hierarchy::{AT, Hierarchy};
use super::model::{Alternative, Certificate, KeyHint, Subtree, Usage};
use super::openssl::Opinion;
use crate::desk::Told;

const ISSUER_BY_NAME: &str = "RFC 5280 §6.1.3 (a): the issuer is who signed; OpenSSL takes the first of that name and tries no other";

/// The bit of keyUsage.
const DIGITAL_SIGNATURE: u8 = 0;

/// OpenSSL's numbers of errors (`openssl verify` in its manual).
mod error {
    pub(super) const NO_ISSUER: u32 = 2;
    pub(super) const SIGNATURE: u32 = 7;
    pub(super) const CRL_SIGNATURE: u32 = 8;
    pub(super) const NOT_YET_VALID: u32 = 9;
    pub(super) const EXPIRED: u32 = 10;
    pub(super) const SELF_SIGNED: u32 = 19;
    pub(super) const NO_LOCAL_ISSUER: u32 = 20;
    pub(super) const PATH_LENGTH: u32 = 25;
    pub(super) const PURPOSE: u32 = 26;
    pub(super) const NO_CERT_SIGN: u32 = 32;
    pub(super) const CRITICAL: u32 = 34;
    pub(super) const NAME_SYNTAX: u32 = 53;
    pub(super) const INVALID_CA: u32 = 79;
}

/// A case on which both have another verdict.
pub(super) struct Both<'c> {
    pub(super) hierarchy: &'c Hierarchy,
    pub(super) leaf: &'c Certificate,
    pub(super) told: &'c Told,
    /// OpenSSL's opinions, one for each purpose that serves, when it is given one path alone.
    pub(super) alone: &'c dyn Fn(&[usize]) -> Vec<Opinion>,
}

/// The rules that make the difference; `None` if there is none.
pub(super) fn rule(both: &Both<'_>) -> Option<&'static str> {
    if both.told.accepted {
        accepted(both)
    } else {
        refused(both)
    }
}

/// OpenSSL refuses what we accept: there must be a path against which it has nothing but what a rule explains.
fn accepted(both: &Both<'_>) -> Option<&'static str> {
    let mut found = None;
    for path in paths(both.hierarchy, both.leaf) {
        for opinion in (both.alone)(&path) {
            if opinion.accepted {
                return Some(
                    "OpenSSL follows one path, with one CRL of each name, and tries no other",
                );
            }
            let mut rules = opinion
                .errors
                .iter()
                .map(|(number, depth)| explained(both, &path, *number, *depth));
            let first = rules.next().flatten();
            if first.is_some() && rules.all(|rule| rule.is_some()) {
                found = found.or(first);
            }
        }
    }
    found
}

/// Why an error of OpenSSL's is none for us.
fn explained(both: &Both<'_>, path: &[usize], number: u32, depth: u32) -> Option<&'static str> {
    let depth = usize::try_from(depth).unwrap();
    let at = |depth: usize| match depth.checked_sub(1) {
        None => Some(both.leaf),
        Some(above) => both.hierarchy.authorities.get(*path.get(above)?),
    };
    let certificate = at(depth)?;
    let is_anchor = depth == path.len();
    match number {
        error::PURPOSE if !is_anchor => {
            let served = certificate
                .usages
                .iter()
                .any(|usage| matches!(usage, Usage::Any | Usage::SipDomain));
            served.then_some("RFC 5280 §4.2.1.12 and RFC 5924: any purpose and sipDomain serve; OpenSSL knows neither")
        }
        error::PURPOSE
        | error::NOT_YET_VALID
        | error::EXPIRED
        | error::PATH_LENGTH
        | error::NO_CERT_SIGN
        | error::CRITICAL
        | error::INVALID_CA
            if is_anchor =>
        {
            Some(
                "RFC 5280 §6.1.1 (d): an anchor is a name and a key; OpenSSL judges its certificate too",
            )
        }
        error::NO_ISSUER | error::NO_LOCAL_ISSUER if certificate.hint == KeyHint::Wrong => Some(
            "RFC 5280 §4.2.1.1: a key identifier helps to find the issuer; OpenSSL refuses one that fits none",
        ),
        error::CRL_SIGNATURE if two_keys_of_a_name(both, path) => Some(
            "RFC 5280 §6.3.3: a CRL belongs to the key that verifies it; OpenSSL takes the one that it finds by name",
        ),
        error::SELF_SIGNED if certificate.self_issued() && !certificate.self_signed() => Some(
            "RFC 5280 §3.2: self-issued is not self-signed; OpenSSL takes a certificate without a key identifier for that",
        ),
        // Its complaint is about another certificate than the one of the path.
        error::NOT_YET_VALID | error::EXPIRED
            if two_authorities_of_a_name(both, path) && certificate.is_valid_at(AT) =>
        {
            Some(ISSUER_BY_NAME)
        }
        error::SIGNATURE if two_authorities_of_a_name(both, path) => Some(ISSUER_BY_NAME),
        error::NAME_SYNTAX
            if is_a_host_by_uri(both.leaf)
                && constrains(both, path, |subtree| matches!(subtree, Subtree::Uri(_))) =>
        {
            Some(
                "a sip URI has a host without slashes before it; OpenSSL finds hosts behind slashes only",
            )
        }
        _ => None,
    }
}

/// Whether two of the path have one name and not one key.
fn two_authorities_of_a_name(both: &Both<'_>, path: &[usize]) -> bool {
    let all = &both.hierarchy.authorities;
    let path = path.iter().map(|at| all.get(*at).unwrap());
    path.clone().any(|one| {
        path.clone()
            .any(|other| other.subject.is(&one.subject) && other.key != one.key)
    })
}

/// Whether a name of the path has CRLs of two keys (a rollover, or another CA of that name).
fn two_keys_of_a_name(both: &Both<'_>, path: &[usize]) -> bool {
    let all = both.hierarchy;
    path.iter().any(|at| {
        let authority = all.authorities.get(*at).unwrap();
        all.crls
            .iter()
            .any(|crl| crl.issuer.is(&authority.subject) && crl.signer != authority.key)
    })
}

/// OpenSSL accepts what we refuse: each path that it accepts must break a rule that it does not hold.
fn refused(both: &Both<'_>) -> Option<&'static str> {
    let leaf = both.leaf;
    if leaf.basic.is_some_and(|(authority, _)| authority) {
        return Some("a CA's certificate is no server's; OpenSSL takes it for one");
    }
    let mute = |bits: &Vec<u8>| !bits.contains(&DIGITAL_SIGNATURE);
    if leaf.key_usage.as_ref().is_some_and(mute) {
        return Some(
            "RFC 8446 §4.4.2.2: a key that signs in TLS needs digitalSignature; OpenSSL takes keyEncipherment as well",
        );
    }
    let mut found = None;
    for path in paths(both.hierarchy, leaf) {
        if (both.alone)(&path).iter().any(|opinion| opinion.accepted) {
            found = Some(broken(both, &path)?);
        }
    }
    found
}

/// The rule that a path breaks and that OpenSSL does not hold.
fn broken(both: &Both<'_>, path: &[usize]) -> Option<&'static str> {
    let authorities = path
        .iter()
        .map(|at| both.hierarchy.authorities.get(*at).unwrap());
    if authorities
        .clone()
        .any(|one| one.forged && one.self_signed())
    {
        return Some("an anchor is what signed itself; OpenSSL does not check that signature");
    }
    if authorities.clone().any(|one| one.basic.is_none()) {
        return Some(
            "RFC 5280 §4.2.1.9: who does not say that it is a CA is none; OpenSSL takes keyCertSign for saying it",
        );
    }
    if both.told.code.starts_with("crl_") && two_keys_of_a_name(both, path) {
        return Some(
            "a CRL clears what its own key has signed (a deviation from RFC 5280 §6.3.3 (f)); OpenSSL takes that of another key of the name",
        );
    }
    let held = if is_a_host_by_uri(both.leaf) {
        constrains(both, path, |subtree| {
            matches!(subtree, Subtree::Dns(_) | Subtree::Uri(_))
        })
    } else {
        constrains(both, path, |subtree| matches!(subtree, Subtree::Uri(_)))
    };
    // Of several ways the refusal that got furthest is told, which may be another one's.
    let told = both.told.code == "name_constraint_violated" || has_twins(both, path);
    (held && told).then_some(
        "the host that a certificate is taken for is held against dNSName and URI constraints alike; OpenSSL holds each form against its own",
    )
}

/// Whether an authority of the path has another certificate for the same name and key, so that there are more ways.
fn has_twins(both: &Both<'_>, path: &[usize]) -> bool {
    let all = &both.hierarchy.authorities;
    path.iter().any(|at| {
        let one = all.get(*at).unwrap();
        let is_twin = |other: &&Certificate| other.subject.is(&one.subject) && other.key == one.key;
        all.iter().filter(is_twin).count() > 1
    })
}

fn is_a_host_by_uri(leaf: &Certificate) -> bool {
    let uri = |name: &Alternative| matches!(name, Alternative::Uri(_));
    leaf.names.iter().any(uri)
}

/// Whether an authority of the path has such a constraint.
fn constrains(both: &Both<'_>, path: &[usize], such: impl Fn(&Subtree) -> bool) -> bool {
    path.iter().any(|at| {
        let authority = both.hierarchy.authorities.get(*at).unwrap();
        let mut all = authority.permitted.iter().chain(&authority.excluded);
        all.any(&such)
    })
}

/// Every path without a cycle to an anchor by name and key: positions of authorities, the leaf's issuer first.
fn paths(hierarchy: &Hierarchy, leaf: &Certificate) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    extend(hierarchy, leaf, &mut Vec::new(), &mut found);
    found
}

fn extend(
    hierarchy: &Hierarchy,
    below: &Certificate,
    path: &mut Vec<usize>,
    found: &mut Vec<Vec<usize>>,
) {
    for (at, authority) in hierarchy.authorities.iter().enumerate() {
        let issuer = authority.subject.is(&below.issuer) && authority.key == below.signer;
        if !issuer || path.contains(&at) {
            continue;
        }
        path.push(at);
        if hierarchy.anchors.contains(&at) {
            found.push(path.clone());
        }
        if hierarchy.sent.contains(&at) || hierarchy.anchors.contains(&at) {
            extend(hierarchy, authority, path, found);
        }
        path.pop();
    }
}
