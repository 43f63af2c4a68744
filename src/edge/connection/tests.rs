//! What a flush comes to, over a real socket whose remote end reads or does not.
use super::*;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

const NODE: &str = "edge01.contoso.test";
/// The bound on what waits, as `limits.send_queue`.
const BOUND: usize = 256 * 1024;

/// A session that has finished its handshake, with a client in memory.
fn session() -> rustls::Connection {
    let ca = sipward_lab::pki::Authority::root("Lab CA").unwrap();
    let issued = ca.server(NODE).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(issued.chain.clone(), issued.key.clone_key())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(sipward_lab::trust_only(&[&ca]).unwrap())
        .with_no_client_auth();
    let name = ServerName::try_from(NODE).unwrap();
    let client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut client = rustls::Connection::Client(client);
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut server = rustls::Connection::Server(server);
    while client.is_handshaking() || server.is_handshaking() {
        carry(&mut client, &mut server);
        carry(&mut server, &mut client);
    }
    server
}

/// Carries what one end has written to the other.
fn carry(from: &mut rustls::Connection, to: &mut rustls::Connection) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets().unwrap();
    }
}

/// A client's connection with small socket buffers, and its remote end.
async fn connection() -> (Connection, StdStream) {
    connection_of(RemoteIdentity::Client).await
}

/// The same of this identity.
async fn connection_of(identity: RemoteIdentity) -> (Connection, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (remote, _) = listener.accept().unwrap();
    let small = 16 * 1024;
    SockRef::from(&local).set_send_buffer_size(small).unwrap();
    SockRef::from(&remote).set_recv_buffer_size(small).unwrap();
    local.set_nonblocking(true).unwrap();
    remote.set_nonblocking(true).unwrap();
    let tcp = TcpStream::from_std(local).unwrap();
    tcp.writable().await.unwrap();
    let established = Established {
        number: 1,
        identity,
        client: None,
        opened: Opened::Accepted(0),
        shown: None,
        remote: tcp.peer_addr().unwrap(),
        local: tcp.local_addr().unwrap(),
        tcp,
        records: Records::default(),
        tls: session().into(),
        is_check: false,
        unconfirmed: None,
        keep_alive: None,
    };
    let connection = Connection::new(LinkId::new(0, 0, 1), established, clock::now());
    (connection, remote)
}

/// Writes one message and flushes it.
fn send(connection: &Connection, buffers: &Buffers) -> Flushed {
    connection.write(&[b'x'; 16 * 1024], buffers);
    connection.flush(buffers, BOUND)
}

/// Reads what waits in the remote end's socket, and lets the runtime notice that there is room.
async fn read_all(remote: &mut StdStream) {
    let mut room = vec![0; 64 * 1024];
    while remote.read(&mut room).is_ok_and(|count| count > 0) {}
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn a_queue_fills_once_and_clears_once() {
    let (connection, mut remote) = connection().await;
    let buffers = Buffers::default();
    assert_eq!(connection.flush(&buffers, BOUND), Flushed::Done);
    let mut filling = vec![send(&connection, &buffers)];
    while filling.last() != Some(&Flushed::Full) {
        filling.push(send(&connection, &buffers));
    }
    filling.dedup();
    assert!(
        filling.ends_with(&[Flushed::Blocked, Flushed::Full]),
        "{filling:?}"
    );
    assert_eq!(send(&connection, &buffers), Flushed::Blocked, "not twice");
    let mut emptying = Vec::new();
    while emptying.last() != Some(&Flushed::Done) {
        read_all(&mut remote).await;
        emptying.push(connection.flush(&buffers, BOUND));
    }
    emptying.dedup();
    emptying.retain(|flushed| *flushed != Flushed::Blocked);
    assert_eq!(emptying, [Flushed::Clear, Flushed::Done]);
    assert!(connection.closing().is_none());
}

#[tokio::test]
async fn who_reads_nothing_is_closed_at_twice_the_bound() {
    let (connection, _remote) = connection().await;
    let buffers = Buffers::default();
    while send(&connection, &buffers) != Flushed::Gone {}
    let ending = connection.closing().unwrap();
    assert_eq!(ending.reason(), "send_queue_full");
    assert!(matches!(ending, Ending::Local(_)));
}

#[tokio::test]
async fn a_server_that_reads_slowly_is_not_closed_and_one_that_reads_no_more_is() {
    let (connection, mut remote) = connection_of(RemoteIdentity::OtherProcess).await;
    let buffers = Buffers::default();
    while send(&connection, &buffers) != Flushed::Full {}
    while connection.taken.get().is_none() {
        read_all(&mut remote).await;
        connection.flush(&buffers, BOUND);
    }
    while connection.session.borrow().queued() <= 2 * BOUND {
        assert_ne!(send(&connection, &buffers), Flushed::Gone);
    }
    assert_ne!(send(&connection, &buffers), Flushed::Gone);
    // As if nothing had been taken for a while.
    connection.taken.set(Some(clock::now() - READS));
    assert_eq!(send(&connection, &buffers), Flushed::Gone);
}

#[tokio::test]
async fn a_remote_end_that_is_gone_is_read_from_but_not_written_to() {
    let (connection, remote) = connection().await;
    let buffers = Buffers::default();
    let linger = Some(Duration::ZERO);
    SockRef::from(&remote).set_linger(linger).unwrap();
    drop(remote);
    while send(&connection, &buffers) != Flushed::Gone {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Its reading task ends it, after what was sent before.
    assert!(connection.remote_gone.get().is_some());
    assert!(connection.closing().is_none());
    assert_eq!(send(&connection, &buffers), Flushed::Gone);
}
