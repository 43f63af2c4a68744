//! `[[trust]]`: anchors and CRLs, read, and the revocation policy over them.
use super::TopologyReason;
use super::context::Context;
use super::identity::{certificates, warn_soon};
use super::pem::Wanted;
use super::quantity::duration;
use super::raw::{RawTrust, Text};
use super::{
    CrlReason, CrlSource, HeldCrl, Revocation, RevocationScope, TrustSet, read_crls, window,
};
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often CRL files are read again: soon enough after a revocation, and reading costs little.
const USUAL_REFRESH: Duration = Duration::from_secs(300);
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
const LONGEST_REFRESH: Duration = Duration::from_secs(86_400);

/// A CRL that is a month late is no statement any more.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// Loads one trust set; `None` when something of it is missing or broken, which is then reported.
pub(super) fn load(raw: &RawTrust, line: u32, context: &mut Context<'_, '_>) -> Option<TrustSet> {
    let name = raw.name.as_ref()?.get_ref().clone();
    let label = format!("trust \"{name}\"");
    let revocation = revocation(raw, &label, context);
    let anchors = raw
        .anchors
        .as_ref()
        .and_then(|file| anchors(&label, file, raw.crls.as_deref(), context));
    let crls = crls(&label, raw.crls.as_deref().unwrap_or_default(), context);
    let refresh = refresh(raw, &label, context);
    let fetch = fetch(raw, &label, refresh, revocation, context);
    let named = raw.crls.as_ref().is_some_and(|list| !list.is_empty());
    match revocation {
        Some(Revocation::Off) => {
            context.add(
                TopologyReason::RevocationOff,
                raw.revocation.as_ref().map_or(line, |value| context.line(value)),
                format!("{label} has revocation off: a certificate that its CA has revoked is still accepted"),
                "name the CA's CRLs in `crls` and set revocation = \"require\"",
            );
            if named {
                context.add(
                    TopologyReason::CrlsUnused,
                    line,
                    format!("{label} names CRLs, but its revocation is off: they have no effect"),
                    "set revocation = \"require\", or take `crls` out",
                );
            }
        }
        Some(Revocation::Require | Revocation::Grace(_)) if !named => context.add(
            TopologyReason::CrlRequired,
            line,
            format!("{label} requires CRLs (the default), but names none"),
            "name the CA's CRLs in `crls`; if it publishes none, say revocation = \"off\"",
        ),
        Some(Revocation::Require | Revocation::Grace(_)) | None => {}
    }
    let (crl_sources, crls) = crls?;
    Some(TrustSet {
        name,
        anchors: anchors?,
        partial_chain: raw.partial_chain.unwrap_or(false),
        crl_sources,
        crls,
        crl_refresh: refresh?,
        crl_fetch: fetch,
        crl_fetch_local: local_hosts(raw),
        revocation: revocation?,
        scope: raw.scope.unwrap_or(RevocationScope::Chain),
        window: window::load(
            &label,
            raw.not_before.as_ref(),
            raw.not_after.as_ref(),
            context,
        ),
        line,
    })
}

fn anchors(
    label: &str,
    file: &Text,
    crls: Option<&[Text]>,
    context: &mut Context<'_, '_>,
) -> Option<Vec<CertificateDer<'static>>> {
    // One file for both is what OpenSSL's users have; otherwise a CRL among the anchors has no effect.
    let mut named = crls.unwrap_or_default().iter();
    let wanted = if named.any(|crls| crls.get_ref() == file.get_ref()) {
        Wanted::AnchorsBesideCrls
    } else {
        Wanted::Anchors
    };
    let (anchors, facts) = certificates("anchors", file, wanted, context)?;
    let line = context.line(file);
    for anchor in &facts {
        // One that has ended is reported where its set is prepared for path building.
        if context.at <= anchor.not_after {
            warn_soon(label, anchor, line, context);
        }
    }
    Some(anchors)
}

/// Where the CRLs are, and what is there; what cannot be used is reported.
fn crls(
    label: &str,
    files: &[Text],
    context: &mut Context<'_, '_>,
) -> Option<(Vec<CrlSource>, Vec<HeldCrl>)> {
    let sources: Vec<CrlSource> = files
        .iter()
        .map(|file| CrlSource {
            path: context.path(file),
            line: context.line(file),
        })
        .collect();
    let mut crls = Vec::new();
    let mut whole = true;
    for read in read_crls(&sources) {
        match read.content {
            Ok(lists) => crls.extend(lists.into_iter().map(|list| HeldCrl {
                file: Arc::clone(&read.file),
                fetched: false,
                list,
            })),
            Err((refusal, said)) => {
                whole = false;
                report(label, &read.file, read.line, refusal, &said, context);
            }
        }
    }
    whole.then_some((sources, crls))
}

/// Reports a CRL file that cannot be used.
fn report(
    label: &str,
    file: &Path,
    line: u32,
    refusal: CrlReason,
    said: &str,
    context: &mut Context<'_, '_>,
) {
    let shown = file.display();
    if refusal != CrlReason::Unreadable {
        let what = refusal.what();
        let what = format!("{label}: the CRL file {shown} cannot be used: {what} ({said})");
        context.found.add_crl(refusal, line, what);
    } else if file.exists() {
        context.add(
            TopologyReason::FileUnreadable,
            line,
            format!("{label}: the CRLs in {shown} cannot be read: {said}"),
            "name a file or a directory that the user sipward runs as may read",
        );
    } else {
        context.add(
            TopologyReason::FileMissing,
            line,
            format!("{label}: the CRL file {shown} does not exist"),
            "correct the path (a relative one starts at the topology file's directory) or put the file there",
        );
    }
}

/// How often CRLs are read again; the outer `None` when that cannot be read.
fn refresh(raw: &RawTrust, label: &str, context: &mut Context<'_, '_>) -> Option<Option<Duration>> {
    let Some(text) = &raw.crl_refresh else {
        return Some(Some(USUAL_REFRESH));
    };
    if text.get_ref() == "off" {
        return Some(None);
    }
    let line = context.line(text);
    let Some(every) = duration(text.get_ref()) else {
        context.add(
            TopologyReason::InvalidDuration,
            line,
            format!(
                "{label}: crl_refresh = \"{}\" cannot be read",
                text.get_ref()
            ),
            "write a number with a unit, \"5m\" or \"1h\", or \"off\"",
        );
        return None;
    };
    if every < SHORTEST_REFRESH || every > LONGEST_REFRESH {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("{label}: crl_refresh is out of range"),
            "choose 1s to 1d, or \"off\"",
        );
        return None;
    }
    Some(Some(every))
}

/// Whether CRLs are fetched; that it cannot be so is reported.
fn fetch(
    raw: &RawTrust,
    label: &str,
    refresh: Option<Option<Duration>>,
    revocation: Option<Revocation>,
    context: &mut Context<'_, '_>,
) -> bool {
    let Some(value) = raw.crl_fetch.as_ref().filter(|value| *value.get_ref()) else {
        return false;
    };
    let line = context.line(value);
    if revocation == Some(Revocation::Off) {
        context.add(
            TopologyReason::CrlsUnused,
            line,
            format!("{label} fetches CRLs, but its revocation is off: none is fetched"),
            "set revocation = \"require\", or take `crl_fetch` out",
        );
        return false;
    }
    if refresh == Some(None) {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("{label} fetches CRLs, but its crl_refresh is off"),
            "choose a crl_refresh of 1s to 1d, or take `crl_fetch` out",
        );
    }
    true
}

/// Hosts that may be asked although they are at a special address.
fn local_hosts(raw: &RawTrust) -> Vec<String> {
    let hosts = raw.crl_fetch_local.iter().flatten();
    hosts
        .map(|host| host.get_ref().trim_matches(['[', ']']).to_ascii_lowercase())
        .collect()
}

fn revocation(raw: &RawTrust, label: &str, context: &mut Context<'_, '_>) -> Option<Revocation> {
    let Some(value) = &raw.revocation else {
        return Some(Revocation::Require);
    };
    if value.get_ref().as_str() == Some("off") {
        return Some(Revocation::Off);
    }
    let Some(grace) = value.get_ref().get("grace").and_then(toml::Value::as_str) else {
        // The shape check knows no other word than `require`.
        return Some(Revocation::Require);
    };
    let line = context.line(value);
    let Some(grace) = duration(grace) else {
        context.add(
            TopologyReason::InvalidDuration,
            line,
            format!("{label}: grace = \"{grace}\" cannot be read"),
            "write a number with a unit: \"30m\", \"6h\" or \"1d\"",
        );
        return None;
    };
    if grace.is_zero() || grace > LONGEST_GRACE {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("{label}: the grace is out of range"),
            "choose 1ms to 30d; without grace write revocation = \"require\"",
        );
        return None;
    }
    Some(Revocation::Grace(grace))
}
