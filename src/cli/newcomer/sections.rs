//! The `[[trust]]` and `[[peer]]` that a server would need, as TOML with a comment on what to ask for.
//!
//! Written as text and not by a serializer: the comments are half of it, and their place is at the line that they are about.
//! What a stranger has chosen (subjects, URIs) stands in comments and quoted strings only, without control characters, so
//! that no certificate can add a line to the file of whoever pastes it.
use super::asked::Asked;
use super::voucher::{AnchorSource, Voucher, way_up};
use crate::cli::output::plain;
use crate::topology::{CertificateFacts, DnsName};
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
    // In the order of the path, since the leaf's issuer is the one whose CRL changes.
    let way = way_up(facts).into_iter();
    let mut points = Vec::new();
    for der in way.filter_map(|at| chain.get(at)) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            continue;
        };
        // Several points of one certificate hold the same CRL.
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
    issuer: &Voucher,
    anchors: Option<&Path>,
) -> String {
    let mut text = String::from("\n");
    // The set first: a reader of the entry wants to know by then what it names.
    let set = match issuer {
        Voucher::Listed { set } => set.clone(),
        Voucher::New { .. } | Voucher::Unknown { .. } => {
            trust(&mut text, asked, chain, issuer, anchors);
            stem(asked.fqdn)
        }
    };
    peer(&mut text, asked, (leaf, chain), &set);
    text
}

/// The set, unless one of the file serves.
fn trust(
    text: &mut String,
    asked: &Asked<'_>,
    chain: &[CertificateDer<'static>],
    issuer: &Voucher,
    anchors: Option<&Path>,
) {
    // The name says whose CA it is: each partner has a set of its own.
    let name = stem(asked.fqdn);
    let file = anchors.map_or_else(
        || format!("{name}.pem"),
        |anchors| anchors.display().to_string(),
    );
    // Writing to memory cannot fail, here and below.
    let _ = writeln!(text, "[[trust]]\nname = {}", quoted(&name));
    match issuer {
        Voucher::New {
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
            // Its expiry and revocation are then not checked, so that the root is to be preferred.
            if *source == AnchorSource::SentAuthority {
                let _ = writeln!(
                    text,
                    "partial_chain = true                # its root was not sent: better ask for that, and leave this out"
                );
            }
        }
        Voucher::Listed { .. } | Voucher::Unknown { .. } => {
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
    // A trial looks at names and path; whether CRLs can be had is seen when they are fetched.
    if anchors.is_some() {
        text.push_str("revocation = \"off\"\n");
    } else if points.is_empty() {
        text.push_str(
            "revocation = \"off\"                  # its certificates name no CRL: ask whether there is one\n",
        );
    } else {
        // Named as files and fetched as well: until the first fetch a set without a file would refuse everybody.
        let files = points.iter().zip(1..);
        let files: Vec<String> = files
            .map(|(_, number)| quoted(&crl_file(&name, number)))
            .collect();
        let _ = writeln!(text, "crls = [{}]", files.join(", "));
        text.push_str("crl_fetch = true\n");
        // The leaf's issuer has one; whether those above publish any cannot be known.
        // An anchor needs none: nothing above it is looked at.
        let judged = way_up(&facts).len().saturating_sub(match issuer {
            Voucher::New {
                source: AnchorSource::SentRoot | AnchorSource::SentAuthority,
                ..
            } => 1,
            Voucher::New { .. } | Voucher::Listed { .. } | Voucher::Unknown { .. } => 0,
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

/// The entry; comments mark what no certificate can say.
fn peer(
    text: &mut String,
    asked: &Asked<'_>,
    (leaf, chain): (&CertificateFacts, &[CertificateDer<'static>]),
    set: &str,
) {
    let fqdn = asked.fqdn.as_str();
    let _ = writeln!(text, "[[peer]]\nfqdn = {}", quoted(fqdn));
    // What is below a home domain is missing from the home side; a partner is everybody else.
    if asked.is_home() {
        text.push_str(
            "kind = \"home\"                       # add it to the `peers` of a [[pool]], too\n",
        );
    } else {
        // A guess that is right for most: the server is a host of its own domain. No certificate says what a partner may assert.
        let domain = fqdn.split_once('.').map_or(fqdn, |(_, above)| above);
        // The name itself where nothing but a public suffix is above it.
        let domain = if domain.contains('.') { domain } else { fqdn };
        let _ = writeln!(
            text,
            "kind = \"federated\"\ndomains = [{}]    # what it may say in From, and what is routed to it: ask",
            quoted(domain)
        );
        // Pasted for its trust alone it would be sent calls as well.
        let others = asked.servers_of(domain);
        if !others.is_empty() {
            let _ = writeln!(
                text,
                "# {} has {domain} as well: both get a share of its calls, unless a [[pool]] says who",
                others.join(", ")
            );
        }
    }
    let _ = writeln!(text, "trust = [{}]", quoted(set));
    // Without it DNS finds the server, as it did for this look.
    if let Some(address) = asked.address {
        let _ = writeln!(text, "address = [{}]", quoted(address));
    }
    // Only what the certificate makes necessary: a key that widens an entry without need is a hole.
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
    /// It needs nothing.
    Exactly,
    /// `names = "one-label-wildcard"`.
    ByWildcard,
    /// `common_name = true`.
    InCommonName,
    /// No key of an entry can help.
    Not,
}

impl Carried {
    /// By the rules of RFC 5922 §7.1: with a sip URI no DNS name counts, with any of them no CN.
    fn by(fqdn: &DnsName, leaf: &CertificateFacts, chain: &[CertificateDer<'static>]) -> Self {
        // Which kind of names counts is decided before any of them is compared.
        let names = if leaf.sip.is_empty() {
            &leaf.dns
        } else {
            &leaf.sip
        };
        // In the form in which the decision compares names.
        let is = |text: &str| DnsName::parse(text).is_ok_and(|name| name == *fqdn);
        if names.iter().any(|name| is(name)) {
            return Self::Exactly;
        }
        let rest = fqdn.as_str().split_once('.').map(|(_, rest)| rest);
        // One label in place of the asterisk, and the whole rest.
        let by_wildcard = |name: &String| {
            let below = name.strip_prefix("*.").map(str::to_ascii_lowercase);
            below.is_some() && below.as_deref() == rest
        };
        if names.iter().any(by_wildcard) {
            return Self::ByWildcard;
        }
        // The last resort of old certificates, and the entry has to ask for it.
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

/// A basic string of TOML, whatever the text holds.
pub(in crate::cli) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
