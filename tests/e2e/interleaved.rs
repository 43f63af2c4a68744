//! Handshakes of one listener and one shard that go on at the same time: each gets the verdict about its own certificate.
use crate::harness::tls::{VERSIONS, client_config, connect};
use crate::harness::{Edge, Lab};
use rustls::{ClientConnection, SupportedProtocolVersion};
use sipward_lab::pki::{Authority, Issued};
use sipward_lab::site::EDGE;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FE01: &str = "fe01.contoso.test";

/// A client in the middle of its handshake: what it still has to send, one TLS record an entry.
struct Midway {
    tcp: TcpStream,
    records: std::vec::IntoIter<Vec<u8>>,
}

impl Midway {
    /// Shakes hands up to the flight that begins with the client's certificate.
    async fn begin(
        edge: &Edge,
        lab: &Lab,
        version: &'static SupportedProtocolVersion,
        shown: &Issued,
    ) -> Self {
        let config = client_config(version, &lab.roots, Some(shown));
        let mut tls = ClientConnection::new(Arc::new(config), EDGE.try_into().unwrap()).unwrap();
        let mut tcp = connect(edge.address).await;
        tcp.set_nodelay(true).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        tcp.write_all(&hello).await.unwrap();
        let mut flight = Vec::new();
        // In TLS 1.3 a meaningless ChangeCipherSpec of six bytes goes before it (RFC 8446 §D.4).
        while flight.len() < 300 {
            let mut read = [0; 4096];
            let count = tcp.read(&mut read).await.unwrap();
            let mut read = &read[..count];
            while !read.is_empty() {
                tls.read_tls(&mut read).unwrap();
                tls.process_new_packets().unwrap();
            }
            while tls.wants_write() {
                tls.write_tls(&mut flight).unwrap();
            }
        }
        let mut records = Vec::new();
        let mut rest = flight.as_slice();
        while let [_, _, _, high, low, ..] = rest {
            let (record, after) = rest.split_at(5 + usize::from(u16::from_be_bytes([*high, *low])));
            records.push(record.to_vec());
            rest = after;
        }
        Self {
            tcp,
            records: records.into_iter(),
        }
    }

    /// Sends the next record, if one is left; the other side may have hung up.
    async fn step(&mut self) -> bool {
        let Some(record) = self.records.next() else {
            return false;
        };
        let _ = self.tcp.write_all(&record).await;
        // Long enough that the daemon reads each record by itself.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        true
    }
}

#[tokio::test]
pub(crate) async fn handshakes_that_interleave_on_one_shard_keep_their_own_verdicts() {
    let lab = Lab::new();
    let mut topology = lab
        .site
        .topology(&[(FE01, ([127, 0, 0, 1], 1).into())], None);
    topology.section("[node]").raw("shards", "1");
    let edge = lab.edge(&topology).await;
    let stranger = Authority::root("Stranger Root").unwrap();
    let good = lab.site.enterprise.server(FE01).unwrap();
    let bad = stranger.server(FE01).unwrap();
    for version in VERSIONS {
        for shown in [[&good, &bad], [&bad, &good]] {
            // The one that shows its certificate first signs last, and the other way round.
            for last in [0, 1] {
                let mark = edge.log.mark();
                let mut ends = Vec::new();
                for shown in shown {
                    ends.push(Midway::begin(&edge, &lab, version, shown).await);
                }
                ends[0].step().await;
                if last == 1 {
                    ends[1].step().await;
                }
                while ends[1 - last].step().await {}
                while ends[last].step().await {}
                for (end, shown) in ends.iter().zip(shown) {
                    let remote = end.tcp.local_addr().unwrap().to_string();
                    let (name, reason) = if std::ptr::eq(shown, &good) {
                        ("handshake_accepted", "accepted")
                    } else {
                        ("handshake_refused", "unknown_issuer")
                    };
                    let event = edge.log.wait_after(mark, name, |e| e["remote"] == remote);
                    assert_eq!(event.await.unwrap()["reason"], reason);
                }
            }
        }
    }
}
