//! `sipward init`: the file that it writes is one that `check` accepts once the certificates are there.
use crate::harness::Lab;
use crate::harness::observed::sipward;
use serde_json::Value;
use sipward_lab::pki::LeafSpec;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Runs it without a terminal; gives exit code, standard output and standard error.
fn init(directory: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let directory = directory.to_str().unwrap();
    let output = sipward(&[&["init", directory], more].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

const ALL: [&str; 10] = [
    "--fqdn",
    "edge01.contoso.test",
    "--domain",
    "contoso.test",
    "--home",
    "fe01.contoso.test=10.0.0.11:5061",
    "--home",
    "fe02.contoso.test",
    "--partner",
    "edge.fabrikam.test",
];

#[test]
fn what_init_writes_passes_check_once_the_certificates_are_there() {
    let lab = Lab::new();
    let directory = lab.site.path().join("etc");
    let (code, page, error) = init(&directory, &ALL);
    assert_eq!(code, Some(0), "{error}");
    let file = directory.join("topology.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("#:schema ./topology.schema.json\n"),
        "{text}"
    );
    assert!(directory.join("topology.schema.json").exists());
    let mode = |name: &str| {
        let data = std::fs::metadata(directory.join(name)).unwrap();
        data.permissions().mode() & 0o777
    };
    assert_eq!((mode("token.keys"), mode("topology.toml")), (0o600, 0o640));
    // What is missing is what check then misses, and no more.
    let file = file.to_str().unwrap();
    let nobody = directory.join("nobody.sock");
    let check = [
        "check",
        file,
        "--json",
        "--socket",
        nobody.to_str().unwrap(),
    ];
    let report: Value = serde_json::from_slice(&sipward(&check).stdout).unwrap();
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 6, "{report}");
    for fault in faults {
        assert_eq!(fault["code"], "file_missing", "{report}");
    }
    for part in [
        "edge.key.pem",
        "subjectAltName=DNS:edge01.contoso.test,DNS:contoso.test",
        "edge.fabrikam.test-ca.pem",
        &format!("sipward check {file}"),
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let edge = LeafSpec::edge("edge01.contoso.test", "contoso.test");
    let edge = lab.site.enterprise.issue(&edge).unwrap();
    edge.write_to(&directory.join("certs"), "edge").unwrap();
    for (name, to) in [
        ("enterprise-ca", "enterprise-ca"),
        ("fabrikam-ca", "edge.fabrikam.test-ca"),
    ] {
        for end in ["pem", "crl.pem"] {
            let from = lab.site.path().join(format!("{name}.{end}"));
            let to = directory.join("certs").join(format!("{to}.{end}"));
            std::fs::copy(from, to).unwrap();
        }
    }
    let report: Value = serde_json::from_slice(&sipward(&check).stdout).unwrap();
    assert_eq!(report["good"], true, "{report}");
    let of_the_file = report["warnings"].as_array().unwrap().iter();
    let of_the_file = of_the_file.filter(|warning| warning["line"].is_u64());
    assert_eq!(of_the_file.count(), 0, "{report}");
    // Nothing that is there is touched.
    let (code, page, error) = init(&directory, &ALL);
    assert_eq!((code, page.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("is there already, and stays"), "{error}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}

#[test]
fn answers_that_are_missing_or_no_names_are_refused_before_anything_is_made() {
    let lab = Lab::new();
    let directory = lab.site.path().join("etc");
    for (arguments, says) in [
        (&ALL[..4], "--home is missing, and there is no terminal"),
        (&ALL[2..], "--fqdn is missing"),
        (
            &[
                "--fqdn", "edge 01", "--domain", "a.test", "--home", "b.test",
            ],
            "\"edge 01\" is no name",
        ),
    ] {
        let (code, _, error) = init(&directory, arguments);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(says), "{error}");
        assert!(!directory.exists());
    }
}
