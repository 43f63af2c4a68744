//! keepalived with the file of config/scale, in two network namespaces on one wire: the address goes to the node that lives.
use crate::harness::{Edge, Mark, Namespace, Process, Program, Stage, finish};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, Site};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The address of both nodes, in the file.
const SHARED: &str = "192.0.2.10";

/// Where nothing is copied from: the file itself, with the priority of the second node.
fn settings(at: usize, directory: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scale/keepalived.conf");
    let mut text = std::fs::read_to_string(shipped).unwrap();
    assert!(text.contains("priority 150") && text.contains(SHARED));
    if at == 1 {
        text = text.replace("priority 150", "priority 100");
    }
    let file = directory.join(format!("keepalived{at}.conf"));
    std::fs::write(&file, text).unwrap();
    file
}

/// The topology of one node: it listens at all addresses, of which the shared one comes and goes.
fn topology(site: &Site, at: usize) -> String {
    let mut spec = LeafSpec::server(EDGE);
    spec.dns.push(format!("node{at}.contoso.test"));
    let issued = site.enterprise.issue(&spec).unwrap();
    let pair = site.issue(&format!("node{at}"), &issued);
    pair.unwrap();
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let mut topology = site.topology(&[("fe01.contoso.test", nowhere)], None);
    topology
        .section("[[identity]]")
        .text("certificate", &format!("node{at}.chain.pem"))
        .text("private_key", &format!("node{at}.key.pem"));
    topology
        .section("[[listener]]")
        .text("address", "0.0.0.0:5061");
    topology.add("[http]").text("address", "127.0.0.1:9464");
    let directory = format!("{}/", site.path().display());
    let mut text = topology.to_toml();
    for file in ["node0", "node1", "enterprise-ca", "fabrikam-ca", "tokens"] {
        text = text.replace(&format!("\"{file}."), &format!("\"{directory}{file}."));
    }
    text
}

/// keepalived in a namespace, with its log on its output.
fn keepalived(inside: &Namespace, at: usize, directory: &Path) -> Process {
    let mut command = inside.command(Program::executable("keepalived").unwrap());
    command
        .args(["--dont-fork", "--log-console", "--log-detail", "--vrrp"])
        .arg(format!("--use-file={}", settings(at, directory).display()))
        .arg(format!("--pid={}/keepalived{at}.pid", directory.display()))
        .arg(format!("--vrrp_pid={}/vrrp{at}.pid", directory.display()));
    Process::start(&format!("keepalived {at}"), &mut command)
}

/// Whose certificate is shown at the shared address, as seen from a namespace.
fn shown(from: &Namespace) -> String {
    let mut command = from.command("sh");
    let script = format!(
        "openssl s_client -connect {SHARED}:5061 -servername {EDGE} </dev/null 2>&1 | openssl x509 -noout -ext subjectAltName 2>&1"
    );
    command.args(["-c", &script]);
    finish(&command).text
}

/// Waits until it is this node's.
#[expect(clippy::disallowed_methods, reason = "it measures a wait")]
fn wait_shown(from: &Namespace, node: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let text = shown(from);
        if text.contains(node) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn keepalived_moves_the_address_away_from_a_node_that_drains_or_dies() {
    let needs = [Program::Keepalived, Program::Openssl, Program::Curl];
    let Some(_stage) = Stage::enter(&needs) else {
        return;
    };
    let (site, directory) = (Site::new().unwrap(), tempfile::tempdir().unwrap());
    let nodes = Namespace::on_one_wire([("192.0.2.5/24", "eth0"), ("192.0.2.6/24", "eth0")]);
    let first = Edge::run_in(&nodes[0], &topology(&site, 0));
    let second = Edge::run_in(&nodes[1], &topology(&site, 1));
    let of_first = keepalived(&nodes[0], 0, directory.path());
    of_first.wait_text(Mark::START, "Entering MASTER STATE");
    let of_second = keepalived(&nodes[1], 1, directory.path());
    of_second.wait_text(Mark::START, "Entering BACKUP STATE");
    wait_shown(&nodes[1], "node0.contoso.test");
    // Dead at once: the address goes within two checks of two seconds each, and what VRRP takes.
    let mark = of_second.mark();
    drop(first);
    let took = wait_shown(&nodes[0], "node1.contoso.test");
    of_second.wait_text(mark, "Entering MASTER STATE");
    println!(
        "the address answered again {:.1} s after the node died",
        took.as_secs_f64()
    );
    // The first one comes back, and takes nothing away.
    let again = Edge::run_in(&nodes[0], &topology(&site, 0));
    let mark = of_first.mark();
    of_first.wait_text(mark, "succeeded");
    assert!(shown(&nodes[1]).contains("node1.contoso.test"));
    // One that drains answers, and is left all the same.
    let mark = of_first.mark();
    second.drain();
    wait_shown(&nodes[1], "node0.contoso.test");
    of_first.wait_text(mark, "Entering MASTER STATE");
    drop(again);
}
