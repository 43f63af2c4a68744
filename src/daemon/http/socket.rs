//! The socket at which `[http]` is served: a process that takes over gets a copy of it, so that monitoring finds somebody at
//! every moment.
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// The socket of a daemon, if it has one.
///
/// A copy beside the one that is served: the thread that serves owns that.
#[derive(Default)]
pub(in crate::daemon) struct HttpSocket(Mutex<Option<TcpListener>>);

impl HttpSocket {
    /// From now on it is this one, or none.
    ///
    /// Who sets none has closed its own as well: only a copy in another process keeps it open then.
    pub(super) fn set(&self, socket: Option<TcpListener>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }

    /// The same socket for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(in crate::daemon) fn copy(&self) -> io::Result<Option<TcpListener>> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().map(TcpListener::try_clone).transpose()
    }
}

/// Whether a socket that another process has bound is the one that the topology wants. Port 0 has become a real one there.
pub(super) fn serves(socket: &TcpListener, wanted: SocketAddr) -> bool {
    socket.local_addr().is_ok_and(|bound| {
        bound.ip() == wanted.ip() && (wanted.port() == 0 || bound.port() == wanted.port())
    })
}
