//! Listening sockets that the service manager hands over: they outlive the process, and belong to a listener or to nobody.
use crate::systemd::Service;
use sipward_lab::site::{EDGE, HOME, Site, TopologyText};
use sipward_lab::{Client, EdgeTarget, Transcript, trust_only};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread::JoinHandle;

/// A site whose topology was changed.
fn site(change: impl FnOnce(&mut TopologyText)) -> (Site, PathBuf) {
    let site = Site::new().unwrap();
    let mut text = site.topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
    change(&mut text);
    let file = site.write("topology.toml", &text.to_toml()).unwrap();
    (site, file)
}

fn listening() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn shared(socket: &TcpListener) -> Option<OwnedFd> {
    Some(socket.try_clone().unwrap().into())
}

/// A phone that connects, shakes hands and goes, on a thread of its own.
fn phone(site: &Site, address: SocketAddr) -> JoinHandle<bool> {
    let target = EdgeTarget {
        address,
        name: EDGE.to_owned(),
        roots: trust_only(&[&site.enterprise]).unwrap(),
        transcript: Transcript::new(),
    };
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let aor = format!("sip:alice@{HOME}");
        runtime.block_on(async { Client::connect(&target, "alice", &aor).await.is_ok() })
    })
}

/// How the daemon has refused to start.
fn refusal(service: Service) -> String {
    let (code, events) = service.ended();
    assert_eq!(code, Some(3));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["reason"]),
        (&"start_refused".into(), &"listen_failed".into())
    );
    last["details"].to_string()
}

#[test]
fn a_connect_during_a_restart_waits_and_is_served_by_the_next_process() {
    let (socket, address) = listening();
    let (site, file) = site(|text| {
        let listener = text.section("[[listener]]");
        listener.text("address", &address.to_string());
    });
    let start = || Service::start_with(&file, [shared(&socket), None], "");
    let first = start();
    assert_eq!(first.event("listening")["address"], address.to_string());
    first.event("ready");
    assert!(phone(&site, address).join().unwrap());
    first.event("handshake_accepted");
    first.signal("TERM");
    assert_eq!(first.ended().0, Some(0));
    // Nobody is there, and neither of them is refused.
    let waiting = TcpStream::connect(address).unwrap();
    let phone = phone(&site, address);
    let second = start();
    assert_eq!(second.event("handshake_accepted")["listener"], "edge");
    assert!(phone.join().unwrap());
    drop(waiting);
    second.event("handshake_aborted");
    second.signal("TERM");
    assert_eq!(second.ended().0, Some(0));
}

#[test]
fn a_socket_belongs_to_the_listener_of_its_name_before_that_of_its_address() {
    let (first, at_first) = listening();
    let (second, at_second) = listening();
    let (_site, file) = site(|text| {
        let listener = text.section("[[listener]]");
        listener.text("address", &at_second.to_string());
        let other = text.add("[[listener]]");
        other.text("name", "other").text("address", "127.0.0.1:0");
    });
    let sockets = [shared(&first), shared(&second)];
    let service = Service::start_with(&file, sockets, "edge:other");
    for (listener, address) in [("edge", at_first), ("other", at_second)] {
        let listening = service.event("listening");
        assert_eq!(listening["listener"], listener);
        assert_eq!(listening["address"], address.to_string());
    }
}

#[test]
fn a_listener_without_a_socket_is_bound_beside_those_that_have_one() {
    let (socket, address) = listening();
    let (_site, file) = site(|text| {
        let other = text.add("[[listener]]");
        other
            .text("name", "other")
            .text("address", &address.to_string());
    });
    // By its address, whatever systemd calls it.
    let service = Service::start_with(&file, [shared(&socket), None], "sipward.socket");
    assert_eq!(service.event("listening")["listener"], "edge");
    assert_eq!(service.event("listening")["address"], address.to_string());
}

#[test]
fn a_socket_without_a_listener_is_an_error_that_names_both_sides() {
    let (socket, address) = listening();
    let (_site, file) = site(|_| {});
    let start = || Service::start_with(&file, [shared(&socket), None], "sipward.socket");
    let details = refusal(start());
    for part in [
        "sipward.socket",
        &address.to_string(),
        "listener \\\"edge\\\" at 127.0.0.1:0",
    ] {
        assert!(details.contains(part), "{part}: {details}");
    }
    // Two for one listener, too.
    let (other, at_other) = listening();
    let sockets = [shared(&socket), shared(&other)];
    let details = refusal(Service::start_with(&file, sockets, "edge:edge"));
    assert!(details.contains(&at_other.to_string()), "{details}");
}

#[test]
fn what_does_not_listen_is_an_error() {
    let (socket, address) = listening();
    let (_site, file) = site(|_| {});
    let connected = TcpStream::connect(address).unwrap();
    let details = refusal(Service::start_with(
        &file,
        [Some(connected.into()), None],
        "edge",
    ));
    assert!(
        details.contains("edge") && details.contains("does not listen"),
        "{details}"
    );
    let pair = std::os::unix::net::UnixStream::pair().unwrap();
    let details = refusal(Service::start_with(
        &file,
        [Some(pair.0.into()), None],
        "edge",
    ));
    assert!(details.contains("is no listening TCP socket"), "{details}");
    drop(socket);
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let (_site, file) = site(|_| {});
    let service = Service::start(&file, &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]);
    service.event("ready");
}
