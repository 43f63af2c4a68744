//! `config/fail2ban/sipward.conf` held by fail2ban's own reading of a real log.
use crate::harness::{Certificates, EDGE, Edge, HOME, Mark, Program, Stage, finish, free_port};
use sipward_lab::{Client, EdgeTarget, Server, ServerSpec, Transcript};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn fail2ban_counts_refused_strangers_and_clients_and_nobody_else() {
    let Some(_stage) = Stage::enter(&[Program::Fail2ban]) else {
        return;
    };
    let certificates = Certificates::new();
    let edge = Edge::start(&certificates, free_port());
    let face = EdgeTarget {
        address: SocketAddr::from(([127, 0, 0, 1], edge.port())),
        name: EDGE.to_owned(),
        roots: certificates.roots(),
        transcript: Transcript::new(),
    };
    let alice = Client::connect(&face, "alice", "sip:alice@contoso.test")
        .await
        .unwrap();
    // Whom it claims to be, with quotes that would end a field if they were not escaped.
    let claimed = "\"\\\",\\\"remote\\\":\\\"192.0.2.9:1\" <sip:bob@elsewhere.test>;tag=1";
    for _ in 0..2 {
        let sent = alice
            .message("sip:carol@contoso.test", "hello")
            .set("From", claimed)
            .send();
        alice.answer(&sent.await.unwrap(), 403).await.unwrap();
    }
    // Nothing to ban for: no home server is there.
    let sent = alice.message("sip:carol@contoso.test", "hello").send();
    alice.answer(&sent.await.unwrap(), 503).await.unwrap();
    // A server of the enterprise that nobody has listed, and one of a listed name by another CA: its operator's matter.
    let roots = certificates.roots();
    for (name, identity) in [
        (
            "fe09.contoso.test",
            certificates.colleague("fe09.contoso.test"),
        ),
        (HOME, certificates.partner(HOME)),
    ] {
        let spec = ServerSpec {
            party: name,
            fqdn: name,
            aor: "sip:nobody@stranger.test",
            identity: &identity,
            roots: &roots,
            transcript: &face.transcript,
            listen: None,
        };
        let server = Server::start(&spec).await.unwrap();
        let _refused = server.dial(face.address, EDGE).await;
        edge.wait_event(Mark::START, "handshake_refused", |e| e.contains(name));
    }

    let lines = edge.stop().lines(Mark::START);
    let log = certificates.directory().join("sipward.log");
    fs::write(&log, format!("{}\n", lines.join("\n"))).unwrap();
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/fail2ban/sipward.conf");
    let mut command = Command::new(Program::executable("fail2ban-regex").unwrap());
    command.args(["-o", "<ip>\n"]).arg(&log).arg(filter);
    let output = finish(&command);
    let found: Vec<&str> = output.text.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(found, ["127.0.0.1"; 3], "{}\n{output:?}", lines.join("\n"));
}
