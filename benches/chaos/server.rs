//! The servers around the daemon: home servers and partners, each on a thread of its own behind a relay of its own.
//!
//! A server that is frozen is a thread that stands still: its sockets stay, the kernel goes on accepting and acknowledging for
//! them, and nobody reads, as after a SIGSTOP.
use super::Outcome;
use rustls::RootCertStore;
use sipward_lab::pki::Issued;
use sipward_lab::site::{EDGE, HOME};
use sipward_lab::{
    Answerer, Conduct, HomeServer, LabError, Registrar, Relay, Server, ServerSpec, Transcript,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a server's thread is asked for.
enum Order {
    /// Drops the listener and every connection.
    Kill,
    /// Starts it where it was.
    Start,
    /// How it behaves.
    Behave(Conduct),
    /// Closes its side of every connection by TLS, and goes on reading.
    Close,
    /// Stands still until the other end is dropped.
    Freeze(blocking::Receiver<()>),
    /// Where the daemon is.
    Edge(SocketAddr),
}

/// What makes a server.
pub(crate) struct Role {
    /// Its label before the domain, and its column.
    pub(crate) party: String,
    pub(crate) fqdn: String,
    pub(crate) identity: Issued,
    pub(crate) roots: Arc<RootCertStore>,
    /// The pool's location service; `None`: a partner.
    pub(crate) registrar: Option<Registrar>,
}

/// A server and the line to it.
pub(crate) struct Party {
    pub(crate) fqdn: String,
    /// In front of it.
    pub(crate) relay: Relay,
    orders: mpsc::Sender<Order>,
    /// Who holds it holds the server where it is.
    frozen: std::sync::Mutex<Option<blocking::Sender<()>>>,
}

impl Party {
    /// Starts it.
    pub(crate) async fn start(role: Role) -> Outcome<Self> {
        let fqdn = role.fqdn.clone();
        let (orders, taken) = mpsc::channel(64);
        let (started, address) = oneshot::channel();
        std::thread::Builder::new()
            .name(role.party.clone())
            .spawn(move || serve(&role, taken, started))?;
        let relay = Relay::start(address.await??).await?;
        Ok(Self {
            fqdn,
            relay,
            orders,
            frozen: std::sync::Mutex::default(),
        })
    }

    async fn order(&self, order: Order) -> Outcome<()> {
        let sent = self.orders.send(order).await;
        sent.map_err(|_| format!("{} has no thread any more", self.fqdn).into())
    }

    pub(crate) async fn kill(&self) -> Outcome<()> {
        self.order(Order::Kill).await
    }

    pub(crate) async fn start_again(&self) -> Outcome<()> {
        self.order(Order::Start).await
    }

    pub(crate) async fn behave(&self, conduct: Conduct) -> Outcome<()> {
        self.order(Order::Behave(conduct)).await
    }

    pub(crate) async fn close(&self) -> Outcome<()> {
        self.order(Order::Close).await
    }

    pub(crate) async fn set_edge(&self, address: SocketAddr) -> Outcome<()> {
        self.order(Order::Edge(address)).await
    }

    pub(crate) async fn freeze(&self) -> Outcome<()> {
        let (hold, held) = blocking::channel();
        if let Ok(mut frozen) = self.frozen.lock() {
            *frozen = Some(hold);
        }
        self.order(Order::Freeze(held)).await
    }

    pub(crate) fn thaw(&self) {
        if let Ok(mut frozen) = self.frozen.lock() {
            *frozen = None;
        }
    }
}

/// A server that answers by itself.
enum Automaton {
    Home(HomeServer),
    Partner(Answerer),
}

impl Automaton {
    async fn start(role: &Role, listen: Option<SocketAddr>) -> Result<Self, LabError> {
        let server = Server::start(&ServerSpec {
            party: &role.party,
            fqdn: &role.fqdn,
            aor: &format!("sip:{}", role.fqdn),
            identity: &role.identity,
            roots: &role.roots,
            transcript: &Transcript::blank(),
            listen,
        })
        .await?;
        server.set_patience(super::FOREVER);
        Ok(match &role.registrar {
            Some(registrar) => Self::Home(HomeServer::start(server, registrar, &[HOME], true)),
            None => Self::Partner(Answerer::start(server)),
        })
    }

    fn server(&self) -> &Server {
        match self {
            Self::Home(home) => home.server(),
            Self::Partner(partner) => partner.server(),
        }
    }

    fn behave(&self, conduct: Conduct) {
        match self {
            Self::Home(home) => home.set_conduct(conduct),
            Self::Partner(partner) => partner.set_conduct(conduct),
        }
    }

    fn set_edge(&self, address: SocketAddr) {
        if let Self::Home(home) = self {
            home.set_edge(address, EDGE);
        }
    }
}

/// A server's thread.
fn serve(
    role: &Role,
    mut orders: mpsc::Receiver<Order>,
    started: oneshot::Sender<Result<SocketAddr, LabError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let first = match Automaton::start(role, None).await {
            Ok(first) => first,
            Err(error) => return drop(started.send(Err(error))),
        };
        let address = first.server().address();
        let _ = started.send(Ok(address));
        let (mut edge, mut running) = (None, Some(first));
        while let Some(order) = orders.recv().await {
            match (order, &running) {
                (Order::Kill, _) => running = None,
                (Order::Start, _) => {
                    running = None;
                    // The port may still be in the hands of what was killed.
                    while running.is_none() {
                        running = Automaton::start(role, Some(address)).await.ok();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    if let (Some(running), Some(edge)) = (&running, edge) {
                        running.set_edge(edge);
                    }
                }
                (Order::Behave(conduct), Some(running)) => running.behave(conduct),
                (Order::Close, Some(running)) => {
                    for wire in running.server().wires() {
                        let _ = wire.close().await;
                    }
                }
                // Blocks the whole thread, which is the point of it.
                (Order::Freeze(held), _) => drop(held.recv()),
                (Order::Edge(address), running) => {
                    edge = Some(address);
                    if let Some(running) = running {
                        running.set_edge(address);
                    }
                }
                (Order::Behave(_) | Order::Close, None) => {}
            }
        }
    });
}
