//! The usual scene: two phones, the edge, the home server behind it.
use super::baresip::{Phone, Target};
use super::certificates::{Certificates, HOME};
use super::edge::Edge;
use super::kamailio::{CONTOSO, Home, Setup};
use super::ports::free_port;

/// Phones first: they go first when the scene ends.
pub(crate) struct Lab {
    /// A phone.
    pub(crate) alice: Phone,
    /// Another one.
    pub(crate) bob: Phone,
    /// The daemon under test.
    pub(crate) edge: Edge,
    /// The home server.
    pub(crate) home: Home,
    /// How the home server was started.
    pub(crate) setup: Setup,
    /// The PKI.
    pub(crate) certificates: Certificates,
}

impl Lab {
    /// Starts everything, with switches for the home server; nobody is registered yet.
    pub(crate) fn raise(switches: &'static [&'static str]) -> Self {
        let certificates = Certificates::new();
        let port = free_port();
        let edge = Edge::start(&certificates, port);
        let setup = Setup {
            site: CONTOSO,
            port,
            pair: certificates.server(HOME),
            switches,
            edge_port: edge.port(),
        };
        let home = Home::start(&certificates, &setup);
        let alice = Phone::start(&certificates, "alice", "bob");
        let bob = Phone::start(&certificates, "bob", "alice");
        Self {
            alice,
            bob,
            edge,
            home,
            setup,
            certificates,
        }
    }

    /// As [`Lab::raise`], and both phones are registered.
    pub(crate) fn registered(switches: &'static [&'static str]) -> Self {
        let lab = Self::raise(switches);
        lab.alice.register(lab.target());
        lab.bob.register(lab.target());
        lab
    }

    /// Where the phones connect to.
    pub(crate) fn target(&self) -> Target {
        Target {
            port: self.edge.port(),
        }
    }
}

/// One phone calls, the other answers, media flow both ways.
pub(crate) fn establish(caller: &Phone, callee: &Phone, callee_user: &str) {
    caller.dial(callee_user);
    callee.wait("CALL_INCOMING");
    callee.answer();
    caller.wait("CALL_ESTABLISHED");
    callee.wait("CALL_ESTABLISHED");
    caller.wait("CALL_RTPESTAB");
    callee.wait("CALL_RTPESTAB");
}
