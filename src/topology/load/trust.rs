//! `[[trust]]`: anchors and CRLs, read, and the revocation policy over them.
use super::identity::{certificates, warn_soon};
use super::loading::Loading;
use super::window;
use crate::topology::keys::Text;
use crate::topology::keys::trust::RawTrust;
use crate::topology::pem::Wanted;
use crate::topology::{
    CrlReason, CrlSource, HeldCrl, Revocation, TopologyReason, TrustSet, closed_directory,
    read_crls,
};
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;

/// Loads one trust set; `None` when something of it is missing or broken, which is then reported.
///
/// The policy is looked at before the files, since it decides what it means that there are none.
pub(super) fn load(raw: &RawTrust, line: u32, loading: &mut Loading<'_, '_>) -> Option<TrustSet> {
    let name = raw.name.as_ref()?.get_ref().clone();
    // Every message about the set begins with it, since sets often name the same files.
    let label = format!("trust \"{name}\"");
    let revocation = raw
        .revocation
        .as_ref()
        .map_or(Revocation::Require, |value| *value.get_ref());
    // Before the CRLs: without an anchor a set vouches for nobody, whatever its CRLs are.
    let anchors = raw
        .anchors
        .as_ref()
        .and_then(|file| anchors(&label, file, &raw.crls, loading));
    let crls = crls(&label, &raw.crls, loading);
    // After the policy, since it has no effect without one.
    let fetch = fetch(raw, &label, revocation, loading);
    // A set that only fetches still has to name a file: until the first fetch it would refuse
    // everybody.
    let named = !raw.crls.is_empty();
    // Checked for all three policies here, because `off` with CRLs and `require` without are two sides
    // of one mistake.
    match revocation {
        // The warning stays as long as the policy does: it is the one setting that makes the daemon
        // accept what a CA has taken back.
        Revocation::Off => {
            let at = raw
                .revocation
                .as_ref()
                .map_or(line, |value| loading.line(value));
            let what = format!(
                "{label} has revocation off: a certificate that its CA has revoked is still accepted"
            );
            let remedy = "name the CA's CRLs in `crls` and set revocation = \"require\"";
            loading.add(TopologyReason::RevocationOff, at, what, remedy);
            // Most likely the operator switched revocation off for a test and forgot it.
            if named {
                let what =
                    format!("{label} names CRLs, but its revocation is off: they have no effect");
                let remedy = "set revocation = \"require\", or remove `crls`";
                loading.add(TopologyReason::CrlsUnused, line, what, remedy);
            }
        }
        // The default is the strict policy. Whoever has no CRLs must write so: a set that silently
        // checked nothing would look like one that checks.
        Revocation::Require | Revocation::Grace(_) if !named => loading.add(
            TopologyReason::CrlRequired,
            line,
            format!("{label} requires CRLs (the default), but names none"),
            "name the CA's CRLs in `crls`; if it publishes none, write revocation = \"off\"",
        ),
        Revocation::Require | Revocation::Grace(_) => {}
    }
    // Only now, so that every fault of the section has been reported.
    let (crl_sources, crls) = crls?;
    Some(TrustSet {
        name,
        anchors: anchors?,
        partial_chain: raw.partial_chain,
        crl_sources,
        crls,
        crl_refresh: raw.crl_refresh.0,
        crl_fetch: fetch,
        crl_fetch_local: local_hosts(raw),
        revocation,
        // `"leaf"` is for CAs that publish no CRL for their issuing CAs.
        scope: raw.scope,
        window: window::load(&label, (&raw.not_before, &raw.not_after), loading),
        line,
    })
}

/// Anchors are read as certificates only. Whether one of them is fit to be an anchor is judged in
/// trust/, and warned of there, since it depends on more than the certificate.
fn anchors(
    label: &str,
    file: &Text,
    crls: &[Text],
    loading: &mut Loading<'_, '_>,
) -> Option<Vec<CertificateDer<'static>>> {
    // One file for both is what OpenSSL's users have; otherwise a CRL among the anchors has no effect.
    let mut named = crls.iter();
    // The paths are compared as they are written: one file under two names is not recognised, and then
    // the stricter rule holds.
    let wanted = if named.any(|crls| crls.get_ref() == file.get_ref()) {
        Wanted::AnchorsBesideCrls
    } else {
        Wanted::Anchors
    };
    let (anchors, facts) = certificates("anchors", file, wanted, loading)?;
    // Anchors are not renewed by any protocol, so nothing but this warning announces their end.
    for anchor in &facts {
        // One that has ended is reported where its set is prepared for path building.
        if loading.at <= anchor.not_after {
            warn_soon(label, anchor, file, loading);
        }
    }
    Some(anchors)
}

/// Where the CRLs are, and what is there; what cannot be used is reported.
///
/// All sources are read even if one fails. At a start every source must be usable: nothing is held yet
/// that could stay in force in its place.
fn crls(
    label: &str,
    files: &[Text],
    loading: &mut Loading<'_, '_>,
) -> Option<(Vec<CrlSource>, Vec<HeldCrl>)> {
    // Paths are resolved once, so that a refresh does not depend on the working directory.
    let sources: Vec<CrlSource> = files
        .iter()
        .map(|file| CrlSource {
            path: loading.path(file),
            line: loading.line(file),
        })
        .collect();
    let mut crls = Vec::new();
    // Findings are collected over all files before the set is given up.
    let mut whole = true;
    for read in read_crls(&sources) {
        match read.content {
            Ok(lists) => crls.extend(lists.into_iter().map(|list| HeldCrl {
                file: Arc::clone(&read.file),
                fetched: false,
                list,
            })),
            // With one file missing the set would accept what that file revokes.
            Err((refusal, said)) => {
                whole = false;
                report(label, &read.file, read.line, refusal, &said, loading);
            }
        }
    }
    whole.then_some((sources, crls))
}

/// Reports a CRL file that cannot be used.
///
/// Three codes, because the remedies differ: a path that is wrong, a file that may not be read, and a
/// CRL that the CA has to issue anew.
fn report(
    label: &str,
    file: &Path,
    line: u32,
    refusal: CrlReason,
    said: &str,
    loading: &mut Loading<'_, '_>,
) {
    // With the directory of the topology in front, so that it can be opened as it stands.
    let shown = file.display();
    if refusal != CrlReason::Unreadable {
        let what = refusal.what();
        let what = format!("{label}: the CRL file {shown} cannot be used: {what} ({said})");
        loading.found.add_crl(refusal, line, what);
    } else if let Some(directory) = closed_directory(file) {
        let it = format!("{label}: the CRLs in {shown}");
        loading.closed(line, &it, directory);
    } else if file.exists() {
        let what = format!("{label}: the CRLs in {shown} cannot be read: {said}");
        let remedy = "name a file or a directory that the user sipward runs as may read";
        loading.add(TopologyReason::FileUnreadable, line, what, remedy);
    } else {
        let what = format!("{label}: the CRL file {shown} does not exist");
        let remedy = "correct the path (a relative one starts at the topology file's directory) or put the file there";
        loading.add(TopologyReason::FileMissing, line, what, remedy);
    }
}

/// Whether CRLs are fetched; that it cannot be so is reported.
///
/// Fetching is meant for sets that check: with revocation off it would only cause traffic.
fn fetch(
    raw: &RawTrust,
    label: &str,
    revocation: Revocation,
    loading: &mut Loading<'_, '_>,
) -> bool {
    // `false` is the same as no key.
    let Some(value) = raw.crl_fetch.as_ref().filter(|value| *value.get_ref()) else {
        return false;
    };
    if revocation == Revocation::Off {
        let what = format!("{label} fetches CRLs, but its revocation is off: none is fetched");
        let remedy = "set revocation = \"require\", or remove `crl_fetch`";
        loading.add(TopologyReason::CrlsUnused, value, what, remedy);
        return false;
    }
    // Fetched CRLs follow the same timer as files; without one they would be fetched once and then grow
    // stale.
    if raw.crl_refresh.0.is_none() {
        let what = format!("{label} fetches CRLs, but its crl_refresh is off");
        let remedy = "choose a crl_refresh of 1s to 1d, or remove `crl_fetch`";
        loading.add(TopologyReason::OutOfRange, value, what, remedy);
    }
    true
}

/// Hosts that may be asked although they are at a special address.
///
/// In the form in which hosts of URIs are compared; nothing else is checked, as any host may be listed.
fn local_hosts(raw: &RawTrust) -> Vec<String> {
    let hosts = raw.crl_fetch_local.iter();
    hosts
        .map(|host| host.get_ref().trim_matches(['[', ']']).to_ascii_lowercase())
        .collect()
}
