//! Listening sockets that whoever has started the daemon hands over (sd_listen_fds(3)): they go on listening over a restart,
//! so that a connect in between waits and is not refused.
use super::bind::{BoundListener, BoundListeners, one};
use super::error::EdgeError;
use crate::topology::Listener;
use crate::trust::Generation;
use listenfd::ListenFd;
use socket2::SockRef;
use std::net::{SocketAddr, TcpListener};

/// The sockets of the process's environment, in the order of their descriptors.
#[derive(Default)]
pub struct InheritedSockets(Vec<InheritedSocket>);

/// One of them.
struct InheritedSocket {
    /// `FileDescriptorName=` of its unit; without that systemd sends the unit's own name.
    name: String,
    address: SocketAddr,
    socket: TcpListener,
}

impl InheritedSockets {
    /// Takes over what the environment names, if it means this process, and takes that out of the environment. Called once,
    /// while the process has one thread.
    ///
    /// # Errors
    /// A descriptor that is no listening socket of TCP.
    pub fn from_environment() -> Result<Self, EdgeError> {
        // The crate knows descriptors only.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut descriptors = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..descriptors.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let taken = descriptors.take_tcp_listener(at).and_then(|socket| {
                // It was not taken before.
                socket.map(usable).transpose()
            });
            match taken {
                Ok(Some((socket, address))) => sockets.push(InheritedSocket {
                    name,
                    address,
                    socket,
                }),
                Ok(None) => {}
                Err(source) => {
                    return Err(EdgeError::InheritedUnusable {
                        position: at,
                        name,
                        source,
                    });
                }
            }
        }
        Ok(Self(sockets))
    }

    /// Takes out the first socket that fits, for a listener.
    fn take(
        &mut self,
        listener: &Listener,
        fits: impl Fn(&InheritedSocket) -> bool,
    ) -> Option<BoundListener> {
        let at = self.0.iter().position(fits)?;
        let taken = self.0.remove(at);
        Some(BoundListener {
            name: listener.name.clone(),
            address: taken.address,
            accept: listener.accept,
            socket: taken.socket,
        })
    }
}

impl BoundListeners {
    /// The listeners of the generation's topology: on the socket that was handed over under their name, else on that with
    /// their address, else bound here.
    ///
    /// # Errors
    /// A socket that belongs to no listener, or the first address that cannot be had.
    pub fn bind(
        generation: &Generation,
        mut inherited: InheritedSockets,
    ) -> Result<Self, EdgeError> {
        let listeners = generation.topology().listeners();
        // All of them before the first is bound: what is left over may be what another listener wants to bind.
        let mut taken: Vec<_> = listeners
            .iter()
            .map(|listener| inherited.take(listener, |socket| socket.name == listener.name))
            .collect();
        // Names first: an address may be the one that another listener has by its name.
        for (listener, taken) in listeners.iter().zip(&mut taken) {
            if taken.is_none() {
                *taken = inherited.take(listener, |socket| socket.address == listener.address);
            }
        }
        if let Some(left) = inherited.0.first() {
            let without = listeners.iter().zip(&taken);
            let without = without.filter(|(_, taken)| taken.is_none());
            let without: Vec<_> = without
                .map(|(listener, _)| format!("\"{}\" at {}", listener.name, listener.address))
                .collect();
            return Err(EdgeError::InheritedUnmatched {
                name: left.name.clone(),
                address: left.address,
                listeners: if without.is_empty() {
                    "each listener has another".to_owned()
                } else {
                    format!("without one: listener {}", without.join(", "))
                },
            });
        }
        let sockets = listeners.iter().zip(taken);
        let sockets = sockets.map(|(listener, taken)| taken.map_or_else(|| one(listener), Ok));
        Ok(Self {
            sockets: sockets.collect::<Result<_, _>>()?,
        })
    }
}

/// A socket that can be accepted on, for the runtime of the acceptor.
fn usable(socket: TcpListener) -> std::io::Result<(TcpListener, SocketAddr)> {
    // A connected socket is one of TCP as well (`Accept=yes`).
    if !SockRef::from(&socket).is_listener()? {
        return Err(std::io::Error::other("it does not listen"));
    }
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
