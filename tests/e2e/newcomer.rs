//! A partner that is not in the file yet: what `sipward probe` and `sipward explain` print is pasted, and it is let in.
use crate::harness::observed::sipward;
use crate::harness::tls::refusing;
use crate::harness::{Edge, Lab};
use serde_json::Value;
use sipward_lab::pki::{Authority, CrlSpec, Issued, LeafSpec, Usage, chain_pem};
use sipward_lab::site::{EDGE, TopologyText};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const NEW: &str = "edge.new.test";

/// The usual site, which knows nothing of the new partner.
fn file(lab: &Lab) -> PathBuf {
    let mut topology: TopologyText = lab
        .site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
    topology.section("[node]").raw("shards", "1");
    let text = topology.to_toml();
    lab.site.write("topology.toml", &text).unwrap()
}

/// Exit code, standard output and standard error.
async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        sipward(&arguments)
    });
    let output = output.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

async fn probe(file: &Path, address: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let file = file.to_str().unwrap();
    let mut arguments = vec!["probe", NEW, "--config", file, "--timeout", "6"];
    arguments.extend(["--address", address]);
    arguments.extend(more);
    run(&arguments).await
}

/// Does with the page what it says: runs the command that makes the anchors, and appends the sections.
fn paste(page: &str, file: &Path) -> String {
    let commands = page.find("\ncat >").map(|at| &page[at..]);
    if let Some(commands) = commands {
        let script = commands.split_inclusive("\nPEM\n").next().unwrap();
        let status = Command::new("sh").arg("-c").arg(script).status().unwrap();
        assert!(status.success());
    }
    let (_, sections) = page.split_once("\n# Append what follows").unwrap();
    let (_, sections) = sections.split_once('\n').unwrap();
    let old = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, format!("{old}\n{sections}")).unwrap();
    sections.to_owned()
}

/// With the root behind it, as some servers send it.
fn with_root(mut identity: Issued, root: &Authority) -> Issued {
    identity.chain.push(root.certificate().clone());
    identity.chain_pem = chain_pem(&identity.chain);
    identity
}

#[tokio::test]
async fn what_probe_prints_for_a_new_partner_is_pasted_and_lets_it_in() {
    let root = Authority::root("New Root").unwrap();
    let issuing = root.subordinate("New Issuing").unwrap();
    let wildcard = LeafSpec {
        dns: vec!["*.new.test".to_owned()],
        usages: vec![Usage::Server],
        ..LeafSpec::server(NEW)
    };
    for (identity, says, entry) in [
        (
            with_root(root.server(NEW).unwrap(), &root),
            "CN=New Root (the root that it sends)",
            "domains = [\"new.test\"]",
        ),
        (
            issuing.server(NEW).unwrap(),
            "CN=New Issuing (a CA that it sends; the root above is not sent)",
            "partial_chain = true",
        ),
        (
            with_root(root.issue(&wildcard).unwrap(), &root),
            "*.new.test",
            "names = \"one-label-wildcard\"",
        ),
    ] {
        let lab = Lab::new();
        let file = file(&lab);
        let server = lab.server("new", NEW, "sip:c@new.test", &identity).await;
        let address = server.address().to_string();
        let (code, page, error) = probe(&file, &address, &[]).await;
        assert_eq!(code, Some(1), "{page}{error}");
        let leaf = sipward::trust::fingerprint(&identity.chain[0]);
        for part in [
            says,
            &leaf,
            "accepted with the sections below",
            "The network proves nothing",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        let sections = paste(&page, &file);
        assert!(sections.contains(entry), "{sections}");
        assert!(sections.contains(&format!("address = [\"{address}\"]")));
        let edge = Edge::start(&file).await;
        server.dial(edge.address, EDGE).await.unwrap();
        let accepted = edge.log.wait("handshake_accepted", |e| e["peer"] == NEW);
        accepted.await.unwrap();
        edge.stop().await;
        // Listed now, its entry says where it is.
        let (code, page, error) = probe(&file, &address, &[]).await;
        assert_eq!((code, page.as_str()), (Some(2), ""));
        assert!(error.contains("leave port and --address out"), "{error}");
    }
}

#[tokio::test]
async fn crls_that_its_certificates_name_stand_in_the_sections() {
    let lab = Lab::new();
    let file = file(&lab);
    let root = Authority::root("New Root").unwrap();
    let spec = LeafSpec {
        crl_points: vec!["http://crl.new.test/root.crl".to_owned()],
        ..LeafSpec::server(NEW)
    };
    let identity = with_root(root.issue(&spec).unwrap(), &root);
    let chain = lab.site.write("new.pem", &identity.chain_pem).unwrap();
    // From a file that the partner has sent: no network is asked.
    let (config, chain) = (file.to_str().unwrap(), chain.to_str().unwrap());
    let ask = [
        "explain", "--config", config, "--cert", chain, "--peer", NEW,
    ];
    let (code, page, error) = run(&ask).await;
    assert_eq!(code, Some(1), "{page}{error}");
    let crl = lab.site.path().join("edge.new.test-ca-1.crl");
    let fetch = format!(
        "curl -fsSo '{}' 'http://crl.new.test/root.crl'",
        crl.display()
    );
    assert!(page.contains(&fetch), "{page}");
    let sections = paste(&page, &file);
    assert!(
        sections.contains("crls = [\"edge.new.test-ca-1.crl\"]\ncrl_fetch = true"),
        "{sections}"
    );
    // What curl would bring.
    std::fs::write(crl, root.crl(&CrlSpec::default()).unwrap()).unwrap();
    let ask = [&ask[..], &["--json"]].concat();
    let (code, decided, error) = run(&ask).await;
    assert_eq!(code, Some(0), "{decided}{error}");
    let decided: Value = serde_json::from_str(&decided).unwrap();
    assert_eq!(decided["reason"], "accepted");
    // Without the partner's entry it is the same data as a program reads it.
    let other = ["explain", "--config", config, "--cert", chain, "--json"];
    let (code, report, _) = run(&[&other[..], &["--peer", "fe09.contoso.test"]].concat()).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(code, Some(1));
    let sections = report["sections"].as_str().unwrap();
    assert!(sections.contains("kind = \"home\""), "{sections}");
    assert!(
        sections.contains("does not carry fe09.contoso.test"),
        "{sections}"
    );
    assert_eq!(report["outcome"]["decided"]["accepted"], false, "{report}");
}

/// A server with nothing of its own, ended with the test.
struct SServer(Child, u16);

impl SServer {
    /// `None`: there is no openssl here.
    fn start(certificate: &Path, key: &Path, chain: &Path) -> Option<Self> {
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-Verify",
            "1",
            "-cert",
        ]);
        command.arg(certificate).arg("-key").arg(key);
        command.arg("-cert_chain").arg(chain);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut lines = BufReader::new(child.stdout.take()?).lines();
        let accepts = lines.find_map(|line| Some(line.ok()?.strip_prefix("ACCEPT ")?.to_owned()));
        let port = accepts?.rsplit_once(':')?.1.trim().parse().ok()?;
        // Whatever else it prints is read, so that it never waits for the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self(child, port))
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_server_of_openssl_is_accepted_after_the_paste() {
    let lab = Lab::new();
    let file = file(&lab);
    let root = Authority::root("New Root").unwrap();
    let issuing = root.subordinate("New Issuing").unwrap();
    let identity = issuing.server(NEW).unwrap();
    lab.site.issue("new", &identity).unwrap();
    let above = [issuing.certificate_pem(), root.certificate_pem()].concat();
    let above = lab.site.write("above.pem", &above).unwrap();
    let at = |name: &str| lab.site.path().join(name);
    let Some(server) = SServer::start(&at("new.chain.pem"), &at("new.key.pem"), &above) else {
        eprintln!("SKIPPED: openssl is not installed");
        return;
    };
    let address = format!("127.0.0.1:{}", server.1);
    let (code, report, error) = probe(&file, &address, &["--json"]).await;
    assert_eq!(code, Some(1), "{error}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["listed"], false);
    let shown = report["newcomer"]["chain"].as_array().unwrap();
    assert_eq!(shown.len(), 3, "{report}");
    assert_eq!(report["newcomer"]["issuer"]["source"], "sent_root");
    assert_eq!(report["addresses"][0]["they_showed"]["names"][0], NEW);
    let (_, page, _) = probe(&file, &address, &[]).await;
    paste(&page, &file);
    let config = file.to_str().unwrap();
    let ask = ["probe", NEW, "--config", config, "--timeout", "5", "--json"];
    let (_, report, error) = run(&ask).await;
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{error}"));
    let attempt = &report["addresses"][0];
    assert_eq!(attempt["decision"]["reason"], "accepted", "{report}");
    // It speaks no SIP, and that is all that is missing.
    assert_eq!(attempt["we_showed"]["identity"], "edge", "{report}");
}

/// A second server of a partner whose domain the first one serves alone so far.
#[tokio::test]
async fn who_would_share_a_partners_calls_is_said_in_the_sections_and_by_plan() {
    let lab = Lab::new();
    let topology = lab.site.topology(
        &[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())],
        Some(([127, 0, 0, 1], 9).into()),
    );
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let old = lab.site.write("old.toml", &topology.to_toml()).unwrap();
    let second = "second.fabrikam.test";
    let identity = lab.site.fabrikam.server(second).unwrap();
    let server = lab
        .server("second", second, "sip:c@fabrikam.test", &identity)
        .await;
    let address = server.address().to_string();
    let config = file.to_str().unwrap();
    let words = ["probe", second, "--config", config, "--address", &address];
    let (code, page, error) = run(&words).await;
    assert_eq!(code, Some(1), "{page}{error}");
    assert!(page.contains("# Append"), "{page}{error}");
    let sections = paste(&page, &file);
    let says = "# edge.fabrikam.test has fabrikam.test as well";
    assert!(sections.contains(says), "{sections}");
    let (code, plan, error) = run(&["plan", old.to_str().unwrap(), config]).await;
    assert_eq!(code, Some(0), "{plan}{error}");
    let says = "joins      peer second.fabrikam.test: serves domain fabrikam.test beside edge.fabrikam.test";
    assert!(plan.contains(says), "{plan}");
}

#[tokio::test]
async fn what_cannot_be_proposed_says_why() {
    let lab = Lab::new();
    let file = file(&lab);
    let (_held, address) = refusing();
    let (code, page, _) = probe(&file, &address.to_string(), &[]).await;
    assert_eq!(code, Some(1));
    assert!(page.contains("connection_refused"), "{page}");
    let config = file.to_str().unwrap();
    for (name, says) in [
        ("127.0.0.1:5061", "--address ADDRESS:PORT dials an address"),
        (
            "no such name",
            "neither a [[peer]] of the topology nor a host name",
        ),
        (EDGE, "peer_is_node"),
    ] {
        let (code, page, error) = run(&["probe", name, "--config", config]).await;
        assert_eq!((code, page.as_str()), (Some(2), ""), "{name}: {error}");
        assert!(error.contains(says), "{name}: {error}");
    }
    // The leaf alone, of a CA that nobody here knows.
    let issuing = Authority::root("New Root").unwrap();
    let issuing = issuing.subordinate("New Issuing").unwrap();
    let alone = issuing.server(NEW).unwrap();
    let chain = lab.site.write("new.pem", &chain_pem(&alone.chain[..1]));
    let chain = chain.unwrap();
    let chain = chain.to_str().unwrap();
    let ask = [
        "explain", "--config", config, "--cert", chain, "--peer", NEW,
    ];
    let (code, page, _) = run(&ask).await;
    assert_eq!(code, Some(1));
    assert!(
        page.contains("CN=New Issuing, whose certificate is not sent: ask for it"),
        "{page}"
    );
}
