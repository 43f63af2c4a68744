//! CRLs that are fetched from distribution points, by a daemon that is asked for nothing.
use crate::harness::{SOON, World};
use serde_json::Value;
use sipward_lab::pki::{CrlSpec, Issued, LeafSpec};
use sipward_lab::{Server, Wire};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

const FE02: &str = "fe02.contoso.test";
pub(crate) const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const HUGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n";

/// A web server that gives the same answer to whatever it is asked, and keeps the paths.
pub(crate) struct Web {
    address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: watch::Receiver<Vec<String>>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(NOT_FOUND.to_vec()));
        let (tell, asked) = watch::channel(Vec::new());
        let given = Arc::clone(&answer);
        // It ends with the process, as the daemon may ask at any time.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..read]);
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = given.lock().unwrap().clone();
                // Who asks may have gone.
                let _ = stream.write_all(&answer);
                tell.send_modify(|asked| asked.push(path));
            }
        });
        Self {
            address,
            answer,
            asked,
        }
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn give(&self, crl: &[u8]) {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            crl.len()
        );
        *self.answer.lock().unwrap() = [head.as_bytes(), crl].concat();
    }

    pub(crate) fn say(&self, answer: &[u8]) {
        *self.answer.lock().unwrap() = answer.to_vec();
    }

    fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// Until it has been asked this many times more.
    async fn asked_again(&self, times: usize) {
        let before = self.asked().len();
        let mut asked = self.asked.clone();
        let enough = asked.wait_for(|asked| asked.len() >= before + times);
        tokio::time::timeout(SOON, enough).await.unwrap().unwrap();
    }
}

async fn world() -> World {
    World::with(|t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s")
            .raw("crl_fetch", "true")
            .list("crl_fetch_local", &["127.0.0.1"]);
        t.section("[limits]").text("drain", "1s");
    })
    .await
}

/// A twin of fe02 whose certificate names a distribution point.
pub(crate) fn named(point: String) -> LeafSpec {
    LeafSpec {
        crl_points: vec![point],
        ..LeafSpec::server(FE02)
    }
}

async fn connected(world: &World, identity: &Issued) -> (Server, Wire) {
    let aor = format!("sip:{FE02}");
    let server = world.lab.server("twin", FE02, &aor, identity).await;
    let wire = world.dial(&server).await;
    let log = &world.edge.log;
    log.wait("handshake_accepted", |e| {
        e["peer"] == FE02 && e["direction"] == "inbound"
    })
    .await
    .unwrap();
    (server, wire)
}

#[tokio::test]
pub(crate) async fn a_revocation_at_the_distribution_point_ends_the_connection_and_outlives_a_reload()
 {
    let (world, web) = (world().await, Web::start());
    let (log, enterprise) = (&world.edge.log, &world.lab.site.enterprise);
    let uri = web.uri("/enterprise.crl");
    let identity = enterprise.issue(&named(uri.clone())).unwrap();
    let (server, wire) = connected(&world, &identity).await;
    // What is missing, too large or forged changes nothing.
    let missing = log.wait("crl_fetch_failed", |_| true).await.unwrap();
    assert_eq!(missing["reason"], "http_status", "{missing}");
    assert_eq!(missing["uri"], uri.as_str());
    assert_eq!(missing["trust"], "enterprise-ca");
    web.asked_again(1).await;
    web.say(HUGE);
    log.wait("crl_fetch_failed", |e| e["reason"] == "fetch_too_large")
        .await
        .unwrap();
    let revoking = CrlSpec {
        revoked: vec![identity.serial.clone()],
        number: 2,
        ..CrlSpec::default()
    };
    let impostor = enterprise.impostor().unwrap();
    web.give(&impostor.crl(&revoking).unwrap());
    let forged = log.wait("crl_fetch_failed", |e| e["reason"] == "not_signed");
    assert_eq!(forged.await.unwrap()["uri"], uri.as_str());
    assert!(wire.is_live());
    // What the CA says counts.
    web.give(&enterprise.crl(&revoking).unwrap());
    let until = log.up_to("crl_updated", |_| true).await.unwrap();
    let updated = &until.named("crl_updated")[0];
    assert!(until.named("crl_refused").is_empty());
    assert_eq!(until.named("crl_fetch_failed").len(), 3);
    assert_eq!(updated["file"], uri.as_str());
    assert_eq!(updated["revoked"], 1);
    wire.ended(SOON).await.unwrap();
    let is_it = |e: &Value| e["peer"] == FE02;
    let until = log.up_to("connection_closed", is_it).await.unwrap();
    let closed = until.named("connection_closed").into_iter().find(is_it);
    assert_eq!(closed.unwrap()["reason"], "trust_withdrawn");
    assert!(until.named("reload").is_empty());
    // A reload reads the file, which does not know of it, while the point is silent.
    web.say(NOT_FOUND);
    assert_eq!(world.edge.reload().await["result"], "ok");
    if let Ok(wire) = server
        .dial(world.edge.address, sipward_lab::site::EDGE)
        .await
    {
        wire.ended(SOON).await.unwrap();
    }
    log.wait("handshake_refused", |e| e["reason"] == "revoked")
        .await
        .unwrap();
    world.edge.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_no_usable_crl_is_a_failure_like_none() {
    let (world, web) = (world().await, Web::start());
    let (log, enterprise) = (&world.edge.log, &world.lab.site.enterprise);
    web.give(b"<html>not found</html>");
    let identity = enterprise.issue(&named(web.uri("/ca.crl"))).unwrap();
    let (_server, wire) = connected(&world, &identity).await;
    let failed = async |reason: &str| {
        let failed = log.wait("crl_fetch_failed", |e| e["reason"] == reason);
        failed.await.unwrap();
    };
    failed("crl_malformed").await;
    // More than the one that a point has to offer, however good each is.
    let sound = enterprise.crl(&CrlSpec::default()).unwrap();
    web.give(&sound.repeat(9));
    failed("crl_too_many").await;
    let many = |number| (vec![0x2a, 3, number], false, vec![5, 0]);
    let complex = CrlSpec {
        extensions: (0..33).map(many).collect(),
        ..CrlSpec::default()
    };
    web.give(&enterprise.crl(&complex).unwrap());
    failed("crl_too_complex").await;
    assert!(wire.is_live());
    let log = world.edge.stop().await;
    assert!(log.named("crl_refused").is_empty());
    assert!(log.named("crl_updated").is_empty());
}

#[tokio::test]
async fn slow_points_of_one_set_do_not_delay_another_sets_revocation() {
    const PARTNER: &str = "edge.fabrikam.test";
    let world = World::with(|t| {
        for name in ["enterprise-ca", "fabrikam-ca"] {
            let set = t.find("[[trust]]", "name", name).unwrap();
            set.text("crl_refresh", "1s")
                .raw("crl_fetch", "true")
                .list("crl_fetch_local", &["127.0.0.1"]);
        }
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    let site = &world.lab.site;
    // Connects come in, and nothing ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let partner = LeafSpec {
        crl_points: (0..32)
            .map(|n| format!("http://{address}/{n}.crl"))
            .collect(),
        ..LeafSpec::server(PARTNER)
    };
    let partner = site.fabrikam.issue(&partner).unwrap();
    let aor = format!("sip:{PARTNER}");
    let partner = world.lab.server("partner", PARTNER, &aor, &partner).await;
    let _partner = world.dial(&partner).await;
    // The first of them is being asked, and 31 wait.
    let asked = tokio::task::spawn_blocking(move || (silent.accept().unwrap(), silent));
    let _silent = asked.await.unwrap();
    let web = Web::start();
    let identity = site.enterprise.issue(&named(web.uri("/ca.crl"))).unwrap();
    let (_server, wire) = connected(&world, &identity).await;
    let revoking = CrlSpec {
        revoked: vec![identity.serial.clone()],
        number: 2,
        ..CrlSpec::default()
    };
    web.give(&site.enterprise.crl(&revoking).unwrap());
    wire.ended(SOON).await.unwrap();
    // Of the silent ones hardly any is through.
    let log = world.edge.stop().await;
    let failed = log.named("crl_fetch_failed");
    let late = failed.iter().filter(|e| e["trust"] == "fabrikam-ca");
    assert!(late.count() < 16);
}

#[tokio::test]
async fn the_distribution_point_of_a_refused_certificate_is_never_asked() {
    let (world, web) = (world().await, Web::start());
    let (log, enterprise) = (&world.edge.log, &world.lab.site.enterprise);
    let stranger = enterprise.impostor().unwrap();
    let stranger = stranger.issue(&named(web.uri("/stranger.crl"))).unwrap();
    let aor = format!("sip:{FE02}");
    let server = world.lab.server("stranger", FE02, &aor, &stranger).await;
    if let Ok(wire) = server
        .dial(world.edge.address, sipward_lab::site::EDGE)
        .await
    {
        wire.ended(SOON).await.unwrap();
    }
    log.wait("handshake_refused", |_| true).await.unwrap();
    // An accepted one that carries the stranger's along does not vouch for what stands in it.
    web.give(&enterprise.crl(&CrlSpec::default()).unwrap());
    let mut identity = enterprise.issue(&named(web.uri("/own.crl"))).unwrap();
    identity.chain.extend(stranger.chain);
    let (_server, wire) = connected(&world, &identity).await;
    web.asked_again(3).await;
    assert!(web.asked().iter().all(|path| path == "/own.crl"));
    assert!(wire.is_live());
    world.edge.stop().await;
}

/// AD CS writes the CA's name into the path as it is.
#[tokio::test]
async fn a_distribution_point_with_a_space_is_asked_as_a_web_server_wants_it() {
    let (world, web) = (world().await, Web::start());
    let enterprise = &world.lab.site.enterprise;
    web.give(&enterprise.crl(&CrlSpec::default()).unwrap());
    let point = web.uri("/CertEnroll/Contoso Issuing CA.crl");
    let identity = enterprise.issue(&named(point)).unwrap();
    let (_server, wire) = connected(&world, &identity).await;
    web.asked_again(1).await;
    assert_eq!(web.asked()[0], "/CertEnroll/Contoso%20Issuing%20CA.crl");
    assert!(wire.is_live());
    world.edge.stop().await;
}

#[tokio::test]
pub(crate) async fn a_certificate_cannot_make_us_ask_this_host_unless_it_is_listed() {
    let world = World::with(|t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s").raw("crl_fetch", "true");
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    let web = Web::start();
    let port = web.address.port();
    let points = [
        web.uri("/ca.crl"),
        format!("http://localhost:{port}/ca.crl"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ];
    let identity = LeafSpec {
        crl_points: points.to_vec(),
        ..LeafSpec::server(FE02)
    };
    let identity = world.lab.site.enterprise.issue(&identity).unwrap();
    let (_server, wire) = connected(&world, &identity).await;
    for point in points {
        let failed = world
            .edge
            .log
            .wait("crl_fetch_failed", |e| e["uri"] == point.as_str())
            .await
            .unwrap();
        assert_eq!(failed["reason"], "special_address", "{failed}");
    }
    assert!(web.asked().is_empty() && wire.is_live());
    world.edge.stop().await;
}

#[tokio::test]
pub(crate) async fn a_certificate_that_names_only_points_that_are_not_asked_is_told_of_once() {
    let world = world().await;
    let enterprise = &world.lab.site.enterprise;
    let point = "ldap:///CN=Contoso Root,DC=contoso?certificateRevocationList".to_owned();
    let identity = enterprise.issue(&named(point)).unwrap();
    let (_server, _wire) = connected(&world, &identity).await;
    let log = &world.edge.log;
    let failed = log.wait("crl_fetch_failed", |_| true).await.unwrap();
    assert_eq!(failed["reason"], "not_http", "{failed}");
    assert!(
        failed["uri"]
            .as_str()
            .unwrap()
            .starts_with("ldap:///CN=Contoso%20Root")
    );
    // Another look, which a reload brings, says nothing new.
    world.edge.reload().await;
    log.wait("reload", |_| true).await.unwrap();
    let log = world.edge.stop().await;
    assert_eq!(log.named("crl_fetch_failed").len(), 1);
}
