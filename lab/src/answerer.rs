//! A server that answers every request by itself, as the phone of somebody who always picks up (RFC 3261 §13.3.1.4, §15.1.2).
use super::conduct::{Conduct, Conductor};
use super::shared::lock;
use super::{LabError, Received, Server};
use std::sync::{Arc, Mutex};

/// A server with somebody behind it who answers: an INVITE is answered 180 and 200, everything else 200.
pub struct Answerer {
    server: Arc<Server>,
    conduct: Arc<Mutex<Conduct>>,
}

impl Answerer {
    /// Makes a server answer by itself.
    pub fn start(server: Server) -> Self {
        let server = Arc::new(server);
        let mut conductor = Conductor::default();
        let conduct = conductor.switch();
        let answering = Arc::clone(&server);
        tokio::spawn(async move {
            while let Some(received) = conductor.next(&answering).await {
                // A connection that has gone is an everyday event: the next message is served.
                let _ = answer(&answering, &received).await;
            }
        });
        Self { server, conduct }
    }

    /// How it behaves from now on.
    pub fn set_conduct(&self, conduct: Conduct) {
        *lock(&self.conduct) = conduct;
    }

    /// The server underneath.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Drops the listener and every connection at once, as a crash does.
    pub fn kill(&self) {
        self.server.kill();
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.server.stop();
    }
}

async fn answer(server: &Server, received: &Received) -> Result<(), LabError> {
    match received.message.method() {
        // A response to what this end never asked, or what is not answered at all.
        None | Some("ACK") => Ok(()),
        Some("INVITE") => {
            server.reply(received, 180).await?;
            server.reply(received, 200).await.map(drop)
        }
        Some(_) => server.reply(received, 200).await.map(drop),
    }
}
