//! `sipward explain` on the command line: a tree or JSON, exit code 0 for accepted, 1 for refused, 2 for a bad question.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends there")]

use serde_json::Value;
use sipward_lab::site::Site;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The lab's usual topology on disk with one peer, and certificates beside it.
struct Desk {
    site: Site,
    topology: String,
}

impl Desk {
    fn new() -> Self {
        let site = Site::new().unwrap();
        let peer = ("fe01.contoso.test", ([127, 0, 0, 1], 9).into());
        let topology = site.topology(&[peer], None).to_toml();
        let desk = Self { site, topology };
        desk.put("topology.toml", &desk.topology);
        desk
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        self.site.write(name, text).unwrap()
    }

    fn certificate(&self, fqdn: &str) -> PathBuf {
        let issued = self.site.enterprise.server(fqdn).unwrap();
        self.put(&format!("{fqdn}.pem"), &issued.chain_pem)
    }

    fn explain(&self, certificate: &Path, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sipward"))
            .arg("explain")
            .arg("--config")
            .arg(self.site.path().join("topology.toml"))
            .arg("--cert")
            .arg(certificate)
            .args(more)
            .output()
            .expect("the program runs")
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_accepted_certificate_exits_with_0_and_a_refused_one_with_1() {
    let desk = Desk::new();
    let listed = desk.certificate("fe01.contoso.test");
    let output = desk.explain(&listed, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // The entry of the peer decides, which begins a line above its name.
    let mut lines = desk.topology.lines();
    let line = lines.position(|line| line.contains("fe01")).unwrap();
    let decided = format!("topology.toml:{line}\n");
    assert!(text(&output).contains(&decided), "{}", text(&output));
    let stranger = desk.certificate("evil.test");
    let output = desk.explain(&stranger, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("verdict   refuse not_in_topology"), "{said}");
    assert!(said.contains("add [[peer]] fqdn = \"evil.test\""), "{said}");
    let output = desk.explain(&stranger, &["--peer", "FE01.contoso.test."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("name_mismatch"), "{}", text(&output));
}

#[test]
fn json_gives_verdict_reason_peer_and_every_step() {
    let desk = Desk::new();
    let listed = desk.certificate("fe01.contoso.test");
    let late = ["--json", "--time", "2099-01-01T00:00:00Z"];
    let output = desk.explain(&listed, &late);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["verdict"], "refuse");
    assert_eq!(said["reason"], "expired");
    assert_eq!(said["peer"], "fe01.contoso.test");
    assert_eq!(said["at"], "2099-01-01T00:00:00Z");
    let steps: Vec<&str> = said["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    assert_eq!(steps, ["chain", "names", "topology", "path", "client"]);
    let as_server = desk.explain(&listed, &["--json", "--as", "outbound"]);
    let said: Value = serde_json::from_slice(&as_server.stdout).unwrap();
    assert_eq!(
        (&said["verdict"], &said["direction"]),
        (&"accept".into(), &"outbound".into())
    );
}

#[test]
fn what_cannot_be_asked_exits_with_2_and_says_why() {
    let desk = Desk::new();
    let listed = desk.certificate("fe01.contoso.test");
    let junk = desk.put("junk.pem", "no certificate");
    let missing = desk.site.path().join("missing.pem");
    for (certificate, more, says) in [
        (&junk, &[][..], "junk.pem holds no certificate"),
        (&missing, &[], "missing.pem cannot be read"),
        (&listed, &["--time", "yesterday"], "RFC 3339"),
        (&listed, &["--as", "sideways"], "inbound or outbound"),
    ] {
        let output = desk.explain(certificate, more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(says), "{error}");
    }
    // A name that is not listed is a question, and its answer what an entry would need.
    let unlisted = desk.explain(&listed, &["--peer", "nobody.test"]);
    assert_eq!(unlisted.status.code(), Some(1));
    assert!(text(&unlisted).contains("nobody.test"));
    desk.put("topology.toml", &desk.topology.replace("kind =", "knd ="));
    let output = desk.explain(&listed, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("unknown_key")
    );
}

#[test]
fn a_failing_expectation_does_not_keep_anybody_from_asking_why() {
    let desk = Desk::new();
    let stranger = desk.certificate("evil.test");
    let with_expectation = format!(
        "{}\n[[expect]]\ncertificate = \"evil.test.pem\"\nas = \"inbound\"\nverdict = \"accept\"\n",
        desk.topology
    );
    desk.put("topology.toml", &with_expectation);
    let output = desk.explain(&stranger, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("not_in_topology"));
}

#[test]
fn a_name_of_the_log_is_described_and_another_word_is_not() {
    let explain = |word: &str| {
        Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["explain", word])
            .output()
            .expect("the program runs")
    };
    let output = explain("crl_stale");
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output);
    for line in ["  cause ", "  check ", "  fix ", "alert unknown_ca"] {
        assert!(said.contains(line), "{said}");
    }
    // A code of now that earlier versions wrote for something else as well.
    let both = text(&explain("domain_denied"));
    assert!(
        both.contains("(message)") && both.contains("home_domain_denied  (topology)"),
        "{both}"
    );
    // A line of the log that an earlier version wrote, and the row of what it is called now.
    let renamed = explain("member_down");
    assert_eq!(renamed.status.code(), Some(0));
    let renamed = text(&renamed);
    assert!(
        renamed.starts_with("peer_unavailable  (event)\n")
            && renamed.contains("formerly    member_down"),
        "{renamed}"
    );
    assert!(text(&explain("by")).starts_with("closed_by  (field)\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["explain", "crl_stale", "--json"])
        .output()
        .expect("the program runs");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        json[0]["fix"].is_string() && json[0]["sent"].is_string(),
        "{json}"
    );
    let output = explain("crl_stele");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("crl_stale")
    );
}
