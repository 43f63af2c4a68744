//! Who calls whom in a measurement of cores, with connections that are spread over the shards in a known order.
use super::target::{Kind, Target};
use super::tls::{self, Dialler, Hello};
use super::traffic::{Aim, Client};
use super::{Options, Outcome, home, phases};
use sipward_lab::site::Site;
use std::io;
use tokio::task::JoinHandle;

/// Connections of a home server, and clients that it calls: one client's answers that cross shards are bounded.
const LANES: usize = 4;

/// A kind of calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scene {
    /// From clients of all shards to the home server.
    ToHome { shards: usize },
    /// From the home server, over a connection of its own, to a registered client, with two shards.
    FromHome { same_shard: bool },
}

/// A daemon and those who call.
pub(crate) struct Running {
    pub(crate) target: Target,
    /// Who calls.
    pub(crate) clients: Vec<Client>,
    /// Who takes calls, unless the home server does.
    pub(crate) answering: Vec<JoinHandle<io::Result<()>>>,
    /// Who only stays, so that the next connection came to another shard.
    pub(crate) others: Vec<Client>,
    /// Its files stay as long as this does.
    pub(crate) site: Site,
}

impl Scene {
    pub(crate) fn shards(self) -> usize {
        match self {
            Self::ToHome { shards } => shards,
            Self::FromHome { .. } => 2,
        }
    }

    /// Starts a daemon, if need be under a program of which the arguments are these, with a file to write named last.
    pub(crate) async fn start(self, options: &Options, under: Option<&[&str]>) -> Outcome<Running> {
        let site = Site::new()?;
        let file = site.path().join("callgrind.out");
        let mut words: Vec<String> = under
            .unwrap_or_default()
            .iter()
            .map(|word| (*word).to_owned())
            .collect();
        if !words.is_empty() {
            words.push(format!("--callgrind-out-file={}", file.display()));
        }
        let options = &Options {
            shards: self.shards(),
            // Connections come to the shards in turn.
            gather: Some(0),
            under: words,
            ..options.clone()
        };
        let fe01 = tls::home_identity(&site)?;
        let (home, paths) = home::start_registrar(&site)?;
        let target = Target::start(Kind::Sipward, &site, home, options)?;
        let phone = Dialler::new(&site, Hello::Full, &fe01)?;
        let Self::FromHome { same_shard } = self else {
            let clients = phases::connect(&target, &phone, options.clients).await?;
            return Ok(Running {
                target,
                clients,
                answering: Vec::new(),
                others: Vec::new(),
                site,
            });
        };
        let server = Dialler::new(&site, Hello::Mutual, &fe01)?;
        // They come to the first and the second shard in turn. The server's are last: what registers before they are there goes
        // over a connection that the edge has dialled.
        let (mut others, mut answering, mut clients) = (Vec::new(), Vec::new(), Vec::new());
        let mut contacts = Vec::new();
        for number in 0..2 * LANES {
            let mut phone = Client::connect(&phone, target.address, number).await?;
            let is_in_first = number % 2 == 0;
            if is_in_first != same_shard {
                others.push(phone);
                continue;
            }
            tokio::time::timeout(home::PATIENCE, phone.register()).await??;
            contacts.push((phone.contact(), paths.recv_timeout(home::PATIENCE)?));
            answering.push(tokio::spawn(phone.answers_calls()));
        }
        for (number, (uri, route)) in contacts.into_iter().enumerate() {
            let mut caller = Client::connect(&server, target.address, number).await?;
            caller.aim(Aim { uri, route });
            clients.push(caller);
            // In the second shard.
            others.push(Client::connect(&phone, target.address, number).await?);
        }
        Ok(Running {
            target,
            clients,
            answering,
            others,
            site,
        })
    }
}
