//! `[[trust]]`: anchors and CRLs, read, and the revocation policy over them.
use super::certificate::CrlFacts;
use super::code::Code;
use super::context::Context;
use super::identity::{chain, malformed, warn_soon};
use super::pem;
use super::quantity::duration;
use super::raw::{RawTrust, Text};
use super::{Revocation, RevocationScope, TrustSet};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::time::Duration;

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
        .and_then(|file| anchors(&label, file, context));
    let crls = crls(raw.crls.as_deref().unwrap_or_default(), context);
    let named = raw.crls.as_ref().is_some_and(|list| !list.is_empty());
    match revocation {
        Some(Revocation::Off) => {
            context.add(
                Code::RevocationOff,
                raw.revocation.as_ref().map_or(line, |value| context.line(value)),
                format!("{label} has revocation off: a certificate that its CA has revoked is still accepted"),
                "name the CA's CRLs in `crls` and set revocation = \"require\"",
            );
            if named {
                context.add(
                    Code::CrlsUnused,
                    line,
                    format!("{label} names CRLs, but its revocation is off: they have no effect"),
                    "set revocation = \"require\", or take `crls` out",
                );
            }
        }
        Some(Revocation::Require | Revocation::Grace(_)) if !named => context.add(
            Code::CrlRequired,
            line,
            format!("{label} requires CRLs (the default), but names none"),
            "name the CA's CRLs in `crls`; if it publishes none, say revocation = \"off\"",
        ),
        Some(Revocation::Require | Revocation::Grace(_)) | None => {}
    }
    Some(TrustSet {
        name,
        anchors: anchors?,
        crls: crls?,
        revocation: revocation?,
        scope: raw.scope.unwrap_or(RevocationScope::Chain),
        line,
    })
}

fn anchors(
    label: &str,
    file: &Text,
    context: &mut Context<'_, '_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let (anchors, facts) = chain("anchors", file, context)?;
    let line = context.line(file);
    for anchor in &facts {
        // One that has ended is reported where its set is prepared for path building.
        if context.at <= anchor.not_after {
            warn_soon(label, anchor, line, context);
        }
    }
    Some(anchors)
}

fn crls(
    files: &[Text],
    context: &mut Context<'_, '_>,
) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    let mut crls = Vec::new();
    let mut whole = true;
    for file in files {
        let Some(octets) = context.read(file, "crl") else {
            whole = false;
            continue;
        };
        match pem::crls(&octets) {
            Ok(found) if found.iter().all(|crl| CrlFacts::read(crl).is_some()) => {
                crls.extend(found)
            }
            Ok(_) => {
                malformed("crl", file, "one of its CRLs cannot be parsed", context);
                whole = false;
            }
            Err(error) => {
                malformed("crl", file, &error.to_string(), context);
                whole = false;
            }
        }
    }
    whole.then_some(crls)
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
            Code::InvalidDuration,
            line,
            format!("{label}: grace = \"{grace}\" cannot be read"),
            "write a number with a unit: \"30m\", \"6h\" or \"1d\"",
        );
        return None;
    };
    if grace.is_zero() || grace > LONGEST_GRACE {
        context.add(
            Code::OutOfRange,
            line,
            format!("{label}: the grace is out of range"),
            "choose 1ms to 30d; without grace write revocation = \"require\"",
        );
        return None;
    }
    Some(Revocation::Grace(grace))
}
