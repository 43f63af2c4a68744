//! `sipward explain`: why a certificate is accepted or refused, offline, or what a name of the log means.
use super::complaint::complain;
use super::newcomer::{Asked, Newcomer};
use super::output::{counted, listed, print_faults, show};
use super::target::{DEFAULT_TOPOLOGY, Target, Unanswered, unexpected};
use super::{Exit, names};
use crate::daemon::{
    self,
    control::{Reply, Request},
};
use crate::reason::DaemonReason;
use crate::topology::{
    self, Direction, DnsName, Fault, Listener, PeerRef, Topology, certificates_in, show_moment,
};
use crate::trust::{Explanation, Presented, explain, explain_inbound, outcome_words};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the daemon may take to explain a decision: it judges a whole chain again, beside the handshakes.
const PATIENCE: Duration = Duration::from_secs(15);

/// No certificate file is larger: a chain has some kilobytes. The bound keeps a wrong path, as to a disk image, from being
/// read into memory.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What `sipward explain` is asked.
#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("asked").required(true).args(["what", "certificate"])))]
pub struct ExplainCommand {
    /// A reason code, an event or a field of the log, or the id of a decision of the running daemon
    #[arg(value_name = "NAME|DECISION-ID")]
    pub what: Option<String>,
    /// The daemon's control socket, for a decision's id
    #[arg(long, value_name = "PATH", conflicts_with = "certificate")]
    pub socket: Option<PathBuf>,
    /// The topology file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_TOPOLOGY)]
    pub config: PathBuf,
    /// The certificate to judge: PEM or DER, leaf first, then its issuers
    #[arg(long = "cert", value_name = "PEM")]
    pub certificate: Option<PathBuf>,
    /// As what it is presented (default: inbound; outbound with --peer)
    #[arg(long = "as", value_name = "inbound|outbound", requires = "certificate", value_parser = direction)]
    pub direction: Option<Direction>,
    /// The peer that is dialled (outbound; a name in `covers` too), or that the certificate should speak for (inbound); of one
    /// that the file does not list, the entry that it would need is shown
    #[arg(long, value_name = "PEER", requires = "certificate")]
    pub peer: Option<String>,
    /// The name under which --peer is dialled, if that is one of its `covers`
    #[arg(long, value_name = "NAME", requires = "peer")]
    pub name: Option<String>,
    /// The listener that it is presented to (default: the first that asks for certificates); not with --peer
    #[arg(
        long,
        value_name = "NAME",
        requires = "certificate",
        conflicts_with = "peer"
    )]
    pub listener: Option<String>,
    /// Inbound: the identity that this node shows, which tells peers with one fqdn apart
    #[arg(long, value_name = "NAME", requires = "certificate")]
    pub identity: Option<String>,
    /// The time for which to decide (default: now)
    #[arg(long, value_name = "RFC3339", requires = "certificate")]
    pub time: Option<String>,
    /// One line of JSON: verdict, reason, peer and every step
    #[arg(long)]
    pub json: bool,
}

/// Whether a word is the id of a decision: 16 hex digits. No name of the log looks like that, so that one argument serves for
/// both.
fn is_decision_id(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `inbound` or `outbound`, for the parser of the command line.
fn direction(word: &str) -> Result<Direction, String> {
    [Direction::Inbound, Direction::Outbound]
        .into_iter()
        .find(|direction| direction.word() == word)
        .ok_or_else(|| format!("write {}", Direction::WORDS.join(" or ")))
}

/// Why there is no explanation; exit code 2, so that it is never taken for a verdict.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The topology has faults.
    #[error("the topology cannot be used (--config FILE names another):")]
    Topology(Vec<Fault>),
    /// The certificate file cannot be read or holds no certificate.
    #[error("{file} {what}", file = .file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The named peer is not in the topology.
    #[error("--peer {0}: no [[peer]] of the topology has this name")]
    UnknownPeer(String),
    /// It is the name that certificates are held against, and the entries have names of their own.
    #[error("--peer {0}: it is the fqdn of {1}; write one of these")]
    SharedFqdn(String, String),
    /// The peer is not dialled under that name.
    #[error("--name {0}: neither the fqdn of {1} nor in its `covers`")]
    NotCovered(String, String),
    /// The named listener is not in the topology.
    #[error("--listener {0}: no [[listener]] of the topology has this name")]
    UnknownListener(String),
    /// The named identity is not in the topology.
    #[error("--identity {0}: no [[identity]] of the topology has this name")]
    UnknownIdentity(String),
    /// The time cannot be read.
    #[error("--time {0}: write RFC 3339, 1970 or later, as 2026-11-24T12:00:00Z")]
    Time(String),
}

impl ExplainError {
    /// Prints it, with the faults as `check` prints them below it, and returns the exit code of a question that cannot be asked.
    fn print(&self) -> Exit {
        complain(self);
        if let Self::Topology(faults) = self {
            // Who has closed standard error does not want to know.
            let _ = print_faults(faults, &mut io::stderr());
        }
        Exit::Usage
    }
}

impl ExplainCommand {
    /// Writes the explanation to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`] for a refused certificate, [`Exit::Usage`] when the question cannot be asked.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        if let Some(word) = &self.what {
            return if is_decision_id(word) {
                self.recall(word, out)
            } else {
                self.describe(word, out)
            };
        }
        let now = UnixTime::now();
        let explanation = match self.explanation(now) {
            // Its certificate is at hand, so what its entry would need can be shown.
            Err(ExplainError::UnknownPeer(name)) if self.name.is_none() => {
                return self.propose(&name, now, out);
            }
            other => other.map_err(|error| error.print())?,
        };
        // Accepted, but for another peer than the operator has named, is no success for whoever asked.
        let other = self.accepted_as_another(&explanation);
        self.write(&explanation, other.as_deref(), out)?;
        // Scripts ask by the exit code: a certificate of another peer than the one in question is a no.
        accepted(explanation.is_let_in() && other.is_none())
    }

    /// What the entry would need of a server that the file does not list: refused as it is.
    fn propose(&self, name: &str, now: UnixTime, out: &mut dyn Write) -> Result<(), Exit> {
        let unknown = || ExplainError::UnknownPeer(name.to_owned()).print();
        // An entry has the form of a host name; what has not is a slip.
        let fqdn = DnsName::parse(name).map_err(|_| unknown())?;
        let file = self.certificate.as_deref().ok_or_else(unknown)?;
        // As sent by the partner: with the CA behind the leaf more can be proposed.
        let chain = read_chain(file).map_err(|error| error.print())?;
        let generation = daemon::prepare(&self.config, now)
            .map_err(|faults| ExplainError::Topology(faults).print())?;
        let topology = generation.topology();
        let asked = Asked {
            config: &self.config,
            topology,
            fqdn: &fqdn,
            address: None,
        };
        let newcomer = Newcomer::of(&asked, &chain, now).ok_or_else(unknown)?;
        if self.json {
            writeln!(out, "{}", newcomer.to_json()?)?;
        } else {
            newcomer.show(&fqdn, &chain, out)?;
        }
        Err(Exit::Refused)
    }

    /// What the running daemon knows of a decision: what it was, and what it would be now.
    fn recall(&self, decision: &str, out: &mut dyn Write) -> Result<(), Exit> {
        // Whoever wrote the id down in upper case means the same decision.
        let target = Target {
            socket: self.socket.clone(),
            config: Some(self.config.clone()),
            // The default names nobody's file in particular.
            any_topology: self.config == Path::new(DEFAULT_TOPOLOGY),
        };
        let request = Request::Explain {
            decision: decision.to_ascii_lowercase(),
        };
        let reply = target.try_ask(&request, PATIENCE).map_err(|why| {
            let exit = why.print();
            // An id of yesterday, or a slip: nothing is wrong with the daemon.
            let unknown = DaemonReason::UnknownDecision;
            match matches!(why, Unanswered::Refused { code, .. } if code == unknown) {
                true => Exit::Usage,
                false => exit,
            }
        });
        let Reply::Explain(explained) = reply? else {
            return Err(unexpected());
        };
        show(&*explained, self.json, out, |explained, out| {
            // Both, because the difference is what an operator asks about: the file may have changed since.
            let then = &explained.then;
            let outcome = outcome_words(&then.verdict, &then.reason);
            let times = usize::try_from(then.times).unwrap_or(usize::MAX);
            let (times, generation) = (counted(times, "time"), then.generation);
            let (first, last) = (show_moment(then.first), show_moment(then.last));
            writeln!(
                out,
                "then: {outcome} in generation {generation}, {times} from {first} to {last}"
            )?;
            write!(out, "now:\n{}", explained.now)
        })?;
        // The exit code is about now: that is what an operator can still change.
        accepted(explained.now.is_let_in())
    }

    /// What a name means. It needs no topology and no daemon.
    fn describe(&self, name: &str, out: &mut dyn Write) -> Result<(), Exit> {
        let described = names::of(name);
        if described.is_empty() {
            complain(names::unknown(name));
            return Err(Exit::Usage);
        }
        Ok(show(&described, self.json, out, |described, out| {
            names::write(described, out)
        })?)
    }

    /// JSON in one line, for tools that read line by line; the text as a tree.
    fn write(
        &self,
        explanation: &Explanation,
        other: Option<&str>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.json {
            return writeln!(out, "{}", explanation.to_json());
        }
        write!(out, "{explanation}")?;
        other.map_or(Ok(()), |other| {
            writeln!(
                out,
                "but       it speaks for {other}, not for the peer that was asked about"
            )
        })
    }

    /// The explanation as data.
    ///
    /// # Errors
    /// Why there is none.
    pub fn explanation(&self, now: UnixTime) -> Result<Explanation, ExplainError> {
        let at = match &self.time {
            Some(text) => topology::moment(text).ok_or_else(|| ExplainError::Time(text.clone()))?,
            None => now,
        };
        // For the present time, whatever time is asked about: the local certificates do not matter
        // here. Nor do the expectations: one that fails is what brings people here. A daemon that
        // runs is not asked: what is explained is the file, which may not be loaded yet.
        let generation = daemon::prepare(&self.config, now).map_err(ExplainError::Topology)?;
        // No chain at all is a question too: what happens to a client without a certificate.
        let file = self.certificate.as_deref();
        let chain = file.map_or_else(|| Ok(Vec::new()), read_chain)?;
        // A peer that is named is one that is dialled, unless --as says otherwise.
        let direction = self.direction.unwrap_or(match self.peer {
            Some(_) => Direction::Outbound,
            None => Direction::Inbound,
        });
        let find = |peer: &String| self.find_peer(peer, generation.topology());
        let named = self.peer.as_ref().map(find).transpose()?;
        // A name that is misspelt would just tell nothing apart, and look like an ambiguous certificate: so it is an error, as
        // an unknown peer is.
        let identity = self.identity.as_deref();
        let identities = generation.topology().identities();
        if let Some(name) = identity
            && !identities.iter().any(|identity| identity.name == name)
        {
            return Err(ExplainError::UnknownIdentity(name.to_owned()));
        }
        // A listener may treat a certificate as a client's, which `decide` alone does not know.
        if let Some(listener) = self.asked_listener(direction, generation.topology())? {
            let presented = Presented::inbound(&chain).shown(identity);
            return Ok(explain_inbound(&presented, listener, &generation, at));
        }
        // Inbound nobody is expected: the certificate itself shows which peer it is.
        let named = named.filter(|_| direction == Direction::Outbound);
        let presented = Presented {
            expected: named.as_ref().map(|(peer, _)| *peer),
            name: named.as_ref().and_then(|(_, name)| name.as_ref()),
            identity,
            ..Presented::inbound(&chain)
        };
        Ok(explain(&presented, direction, &generation, at))
    }

    /// The peer that was asked about, and the name that it is dialled under.
    fn find_peer(
        &self,
        peer: &str,
        topology: &Topology,
    ) -> Result<(PeerRef, Option<DnsName>), ExplainError> {
        let unknown = || ExplainError::UnknownPeer(peer.to_owned());
        let asked = DnsName::parse(peer).map_err(|_| unknown())?;
        // Each part has an error of its own: which of the two words is the slip is what the operator wants to know.
        if let Some(name) = &self.name {
            topology.peer_by_name(asked.as_str()).ok_or_else(unknown)?;
            let under = DnsName::parse(name).ok();
            let found = under.and_then(|name| topology.peer_under(asked.as_str(), name));
            return found.ok_or_else(|| ExplainError::NotCovered(name.clone(), asked.to_string()));
        }
        // Of a listed server that goes by other names there is nothing to propose, and each of them may be meant.
        let same = topology.peers_called(asked.as_str());
        topology.peer_or_covered(asked.clone()).ok_or_else(|| {
            if same.is_empty() {
                return unknown();
            }
            let names = listed(same.iter().map(|peer| &topology.peer(*peer).name));
            ExplainError::SharedFqdn(peer.to_owned(), names)
        })
    }

    /// The listener whose rule for clients is asked; none where a peer is asked about: a peer is judged the same at every
    /// listener, while each listener has its own rule for clients that show a certificate.
    fn asked_listener<'t>(
        &self,
        direction: Direction,
        topology: &'t Topology,
    ) -> Result<Option<&'t Listener>, ExplainError> {
        let mut listeners = topology.listeners().iter();
        match &self.listener {
            Some(name) => listeners
                .find(|listener| listener.name == *name)
                .map(Some)
                .ok_or_else(|| ExplainError::UnknownListener(name.clone())),
            None if self.peer.is_some() || direction == Direction::Outbound => Ok(None),
            None => Ok(listeners.find(|listener| listener.asks_for_certificates())),
        }
    }

    /// Inbound, the certificate says who connects: the peer that it identifies, if another one was asked about. Outbound this
    /// cannot happen, because the decision itself requires the name that is dialled: the entry's own or one that it covers.
    fn accepted_as_another(&self, explanation: &Explanation) -> Option<String> {
        // What was asked about may be a name that the entry covers, and is then no entry's name.
        if explanation.direction != Direction::Inbound.word() {
            return None;
        }
        let asked = DnsName::parse(self.peer.as_deref()?).ok()?;
        let found = explanation.peer.as_deref()?;
        (explanation.is_accepted() && found != asked.as_str()).then(|| found.to_owned())
    }
}

/// The exit code is the answer: scripts read no page.
fn accepted(yes: bool) -> Result<(), Exit> {
    yes.then_some(()).ok_or(Exit::Refused)
}

/// The certificates of a file, in its order: the leaf has to be first, as in a handshake.
fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, ExplainError> {
    let broken = |what: String| ExplainError::Certificate {
        file: file.to_owned(),
        what: format!("holds no certificate that can be judged: {what}"),
    };
    // Then the path is wrong, or the rights, and not the certificate.
    let unreadable = |error: io::Error| ExplainError::Certificate {
        file: file.to_owned(),
        what: format!("cannot be read: {error}"),
    };
    // A pipe passes, and a device that never ends does not.
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(broken("it is larger than 16 MiB".to_owned()));
    }
    certificates_in(&bytes).map_err(|error| broken(format!("{error}; {}", error.remedy())))
}
