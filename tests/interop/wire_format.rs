//! tshark dissects what the edge sends to both sides, with the keys that its peers wrote down.
use crate::harness::{
    Certificates, EDGE, Edge, HOME, Mark, Process, Program, Relay, Stage, finish, free_port,
};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

const NEEDS: &[Program] = &[Program::Openssl, Program::Tshark];

const ALICE: &str = "<sip:alice@127.0.0.1:49999;transport=tls>";
const BOB: &str = "<sip:bob@127.0.0.1:49998;transport=tls>";

/// One end of the call: openssl on a connection, which writes its keys down and sends what it is told.
struct SipEnd {
    process: Process,
    keys: PathBuf,
    /// How the messages began that were taken.
    taken: RefCell<Vec<String>>,
}

/// Lines of a head, the start line first.
struct Head(Vec<String>);

impl SipEnd {
    fn start(name: &str, command: &mut Command, keys: PathBuf) -> Self {
        command.arg("-keylogfile").arg(&keys);
        Self {
            process: Process::start_with_input(name, command, b""),
            keys,
            taken: RefCell::default(),
        }
    }

    fn say(&self, message: &str) {
        self.process.write(message.as_bytes());
    }

    /// Waits for the next message that begins so.
    fn expect(&self, start: &str) -> Head {
        let mut taken = self.taken.borrow_mut();
        let mut earlier = taken.iter().filter(|t| *t == start).count();
        taken.push(start.to_owned());
        let mut head = Vec::new();
        self.process.wait(Mark::START, start, |line| {
            if head.is_empty() && line.starts_with(start) && earlier > 0 {
                earlier -= 1;
            } else if head.is_empty() && line.starts_with(start) || !head.is_empty() {
                if line.is_empty() {
                    return Some(Head(std::mem::take(&mut head)));
                }
                head.push(line.clone());
            }
            None
        })
    }
}

impl Head {
    /// The values of a field, line by line.
    fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    }

    fn field(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    /// What stands between the angle brackets of a field.
    fn uri(&self, name: &str) -> &str {
        let value = self.field(name);
        let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
        inner.split_once('>').map_or(inner, |(uri, _)| uri)
    }

    /// The answer of somebody whose tag is `tag`.
    fn answer(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for name in [
            "Via",
            "Record-Route",
            "Path",
            "From",
            "To",
            "Call-ID",
            "CSeq",
        ] {
            for value in self.all(name) {
                let tag = match name {
                    "To" if !value.contains(";tag=") => format!(";tag={tag}"),
                    _ => String::new(),
                };
                out.push_str(&format!("{name}: {value}{tag}\r\n"));
            }
        }
        out + more + &with_length(body)
    }
}

/// The end of a head, and its body.
fn with_length(body: &str) -> String {
    let kind = match body {
        "" => "",
        _ if body.starts_with("v=") => "Content-Type: application/sdp\r\n",
        _ => "Content-Type: text/plain\r\n",
    };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A request; `rest` are its fields from From on.
fn request(method: &str, uri: &str, cseq: u32, rest: &str, body: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:49999;branch=z9hG4bKw{method}{cseq};rport\r\n\
         Max-Forwards: 70\r\nCSeq: {cseq} {method}\r\n{rest}{}",
        with_length(body)
    )
}

fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )
}

/// What tshark says of a capture.
struct Dissected {
    /// Requests by their method, answers as `200 INVITE`.
    messages: Vec<String>,
    /// Every field of every message.
    text: String,
}

/// The SIP messages of a capture, of which none is malformed or has an error in it.
fn dissect(capture: &Path, keys: &Path) -> Dissected {
    let read = |more: &[&str]| {
        let mut command = Command::new(Program::executable("tshark").unwrap());
        command.arg("-r").arg(capture).arg("-o");
        command.arg(format!("tls.keylog_file:{}", keys.display()));
        finish(command.args(more)).text
    };
    let faults = "_ws.malformed || sip.unknown_header || _ws.expert.severity == error";
    let malformed = read(&["-Y", faults, "-V"]);
    assert!(!malformed.contains("Malformed Packet"), "{malformed}");
    assert!(
        !malformed.contains("Session Initiation Protocol"),
        "{malformed}"
    );
    let fields = ["sip.Method", "sip.Status-Code", "sip.CSeq.method"];
    let mut arguments = vec!["-Y", "sip", "-T", "fields"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
    // A packet may hold several answers, or several requests; what has no columns is a warning of tshark's.
    let mut messages = Vec::new();
    for line in read(&arguments).lines().filter(|l| l.contains('\t')) {
        let columns: Vec<Vec<&str>> = line.split('\t').map(|c| c.split(',').collect()).collect();
        match columns.as_slice() {
            [methods, statuses, of] if **statuses == [""] && methods == of => {
                messages.extend(methods.iter().map(|method| (*method).to_owned()));
            }
            [methods, statuses, of] if **methods == [""] && statuses.len() == of.len() => {
                let pairs = statuses.iter().zip(of);
                messages.extend(pairs.map(|(status, of)| format!("{status} {of}")));
            }
            _ => panic!("requests and answers in one packet: {line}"),
        }
    }
    Dissected {
        messages,
        text: read(&["-Y", "sip", "-V"]),
    }
}

/// Everything of a phone's day: it registers, calls, holds, is hung up on, and gets a message.
fn day(alice: &SipEnd, home: &SipEnd) {
    let own = "From: <sip:alice@contoso.test>;tag=a\r\n";
    let rest = format!(
        "{own}To: <sip:alice@contoso.test>\r\nCall-ID: r@127.0.0.1\r\nContact: {ALICE};reg-id=1;\
         +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000000000001>\"\r\nSupported: path, outbound\r\nExpires: 600\r\n"
    );
    alice.say(&request("REGISTER", "sip:contoso.test", 1, &rest, ""));
    let register = home.expect("REGISTER ");
    let path = register.field("Path").to_owned();
    let contact = format!("Contact: {ALICE};expires=600\r\n");
    home.say(&register.answer("200 OK", "b", &contact, ""));
    alice.expect("SIP/2.0 200 ");

    let rest =
        format!("{own}To: <sip:bob@contoso.test>\r\nCall-ID: c@127.0.0.1\r\nContact: {ALICE}\r\n");
    let body = sdp("sendrecv");
    alice.say(&request("INVITE", "sip:bob@contoso.test", 1, &rest, &body));
    let invite = home.expect("INVITE ");
    alice.expect("SIP/2.0 100 ");
    home.say(&invite.answer("100 Trying", "b", "", ""));
    let contact = format!("Contact: {BOB}\r\n");
    home.say(&invite.answer("180 Ringing", "b", &contact, ""));
    alice.expect("SIP/2.0 180 ");
    home.say(&invite.answer("200 OK", "b", &contact, &body));
    let ok = alice.expect("SIP/2.0 200 ");

    let routes: Vec<_> = ok.all("Record-Route").into_iter().rev().collect();
    let in_dialog = format!(
        "Route: {}\r\n{own}To: {}\r\nCall-ID: c@127.0.0.1\r\n",
        routes.join(", "),
        ok.field("To")
    );
    let target = ok.uri("Contact");
    alice.say(&request("ACK", target, 1, &in_dialog, ""));
    home.expect("ACK ");
    let rest = format!("{in_dialog}Contact: {ALICE}\r\n");
    alice.say(&request("INVITE", target, 2, &rest, &sdp("sendonly")));
    let hold = home.expect("INVITE ");
    home.say(&hold.answer("200 OK", "b", &contact, &sdp("recvonly")));
    alice.expect("SIP/2.0 200 ");
    alice.say(&request("ACK", target, 2, &in_dialog, ""));
    home.expect("ACK ");

    let theirs = format!(
        "Route: {}\r\nFrom: <sip:bob@contoso.test>;tag=b\r\nTo: {}\r\nCall-ID: c@127.0.0.1\r\n",
        invite.all("Record-Route").join(", "),
        invite.field("From")
    );
    home.say(&request("BYE", invite.uri("Contact"), 1, &theirs, ""));
    let bye = alice.expect("BYE ");
    alice.say(&bye.answer("200 OK", "a", "", ""));
    home.expect("SIP/2.0 200 ");

    let rest = format!(
        "Route: {path}\r\nFrom: <sip:bob@contoso.test>;tag=m\r\nTo: <sip:alice@contoso.test>\r\nCall-ID: m@127.0.0.1\r\n"
    );
    let message = request("MESSAGE", register.uri("Contact"), 1, &rest, "hi\r\n");
    home.say(&message);
    let message = alice.expect("MESSAGE ");
    alice.say(&message.answer("200 OK", "a", "", ""));
    home.expect("SIP/2.0 200 ");
}

#[test]
fn tshark_finds_nothing_malformed_in_a_registration_a_call_and_a_message_on_either_side() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let port = free_port();
    let pair = certificates.server(HOME);
    let mut command = Command::new("openssl");
    command.args(["s_server", "-Verify", "1", "-accept"]);
    command.arg(format!("127.0.0.1:{port}"));
    command.arg("-CAfile").arg(certificates.enterprise_ca());
    command.arg("-cert").arg(&pair.chain);
    command.arg("-key").arg(&pair.key);
    let home = SipEnd::start("openssl s_server", &mut command, file("home.keys"));
    home.process.wait_text(Mark::START, "ACCEPT");

    let to_home = Relay::start(port);
    let edge = Edge::start(&certificates, to_home.port());
    let to_edge = Relay::start(edge.port());
    let mut command = Command::new("openssl");
    command.args(["s_client", "-servername", EDGE, "-ign_eof", "-connect"]);
    command.arg(format!("127.0.0.1:{}", to_edge.port()));
    let alice = SipEnd::start("openssl s_client", &mut command, file("client.keys"));

    day(&alice, &home);

    for (leg, relay, keys) in [
        ("home", &to_home, &home.keys),
        ("client", &to_edge, &alice.keys),
    ] {
        let capture = file(&format!("{leg}.pcap"));
        relay.write_capture(&capture);
        let seen = dissect(&capture, keys);
        let mut messages = seen.messages.clone();
        messages.sort_unstable();
        assert_eq!(
            messages,
            [
                "100 INVITE",
                "180 INVITE",
                "200 BYE",
                "200 INVITE",
                "200 INVITE",
                "200 MESSAGE",
                "200 REGISTER",
                "ACK",
                "ACK",
                "BYE",
                "INVITE",
                "INVITE",
                "MESSAGE",
                "REGISTER"
            ],
            "on the {leg} leg: {}",
            seen.text
        );
        for part in [
            "Via: SIP/2.0/TLS edge01.contoso.test",
            "Record-Route: <sip:",
            "Route: <sip:",
            "Media Attribute (a): sendonly",
            "Media Attribute (a): recvonly",
        ] {
            assert!(seen.text.contains(part), "no {part} on the {leg} leg");
        }
    }
}
