//! sngrep takes the HEPv3 packets that the node sends, and tshark reads what sngrep has decoded of them.
use crate::harness::{
    CONTOSO, Certificates, DOMAIN, Edge, HOME, Home, Mark, Openssl, Process, Program, Setup, Stage,
    finish, free_port,
};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

/// The messages of one request on both its hops.
const MESSAGES: usize = 4;

#[test]
fn sngrep_takes_copies_of_messages_by_hep() {
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
    let directory = tempfile::tempdir().unwrap();
    let (home, collector) = (free_port(), free_port());
    let password = directory.path().join("hep.password");
    fs::write(&password, "let me in\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    // sngrep drops what comes without this password.
    let settings = directory.path().join("sngreprc");
    fs::write(
        &settings,
        "set eep.listen.pass let me in\nset eep.listen.version 3\n",
    )
    .unwrap();
    let capture = directory.path().join("sngrep.pcap");
    let mut sngrep = Command::new("sngrep");
    sngrep.args(["-N", "-q", "-f"]).arg(&settings);
    sngrep.args(["-L", &format!("udp:127.0.0.1:{collector}"), "-O"]);
    let sngrep = Process::start("sngrep", sngrep.arg(&capture));
    let edge = Edge::start_with_hep(&certificates, home, collector, &password);
    let setup = Setup {
        site: CONTOSO,
        port: home,
        pair: certificates.server(HOME),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let _home = Home::start(&certificates, &setup);
    edge.wait_event(Mark::START, "hep_sending", |_| true);
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    // sngrep keeps dialogs that begin with a request that it knows.
    let mut said = String::new();
    for attempt in 0..20 {
        openssl.converse(
            &["-tls1_3"],
            format!(
                "OPTIONS sip:{DOMAIN} SIP/2.0\r\n\
                 Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKhep{attempt};rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:dora@{DOMAIN}>;tag=1\r\n\
                 To: <sip:{DOMAIN}>\r\n\
                 Call-ID: interop-hep-{attempt}\r\n\
                 CSeq: 1 OPTIONS\r\n\
                 Authorization: Digest username=\"dora\", response=\"c0ffee\"\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .as_bytes(),
            "SIP/2.0 ",
        );
        // Written when packets come, by a thread of sngrep's.
        std::thread::sleep(Duration::from_millis(500));
        let mut tshark = Command::new(Program::executable("tshark").unwrap());
        tshark
            .arg("-r")
            .arg(&capture)
            .args(["-V", "-Y", "sip.Call-ID contains \"interop-hep\""]);
        said = finish(&tshark).text;
        if said.matches("Session Initiation Protocol (").count() >= MESSAGES {
            break;
        }
    }
    drop(sngrep);
    for part in [
        "Request-Line: OPTIONS sip:",
        "Status-Line: SIP/2.0 200",
        "Digest realm=\"masked\"",
        "Src: 127.0.0.1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        !said.contains("c0ffee") && !said.contains("Malformed"),
        "{said}"
    );
}
