//! Which connection serves whom: by the name that its decision covers, never by address (RFC 5923 §8, RFC 5922 §7.8).
use crate::harness::Lab;
use crate::harness::tls::{VERSIONS, server_config, silent_server};
use rustls::server::ResolvesServerCertUsingSni;
use rustls::sign::CertifiedKey;
use sipward_lab::Server;
use sipward_lab::pki::{Issued, LeafSpec, Usage};
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";
const FE03: &str = "fe03.contoso.test";

/// An address at which nobody listens.
fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

fn certified(issued: &Issued) -> CertifiedKey {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(issued.chain.clone(), issued.key.clone_key(), &provider).unwrap()
}

/// A host of two names, which shows the certificate of the name that it is asked for.
async fn host_of_two_names(lab: &Lab) -> SocketAddr {
    let names = [FE01, FE02].map(|name| (name, lab.site.enterprise.server(name).unwrap()));
    let mut config = server_config(VERSIONS[1], &lab.roots, &names[0].1);
    let mut resolver = ResolvesServerCertUsingSni::new();
    for (name, issued) in &names {
        resolver.add(name, certified(issued)).unwrap();
    }
    config.cert_resolver = Arc::new(resolver);
    silent_server(config).await
}

#[tokio::test]
async fn two_peers_at_one_address_get_a_connection_each_with_their_own_name_as_sni() {
    let lab = Lab::new();
    let host = host_of_two_names(&lab).await;
    let fe03 = lab.home("fe03").await;
    let mut topology = lab
        .site
        .topology(&[(FE01, host), (FE02, host), (FE03, fe03.address())], None);
    topology.section("[limits]").text("handshake_timeout", "4s");
    let edge = lab.edge(&topology).await;
    fe03.dial(edge.address, EDGE).await.unwrap();
    for name in [FE01, FE02] {
        fe03.message(&format!("sip:x@{name}"), "hi")
            .send()
            .await
            .unwrap();
    }
    let mut connections = BTreeSet::new();
    for name in [FE01, FE02] {
        let accepted = edge
            .log
            .wait("handshake_accepted", |e| {
                e["direction"] == "outbound" && e["peer"] == name
            })
            .await
            .unwrap();
        assert_eq!(accepted["sni"], name);
        assert_eq!(accepted["matched"], name);
        connections.insert(accepted["connection"].as_u64().unwrap());
    }
    assert_eq!(connections.len(), 2, "one connection served both");
}

#[tokio::test]
async fn a_connection_to_one_peer_carries_nothing_for_another_at_its_address() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let fe03 = lab.home("fe03").await;
    // fe02 is listed where in truth only fe01 is.
    let topology = lab.site.topology(
        &[
            (FE01, fe01.address()),
            (FE02, fe01.address()),
            (FE03, fe03.address()),
        ],
        None,
    );
    let edge = lab.edge(&topology).await;
    fe03.dial(edge.address, EDGE).await.unwrap();
    let to = |name: &str| fe03.message(&format!("sip:x@{name}"), "hi").build();
    let sent = fe03.draft(to(FE01)).send().await.unwrap();
    let got = fe01.expect("MESSAGE").await.unwrap();
    fe01.reply(&got, 200).await.unwrap();
    fe03.answer(&sent, 200).await.unwrap();
    let sent = fe03.draft(to(FE02)).send().await.unwrap();
    let answer = fe03.final_answer(&sent).await.unwrap();
    assert!(answer.message.status().unwrap() >= 500);
    edge.log
        .wait("handshake_refused", |e| {
            e["peer"] == FE02 && e["reason"] == "name_mismatch"
        })
        .await
        .unwrap();
    assert!(fe01.untaken().await.is_empty());
}

/// The partner with this certificate on a connection that it made, an edge that cannot reach it otherwise, and a home
/// server that has sent a request for it.
async fn towards_partner(usages: &[Usage]) -> (Lab, Server, Server, sipward_lab::Sent) {
    let lab = Lab::new();
    let identity = lab
        .site
        .fabrikam
        .issue(&LeafSpec {
            usages: usages.to_vec(),
            ..LeafSpec::server(PARTNER_EDGE)
        })
        .unwrap();
    let partner = lab
        .server(
            "partner",
            PARTNER_EDGE,
            "sip:carol@fabrikam.test",
            &identity,
        )
        .await;
    let fe01 = lab.home("fe01").await;
    let mut topology = lab
        .site
        .topology(&[(FE01, fe01.address())], Some(nowhere()));
    // Connections belong to a shard; both are to be in the same.
    topology.section("[node]").raw("shards", "1");
    let edge = lab.edge(&topology).await;
    for server in [&partner, &fe01] {
        server.dial(edge.address, EDGE).await.unwrap();
    }
    for peer in [PARTNER_EDGE, FE01] {
        edge.log
            .wait("handshake_accepted", |e| e["peer"] == peer)
            .await
            .unwrap();
    }
    let sent = fe01
        .message("sip:carol@fabrikam.test", "hi")
        .send()
        .await
        .unwrap();
    if usages.contains(&Usage::Server) {
        let got = partner.expect("MESSAGE").await.unwrap();
        partner.reply(&got, 200).await.unwrap();
        fe01.answer(&sent, 200).await.unwrap();
    } else {
        let answer = fe01.final_answer(&sent).await.unwrap();
        assert!(answer.message.status().unwrap() >= 500);
    }
    edge.stop().await;
    (lab, partner, fe01, sent)
}

#[tokio::test]
async fn a_connection_that_a_peer_made_carries_our_requests_if_it_also_proves_a_server() {
    towards_partner(&[Usage::Server, Usage::Client]).await;
}

#[tokio::test]
async fn a_connection_made_with_a_clients_certificate_carries_no_request_back() {
    let (_lab, partner, _fe01, _sent) = towards_partner(&[Usage::Client]).await;
    assert!(partner.untaken().await.is_empty());
}

#[tokio::test]
async fn few_connections_gather_in_one_shard_before_the_next_gets_some() {
    for (gather, expected) in [("2", [0, 0, 1, 0, 1]), ("0", [0, 1, 0, 1, 0])] {
        let lab = Lab::new();
        let fe01 = lab.home("fe01").await;
        let mut topology = lab.site.topology(&[(FE01, nowhere())], None);
        topology.section("[node]").raw("shards", "2");
        topology.section("[limits]").raw("gather", gather);
        let edge = lab.edge(&topology).await;
        let (mut wires, mut connections) = (Vec::new(), Vec::new());
        for _ in expected {
            wires.push(fe01.dial(edge.address, EDGE).await.unwrap());
            let accepted = edge
                .log
                .wait("handshake_accepted", |e| {
                    !connections.contains(&e["connection"].as_u64().unwrap())
                })
                .await
                .unwrap();
            connections.push(accepted["connection"].as_u64().unwrap());
        }
        let (_, listed) = edge.command(&["connections", "--peer"]).await;
        let rows = listed["rows"].as_array().unwrap();
        let shard_of = |number: &u64| {
            let row = rows.iter().find(|row| row["connection"] == *number);
            row.unwrap()["shard"].as_u64().unwrap()
        };
        let shards: Vec<u64> = connections.iter().map(shard_of).collect();
        assert_eq!(shards, expected, "gather = {gather}");
    }
}
