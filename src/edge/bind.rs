//! Listening sockets: bound once, before anything is promised to the service manager, and shared with nobody.
use super::error::EdgeError;
use crate::topology::{Accept, Listener, Topology};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};

/// Connections that the kernel holds between two accepts, as many as it allows (net.core.somaxconn, 4096 by default); more
/// than this at once find their SYN unanswered and try again after a second.
pub(crate) const BACKLOG: i32 = 65_535;

/// Sockets bound for a topology's listeners, before anything is accepted.
pub struct BoundListeners {
    /// In the order of the topology; their indexes name the listeners from here on.
    pub(super) sockets: Vec<BoundListener>,
}

/// One bound listener.
pub(super) struct BoundListener {
    /// By which a reload finds it again in the new topology.
    pub(super) name: String,
    /// As bound: the port is known even where the topology has 0.
    pub(super) address: SocketAddr,
    /// Who may come in, by the topology at the start.
    pub(super) accept: Accept,
    /// Non-blocking, for the runtime of the acceptor.
    pub(super) socket: TcpListener,
}

/// A listening socket as a later process gets it.
pub(super) struct HandedSocket {
    /// The listener's name where the address alone does not tell: port 0, or a socket that had the name.
    pub(super) name: String,
    /// Another descriptor of the same socket.
    pub(super) socket: TcpListener,
}

impl BoundListeners {
    /// The sockets once more, as a later process gets them.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn handed(&self, topology: &Topology) -> Result<Vec<HandedSocket>, EdgeError> {
        let handed = self.sockets.iter().map(|bound| {
            let listeners = topology.listeners().iter();
            let mut named = listeners.filter(|listener| listener.name == bound.name);
            let is_found = named.any(|listener| listener.address == bound.address);
            let name = if is_found { "" } else { &bound.name };
            Ok(HandedSocket {
                name: name.to_owned(),
                socket: bound.socket.try_clone().map_err(EdgeError::Runtime)?,
            })
        });
        handed.collect()
    }

    /// Name and bound address of each listener, with who may come in.
    pub fn addresses(&self) -> Vec<(String, SocketAddr, Accept)> {
        self.sockets
            .iter()
            .map(|s| (s.name.clone(), s.address, s.accept))
            .collect()
    }
}

/// Binds one listener, without address sharing: a second daemon on the port fails. Done by hand and not by the standard library, whose backlog is 128 and whose IPv6 sockets may
/// take IPv4 too, depending on the system.
pub(super) fn one(listener: &Listener) -> Result<BoundListener, EdgeError> {
    let bind = || -> std::io::Result<TcpListener> {
        let domain = if listener.address.is_ipv4() {
            Domain::IPV4
        } else {
            Domain::IPV6
        };
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // Lets a restart bind while old connections linger; SO_REUSEPORT would let a second daemon take a share of
        // the connections.
        socket.set_reuse_address(true)?;
        if listener.address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&listener.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    let failed = |source| EdgeError::Bind {
        listener: listener.name.clone(),
        address: listener.address,
        source,
    };
    let socket = bind().map_err(failed)?;
    // Port 0 in the topology means any: this is the one that was given, which `ready` and `status` show.
    let address = socket.local_addr().map_err(failed)?;
    Ok(BoundListener {
        name: listener.name.clone(),
        address,
        accept: listener.accept,
        socket,
    })
}
