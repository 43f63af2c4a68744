//! The ends against each other, with the home server in the edge's place: what a test of the edge relies on.
use super::pki::Authority;
use super::{
    Client, Dialog, EdgeTarget, Ended, HomeServer, LabError, Registrar, Server, ServerSpec,
    Transcript, trust_only,
};
use rustls::RootCertStore;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

struct Pair {
    left: Server,
    right: Server,
    roots: Arc<RootCertStore>,
}

async fn server(
    ca: &Authority,
    party: &str,
    fqdn: &str,
    roots: &Arc<RootCertStore>,
    transcript: &Transcript,
) -> Server {
    Server::start(&ServerSpec {
        party,
        fqdn,
        aor: &format!("sip:{party}@{fqdn}"),
        identity: &ca.server(fqdn).unwrap(),
        roots,
        transcript,
        listen: None,
    })
    .await
    .unwrap()
}

async fn pair() -> Pair {
    let ca = Authority::root("one").unwrap();
    let roots = trust_only(&[&ca]).unwrap();
    let transcript = Transcript::new();
    let left = server(&ca, "left", "left.test", &roots, &transcript).await;
    let right = server(&ca, "right", "right.test", &roots, &transcript).await;
    left.dial(right.address(), "right.test").await.unwrap();
    Pair { left, right, roots }
}

#[tokio::test]
async fn a_call_between_two_ends_reads_like_a_chart() {
    let Pair { left, right, .. } = pair().await;
    let call = left.invite("sip:bob@right.test").send().await.unwrap();
    let invite = right.expect("INVITE").await.unwrap();
    right.reply(&invite, 180).await.unwrap();
    left.answer(&call, 180).await.unwrap();
    let mut theirs = right.accept(&invite).await.unwrap();
    let ok = left.answer(&call, 200).await.unwrap();
    let mine = left.ack(&call, &ok).await.unwrap();
    right.expect("ACK").await.unwrap();
    assert_eq!(mine.remote, theirs.local);
    let bye = right.bye(&mut theirs).await.unwrap();
    let got = left.expect("BYE").await.unwrap();
    assert_eq!(got.message.call_id(), mine.call_id);
    left.reply(&got, 200).await.unwrap();
    right.answer(&bye, 200).await.unwrap();
    assert!(left.transcript().to_string().contains("BYE"));
}

#[tokio::test]
async fn the_ack_of_a_refusal_and_a_cancel_carry_the_branch_of_the_invite() {
    let Pair { left, right, .. } = pair().await;
    let call = left.invite("sip:bob@right.test").send().await.unwrap();
    let invite = right.expect("INVITE").await.unwrap();
    left.cancel(&call).await.unwrap();
    let cancel = right.expect("CANCEL").await.unwrap();
    right.reply(&cancel, 200).await.unwrap();
    right.reply(&invite, 487).await.unwrap();
    left.answer(&call, 487).await.unwrap();
    let ack = right.expect("ACK").await.unwrap();
    assert_eq!(cancel.message.branch(), call.message.branch());
    assert_eq!(ack.message.branch(), call.message.branch());
    assert_eq!(ack.message.cseq(), Some((1, "ACK")));
}

#[tokio::test]
async fn a_wait_that_runs_out_shows_the_transcript() {
    let Pair { left, right, .. } = pair().await;
    left.set_patience(Duration::from_millis(50));
    left.message("sip:bob@right.test", "hi")
        .send()
        .await
        .unwrap();
    right.expect("MESSAGE").await.unwrap();
    let error = left.expect_status(200).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, LabError::Timeout { .. }));
    assert!(error.to_string().contains("left -> edge: MESSAGE"));
}

#[tokio::test]
async fn another_final_answer_than_expected_is_an_error_at_once() {
    let Pair { left, right, .. } = pair().await;
    let sent = left
        .message("sip:bob@right.test", "hi")
        .send()
        .await
        .unwrap();
    let got = right.expect("MESSAGE").await.unwrap();
    right.reply(&got, 503).await.unwrap();
    let error = left.answer(&sent, 200).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, LabError::Unexpected { .. }), "{error}");
}

#[tokio::test]
async fn one_message_in_many_segments_and_many_in_one_arrive_whole() {
    let Pair { left, right, .. } = pair().await;
    let one = left
        .message("sip:bob@right.test", "split")
        .build()
        .to_bytes();
    let wire = left.wire().unwrap();
    wire.send_in_segments(&one, 200).await.unwrap();
    let got = right.expect("MESSAGE").await.unwrap();
    assert_eq!(got.raw, one);
    let many: Vec<u8> = (0..200)
        .flat_map(|n| {
            left.message("sip:bob@right.test", &n.to_string())
                .build()
                .to_bytes()
        })
        .collect();
    wire.send_raw(&many).await.unwrap();
    for n in 0..200 {
        let got = right.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.body, n.to_string().as_bytes());
    }
    assert!(right.wire().unwrap().raw().ends_with(&many));
}

#[tokio::test]
async fn pings_are_answered_and_closing_is_told_from_cutting() {
    let Pair { left, right, .. } = pair().await;
    let wire = left.wire().unwrap();
    wire.ping(SOON).await.unwrap();
    let other = right.wire().unwrap();
    assert_eq!((wire.pongs(), other.pings()), (1, 1));
    wire.close().await.unwrap();
    assert_eq!(other.ended(SOON).await.unwrap(), Ended::CloseNotify);
    left.dial(right.address(), "right.test").await.unwrap();
    left.message("sip:x@right.test", "").send().await.unwrap();
    right.expect("MESSAGE").await.unwrap();
    let other = right.wire().unwrap();
    left.kill();
    assert!(matches!(other.ended(SOON).await.unwrap(), Ended::Cut(_)));
}

#[tokio::test]
async fn a_server_refuses_who_shows_no_certificate_or_a_foreign_one() {
    let Pair {
        left: _left,
        right,
        roots,
    } = pair().await;
    let face = EdgeTarget {
        address: right.address(),
        name: "right.test".to_owned(),
        roots: Arc::clone(&roots),
        transcript: Transcript::new(),
    };
    let bare = Client::connect(&face, "bare", "sip:bare@x.test")
        .await
        .unwrap();
    assert!(matches!(
        bare.wire().ended(SOON).await.unwrap(),
        Ended::Cut(_)
    ));
    let foreign = Authority::root("two").unwrap();
    let stranger = server(&foreign, "stranger", "left.test", &roots, &face.transcript).await;
    let wire = stranger.dial(right.address(), "right.test").await.unwrap();
    assert!(matches!(wire.ended(SOON).await.unwrap(), Ended::Cut(_)));
    let seen = right.transcript().to_string();
    assert_eq!(seen.matches("right: handshake failed").count(), 2);
    let wrong = EdgeTarget {
        name: "other.test".to_owned(),
        ..face
    };
    assert!(Client::connect(&wrong, "c", "sip:c@x.test").await.is_err());
}

#[tokio::test]
async fn a_home_server_registers_and_calls_over_the_stored_path() {
    let ca = Authority::root("one").unwrap();
    let roots = trust_only(&[&ca]).unwrap();
    let transcript = Transcript::new();
    let edge = server(&ca, "edge-stand-in", "edge.test", &roots, &transcript).await;
    let fe01 = server(&ca, "fe01", "fe01.test", &roots, &transcript).await;
    let home = HomeServer::start(fe01, &Registrar::default(), &["home.test"], true);
    home.set_edge(edge.address(), "edge.test");
    edge.dial(home.server().address(), "fe01.test")
        .await
        .unwrap();

    let path = "<sip:token@edge.test;lr;ob>";
    let register = edge
        .request("REGISTER", "sip:home.test")
        .set("To", "<sip:bob@home.test>")
        .header("Contact", "<sip:bob@192.0.2.7:4711>")
        .header("Path", path)
        .send()
        .await
        .unwrap();
    let ok = edge.answer(&register, 200).await.unwrap();
    assert_eq!(ok.message.header("path"), Some(path));
    assert_eq!(home.registrar().path("bob@home.test").unwrap(), [path]);

    let call = edge.invite("sip:bob@home.test").send().await.unwrap();
    let invite = edge.expect("INVITE").await.unwrap();
    assert_eq!(invite.message.uri(), Some("sip:bob@192.0.2.7:4711"));
    assert_eq!(invite.message.header("route"), Some(path));
    assert_eq!(invite.message.header("max-forwards"), Some("69"));
    assert_eq!(invite.message.values("via").len(), 2);
    let mut theirs: Dialog = edge.accept(&invite).await.unwrap();
    let ok = edge.answer(&call, 200).await.unwrap();
    assert_eq!(ok.message.values("via").len(), 1);
    edge.ack(&call, &ok).await.unwrap();
    let ack = edge.expect("ACK").await.unwrap();
    assert_eq!(ack.message.values("via").len(), 2);
    assert!(theirs.routes.iter().any(|r| r.contains("fe01.test")));
    edge.bye(&mut theirs).await.unwrap();
    edge.expect("BYE").await.unwrap();

    let unknown = edge.invite("sip:nobody@home.test").send().await.unwrap();
    edge.answer(&unknown, 404).await.unwrap();
    let text = edge
        .message("sip:nobody@home.test", "x")
        .send()
        .await
        .unwrap();
    edge.answer(&text, 200).await.unwrap();
}

#[tokio::test]
async fn a_home_server_without_a_connection_dials_the_edge() {
    let ca = Authority::root("one").unwrap();
    let roots = trust_only(&[&ca]).unwrap();
    let transcript = Transcript::new();
    let edge = server(&ca, "edge-stand-in", "edge.test", &roots, &transcript).await;
    let fe01 = server(&ca, "fe01", "fe01.test", &roots, &transcript).await;
    let home = HomeServer::start(fe01, &Registrar::default(), &["home.test"], true);
    home.set_edge(edge.address(), "edge.test");
    let user = server(&ca, "user", "user.test", &roots, &transcript).await;
    user.dial(home.server().address(), "fe01.test")
        .await
        .unwrap();
    user.message("sip:carol@elsewhere.test", "x")
        .send()
        .await
        .unwrap();
    // The newest connection is the user's own: a foreign domain goes back there, towards the edge of this
    // lab.
    user.expect("MESSAGE").await.unwrap();
    user.wire().unwrap().cut();
    drop(edge);
}
