//! What people get wrong in the first hour: `sipward check` says it before a phone or a partner does.
use crate::harness::Lab;
use crate::harness::observed::sipward;
use serde_json::Value;
use sipward_lab::pki::{CrlSpec, LeafSpec, chain_pem};
use sipward_lab::site::{EDGE, HOME, TopologyText};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const FE01: &str = "fe01.contoso.test";

fn topology(lab: &Lab) -> TopologyText {
    lab.site
        .topology(&[(FE01, ([127, 0, 0, 1], 9).into())], None)
}

/// The command line of a check that asks no daemon.
fn arguments(lab: &Lab, topology: &TopologyText, more: &[&str]) -> Vec<String> {
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let nobody = lab.site.path().join("nobody.sock");
    let (file, nobody) = (file.to_str().unwrap(), nobody.to_str().unwrap());
    let all = ["check", file, "--json", "--socket", nobody];
    all.iter()
        .chain(more)
        .map(|&word| word.to_owned())
        .collect()
}

/// The warnings of one code.
fn warned<'r>(report: &'r Value, code: &str) -> Vec<&'r str> {
    assert_eq!(report["good"], true, "{report}");
    let warnings = report["warnings"].as_array().unwrap().iter();
    let of_code = warnings.filter(|warning| warning["code"] == code);
    of_code
        .inspect(|warning| assert!(warning["remedy"].as_str().is_some_and(|it| !it.is_empty())))
        .map(|warning| warning["what"].as_str().unwrap())
        .collect()
}

fn checked(lab: &Lab, topology: &TopologyText, more: &[&str]) -> Value {
    let arguments = arguments(lab, topology, more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    serde_json::from_slice(&sipward(&arguments).stdout).unwrap()
}

/// root, policy CA, issuing CA, our leaf: the CRL that is forgotten is that of the CA between.
#[test]
fn a_crl_that_is_missing_above_our_own_chain_is_told() {
    let lab = Lab::new();
    let policy = lab.site.enterprise.subordinate("Contoso Policy").unwrap();
    let issuing = policy.subordinate("Contoso Issuing").unwrap();
    let edge = issuing.issue(&LeafSpec::edge(EDGE, HOME)).unwrap();
    lab.site.issue("edge", &edge).unwrap();
    for (name, ca) in [("policy", &policy), ("issuing", &issuing)] {
        let crl = ca.crl_as_pem(&CrlSpec::default()).unwrap();
        lab.site.write(&format!("{name}.crl.pem"), &crl).unwrap();
    }
    let with = |crls: &[&str], scope: &str| {
        let mut topology = topology(&lab);
        let set = topology.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.list("crls", crls).text("scope", scope);
        let report = checked(&lab, &topology, &[]);
        let told = warned(&report, "crl_absent");
        told.iter().map(|&what| what.to_owned()).collect::<Vec<_>>()
    };
    let (root, policy, issuing) = ("enterprise-ca.crl.pem", "policy.crl.pem", "issuing.crl.pem");
    assert_eq!(with(&[root, policy, issuing], "chain"), [""; 0]);
    let told = with(&[root, issuing], "chain");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("no CRL of CN=Contoso Policy, which issued CN=Contoso Issuing"),
        "{told:?}"
    );
    let told = with(&[root], "chain");
    assert_eq!(told.len(), 2, "{told:?}");
    // Then no CA needs one but the issuer of leaves.
    let told = with(&[root], "leaf");
    assert!(told[0].contains("no CRL of CN=Contoso Issuing"), "{told:?}");
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn an_intermediate_that_was_forgotten_is_told_until_it_is_appended() {
    let lab = Lab::new();
    let policy = lab.site.enterprise.subordinate("Contoso Policy").unwrap();
    let issuing = policy.subordinate("Contoso Issuing").unwrap();
    let edge = issuing.issue(&LeafSpec::edge(EDGE, HOME)).unwrap();
    lab.site.issue("edge", &edge).unwrap();
    for sent in 1..=3 {
        let chain = chain_pem(&edge.chain[..sent]);
        lab.site.write("edge.chain.pem", &chain).unwrap();
        let report = checked(&lab, &topology(&lab), &[]);
        let told = warned(&report, "chain_incomplete");
        assert_eq!(told.is_empty(), sent == 3, "{sent}: {told:?}");
    }
}

#[test]
fn few_descriptors_are_told_before_the_start() {
    let lab = Lab::new();
    let arguments = arguments(&lab, &topology(&lab), &[]).join("' '");
    let command = format!(
        "ulimit -n 300; exec '{}' '{arguments}'",
        env!("CARGO_BIN_EXE_sipward")
    );
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = warned(&report, "descriptors_short");
    assert!(told[0].contains("the process may have 300"), "{told:?}");
}

/// Root checks, and another user serves: nobody, as far as these files are concerned.
#[test]
pub(crate) fn what_the_daemons_user_cannot_read_is_told_to_who_can() {
    let lab = Lab::new();
    let open = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(lab.site.path(), mode).unwrap();
    };
    open(0o700);
    let report = checked(&lab, &topology(&lab), &["--user", "nobody"]);
    let told = warned(&report, "closed_to_service").concat();
    let root = lab.site.path().display().to_string();
    assert!(
        told.contains(&format!(
            "user nobody cannot search the directory {root} (mode 0700"
        )),
        "{told}"
    );
    open(0o711);
    let key = lab.site.path().join("edge.key.pem");
    let report = checked(&lab, &topology(&lab), &["--user", "nobody"]);
    let told = warned(&report, "closed_to_service").concat();
    // Where the temporary directory itself is closed to others, that is what is told.
    assert!(
        told.contains(&format!("cannot read {}", key.display())) || told.contains("cannot search"),
        "{told}"
    );
    let output = sipward(&["check", "topology.toml", "--user", "no:such:user"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("/etc/passwd has no user"), "{error}");
}
