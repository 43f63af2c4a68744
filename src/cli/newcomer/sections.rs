//! The `[[trust]]` and `[[peer]]` that a server would need, as TOML with a comment on what to ask for.
use super::issuer::{Issuer, Source, way_up};
use super::{Asked, CertificateFacts};
use crate::cli::output::plain;
use crate::topology::DnsName;
use crate::trust::http_uris;
use rustls_pki_types::CertificateDer;
use std::fmt::Write as _;
use std::path::Path;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// The name of a new trust set, and the stem of its files.
pub(super) fn stem(fqdn: &DnsName) -> String {
    format!("{fqdn}-ca")
}

/// The distribution points of the certificates that need a CRL; the leaf's first.
pub(super) fn crl_points(
    facts: &[CertificateFacts],
    chain: &[CertificateDer<'static>],
) -> Vec<String> {
    let way = way_up(facts).into_iter();
    let mut points = Vec::new();
    for der in way.filter_map(|at| chain.get(at)) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            continue;
        };
        // One CRL of each issuer will do.
        let point = http_uris(&certificate).into_iter().next();
        points.extend(point.filter(|point| !points.contains(point)));
    }
    points
}

/// The sections. With `anchors` they are to be tried out: the file of anchors is that one, and no CRL is asked for.
pub(super) fn text(
    asked: &Asked<'_>,
    (leaf, chain): (&CertificateFacts, &[CertificateDer<'static>]),
    issuer: &Issuer,
    anchors: Option<&Path>,
) -> String {
    let mut text = String::from("\n");
    let set = match issuer {
        Issuer::Listed { set } => set.clone(),
        Issuer::New { .. } | Issuer::Unknown { .. } => {
            trust(&mut text, asked, chain, issuer, anchors);
            stem(asked.fqdn)
        }
    };
    peer(&mut text, asked, (leaf, chain), &set);
    text
}

fn trust(
    text: &mut String,
    asked: &Asked<'_>,
    chain: &[CertificateDer<'static>],
    issuer: &Issuer,
    anchors: Option<&Path>,
) {
    let name = stem(asked.fqdn);
    let file = anchors.map_or_else(
        || format!("{name}.pem"),
        |anchors| anchors.display().to_string(),
    );
    // Writing to memory cannot fail.
    let _ = writeln!(text, "[[trust]]\nname = {}", quoted(&name));
    match issuer {
        Issuer::New {
            source,
            subject,
            sha256,
            ..
        } => {
            let subject = plain(subject);
            let _ = writeln!(
                text,
                "# {subject}\n# SHA-256 {sha256}: compare it by another way"
            );
            let _ = writeln!(text, "anchors = {}", quoted(&file));
            if *source == Source::SentAuthority {
                let _ = writeln!(
                    text,
                    "partial_chain = true                # its root was not sent: better ask for that, and leave this out"
                );
            }
        }
        Issuer::Listed { .. } | Issuer::Unknown { .. } => {
            let _ = writeln!(
                text,
                "anchors = {}    # not sent: ask for the CA's certificate",
                quoted(&file)
            );
        }
    }
    let facts: Vec<_> = chain
        .iter()
        .map_while(|der| CertificateFacts::read(der))
        .collect();
    let points = crl_points(&facts, chain);
    if anchors.is_some() {
        text.push_str("revocation = \"off\"\n");
    } else if points.is_empty() {
        text.push_str(
            "revocation = \"off\"                  # its certificates name no CRL: ask whether there is one\n",
        );
    } else {
        let files = points.iter().zip(1..);
        let files: Vec<String> = files
            .map(|(_, number)| quoted(&crl_file(&name, number)))
            .collect();
        let _ = writeln!(text, "crls = [{}]", files.join(", "));
        text.push_str("crl_fetch = true\n");
        // The leaf's issuer has one; whether those above publish any cannot be known.
        let judged = way_up(&facts).len().saturating_sub(match issuer {
            Issuer::New {
                source: Source::SentRoot | Source::SentAuthority,
                ..
            } => 1,
            Issuer::New { .. } | Issuer::Listed { .. } | Issuer::Unknown { .. } => 0,
        });
        if points.len() < judged {
            text.push_str(
                "scope = \"leaf\"                      # no CRL is named for the CAs above the leaf's issuer\n",
            );
        }
    }
    text.push('\n');
}

/// The file for the CRL of this number, from 1.
pub(super) fn crl_file(stem: &str, number: usize) -> String {
    format!("{stem}-{number}.crl")
}

fn peer(
    text: &mut String,
    asked: &Asked<'_>,
    (leaf, chain): (&CertificateFacts, &[CertificateDer<'static>]),
    set: &str,
) {
    let fqdn = asked.fqdn.as_str();
    let _ = writeln!(text, "[[peer]]\nfqdn = {}", quoted(fqdn));
    if asked.is_home() {
        text.push_str(
            "kind = \"home\"                       # add it to the `peers` of a [[pool]], too\n",
        );
    } else {
        let domain = fqdn.split_once('.').map_or(fqdn, |(_, above)| above);
        // The name itself where nothing but a public suffix is above it.
        let domain = if domain.contains('.') { domain } else { fqdn };
        let _ = writeln!(
            text,
            "kind = \"federated\"\ndomains = [{}]    # what it may say in From, and what is routed to it: ask",
            quoted(domain)
        );
    }
    let _ = writeln!(text, "trust = [{}]", quoted(set));
    if let Some(address) = asked.address {
        let _ = writeln!(text, "address = [{}]", quoted(address));
    }
    match Carried::by(asked.fqdn, leaf, chain) {
        Carried::Exactly => {}
        Carried::ByWildcard => text.push_str("names = \"one-label-wildcard\"\n"),
        Carried::InCommonName => text.push_str("common_name = true\n"),
        Carried::Not => {
            let _ = writeln!(
                text,
                "# Its certificate does not carry {fqdn}: use a name that it has, or have it reissued."
            );
        }
    }
}

/// How a certificate carries a name, and so what its entry has to permit.
#[derive(Debug, PartialEq, Eq)]
enum Carried {
    Exactly,
    ByWildcard,
    InCommonName,
    Not,
}

impl Carried {
    /// By the rules of RFC 5922 §7.1: with a sip URI no DNS name counts, with any of them no CN.
    fn by(fqdn: &DnsName, leaf: &CertificateFacts, chain: &[CertificateDer<'static>]) -> Self {
        let names = if leaf.sip.is_empty() {
            &leaf.dns
        } else {
            &leaf.sip
        };
        let is = |text: &str| DnsName::parse(text).is_ok_and(|name| name == *fqdn);
        if names.iter().any(|name| is(name)) {
            return Self::Exactly;
        }
        let rest = fqdn.as_str().split_once('.').map(|(_, rest)| rest);
        let by_wildcard = |name: &String| {
            let below = name.strip_prefix("*.").map(str::to_ascii_lowercase);
            below.is_some() && below.as_deref() == rest
        };
        if names.iter().any(by_wildcard) {
            return Self::ByWildcard;
        }
        let certificate = chain
            .first()
            .and_then(|der| X509Certificate::from_der(der).ok());
        let in_cn = certificate.is_some_and(|(_, certificate)| {
            let mut cns = certificate.subject().iter_common_name();
            cns.any(|cn| cn.as_str().is_ok_and(is))
        });
        if names.is_empty() && in_cn {
            Self::InCommonName
        } else {
            Self::Not
        }
    }
}

/// A basic string of TOML.
pub(in crate::cli) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
