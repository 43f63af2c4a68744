//! Listening sockets that whoever has started the daemon hands over (sd_listen_fds(3)): they go on listening over a restart,
//! so that a connect in between waits and is not refused. The former process of this node hands them over in the same way, with
//! what the two need to work together.
use super::bind::{BoundListener, BoundListeners, one};
use super::error::EdgeError;
use crate::topology::Listener;
use crate::trust::Generation;
use listenfd::ListenFd;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

/// The name of the descriptor over which the former process speaks to this one.
pub const CONVERSATION: &str = "sipward-conversation";
/// That of the control socket which it has bound.
pub const CONTROL: &str = "sipward-control";
/// That of each end of a connection for SIP between the two.
pub const LINK: &str = "sipward-link";

/// That of the socket at which it answers monitoring.
pub const HTTP: &str = "sipward-http";

/// What the process was started with.
#[derive(Default)]
pub struct Inherited {
    /// Listening sockets.
    pub sockets: InheritedSockets,
    /// The former process of this node, if that has started this one.
    pub former: Option<FormerProcess>,
}

/// What the former process of this node hands over besides its listening sockets.
pub struct FormerProcess {
    /// Over which it speaks to this one.
    pub conversation: UnixStream,
    /// The control socket that it has bound.
    pub control: Option<UnixListener>,
    /// The socket at which it answers monitoring.
    pub http: Option<TcpListener>,
    /// Ends of connections for SIP between the two.
    pub links: Vec<UnixStream>,
}

/// The sockets of the process's environment, in the order of their descriptors.
#[derive(Default)]
pub struct InheritedSockets {
    sockets: Vec<InheritedSocket>,
    /// They come from the former process of this node, which knows nothing of the new topology.
    from_former: bool,
}

/// One of them.
struct InheritedSocket {
    /// `FileDescriptorName=` of its unit; without that systemd sends the unit's own name.
    name: String,
    address: SocketAddr,
    socket: TcpListener,
}

impl Inherited {
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
        let mut inherited = Self::default();
        let (mut conversation, mut control, mut links) = (None, None, Vec::new());
        let mut http = None;
        for position in 0..descriptors.len() {
            let name = names.next().unwrap_or_default();
            let unusable = |source| EdgeError::InheritedUnusable {
                position,
                name: name.to_owned(),
                source,
            };
            // To the crate a pair of sockets looks like a listening one; what it is used for is known by its name.
            let mut unix = || match descriptors.take_unix_listener(position) {
                Ok(socket) => socket.ok_or_else(|| unusable(io::ErrorKind::NotFound.into())),
                Err(source) => Err(unusable(source)),
            };
            match name {
                CONVERSATION => conversation = Some(UnixStream::from(OwnedFd::from(unix()?))),
                CONTROL => control = Some(unix()?),
                LINK => links.push(UnixStream::from(OwnedFd::from(unix()?))),
                _ => {
                    let taken = descriptors.take_tcp_listener(position);
                    // It was not taken before.
                    let taken = taken.and_then(|socket| socket.map(usable).transpose());
                    let Some((socket, address)) = taken.map_err(unusable)? else {
                        continue;
                    };
                    if name == HTTP {
                        http = Some(socket);
                        continue;
                    }
                    inherited.sockets.sockets.push(InheritedSocket {
                        name: name.to_owned(),
                        address,
                        socket,
                    });
                }
            }
        }
        // The one thing that systemd never hands over.
        inherited.sockets.from_former = conversation.is_some();
        inherited.former = conversation.map(|conversation| FormerProcess {
            conversation,
            control,
            http,
            links,
        });
        Ok(inherited)
    }
}

impl InheritedSockets {
    /// Takes out the first socket that fits, for a listener.
    fn take(
        &mut self,
        listener: &Listener,
        fits: impl Fn(&InheritedSocket) -> bool,
    ) -> Option<BoundListener> {
        let at = self.sockets.iter().position(fits)?;
        let taken = self.sockets.remove(at);
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
        // A listener that a new topology has no longer is no error: its socket closes.
        let left = inherited.sockets.first();
        if let Some(left) = left.filter(|_| !inherited.from_former) {
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
fn usable(socket: TcpListener) -> io::Result<(TcpListener, SocketAddr)> {
    // A connected socket is one of TCP as well (`Accept=yes`).
    if !SockRef::from(&socket).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
