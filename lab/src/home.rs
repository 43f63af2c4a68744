//! A home server that answers by itself: registrar (RFC 3261 §10.3, RFC 3327) and stateless proxy (RFC 3261
//! §16.11).
//!
//! It does what sipward relies on in real home servers: it stores Path, sends by it, sends foreign domains
//! back to the edge, and keeps a dialog's way when it has to record its route. It authenticates nobody.
use super::address::{address_of_record, host_of, uri_of};
use super::conduct::{Conduct, Conductor};
use super::registrar::{Binding, Registrar};
use super::shared::lock;
use super::{LabError, Received, Server, SipMessage, Wire, fresh};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// A server with a registrar behind it.
pub struct HomeServer {
    server: Arc<Server>,
    registrar: Registrar,
    /// Where to dial when no connection is there, and the name to expect.
    edge: Arc<Mutex<Option<(SocketAddr, String)>>>,
    conduct: Arc<Mutex<Conduct>>,
}

/// The task behind a [`HomeServer`]: takes each message as it comes and passes it on.
struct Automaton {
    server: Arc<Server>,
    registrar: Registrar,
    edge: Arc<Mutex<Option<(SocketAddr, String)>>>,
    /// This server's name, to recognise its own Route and Request-URI.
    fqdn: String,
    /// What it is registrar for.
    domains: Vec<String>,
    /// Whether it stays between the ends of a dialog.
    record_route: bool,
    /// By this server's branch, the connection that the request came on: where the responses go.
    upstream: HashMap<String, Wire>,
    /// The same of requests before those.
    older: HashMap<String, Wire>,
    conductor: Conductor,
}

/// Requests that are remembered at least: under load, those of some seconds.
const REMEMBERED: usize = 50_000;

impl HomeServer {
    /// Makes a server answer by itself for these domains. `record_route` keeps it on the way of dialogs.
    pub fn start(
        server: Server,
        registrar: &Registrar,
        domains: &[&str],
        record_route: bool,
    ) -> Self {
        let server = Arc::new(server);
        let edge = Arc::default();
        let automaton = Automaton {
            fqdn: host_of(&format!("sip:{}", server.sent_by())),
            server: Arc::clone(&server),
            registrar: registrar.clone(),
            edge: Arc::clone(&edge),
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
            record_route,
            upstream: HashMap::new(),
            older: HashMap::new(),
            conductor: Conductor::default(),
        };
        let conduct = automaton.conductor.switch();
        tokio::spawn(automaton.run());
        Self {
            server,
            registrar: registrar.clone(),
            edge,
            conduct,
        }
    }

    /// Where to connect to when no connection of the edge's is there.
    pub fn set_edge(&self, address: SocketAddr, name: &str) {
        *lock(&self.edge) = Some((address, name.to_owned()));
    }

    /// How it behaves from now on.
    pub fn set_conduct(&self, conduct: Conduct) {
        *lock(&self.conduct) = conduct;
    }

    /// The server underneath: its address, its connections.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its location data.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Drops the listener and every connection at once, as a crash does.
    pub fn kill(&self) {
        self.server.kill();
    }
}

impl Drop for HomeServer {
    fn drop(&mut self) {
        self.server.stop();
    }
}

impl Automaton {
    async fn run(mut self) {
        let server = Arc::clone(&self.server);
        while let Some(received) = self.conductor.next(&server).await {
            let outcome = if received.message.method().is_some() {
                self.on_request(&received).await
            } else {
                self.on_response(received.message).await
            };
            if let Err(e) = outcome {
                let text = e.to_string();
                // A lost connection is an everyday event here: the transcript has it, and the next message is
                // served.
                let line = text.lines().next().unwrap_or_default();
                self.server.transcript().note(self.server.party(), line);
            }
        }
    }

    /// Registers, answers or passes on, in the order of RFC 3261 §16.4 to §16.6: first the own Route value
    /// goes, then the rest of the route decides, then the registrar's data, then the Request-URI.
    async fn on_request(&mut self, received: &Received) -> Result<(), LabError> {
        let request = &received.message;
        let method = request.method().unwrap_or_default();
        let uri = request.uri().unwrap_or_default();
        let mut routes = request.values("route");
        if routes
            .first()
            .is_some_and(|r| host_of(uri_of(r)) == self.fqdn)
        {
            routes.remove(0);
        }
        let host = host_of(uri);
        let home = host == self.fqdn || self.domains.contains(&host);
        if method == "REGISTER" && routes.is_empty() && home {
            // A REGISTER with a route is on its way to somebody else's registrar.
            return self.register(received).await;
        }
        if request.header("max-forwards") == Some("0") {
            // Too Many Hops; nothing else ends a loop between this server and an edge under test.
            return self.refuse(received, 483).await;
        }
        if !routes.is_empty() {
            // Requests inside a dialog come here: the edge's signed Record-Route value is the next one.
            return self.pass_on(received, uri, &routes, None).await;
        }
        let binding = self.registrar.binding(&address_of_record(uri));
        match binding {
            Some(binding) => {
                // A connection of another server of the pool is of no use: this one sends to the edge by its
                // own.
                let wire = (binding.taken_by == self.server.party()).then_some(&binding.wire);
                self.pass_on(received, &binding.contact, &binding.path, wire)
                    .await
            }
            None if home => {
                // 200 for what a test sends only to see it arrive.
                let status = match method {
                    "OPTIONS" | "MESSAGE" => 200,
                    "CANCEL" => 481,
                    _ => 404,
                };
                self.refuse(received, status).await
            }
            // A foreign domain: the edge is this server's way to all of them.
            None => self.pass_on(received, uri, &[], None).await,
        }
    }

    /// Answers; but an ACK is never answered (RFC 3261 §17.2.1).
    async fn refuse(&self, received: &Received, status: u16) -> Result<(), LabError> {
        if received.message.method() == Some("ACK") {
            return Ok(());
        }
        self.server.reply(received, status).await.map(|_| ())
    }

    /// Binds the Contact with its Path and the connection, and returns both in the 200 (RFC 3327 §5.3).
    async fn register(&self, received: &Received) -> Result<(), LabError> {
        let request = &received.message;
        let user = address_of_record(uri_of(request.header("to").unwrap_or_default()));
        // A REGISTER without Contact asks what is bound (RFC 3261 §10.2.3); here it gets a bare 200.
        let draft = self.server.answering(received, 200);
        let mut answer = draft.build();
        if let Some(contact) = request.contact() {
            let path = request.values("path");
            for value in &path {
                answer.push("Path", value);
            }
            let binding = Binding {
                contact,
                path,
                taken_by: self.server.party().to_owned(),
                wire: received.wire.clone(),
            };
            self.registrar.bind(user, binding);
        }
        self.server.forward(&answer, &received.wire).await
    }

    /// Steps of RFC 3261 §16.6 that a stateless proxy needs (§16.11).
    async fn pass_on(
        &mut self,
        received: &Received,
        uri: &str,
        routes: &[String],
        wire: Option<&Wire>,
    ) -> Result<(), LabError> {
        let request = &received.message;
        let mut out = request.clone();
        out.set_uri(uri);
        out.set_values("Route", routes);
        // A request without Max-Forwards gets one (RFC 3261 §16.6 step 3).
        let hops: u8 = request
            .header("max-forwards")
            .and_then(|v| v.parse().ok())
            .unwrap_or(70);
        out.set("Max-Forwards", &hops.saturating_sub(1).to_string());
        // Only these make a dialog whose later requests must pass here.
        let begins = matches!(request.method(), Some("INVITE" | "SUBSCRIBE" | "REFER"));
        if self.record_route && begins {
            let route = format!("<sip:{};lr>", self.server.sent_by());
            out.push_front("Record-Route", &route);
        }
        // The same for a request, its CANCEL and the ACK of its refusal (RFC 3261 §16.11).
        let via = request.branch().unwrap_or_default();
        let of_request = format!("{} {via} {}", self.fqdn, request.call_id());
        let branch = format!("z9hG4bK{}", fresh::derived(&of_request));
        let via = format!("SIP/2.0/TLS {};branch={branch}", self.server.sent_by());
        out.push_front("Via", &via);
        // Noted before it is sent: the response may be there first.
        self.upstream.insert(branch, received.wire.clone());
        if self.upstream.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.upstream);
        }
        // The connection of the registration may have ended since; the edge finds the client by the Path all
        // the same.
        let wire = match wire.filter(|w| w.is_live()) {
            Some(wire) => wire.clone(),
            None => self.to_edge().await?,
        };
        self.server.forward(&out, &wire).await
    }

    /// The newest connection with the edge, or a new one.
    async fn to_edge(&self) -> Result<Wire, LabError> {
        // The newest, since the edge may have replaced an older one without closing it yet.
        if let Ok(wire) = self.server.wire() {
            return Ok(wire);
        }
        let edge = lock(&self.edge).clone();
        match edge {
            Some((address, name)) => self.server.dial(address, &name).await,
            None => self.server.wire(),
        }
    }

    /// Takes the own Via off and sends the response where the request came from (RFC 3261 §16.7). Without a
    /// further Via it was for this server itself and ends here.
    async fn on_response(&mut self, mut response: SipMessage) -> Result<(), LabError> {
        let Some(branch) = response.branch() else {
            return Ok(());
        };
        let mut vias = response.values("via");
        vias.remove(0);
        if vias.is_empty() {
            return Ok(());
        }
        response.set_values("Via", &vias);
        let upstream = self.upstream.get(&branch);
        match upstream.or_else(|| self.older.get(&branch)) {
            Some(wire) => self.server.forward(&response, wire).await,
            None => Ok(()),
        }
    }
}
