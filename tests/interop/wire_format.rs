//! tshark dissects what the edge sends to both sides, with the keys that its peers wrote down.
use crate::harness::{
    Certificates, EDGE, Edge, HOME, Mark, Process, Program, Relay, Stage, finish, free_port,
};
use std::path::Path;
use std::process::Command;

const NEEDS: &[Program] = &[Program::Openssl, Program::Tshark];

const REGISTER: &str = "REGISTER sip:contoso.test SIP/2.0\r\n\
Via: SIP/2.0/TLS 127.0.0.1:49999;branch=z9hG4bKwire;rport\r\nMax-Forwards: 70\r\n\
From: <sip:alice@contoso.test>;tag=wire\r\nTo: <sip:alice@contoso.test>\r\nCall-ID: wire@127.0.0.1\r\n\
CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1:49999;transport=tls>;reg-id=1;+sip.instance=\"<urn:uuid:\
00000000-0000-1000-8000-000000000001>\"\r\nSupported: path, outbound\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n";

/// `tshark` over a capture: the SIP messages in it, and nothing malformed.
fn dissect(capture: &Path, keys: &Path) -> String {
    let mut tshark = Command::new(Program::executable("tshark").unwrap());
    tshark.arg("-r").arg(capture).arg("-o");
    tshark.arg(format!("tls.keylog_file:{}", keys.display()));
    let read = |tshark: &Command, more: &[&str]| {
        let mut command = Command::new(tshark.get_program());
        command.args(tshark.get_args()).args(more);
        finish(&command).text
    };
    let malformed = read(
        &tshark,
        &[
            "-Y",
            "_ws.malformed || sip.unknown_header || _ws.expert.severity == error",
            "-V",
        ],
    );
    assert!(!malformed.contains("Malformed Packet"), "{malformed}");
    assert!(
        !malformed.contains("Session Initiation Protocol"),
        "{malformed}"
    );
    read(&tshark, &["-Y", "sip", "-V"])
}

#[test]
fn tshark_finds_nothing_malformed_in_what_the_edge_sends() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let port = free_port();
    let pair = certificates.server(HOME);
    let mut command = Command::new("openssl");
    command.args([
        "s_server",
        "-accept",
        &format!("127.0.0.1:{port}"),
        "-Verify",
        "1",
    ]);
    command.arg("-CAfile").arg(certificates.enterprise_ca());
    command
        .arg("-cert")
        .arg(&pair.chain)
        .arg("-key")
        .arg(&pair.key);
    command.arg("-keylogfile").arg(file("home.keys"));
    let home = Process::start_with_input("openssl s_server", &mut command, b"");
    home.wait_text(Mark::START, "ACCEPT");

    let to_home = Relay::start(port);
    let edge = Edge::start(&certificates, to_home.port());
    let to_edge = Relay::start(edge.port());
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        &format!("127.0.0.1:{}", to_edge.port()),
    ]);
    command.args(["-servername", EDGE, "-ign_eof", "-keylogfile"]);
    command.arg(file("client.keys"));
    let client = Process::start_with_input("openssl s_client", &mut command, REGISTER.as_bytes());

    // The home server gets the REGISTER and answers it as a registrar does.
    home.wait_text(Mark::START, "Content-Length: 0");
    let lines = home.read(Mark::START, <[String]>::to_vec);
    let copied = [
        "Via:", "From:", "To:", "Call-ID:", "CSeq:", "Path:", "Contact:",
    ];
    let mut answer = String::from("SIP/2.0 200 OK\r\n");
    for line in &lines {
        if copied.iter().any(|name| line.starts_with(name)) {
            answer.push_str(&format!("{line}\r\n"));
        }
    }
    answer.push_str("Content-Length: 0\r\n\r\n");
    home.write(answer.as_bytes());
    client.wait_text(Mark::START, "SIP/2.0 200 OK");

    to_home.write_capture(&file("home.pcap"));
    to_edge.write_capture(&file("client.pcap"));
    let sent = dissect(&file("home.pcap"), &file("home.keys"));
    for part in [
        "Request-Line: REGISTER sip:contoso.test",
        "Path: <sip:",
        "Via: SIP/2.0/TLS edge01.contoso.test",
    ] {
        assert!(
            sent.contains(part),
            "{part} not in what the home server got: {sent}"
        );
    }
    let answered = dissect(&file("client.pcap"), &file("client.keys"));
    assert!(
        answered.contains("Status-Line: SIP/2.0 200 OK"),
        "{answered}"
    );
}
