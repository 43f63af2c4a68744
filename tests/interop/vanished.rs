//! A phone whose network is gone without a word, in a network namespace of its own: the kernel finds that out by what is not
//! acknowledged, within the half minute that the daemon asks for.
use crate::harness::{Edge, Mark, Namespace, Process, Program, Stage};
use sipward_lab::site::{EDGE, Site};
use std::process::Command;
use std::time::Duration;

/// Beyond the half minute; without the option it would take a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(90);
const HOME: &str = "192.0.2.5:5062";

/// The daemon listens at the wire, and its home server takes everything and says nothing.
fn topology(site: &Site) -> String {
    let home = HOME.parse().unwrap();
    let mut topology = site.topology(&[("fe01.contoso.test", home)], None);
    let issued = site.enterprise.server("fe01.contoso.test").unwrap();
    site.issue("fe01", &issued).unwrap();
    topology
        .section("[[listener]]")
        .text("address", "192.0.2.5:5061");
    let directory = format!("{}/", site.path().display());
    let mut text = topology.to_toml();
    for file in ["edge", "enterprise-ca", "fabrikam-ca", "tokens"] {
        text = text.replace(&format!("\"{file}."), &format!("\"{directory}{file}."));
    }
    text
}

/// TLS with what is written to it, and nothing that it would do by itself.
fn openssl(inside: &Namespace, arguments: &[&str], site: &Site) -> Command {
    let mut command = inside.command(Program::executable("openssl").unwrap());
    command.args(arguments).current_dir(site.path());
    command
}

const REGISTER: &str = "REGISTER sip:contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.6:5061;branch=z9hG4bKone\r\nMax-Forwards: 70\r\n\
From: <sip:alice@contoso.test>;tag=a\r\nTo: <sip:alice@contoso.test>\r\nCall-ID: vanished\r\nCSeq: 1 REGISTER\r\n\
Contact: <sip:alice@192.0.2.6:5061;transport=tls>\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_phone_whose_network_is_gone_is_found_out_by_what_it_does_not_acknowledge() {
    if !Command::new("unshare")
        .args(["--net", "true"])
        .status()
        .is_ok_and(|it| it.success())
    {
        eprintln!("SKIPPED: no network namespaces here");
        return;
    }
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let site = Site::new().unwrap();
    let ends = Namespace::on_one_wire([("192.0.2.5/24", "eth0"), ("192.0.2.6/24", "eth0")]);
    let text = topology(&site);
    let server = [
        "s_server",
        "-accept",
        HOME,
        "-cert",
        "fe01.chain.pem",
        "-key",
        "fe01.key.pem",
        "-Verify",
        "5",
        "-quiet",
    ];
    let home = Process::start_with_input(
        "the home server",
        &mut openssl(&ends[0], &server, &site),
        b"",
    );
    let edge = Edge::run_in(&ends[0], &text);
    let client = [
        "s_client",
        "-connect",
        "192.0.2.5:5061",
        "-servername",
        EDGE,
        "-quiet",
    ];
    let phone = Process::start_with_input(
        "the phone",
        &mut openssl(&ends[1], &client, &site),
        REGISTER.as_bytes(),
    );
    // The home server has it; the daemon says 100 after three and a half seconds, and by then nobody is there.
    home.wait_text(Mark::START, "REGISTER sip:contoso.test");
    let down = ends[1]
        .command("ip")
        .args(["link", "set", "eth0", "down"])
        .status();
    assert!(down.unwrap().success());
    let seen = edge.mark();
    // The kernel takes half a minute.
    let closed = edge.wait_event_for(PATIENCE, seen, "connection_closed", |event| {
        event.text("peer").is_empty()
    });
    assert!(closed.text("remote").starts_with("192.0.2.6:"));
    assert_eq!(closed.text("reason"), "io_error");
    drop(phone);
}
