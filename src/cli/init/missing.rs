//! What a first topology still needs: the files that only a CA can make, and what comes then.
//!
//! The commands are those of openssl, which every site has; a CA's own tools make the same files. Paths are whole, so that a line can
//! be copied as it stands.
use super::answers::SiteAnswers;
use super::text::partner_set;
use crate::topology::DnsName;
use std::io::{self, Write};
use std::path::Path;

/// A file, and how one comes by it.
struct MissingFile {
    /// Below certs/, as the topology names it.
    name: String,
    /// What it must hold, or the command that makes it.
    how: String,
}

/// Lists the files that are not there, with the commands that begin to make them.
pub(super) fn show(directory: &Path, answers: &SiteAnswers, out: &mut dyn Write) -> io::Result<()> {
    let certs = directory.join("certs");
    let files = files(&certs, answers);
    // A second run in a directory with certificates has nothing to ask for.
    let mut missing = files
        .iter()
        .filter(|file| !certs.join(&file.name).exists())
        .peekable();
    if missing.peek().is_some() {
        writeln!(out, "\nStill missing in {}:", certs.display())?;
    }
    for MissingFile { name, how } in missing {
        writeln!(out, "  {name}\n      {how}")?;
    }
    // The check is the judge of all of this: whatever is forgotten here it names with its line.
    let file = directory.join("topology.toml");
    writeln!(out, "\nThen:\n  sipward check {}", file.display())?;
    // The unit serves this file alone; everywhere else somebody tries something out.
    if directory == Path::new("/etc/sipward") {
        writeln!(out, "  systemctl enable --now sipward")?;
    } else {
        writeln!(out, "  sipward run {}", file.display())?;
    }
    Ok(())
}

/// In the order in which they are made: the key first, since the CA needs its request.
fn files(certs: &Path, answers: &SiteAnswers) -> Vec<MissingFile> {
    // Each is named where the topology looks for it.
    let file = |name: &str, how: String| MissingFile {
        name: name.to_owned(),
        how,
    };
    let fqdn = &answers.fqdn;
    let names = std::iter::once(fqdn).chain(&answers.domains);
    // Phones check for the domain, servers for the node's name.
    // As openssl writes a subjectAltName.
    let names: Vec<String> = names.map(|name| format!("DNS:{name}")).collect();
    let names = names.join(",");
    let shown = certs.display();
    let mut files = vec![
        file(
            "edge.key.pem",
            format!(
                "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={fqdn} -addext subjectAltName={names} -keyout {shown}/edge.key.pem -out {shown}/edge.csr"
            ),
        ),
        file(
            "edge.chain.pem",
            "what your CA makes of edge.csr, with serverAuth and clientAuth: the leaf, then its issuers without the root".to_owned(),
        ),
        file(
            "enterprise-ca.pem",
            "the root of the CA that issued the home servers' certificates".to_owned(),
        ),
        file(
            "enterprise-ca.crl.pem",
            "its CRL; if it publishes none, write revocation = \"off\" in its [[trust]] in place of crls".to_owned(),
        ),
    ];
    // Each partner has a CA of its own, and two files of it.
    for (fqdn, _) in &answers.partners {
        files.extend(of_partner(fqdn));
    }
    files
}

/// A partner's CA is compared by another way, whoever sends it.
fn of_partner(fqdn: &DnsName) -> [MissingFile; 2] {
    // The stem that the topology names.
    let set = partner_set(fqdn);
    [
        MissingFile {
            name: format!("{set}.pem"),
            how: format!(
                "the root of {fqdn}: openssl s_client -showcerts -connect {fqdn}:5061 shows its chain; compare fingerprints by another way"
            ),
        },
        MissingFile {
            name: format!("{set}.crl.pem"),
            how: "its CRL, as for the home servers".to_owned(),
        },
    ]
}
