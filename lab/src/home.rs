//! A home server that answers by itself: registrar (RFC 3261 §10.3, RFC 3327) and stateless proxy (RFC 3261 §16.11).
use super::address::{address_of_record, host_of, uri_of};
use super::registrar::{Binding, Registrar};
use super::{LabError, Received, Server, SipMessage, Wire, fresh};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A server with a registrar behind it.
pub struct HomeServer {
    server: Arc<Server>,
    registrar: Registrar,
    edge: Arc<Mutex<Option<(SocketAddr, String)>>>,
}

struct Automaton {
    server: Arc<Server>,
    registrar: Registrar,
    edge: Arc<Mutex<Option<(SocketAddr, String)>>>,
    fqdn: String,
    domains: Vec<String>,
    record_route: bool,
    /// Our branch to the connection that the request came on.
    upstream: HashMap<String, Wire>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        };
        tokio::spawn(automaton.run());
        Self {
            server,
            registrar: registrar.clone(),
            edge,
        }
    }

    /// Where to connect to when no connection of the edge's is there.
    pub fn set_edge(&self, address: SocketAddr, name: &str) {
        *lock(&self.edge) = Some((address, name.to_owned()));
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
        while let Some(received) = server.next().await {
            let outcome = if received.message.method().is_some() {
                self.on_request(&received).await
            } else {
                self.on_response(received.message).await
            };
            if let Err(e) = outcome {
                let text = e.to_string();
                let line = text.lines().next().unwrap_or_default();
                self.server.transcript().note(self.server.party(), line);
            }
        }
    }

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
            return self.register(received).await;
        }
        if request.header("max-forwards") == Some("0") {
            return self.refuse(received, 483).await;
        }
        if !routes.is_empty() {
            return self.pass_on(received, uri, &routes, None).await;
        }
        let binding = self.registrar.binding(&address_of_record(uri));
        match binding {
            Some(binding) => {
                let wire = (binding.taken_by == self.server.party()).then_some(&binding.wire);
                self.pass_on(received, &binding.contact, &binding.path, wire)
                    .await
            }
            None if home => {
                let status = match method {
                    "OPTIONS" | "MESSAGE" => 200,
                    "CANCEL" => 481,
                    _ => 404,
                };
                self.refuse(received, status).await
            }
            None => self.pass_on(received, uri, &[], None).await,
        }
    }

    async fn refuse(&self, received: &Received, status: u16) -> Result<(), LabError> {
        if received.message.method() == Some("ACK") {
            return Ok(());
        }
        self.server.reply(received, status).await.map(|_| ())
    }

    async fn register(&self, received: &Received) -> Result<(), LabError> {
        let request = &received.message;
        let user = address_of_record(uri_of(request.header("to").unwrap_or_default()));
        let draft = self.server.answering(received, 200);
        let mut answer = draft.build();
        if let (Some(contact), Some(line)) = (request.contact(), request.header("contact")) {
            let path = request.values("path");
            for value in &path {
                answer.push("Path", value);
            }
            answer.push("Contact", line);
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
        let hops: u8 = request
            .header("max-forwards")
            .and_then(|v| v.parse().ok())
            .unwrap_or(70);
        out.set("Max-Forwards", &hops.saturating_sub(1).to_string());
        let begins = matches!(request.method(), Some("INVITE" | "SUBSCRIBE" | "REFER"));
        if self.record_route && begins {
            out.push_front(
                "Record-Route",
                &format!("<sip:{};lr>", self.server.sent_by()),
            );
        }
        // The same for a request, its CANCEL and the ACK of its refusal (RFC 3261 §16.11).
        let via = request.branch().unwrap_or_default();
        let branch = format!(
            "z9hG4bK{}",
            fresh::derived(&format!("{} {via} {}", self.fqdn, request.call_id()))
        );
        out.push_front(
            "Via",
            &format!("SIP/2.0/TLS {};branch={branch}", self.server.sent_by()),
        );
        self.upstream.insert(branch, received.wire.clone());
        let wire = match wire.filter(|w| w.is_live()) {
            Some(wire) => wire.clone(),
            None => self.to_edge().await?,
        };
        self.server.forward(&out, &wire).await
    }

    async fn to_edge(&self) -> Result<Wire, LabError> {
        if let Ok(wire) = self.server.wire() {
            return Ok(wire);
        }
        let edge = lock(&self.edge).clone();
        match edge {
            Some((address, name)) => self.server.dial(address, &name).await,
            None => self.server.wire(),
        }
    }

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
        match self.upstream.get(&branch) {
            Some(wire) => self.server.forward(&response, wire).await,
            None => Ok(()),
        }
    }
}
