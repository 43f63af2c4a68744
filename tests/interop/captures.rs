//! tshark and sngrep read the capture that `sipward trace` has written, as SIP and without a key.
use crate::harness::{
    CONTOSO, Certificates, DOMAIN, Edge, HOME, Home, Mark, Openssl, Process, Program, Setup, Stage,
    finish, free_port,
};
use std::path::Path;
use std::process::Command;

/// What tshark says of a capture.
fn tshark(capture: &Path, more: &[&str]) -> String {
    let mut command = Command::new(Program::executable("tshark").unwrap());
    command.arg("-r").arg(capture).args(more);
    finish(&command).text
}

#[test]
fn tshark_and_sngrep_dissect_a_traced_request_on_both_its_hops() {
    let needs = [
        Program::Kamailio,
        Program::Openssl,
        Program::Sngrep,
        Program::Tshark,
    ];
    let Some(_stage) = Stage::enter(&needs) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start(&certificates, port);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let _home = Home::start(&certificates, &setup);
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("trace.pcapng");
    let mut trace = edge.command(&["trace", "--user", "dora", "--for", "60s", "--limit", "4"]);
    let _trace = Process::start("trace", trace.arg("--pcap").arg(&capture));
    edge.wait_event(Mark::START, "trace_started", |_| true);
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    let text = openssl.converse(
        &["-tls1_3"],
        format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKcapture;rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:dora@{DOMAIN}>;tag=1\r\n\
             To: <sip:{DOMAIN}>\r\n\
             Call-ID: interop-capture\r\n\
             CSeq: 1 OPTIONS\r\n\
             Authorization: Digest username=\"dora\", response=\"c0ffee\"\r\n\
             Content-Type: text/plain\r\n\
             Content-Length: 6\r\n\r\nsecret"
        )
        .as_bytes(),
        "SIP/2.0 ",
    );
    assert!(text.contains("SIP/2.0 "), "{text}");
    edge.wait_event(Mark::START, "trace_ended", |_| true);
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.protocols",
        "-e",
        "sip.Method",
        "-e",
        "sip.Status-Code",
        "-e",
        "sip.Call-ID",
    ];
    let said = tshark(&capture, &fields);
    let messages: Vec<&str> = said
        .lines()
        .filter(|it| it.contains("interop-capture"))
        .collect();
    assert_eq!(messages.len(), 4, "{said}");
    assert!(
        messages.iter().all(|it| it.contains(":ip:udp:sip")),
        "{said}"
    );
    let requests = messages.iter().filter(|it| it.contains("\tOPTIONS\t"));
    assert_eq!(requests.count(), 2, "{said}");
    let faults = "_ws.malformed || _ws.expert.severity == error";
    let faults = tshark(&capture, &["-Y", faults]);
    assert!(!faults.contains("SIP"), "{faults}");
    let all = tshark(&capture, &["-V"]);
    assert!(!all.contains("c0ffee") && !all.contains("secret"), "{all}");
    assert!(
        all.contains("connection "),
        "the comment of a packet: {all}"
    );
    // What sngrep has taken for SIP it writes again.
    let again = directory.path().join("again.pcap");
    let mut sngrep = Command::new(Program::executable("sngrep").unwrap());
    sngrep.args(["-N", "-q", "-I"]).arg(&capture);
    finish(sngrep.arg("-O").arg(&again));
    let said = tshark(&again, &fields);
    assert_eq!(said.matches("interop-capture").count(), 4, "{said}");
}
