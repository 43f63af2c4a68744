//! Certificate and key files as `openssl` writes them, in the places of a topology: read, or refused with what to do.
use crate::chains::openssl;
use sipward::topology;
use sipward_lab::pki::{Authority, now};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs `openssl` in a directory; the arguments stand in one line.
fn run(dir: &Path, arguments: &str) {
    let status = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "openssl {arguments}");
}

/// What loading says of a topology with these files.
fn load(dir: &Path, chain: &str, key: &str, anchors: &str, crls: &str) -> Result<(), String> {
    let text = format!(
        r#"[node]
fqdn = "edge01.contoso.test"
domains = ["contoso.test"]

[[identity]]
name = "edge"
certificate = "{chain}"
private_key = "{key}"

[[trust]]
name = "enterprise-ca"
anchors = "{anchors}"
crls = ["{crls}"]

[[listener]]
name = "edge"
address = "127.0.0.1:0"

[[peer]]
fqdn = "fe01.contoso.test"
kind = "home"
trust = ["enterprise-ca"]

[[pool]]
name = "front-end"
domains = ["contoso.test"]
peers = ["fe01.contoso.test"]
"#
    );
    let path = dir.join("topology.toml");
    let told =
        |fault: &topology::Fault| format!("{}: {}; {}", fault.code, fault.what, fault.remedy);
    topology::load_text(&text, &path, now())
        .map(|_| ())
        .map_err(|faults| faults.iter().map(told).collect::<Vec<_>>().join("\n"))
}

/// An authority's files, and those of a server of its own.
fn lay_out(dir: &Path) {
    let root = Authority::root("Contoso Root").unwrap();
    let edge = root.server("edge01.contoso.test").unwrap();
    edge.write_to(dir, "edge").unwrap();
    root.write_to(dir, "ca").unwrap();
    root.write_crl_to(dir, "ca", &[], Duration::from_secs(86_400))
        .unwrap();
}

/// What `openssl` is asked to write of them.
const WRITTEN: &[&str] = &[
    "x509 -in ca.pem -text -out text.pem",
    "x509 -in ca.pem -outform DER -out ca.der",
    "x509 -in ca.pem -trustout -out trusted.pem",
    "x509 -in ca.pem -addtrust emailProtection -trustout -out settings.pem",
    "crl2pkcs7 -nocrl -certfile ca.pem -out bundle.pem",
    "crl2pkcs7 -nocrl -certfile ca.pem -outform DER -out bundle.der",
    "crl2pkcs7 -in ca.crl.pem -certfile ca.pem -out crls.p7.pem",
    "pkcs12 -export -in edge.chain.pem -inkey edge.key.pem -passout pass:x -out edge.p12",
    "pkcs12 -in edge.p12 -passin pass:x -nodes -out both.pem",
    "pkey -in edge.key.pem -outform DER -out key.der",
    "pkey -in edge.key.pem -traditional -out sec1.pem",
    "pkey -in edge.key.pem -aes-256-cbc -passout pass:x -out locked.pem",
    "pkey -in edge.key.pem -traditional -aes-256-cbc -passout pass:x -out locked.sec1.pem",
    "pkcs8 -topk8 -in edge.key.pem -passout pass:x -outform DER -out locked.der",
    "crl -in ca.crl.pem -outform DER -out crl.der",
    "crl -in ca.crl.pem -text -out crl.text.pem",
    "ecparam -name prime256v1 -out parameters.pem",
];

const CHAIN: &str = "edge.chain.pem";
const KEY: &str = "edge.key.pem";
const ANCHORS: &str = "ca.pem";
const CRLS: &str = "ca.crl.pem";

#[test]
fn what_openssl_writes_is_read_or_refused_with_what_to_do() {
    if !openssl::is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    lay_out(dir);
    WRITTEN.iter().for_each(|arguments| run(dir, arguments));
    let glue = |out: &str, files: &[&str]| {
        let text: Vec<String> = files
            .iter()
            .map(|file| std::fs::read_to_string(dir.join(file)).unwrap())
            .collect();
        std::fs::write(dir.join(out), text.concat()).unwrap();
    };
    glue("with-parameters.pem", &["parameters.pem", "sec1.pem"]);
    glue("ca-and-crl.pem", &[ANCHORS, CRLS]);
    glue("crl-and-key.pem", &[CRLS, KEY]);
    for (chain, key, anchors, crls) in [
        (CHAIN, KEY, ANCHORS, CRLS),
        ("both.pem", "both.pem", "text.pem", "crl.text.pem"),
        (CHAIN, "key.der", "ca.der", "crl.der"),
        (CHAIN, "sec1.pem", "trusted.pem", CRLS),
        (
            CHAIN,
            "with-parameters.pem",
            "ca-and-crl.pem",
            "ca-and-crl.pem",
        ),
    ] {
        let loaded = load(dir, chain, key, anchors, crls);
        assert_eq!(loaded, Ok(()), "{chain} {key} {anchors} {crls}");
    }
    let mut told = Vec::new();
    for (chain, key, anchors, crls, says) in [
        (CHAIN, KEY, "settings.pem", CRLS, "trust settings"),
        (CHAIN, KEY, "bundle.pem", CRLS, "openssl pkcs7 -in FILE"),
        (CHAIN, KEY, "bundle.der", CRLS, "openssl pkcs7 -inform DER"),
        (
            CHAIN,
            KEY,
            "ca-and-crl.pem",
            CRLS,
            "name the CRL's file in `crls`",
        ),
        (
            CHAIN,
            KEY,
            "both.pem",
            CRLS,
            "remove the private key from this file",
        ),
        (CHAIN, KEY, "edge.p12", CRLS, "openssl pkcs12 -in FILE"),
        (
            CHAIN,
            KEY,
            KEY,
            CRLS,
            "remove the private key from this file",
        ),
        (CHAIN, KEY, "crl.der", CRLS, "cannot be parsed"),
        (CHAIN, KEY, ANCHORS, "crls.p7.pem", "openssl pkcs7 -in FILE"),
        (
            CHAIN,
            KEY,
            ANCHORS,
            "crl-and-key.pem",
            "remove the private key from this file",
        ),
        (CHAIN, KEY, ANCHORS, ANCHORS, "holds no CRL"),
        (CHAIN, KEY, ANCHORS, "key.der", "crl_malformed"),
        (CHAIN, "locked.pem", ANCHORS, CRLS, "has a passphrase"),
        (CHAIN, "locked.sec1.pem", ANCHORS, CRLS, "has a passphrase"),
        (CHAIN, "locked.der", ANCHORS, CRLS, "has a passphrase"),
        (CHAIN, "edge.p12", ANCHORS, CRLS, "-nodes -out KEY"),
        (
            CHAIN,
            "ca.der",
            ANCHORS,
            CRLS,
            "a certificate or a CRL in DER",
        ),
        (
            CHAIN,
            "parameters.pem",
            ANCHORS,
            CRLS,
            "holds no private key",
        ),
        ("key.der", KEY, ANCHORS, CRLS, "a private key in DER"),
        ("edge.p12", KEY, ANCHORS, CRLS, "-nokeys -out CHAIN"),
    ] {
        let fault = load(dir, chain, key, anchors, crls).unwrap_err();
        if !fault.contains(says) {
            told.push(format!(
                "{chain} {key} {anchors} {crls}: not \"{says}\" but {fault}"
            ));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}
