//! `[[identity]]`: the node's certificates and keys, read and checked against each other and the clock.
use super::loading::Loading;
use super::window;
use crate::topology::keys::Text;
use crate::topology::keys::identity::RawIdentity;
use crate::topology::moment::show_time;
use crate::topology::pem::{self, Wanted};
use crate::topology::pem_error::PemError;
use crate::topology::{
    CertificateFacts, DnsName, Identity, KeyPair, Staple, TopologyReason, Window,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::ffi::OsStr;
use std::path::Path;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// How long before its end a certificate is worth a warning: time enough to renew by hand.
///
/// Public CAs issue for 90 days or less by now and most renewals are automatic at two thirds of that,
/// so a warning 30 days ahead shows that the automatism failed, while there is time left.
const SOON: i64 = 30 * 86_400;

/// Loads one identity; `None` when something of it is missing or broken, which is then reported.
///
/// Files are read here and nowhere later: what is in a generation is what was on disk when it was
/// loaded. The parts are read independently of each other, so that a bad client pair and a bad staple
/// are reported together.
pub(super) fn load(
    raw: &RawIdentity,
    line: u32,
    loading: &mut Loading<'_, '_>,
) -> Option<Identity> {
    let name = raw.name.as_ref()?;
    let label = format!("identity \"{}\"", name.get_ref());
    // First, because whether a certificate must be valid now depends on when it is shown.
    let window = window::load(&label, (&raw.not_before, &raw.not_after), loading);
    // Both keys are required; a missing one was reported when the section was read.
    let server = raw.certificate.as_ref().zip(raw.private_key.as_ref());
    let server = server.and_then(|(certificate, key)| {
        let role = (Role::Server, window);
        key_pair(&label, "", certificate, key, role, loading)
    });
    // Read even if the server pair is broken.
    let client = client_slot(raw, &label, window, loading);
    // Only read here. Whether the response is about the certificate, genuine and current is decided in
    // trust/, where the issuer's key is at hand, and decided anew as time passes.
    let staple = match &raw.ocsp {
        Some(file) => Some(Staple {
            file: loading.path(file),
            line: loading.line(file),
            response: Some(loading.read(file, "ocsp")?),
        }),
        None => None,
    };
    // From here on only warnings follow, which need a certificate that could be read.
    let (server, facts) = server?;
    // With a client pair of its own the server certificate is never shown when connecting out.
    if raw.client_certificate.is_none() && !facts.client {
        warn_client_purpose(&label, raw.certificate.as_ref()?, loading);
    }
    warn_hidden(&label, &facts, raw.certificate.as_ref()?, loading);
    Some(Identity {
        name: name.get_ref().clone(),
        server,
        client: client?,
        staple,
        // What a listener needs for SNI: host names, normalised, each once.
        names: facts.names(),
        window,
        line,
    })
}

/// The second slot, if there is one; the outer `None` when it is broken.
///
/// CAs that no longer put clientAuth and serverAuth into one certificate are the reason for a second
/// slot: partners with a strict purpose policy accept no other.
fn client_slot(
    raw: &RawIdentity,
    label: &str,
    window: Window,
    loading: &mut Loading<'_, '_>,
) -> Option<Option<KeyPair>> {
    // Neither key alone has a sensible meaning: a chain with the server's key would never match.
    match (&raw.client_certificate, &raw.client_private_key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let role = (Role::Client, window);
            let (pair, facts) = key_pair(label, "client_", certificate, key, role, loading)?;
            if !facts.client {
                warn_client_purpose(label, certificate, loading);
            }
            Some(Some(pair))
        }
        (Some(there), None) => half(label, there, "client_private_key", loading),
        (None, Some(there)) => half(label, there, "client_certificate", loading),
    }
}

/// Reports one of two keys that belong together.
fn half(
    label: &str,
    there: &Text,
    missing: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<Option<KeyPair>> {
    // Reported at the key that is there.
    let what = format!("{label} has no `{missing}`");
    let remedy =
        "client_certificate and client_private_key belong together: add the other or take out both";
    loading.add(TopologyReason::MissingKey, there, what, remedy);
    None
}

/// A warning only: sipward's own rule and many partners take serverAuth for both directions.
fn warn_client_purpose(label: &str, certificate: &Text, loading: &mut Loading<'_, '_>) {
    let what = format!("the certificate that {label} shows when it connects out lacks clientAuth");
    // Both ways out, since public CAs no longer issue the first.
    let remedy = "partners with a strict purpose policy will refuse it: get a certificate with serverAuth and clientAuth, or set client_certificate";
    let code = TopologyReason::ClientPurposeMissing;
    loading.add(code, certificate, what, remedy);
}

/// A peer that follows RFC 5922 §7.1 looks at no DNS name once there is a sip URI.
///
/// The certificate would be refused by such a peer although the name is in it, which is hard to see
/// from the peer's log.
fn warn_hidden(
    label: &str,
    facts: &CertificateFacts,
    certificate: &Text,
    loading: &mut Loading<'_, '_>,
) {
    // Without a node there is no name to look for.
    let Some(fqdn) = loading.fqdn.clone() else {
        return;
    };
    // Compared in the form in which names are compared; a certificate may have any case.
    let is = |text: &String| DnsName::parse(text).is_ok_and(|name| name == fqdn);
    // Only if the name is there at all: a certificate without it is another finding.
    if facts.dns.iter().any(is) && !facts.sip.is_empty() && !facts.sip.iter().any(is) {
        let what = format!(
            "the certificate of {label} has the URI sip:{}, but none for {fqdn}",
            facts.sip.join(", sip:")
        );
        let remedy = format!(
            "peers that go by RFC 5922 see the URIs only: add URI:sip:{fqdn}, or leave the URIs out"
        );
        loading.add(TopologyReason::FqdnHiddenByUri, certificate, what, remedy);
    }
}

/// Which slot of an identity is read: only a server certificate must be good for serverAuth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Client,
}

/// Reads a chain and its key and checks that they fit each other.
///
/// Chain and key are both read before either is given up, so that two wrong paths take one correction
/// and not two.
fn key_pair(
    label: &str,
    prefix: &str,
    certificate: &Text,
    private_key: &Text,
    (role, window): (Role, Window),
    loading: &mut Loading<'_, '_>,
) -> Option<(KeyPair, CertificateFacts)> {
    // The prefix is that of the keys, so that a message names the key that the operator wrote.
    let chain = chain(&format!("{prefix}certificate"), certificate, loading);
    let key = key(&format!("{prefix}private_key"), private_key, loading);
    if let Some((_, facts)) = &chain {
        // The chain is judged even if the key is unusable: the faults are about different files.
        check_chain(label, certificate, facts, role, window, loading);
    }
    let (chain, facts) = chain?;
    let key = key?;
    check_match(label, &chain, &key, private_key, loading)?;
    let leaf = facts.into_iter().next()?;
    Some((KeyPair { chain, key }, leaf))
}

/// Reads certificates with what they say of themselves; at least one.
///
/// Also used for the chains of `[[expect]]`, which have no key.
pub(super) fn chain(
    what: &str,
    file: &Text,
    loading: &mut Loading<'_, '_>,
) -> Option<(Vec<CertificateDer<'static>>, Vec<CertificateFacts>)> {
    certificates(what, file, Wanted::Chain, loading)
}

/// As [`chain`], from a file that is read for this.
pub(super) fn certificates(
    what: &str,
    file: &Text,
    wanted: Wanted,
    loading: &mut Loading<'_, '_>,
) -> Option<(Vec<CertificateDer<'static>>, Vec<CertificateFacts>)> {
    let bytes = loading.read(file, what)?;
    // One certificate that does not parse spoils the file: which of them the operator relied on cannot
    // be known.
    let chain = pem::certificates_for(&bytes, wanted).map_err(explained);
    let read = chain.and_then(|chain| {
        let facts = chain.iter().enumerate().map(|(at, der)| {
            CertificateFacts::read(der).ok_or_else(|| {
                let what = format!("its certificate number {} cannot be parsed", at + 1);
                (what, OTHER_FILE)
            })
        });
        let facts = facts.collect::<Result<Vec<_>, _>>()?;
        Ok((chain, facts))
    });
    read.map_err(|error| malformed(what, file, error, loading))
        .ok()
}

/// Whether TLS can sign with it is found out here, since at the first handshake it would be too late.
fn key(what: &str, file: &Text, loading: &mut Loading<'_, '_>) -> Option<PrivateKeyDer<'static>> {
    // Before it is read: the warning is about the file, whatever is in it.
    loading.check_secret(file, what);
    let bytes = loading.read(file, what)?;
    let key = pem::private_key(&bytes).map_err(explained);
    // Asked of the TLS library, so that the list of kinds cannot fall behind it.
    let usable = key.and_then(|key| match any_supported_type(&key) {
        Ok(_) => Ok(key),
        Err(_) => {
            let kinds = "RSA, ECDSA P-256/P-384/P-521, Ed25519";
            let what = format!("its key is of no kind that TLS can use ({kinds})");
            Err((what, OTHER_FILE))
        }
    });
    usable
        .map_err(|error| malformed(what, file, error, loading))
        .ok()
}

/// What to do about a file whose form is right and whose contents are not.
///
/// Used where the parser knows nothing more precise.
const OTHER_FILE: &str =
    "name a PEM file with the right contents (openssl x509, pkey or crl -in FILE -text shows them)";

/// What is wrong with a file, and what to do about it.
///
/// A pair, since the two go into different parts of a finding.
type Explained = (String, &'static str);

fn explained(error: PemError) -> Explained {
    (error.to_string(), error.remedy())
}

/// Reports a file that does not hold what it should.
///
/// All faults about PEM have one code; what exactly is wrong, and in which line of that file, is in the
/// text.
fn malformed(what: &str, file: &Text, (error, remedy): Explained, loading: &mut Loading<'_, '_>) {
    // Of the topology file; the line in the PEM file is in the text.
    let path = loading.path(file);
    let what = format!("{what} {} cannot be used: {error}", path.display());
    loading.add(TopologyReason::PemMalformed, file, what, remedy);
}

/// A TLS library finds a mismatch only when it is configured, and names neither file; a certificate
/// that was renewed with a new key, whose file was not put in place, is by far the most frequent
/// mistake of a renewal.
fn check_match(
    label: &str,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    file: &Text,
    loading: &mut Loading<'_, '_>,
) -> Option<()> {
    // Cannot fail here: it was tried when the key was read.
    let key = any_supported_type(key).ok()?;
    let public = key.public_key()?;
    // Compared as they are written: the TLS library's own comparison takes a critical extension that it does not know, such
    // as certificatePolicies, for a key of somebody else.
    let matches = |certificate: &CertificateDer<'static>| {
        X509Certificate::from_der(certificate)
            .is_ok_and(|(_, read)| read.public_key().raw == public.as_ref())
    };
    // A key that belongs to a certificate further down means that the chain is in the wrong order. That
    // is said, since exchanging the key would be the wrong remedy.
    let at = chain.iter().position(matches);
    if at == Some(0) {
        return Some(());
    }
    // A remedy that fits the mistake saves a look at the files.
    let remedy = if let Some(at) = at {
        format!(
            "it belongs to certificate number {} of the chain: put the leaf first",
            at + 1
        )
    } else {
        "name the key that the certificate was requested with, or have a certificate issued for this key".to_owned()
    };
    let what =
        format!("the private key of {label} does not belong to the first certificate of its chain");
    // Then a renewal is right on disk, and the process still has the key of before.
    let given = std::env::var_os(CREDENTIALS);
    let remedy = match is_credential(&loading.path(file), given.as_deref()) {
        true => format!(
            "it is a credential of systemd, which reads those at the start of the unit only: systemctl restart sipward takes a renewed key, a reload does not; else {remedy}"
        ),
        false => remedy,
    };
    loading.add(TopologyReason::KeyMismatch, file, what, remedy);
    None
}

/// The variable in which systemd names the directory of a unit's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Whether a file is a credential: systemd has put a copy there when it started the unit.
fn is_credential(path: &Path, directory: Option<&OsStr>) -> bool {
    // The second is where it puts them; a command from a shell has no such variable.
    let given = directory.filter(|directory| !directory.is_empty());
    let mut places = given
        .map(Path::new)
        .into_iter()
        .chain([Path::new("/run/credentials")]);
    places.any(|place| path.starts_with(place))
}

/// Order, validity and purpose of a chain as it will be shown. Clients differ in how much of a
/// disordered chain they forgive, so sipward insists on the order that RFC 8446 §4.4.2 recommends and
/// that RFC 5246 §7.4.2 required.
fn check_chain(
    label: &str,
    file: &Text,
    facts: &[CertificateFacts],
    role: Role,
    window: Window,
    loading: &mut Loading<'_, '_>,
) {
    for (number, above) in facts.iter().enumerate().skip(1) {
        // Each certificate is held against those before it, the leaf first.
        let before = facts.get(..number).unwrap_or_default();
        if let Some(below) = before.last()
            // Any certificate before it may be the one that it issued: a cross-certificate stands
            // beside the one that it can replace, with the same subject.
            && !before.iter().any(|below| below.names_as_issuer(above))
        {
            let what = format!(
                "{label}: certificate {number} of the chain was issued by \"{}\", but \"{}\" follows it",
                below.issuer, above.subject
            );
            let remedy = "order the file leaf, its issuer, that one's issuer; without the root, without others";
            loading.add(TopologyReason::ChainOrder, file, what, remedy);
        }
    }
    // Every certificate is judged, so that a chain of three that ended shows all three.
    for (number, certificate) in facts.iter().enumerate() {
        // An expired cross-certificate at the end of a chain is what public CAs leave behind for years;
        // most clients never look at it.
        let duty = if is_needed(facts, number, (window, loading.at)) {
            Duty::Needed
        } else {
            Duty::Along
        };
        check_validity(label, certificate, (duty, window), file, loading);
    }
    // Purpose is a warning for what it is worth: the operator may know that nobody checks it.
    let Some(leaf) = facts.first() else { return };
    if role == Role::Server && !leaf.server {
        let what = format!("the server certificate of {label} lacks serverAuth");
        let remedy = "clients and peers will refuse it: get a certificate with serverAuth, and clientAuth if it is to connect out";
        loading.add(TopologyReason::ServerPurposeMissing, file, what, remedy);
    }
}

/// Whether a chain is of use without a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// It is the leaf, or nothing else in the chain could have issued the leaf.
    Needed,
    /// Others have it, or another way to an anchor: a root, a cross-certificate.
    Along,
}

/// Whether nobody could accept the chain without the certificate of this number.
///
/// Clients may build another path than the one that was sent. So only what no path can do without must
/// be valid: the leaf, and its issuer unless another certificate of that name is there and valid.
fn is_needed(facts: &[CertificateFacts], number: usize, (window, at): (Window, i64)) -> bool {
    let (Some(leaf), Some(certificate)) = (facts.first(), facts.get(number)) else {
        return false;
    };
    if number == 0 {
        return true;
    }
    let first = first_shown(window, at);
    // The certificate itself is among them; if it is valid, it is found here, and nothing is wrong with
    // it.
    let mut others = facts.iter().skip(1);
    leaf.names_as_issuer(certificate)
        && !others.any(|other| {
            leaf.names_as_issuer(other) && (other.not_before..=other.not_after).contains(&first)
        })
}

/// When a certificate is shown first, from now on.
///
/// A certificate that lies ready for a later `not_before` need not be valid today.
fn first_shown(window: Window, at: i64) -> i64 {
    let first = window
        .not_before
        .and_then(|first| i64::try_from(first).ok());
    first.map_or(at, |first| first.max(at))
}

/// Judges a certificate for the time from which on it is shown.
///
/// An identity whose window is over is never shown again, so nothing is said of its certificates.
fn check_validity(
    label: &str,
    facts: &CertificateFacts,
    (duty, window): (Duty, Window),
    file: &Text,
    loading: &mut Loading<'_, '_>,
) {
    // Messages name the certificate by its subject: a chain file has no other handle.
    let subject = &facts.subject;
    let seconds = |moment: Option<u64>| moment.and_then(|at| i64::try_from(at).ok());
    let last = seconds(window.not_after);
    // The warning about the window itself comes from the window.
    if last.is_some_and(|last| last < loading.at) {
        return;
    }
    let first = first_shown(window, loading.at);
    if duty == Duty::Along && !(facts.not_before..=facts.not_after).contains(&first) {
        let (start, end) = (show_time(facts.not_before), show_time(facts.not_after));
        let what = format!(
            "{label}: the certificate of \"{subject}\" behind the leaf is valid from {start} to {end} only"
        );
        let remedy = "take it out of the chain; whoever needs it has the CA's current one";
        loading.add(TopologyReason::ChainCertificateOver, file, what, remedy);
    } else if first > facts.not_after {
        let end = show_time(facts.not_after);
        let it = format!("{label}: the certificate of \"{subject}\"");
        // Staged: it would have ended before its turn comes.
        let what = match first > loading.at {
            true => format!("{it} ends at {end}, before it is shown"),
            false => format!("{it} expired at {end}"),
        };
        let remedy = "renew it and put the new chain in place";
        loading.add(TopologyReason::CertificateExpired, file, what, remedy);
    } else if first < facts.not_before {
        let start = show_time(facts.not_before);
        let what = format!("{label}: the certificate of \"{subject}\" is not valid before {start}");
        let remedy = "check the clock of this machine, or give the identity a not_before";
        loading.add(TopologyReason::CertificateNotYetValid, file, what, remedy);
    // An identity that ends before its certificate does needs no renewal.
    } else if last.is_none_or(|last| last > facts.not_after) {
        warn_soon(label, facts, file, loading);
    }
}

/// Warns of a certificate that ends soon.
///
/// Also used for anchors: an anchor that ends takes every peer below it along.
pub(super) fn warn_soon(
    label: &str,
    facts: &CertificateFacts,
    file: &Text,
    loading: &mut Loading<'_, '_>,
) {
    // Whole days are enough for a deadline of a month.
    let left = facts.not_after.saturating_sub(loading.at);
    if left < SOON {
        let what = format!(
            "{label}: the certificate of \"{}\" ends at {}, in {} days",
            facts.subject,
            show_time(facts.not_after),
            left / 86_400
        );
        let remedy = "renew it now; a reload takes the new one without dropping a connection";
        loading.add(TopologyReason::CertificateExpiresSoon, file, what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_has_copied_is_a_credential() {
        let key = Path::new("/run/credentials/sipward.service/edge.key");
        assert!(is_credential(key, None));
        let elsewhere = OsStr::new("/run/user/1000/credentials");
        assert!(is_credential(
            Path::new("/run/user/1000/credentials/edge.key"),
            Some(elsewhere)
        ));
        for directory in [None, Some(elsewhere), Some(OsStr::new(""))] {
            assert!(!is_credential(
                Path::new("/etc/sipward/edge.key"),
                directory
            ));
        }
    }
}
