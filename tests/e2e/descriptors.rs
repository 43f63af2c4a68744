//! Few descriptors: fewer connections are taken, peers come in all the same, and idle strangers make room.
use crate::harness::tls::{VERSIONS, client_config, connect_from};
use crate::harness::{Edge, LOOK, Lab, SOON, message_passes};
use sipward_lab::site::EDGE;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const FE01: &str = "fe01.contoso.test";

/// A client that shakes hands and says nothing.
async fn stranger(lab: &Lab, edge: &Edge) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = connect_from("127.0.0.2", edge.address).await;
    let config = client_config(VERSIONS[1], &lab.roots, None);
    let name = rustls_pki_types::ServerName::try_from(EDGE).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// Strangers come until one is refused, and all of them stay busy.
async fn strangers_until_refused(lab: &Lab, edge: &Edge, most: usize) -> Vec<TlsStream<TcpStream>> {
    let mut here = Vec::new();
    while let Ok(one) = stranger(lab, edge).await {
        here.push(one);
        assert!(here.len() < most, "some of the places are kept");
        // However slow the machine is, nobody has been silent for so long yet that he makes room. Not behind each: the
        // daemon would read little else.
        if here.len() % 8 == 0 {
            for stranger in &mut here {
                stranger.write_all(b"\r\n\r\n").await.unwrap();
            }
        }
    }
    let refused = edge.log.wait("handshake_refused", |e| {
        e["reason"] == "too_many_connections"
    });
    refused.await.unwrap();
    here
}

#[tokio::test]
pub(crate) async fn with_few_descriptors_strangers_make_room_and_peers_come_in() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let mut topology = lab.site.topology(&[(FE01, fe01.address())], None);
    topology.section("[node]").raw("shards", "1");
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let edge = Edge::start_with_descriptors(&file, 300).await;
    let is_it = |e: &serde_json::Value| e["reason"] == "descriptors_short";
    let short = edge.log.wait("warning", is_it).await.unwrap();
    let detail = short["detail"].as_str().unwrap();
    assert!(detail.contains("the process may have 300"), "{detail}");
    let here = strangers_until_refused(&lab, &edge, 150).await;
    assert!(here.len() > 100, "{}", here.len());
    // From the address of a listed server: some are kept for those.
    let alice = lab.client(&edge, "alice").await;
    message_passes(&alice, &fe01).await;
    fe01.dial(edge.address, EDGE).await.unwrap();
    // Once the others have been silent for a while, there is room before the next one comes.
    let closed = edge
        .log
        .wait("connection_closed", |e| e["reason"] == "made_room");
    let closed = closed.await.unwrap();
    assert!(closed["remote"].as_str().unwrap().starts_with("127.0.0.2:"));
    // The event comes a moment before the place is free.
    let comes_in = async {
        while stranger(&lab, &edge).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, comes_in).await.unwrap();
    message_passes(&alice, &fe01).await;
    edge.stop().await;
}

/// The bound on connections keeps its last places as the descriptors do.
#[tokio::test]
async fn where_connections_are_the_bound_peers_come_in_all_the_same() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let mut topology = lab.site.topology(&[(FE01, fe01.address())], None);
    topology.section("[node]").raw("shards", "1");
    topology.section("[limits]").raw("connections", "64");
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let edge = Edge::start(&file).await;
    let here = strangers_until_refused(&lab, &edge, 64).await;
    // The node's own connection to the home server is among those that count.
    assert!(here.len() >= 60, "{}", here.len());
    fe01.dial(edge.address, EDGE).await.unwrap();
    edge.stop().await;
}
