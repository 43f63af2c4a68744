//! A TCP relay on loopback that does to a connection what networks do: delay, loss, a cut, half a cut, and silence.
//!
//! It stands where no packet filter may be set. What a lost segment is to the two ends of a TCP connection is a pause of a
//! retransmission's length, so that is what it makes of one.
use super::LabError;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the line between the two ends is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// Everything passes at once.
    #[default]
    Open,
    /// Everything passes after this time.
    Slow(Duration),
    /// One piece of so many waits for this time, and what is behind it as well.
    Lossy(u32, Duration),
    /// Every connection is reset, and so is each new one.
    Reset,
    /// The end that was connected to says no more: its side is closed, while it goes on reading. So it is with each new one.
    HalfClosed,
    /// Nothing passes, and nothing ends.
    Dead,
}

/// A relay in front of one address.
pub struct Relay {
    address: SocketAddr,
    line: watch::Sender<Line>,
    stop: CancellationToken,
}

impl Relay {
    /// Listens on a free port of the loopback and connects each who comes to `target`.
    ///
    /// # Errors
    /// No port.
    pub async fn start(target: SocketAddr) -> Result<Self, LabError> {
        let failed = || LabError::io("relay", "listen");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let (line, stop) = (watch::Sender::new(Line::Open), CancellationToken::new());
        let (seen, ended) = (line.subscribe(), stop.clone());
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(ended.child_token().run_until_cancelled_owned(relay(
                        tcp,
                        target,
                        seen.clone(),
                    )));
                }
            };
            tokio::select! {
                () = accepting => {}
                () = ended.cancelled() => {}
            }
        });
        Ok(Self {
            address,
            line,
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the line is like from now on, for connections that are there and for new ones.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One connection, until either end closes it or the line cuts it.
#[expect(
    clippy::disallowed_methods,
    reason = "a relay is part of the network: it dials for others"
)]
async fn relay(tcp: TcpStream, target: SocketAddr, line: watch::Receiver<Line>) -> io::Result<()> {
    if *line.borrow() == Line::Reset {
        // Closed with this set it is a reset and no close.
        return tcp.set_zero_linger();
    }
    tcp.set_nodelay(true)?;
    let far = TcpSocket::new_v4()?.connect(target).await;
    let Ok(far) = far else {
        // Who listens there is gone: refused behind the relay, closed before it.
        return tcp.set_zero_linger();
    };
    far.set_nodelay(true)?;
    let cut = async {
        let mut line = line.clone();
        let _ = line.wait_for(|line| *line == Line::Reset).await;
    };
    let (near_in, near_out) = tcp.into_split();
    let (far_in, far_out) = far.into_split();
    let mut forth = Direction {
        from: near_in,
        to: far_out,
        line: line.clone(),
        can_close: false,
    };
    let mut back = Direction {
        from: far_in,
        to: near_out,
        line: line.clone(),
        can_close: true,
    };
    let ended = tokio::select! {
        both = async { tokio::join!(forth.pump(), back.pump()) } => both.0.and(both.1),
        () = cut => Err(io::ErrorKind::ConnectionReset.into()),
    };
    if ended.is_err() {
        back.to.as_ref().set_zero_linger()?;
        forth.to.as_ref().set_zero_linger()?;
    }
    ended
}

/// One direction of a connection.
struct Direction {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    line: watch::Receiver<Line>,
    /// Whether [`Line::HalfClosed`] closes this one.
    can_close: bool,
}

impl Direction {
    /// Passes on what comes, as the line has it.
    async fn pump(&mut self) -> io::Result<()> {
        let mut piece = vec![0; 16 * 1024];
        let mut count = 0_u32;
        let mut is_closed = false;
        loop {
            let line = *self.line.borrow_and_update();
            if line == Line::HalfClosed && self.can_close && !is_closed {
                is_closed = true;
                self.to.shutdown().await?;
            }
            if line == Line::Dead {
                // What comes stays in the socket, until that is full.
                self.line.changed().await.map_err(io::Error::other)?;
                continue;
            }
            let read = tokio::select! {
                read = self.from.read(&mut piece) => read?,
                changed = self.line.changed() => {
                    changed.map_err(io::Error::other)?;
                    continue;
                }
            };
            if read == 0 {
                return match is_closed {
                    true => Ok(()),
                    false => self.to.shutdown().await,
                };
            }
            count = count.wrapping_add(1);
            match line {
                Line::Slow(by) => tokio::time::sleep(by).await,
                Line::Lossy(of, pause) if count.is_multiple_of(of.max(1)) => {
                    tokio::time::sleep(pause).await;
                }
                Line::Lossy(..) | Line::Open | Line::Reset | Line::HalfClosed | Line::Dead => {}
            }
            if !is_closed {
                let piece = piece.get(..read).unwrap_or_default();
                self.to.write_all(piece).await?;
            }
        }
    }
}
