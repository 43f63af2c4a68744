//! One look at a peer from outside the daemon: the same handshake that a shard would make, address by address, and an
//! OPTIONS (RFC 3261 §11) to learn what comes after it: a TLS 1.3 server refuses a certificate only then.
use super::alert::alert_reason;
use super::clock;
use super::dial::{self, Dialled, Failed};
use super::error::EdgeError;
use super::failed::HandshakeFailure;
use super::negotiated::{Negotiated, negotiated};
use super::resolver::AddressResolver;
use super::tls::TlsConfigs;
use crate::observe::PresentedChain;
use crate::reason::{ConnectionReason, Reason};
use crate::sip::{FrameLimits, Framer, LineTable, Scan, StartLine};
use crate::topology::{Direction, DnsName, PeerRef};
use crate::trust::{Decision, Explanation, Generation, Presented, SeenChains, Verdict, explain};
use rustls_pki_types::CertificateDer;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of one address. Each has its own, since the addresses of a peer are often different machines, of which one
/// has the wrong certificate.
#[derive(Clone, Debug)]
pub struct ProbeAttempt {
    /// The address.
    pub address: SocketAddr,
    /// How it ended: which side refused, or what failed.
    pub verdict: ProbeVerdict,
    /// What TLS agreed on, when the handshake was finished on this side.
    pub negotiated: Option<Negotiated>,
    /// The decision on the peer, when it presented a certificate.
    pub decision: Option<Arc<Decision>>,
    /// The chain that the peer asked for and got.
    pub shown: Option<Arc<PresentedChain>>,
    /// Status and reason phrase of the answer to the OPTIONS.
    pub answer: Option<(u16, String)>,
    /// From the connect to the answer or the failure.
    pub took: Duration,
    /// Why the peer's chain is refused, step by step, and what would change that.
    pub explanation: Option<Explanation>,
    /// What the peer presented, the leaf first.
    // Of a server that is not listed yet, its entry is made from it.
    pub chain: Option<Arc<[CertificateDer<'static>]>>,
}

/// Which side accepted the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// Both sides, and the OPTIONS was answered.
    Good,
    /// This node refuses the peer: reason code and what makes it understandable.
    RefusedLocally(Reason, Option<String>),
    /// The peer refuses this node.
    RefusedByPeer {
        /// The alert as a code.
        reason: Reason,
        /// Its number on the wire, for the peer's vendor.
        alert: u8,
        /// What it means for this node's configuration.
        meaning: &'static str,
        /// Whether it came after this side's handshake was done, as it does in TLS 1.3.
        late: bool,
    },
    /// Nobody refused, and yet it failed: reason code and the system's error.
    Failed(Reason, Option<String>),
}

impl ProbeVerdict {
    /// Why it is not good.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Good => None,
            Self::RefusedLocally(reason, _)
            | Self::Failed(reason, _)
            | Self::RefusedByPeer { reason, .. } => Some(*reason),
        }
    }
}

impl ProbeAttempt {
    /// Without a finished handshake; `late`: after one.
    fn failed(address: SocketAddr, failed: Failed, late: bool) -> Self {
        let Failed { failure, shown } = failed;
        let (verdict, decision) = match failure {
            HandshakeFailure::Refused {
                reason,
                detail,
                decision,
            } => (ProbeVerdict::RefusedLocally(reason, detail), decision),
            HandshakeFailure::ByPeer { alert, decision } => (
                ProbeVerdict::RefusedByPeer {
                    reason: alert_reason(alert).into(),
                    alert: alert.into(),
                    meaning: alert_reason(alert).what(),
                    late,
                },
                decision,
            ),
            HandshakeFailure::Aborted { reason, detail } => {
                (ProbeVerdict::Failed(reason, detail), None)
            }
        };
        Self {
            address,
            verdict,
            negotiated: None,
            decision,
            shown,
            answer: None,
            took: Duration::ZERO,
            explanation: None,
            chain: None,
        }
    }
}

/// Tries every address of the peer, or of a name that its entry covers, in turn, each within `timeout`. Empty: none was found.
///
/// # Errors
/// A certificate of this node that the TLS library refuses.
pub async fn probe(
    generation: &Arc<Generation>,
    (peer, name): (PeerRef, Option<&DnsName>),
    timeout: Duration,
) -> Result<Vec<ProbeAttempt>, EdgeError> {
    // A store of its own: the explanation of a refusal needs the chain, and a daemon that runs has another
    // store.
    let seen = Arc::<SeenChains>::default();
    let tls = TlsConfigs::build(generation, &[], &seen)?;
    let listed = generation.topology().peer(peer);
    let resolver = AddressResolver::new(generation.topology().dns());
    let found = tokio::time::timeout(timeout, resolver.find(listed, name)).await;
    // Without an address there is nothing to try; the caller reports that as such.
    let addresses = match found {
        Ok(Ok(found)) => found.addresses,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let mut attempts = Vec::new();
    for address in addresses {
        let started = clock::now();
        let deadline = started + timeout;
        // The very code that a shard dials with: what passes here passes there.
        let shaken =
            tokio::time::timeout(timeout, dial::shake_hands(&tls, (peer, name), address)).await;
        let mut attempt = match shaken {
            Ok(Ok(dialled)) => ask(dialled, generation, (peer, name), address, deadline).await,
            Ok(Err(failed)) => ProbeAttempt::failed(address, failed, false),
            Err(_) => ProbeAttempt::failed(
                address,
                HandshakeFailure::aborted(ConnectionReason::Timeout).into(),
                false,
            ),
        };
        // The whole, the OPTIONS included: what an operator compares is how long a call would wait.
        attempt.took = clock::now().saturating_duration_since(started);
        let decision = attempt.decision.as_ref();
        // The verifier has noted what was presented under the id of its decision.
        let noted = decision.and_then(|decision| seen.find(&decision.id));
        attempt.chain = noted.map(|noted| noted.chain);
        attempt.explanation = attempt
            .decision
            .as_ref()
            .and_then(|refusal| explained(refusal, &seen, generation, (peer, name)));
        attempts.push(attempt);
    }
    Ok(attempts)
}

/// Why a chain was refused. What the store does not hold, as a stapled OCSP response, can make it come out otherwise:
/// then it explains nothing.
fn explained(
    refusal: &Decision,
    seen: &SeenChains,
    generation: &Generation,
    (peer, name): (PeerRef, Option<&DnsName>),
) -> Option<Explanation> {
    // An accepted peer has nothing to be explained.
    if refusal.verdict == Verdict::Accept {
        return None;
    }
    // The verifier has noted what was presented under the id of its decision.
    let chain = seen.find(&refusal.id)?.chain;
    let presented = Presented::outbound(&chain, peer).under(name);
    let explanation = explain(&presented, Direction::Outbound, generation, clock::unix());
    (explanation.reason == refusal.reason.code()).then_some(explanation)
}

/// Sends the OPTIONS and waits for its answer, or for the peer's late refusal.
async fn ask(
    dialled: Dialled,
    generation: &Generation,
    (peer, name): (PeerRef, Option<&DnsName>),
    address: SocketAddr,
    deadline: Instant,
) -> ProbeAttempt {
    // Before the session moves to the other thread.
    let negotiated = negotiated(&dialled.tls);
    let decision = Arc::clone(dialled.identity.decision());
    let shown = dialled.chain_shown.clone();
    // The request names the local port: rport and a peer that checks Via see a plausible sender.
    let request = options(generation, (peer, name), dialled.local);
    let (tcp, tls) = (dialled.tcp, dialled.tls);
    // A conversation of its own with nothing beside it: blocking reads with a bound are the simplest.
    let answer = tokio::task::spawn_blocking(move || {
        let tcp = tcp.into_std()?;
        tcp.set_nonblocking(false)?;
        Ok(converse(tls, tcp, request.as_bytes(), deadline))
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)));
    // The outer error is of the thread or the socket, the inner one of the conversation.
    let answer = answer.unwrap_or_else(|error| Err(HandshakeFailure::from_io(&error)));
    // Whatever came of the OPTIONS, the handshake stands: its facts are shown beside the failure.
    let mut attempt = match answer {
        Ok(answer) => ProbeAttempt {
            address,
            verdict: ProbeVerdict::Good,
            negotiated: None,
            decision: None,
            shown: None,
            answer: Some(answer),
            took: Duration::ZERO,
            explanation: None,
            chain: None,
        },
        Err(failure) => ProbeAttempt::failed(address, failure.into(), true),
    };
    attempt.negotiated = Some(negotiated);
    attempt.decision = Some(decision);
    attempt.shown = shown;
    attempt
}

/// An OPTIONS to the peer itself, outside of a dialog (RFC 3261 §11.1).
fn options(
    generation: &Generation,
    (peer, name): (PeerRef, Option<&DnsName>),
    local: SocketAddr,
) -> String {
    // By the names that a shard would use: the peer may check who asks.
    let topology = generation.topology();
    let peer = topology.peer(peer);
    let (node, peer) = (topology.announced_to(peer), name.unwrap_or(&peer.fqdn));
    let mut bytes = [0; 16];
    // Without randomness the names are merely not unique: this connection carries one request.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    let fresh = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!(
        "OPTIONS sip:{peer};transport=tls SIP/2.0\r\n\
         Via: SIP/2.0/TLS {node}:{};rport;branch=z9hG4bK{fresh}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{node}>;tag={}\r\n\
         To: <sip:{peer}>\r\n\
         Call-ID: probe-{fresh}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Accept: application/sdp\r\n\
         Content-Length: 0\r\n\r\n",
        local.port(),
        fresh.get(..8).unwrap_or("probe"),
    )
}

/// Sends the request and reads until a final answer, the end, or the deadline. A peer that answers anything at all to
/// OPTIONS, a 403 or 404 too, has accepted this node's certificate.
fn converse(
    mut tls: rustls::Connection,
    mut tcp: TcpStream,
    request: &[u8],
    deadline: Instant,
) -> Result<(u16, String), HandshakeFailure> {
    // Far above what an answer to OPTIONS needs; an end that sends more is not read on.
    let limits = FrameLimits {
        head: 64 * 1024,
        body: 1024 * 1024,
    };
    // An error of the socket: the same kinds as in a handshake.
    let broken = |error: io::Error| HandshakeFailure::from_io(&error);
    // Into memory; it goes out with the first turn of the loop.
    tls.writer().write_all(request).map_err(broken)?;
    let mut framer = Framer::default();
    let mut received = Vec::new();
    loop {
        while tls.wants_write() {
            // An alert may wait to be read although the peer takes nothing any more.
            if tls.write_tls(&mut tcp).is_err() {
                break;
            }
        }
        // Each read has what is left of the whole, so that a trickle of bytes cannot stretch it.
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(HandshakeFailure::aborted(ConnectionReason::NoAnswer));
        }
        tcp.set_read_timeout(Some(left)).map_err(broken)?;
        // A timeout is reported as either of the two kinds, depending on the system.
        match tls.read_tls(&mut tcp) {
            Ok(0) => return Err(HandshakeFailure::aborted(ConnectionReason::Closed)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(HandshakeFailure::aborted(ConnectionReason::NoAnswer));
            }
            Err(error) => return Err(broken(error)),
        }
        // An alert here is the late refusal of TLS 1.3.
        let state = match tls.process_new_packets() {
            Ok(state) => state,
            Err(rustls::Error::AlertReceived(description)) => {
                return Err(HandshakeFailure::ByPeer {
                    alert: description,
                    decision: None,
                });
            }
            Err(error) => return Err(broken(io::Error::other(error))),
        };
        // No plaintext comes of some records, such as session tickets.
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut plain).map_err(broken)?;
        // A response may come in several records.
        received.extend_from_slice(&plain);
        if let Some(answer) = final_answer(&mut received, &mut framer, &limits)? {
            // The log of the peer should not show a connection that broke.
            tls.send_close_notify();
            let _ = tls.write_tls(&mut tcp);
            return Ok(answer);
        }
        // A close without an answer: some peers end so instead of an alert.
        if state.peer_has_closed() {
            return Err(HandshakeFailure::aborted(ConnectionReason::Closed));
        }
    }
}

/// The first final response among what came; requests, pings and provisional responses are passed over.
fn final_answer(
    received: &mut Vec<u8>,
    framer: &mut Framer,
    limits: &FrameLimits,
) -> Result<Option<(u16, String)>, HandshakeFailure> {
    loop {
        let length = match framer.scan(received, limits, &mut LineTable::default()) {
            Ok(Scan::Incomplete(_)) => return Ok(None),
            Ok(Scan::Ping(length) | Scan::Skip(length)) => length,
            Ok(Scan::Message(message)) => {
                if let StartLine::Response { status, phrase } = message.start()
                    && status >= 200
                {
                    let phrase = String::from_utf8_lossy(phrase).into_owned();
                    return Ok(Some((status, phrase)));
                }
                message.bytes().len()
            }
            Err(error) => {
                return Err(HandshakeFailure::Aborted {
                    reason: ConnectionReason::NotSip.into(),
                    detail: Some(error.rule.code().to_owned()),
                });
            }
        };
        received.drain(..length);
    }
}
