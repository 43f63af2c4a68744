//! One look at a peer from outside the daemon: the same handshake that a shard would make, address by address, and an
//! OPTIONS (RFC 3261 §11) to hear what comes after it.
use super::alert::alert_reason;
use super::clock;
use super::dial::{self, Dialled, Failed};
use super::error::EdgeError;
use super::failed::Failure;
use super::negotiated::{Negotiated, negotiated};
use super::resolver::AddressResolver;
use super::tls::TlsConfigs;
use crate::observe::PresentedChain;
use crate::reason::{ConnectionReason, Reason};
use crate::sip::{FrameLimits, Framer, LineTable, Scan, StartLine};
use crate::topology::{Direction, PeerRef};
use crate::trust::{Decision, Explanation, Generation, Presented, SeenChains, Verdict, explain};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of one address.
#[derive(Clone, Debug)]
pub struct ProbeAttempt {
    /// The address.
    pub address: SocketAddr,
    /// How it ended.
    pub verdict: ProbeVerdict,
    /// What TLS agreed on, when the handshake was finished on our side.
    pub negotiated: Option<Negotiated>,
    /// What we decided about them, when they showed a certificate.
    pub decision: Option<Arc<Decision>>,
    /// The chain that they asked us for and got.
    pub shown: Option<Arc<PresentedChain>>,
    /// Status and reason phrase of the answer to the OPTIONS.
    pub answer: Option<(u16, String)>,
    /// From the connect to the end.
    pub took: Duration,
    /// Why we refuse their chain, step by step, and what would turn it.
    pub explanation: Option<Explanation>,
}

/// Who was content with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// Both sides, and the OPTIONS was answered.
    Good,
    /// We refuse them: reason code and what makes it understandable.
    RefusedByUs(Reason, Option<String>),
    /// They refuse us.
    RefusedByThem {
        /// The alert as a code.
        reason: Reason,
        /// Its number on the wire.
        alert: u8,
        /// What it says about us.
        meaning: &'static str,
        /// Whether it came after our handshake was done, as it does in TLS 1.3.
        late: bool,
    },
    /// Nobody refused, and yet it failed: reason code and the system's word.
    Failed(Reason, Option<String>),
}

impl ProbeAttempt {
    fn failed(address: SocketAddr, failed: Failed, late: bool) -> Self {
        let Failed { failure, shown } = failed;
        let (verdict, decision) = match failure {
            Failure::Refused {
                reason,
                detail,
                decision,
            } => (ProbeVerdict::RefusedByUs(reason, detail), decision),
            Failure::ByPeer { alert, decision } => (
                ProbeVerdict::RefusedByThem {
                    reason: alert_reason(alert).into(),
                    alert: alert.into(),
                    meaning: alert_reason(alert).what(),
                    late,
                },
                decision,
            ),
            Failure::Aborted { reason, detail } => (ProbeVerdict::Failed(reason, detail), None),
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
        }
    }
}

/// Tries every address of the peer in turn, each within `timeout`. Empty: none was found.
///
/// # Errors
/// A certificate of ours that the TLS library refuses.
pub async fn probe(
    generation: &Arc<Generation>,
    peer: PeerRef,
    timeout: Duration,
) -> Result<Vec<ProbeAttempt>, EdgeError> {
    let seen = Arc::<SeenChains>::default();
    let tls = TlsConfigs::build(generation, &[], &seen)?;
    let listed = generation.topology().peer(peer);
    let resolver = AddressResolver::new(generation.topology().dns());
    let found = tokio::time::timeout(timeout, resolver.find(listed)).await;
    let addresses = match found {
        Ok(Ok(found)) => found.addresses,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let mut attempts = Vec::new();
    for address in addresses {
        let started = clock::now();
        let deadline = started + timeout;
        let shaken = tokio::time::timeout(timeout, dial::shake_hands(&tls, peer, address)).await;
        let mut attempt = match shaken {
            Ok(Ok(dialled)) => ask(dialled, generation, peer, address, deadline).await,
            Ok(Err(failed)) => ProbeAttempt::failed(address, failed, false),
            Err(_) => ProbeAttempt::failed(
                address,
                Failure::aborted(ConnectionReason::Timeout).into(),
                false,
            ),
        };
        attempt.took = clock::now().saturating_duration_since(started);
        attempt.explanation = attempt
            .decision
            .as_ref()
            .and_then(|refusal| explained(refusal, &seen, generation, peer));
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
    peer: PeerRef,
) -> Option<Explanation> {
    if refusal.verdict == Verdict::Accept {
        return None;
    }
    let chain = seen.find(&refusal.id)?.chain;
    let presented = Presented::outbound(&chain, peer);
    let explanation = explain(&presented, Direction::Outbound, generation, clock::unix());
    (explanation.reason == refusal.reason.code()).then_some(explanation)
}

/// Sends the OPTIONS and waits for its answer, or for their late refusal.
async fn ask(
    dialled: Dialled,
    generation: &Generation,
    peer: PeerRef,
    address: SocketAddr,
    deadline: Instant,
) -> ProbeAttempt {
    let negotiated = negotiated(&dialled.tls);
    let decision = Arc::clone(dialled.identity.decision());
    let shown = dialled.chain_shown.clone();
    let request = options(generation, peer, dialled.local);
    let (tcp, tls) = (dialled.tcp, dialled.tls);
    // A conversation of its own with nothing beside it: blocking reads with a bound are the simplest.
    let answer = tokio::task::spawn_blocking(move || {
        let tcp = tcp.into_std()?;
        tcp.set_nonblocking(false)?;
        Ok(converse(tls, tcp, request.as_bytes(), deadline))
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)));
    let answer = answer.unwrap_or_else(|error| Err(Failure::from_io(&error)));
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
        },
        Err(failure) => ProbeAttempt::failed(address, failure.into(), true),
    };
    attempt.negotiated = Some(negotiated);
    attempt.decision = Some(decision);
    attempt.shown = shown;
    attempt
}

/// An OPTIONS to the peer itself, outside of a dialog (RFC 3261 §11.1).
fn options(generation: &Generation, peer: PeerRef, local: SocketAddr) -> String {
    let topology = generation.topology();
    let (node, peer) = (&topology.node().fqdn, &topology.peer(peer).fqdn);
    let mut octets = [0; 16];
    // Without randomness the names are merely not unique: this connection carries one request.
    let _ = aws_lc_rs::rand::fill(&mut octets);
    let fresh = octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
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

/// Sends the request and reads until a final answer, the end, or the deadline.
fn converse(
    mut tls: rustls::Connection,
    mut tcp: TcpStream,
    request: &[u8],
    deadline: Instant,
) -> Result<(u16, String), Failure> {
    let limits = FrameLimits {
        head: 64 * 1024,
        body: 1024 * 1024,
    };
    let broken = |error: io::Error| Failure::from_io(&error);
    tls.writer().write_all(request).map_err(broken)?;
    let mut framer = Framer::default();
    let mut received = Vec::new();
    loop {
        while tls.wants_write() {
            // Their alert may wait to be read although they take nothing any more.
            if tls.write_tls(&mut tcp).is_err() {
                break;
            }
        }
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(Failure::aborted(ConnectionReason::NoAnswer));
        }
        tcp.set_read_timeout(Some(left)).map_err(broken)?;
        match tls.read_tls(&mut tcp) {
            Ok(0) => return Err(Failure::aborted(ConnectionReason::Closed)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Failure::aborted(ConnectionReason::NoAnswer));
            }
            Err(error) => return Err(broken(error)),
        }
        let state = match tls.process_new_packets() {
            Ok(state) => state,
            Err(rustls::Error::AlertReceived(description)) => {
                return Err(Failure::ByPeer {
                    alert: description,
                    decision: None,
                });
            }
            Err(error) => return Err(broken(io::Error::other(error))),
        };
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut plain).map_err(broken)?;
        received.extend_from_slice(&plain);
        if let Some(answer) = final_answer(&mut received, &mut framer, &limits)? {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut tcp);
            return Ok(answer);
        }
        if state.peer_has_closed() {
            return Err(Failure::aborted(ConnectionReason::Closed));
        }
    }
}

/// The first final response among what came; anything else is passed over.
fn final_answer(
    received: &mut Vec<u8>,
    framer: &mut Framer,
    limits: &FrameLimits,
) -> Result<Option<(u16, String)>, Failure> {
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
                return Err(Failure::Aborted {
                    reason: ConnectionReason::NotSip.into(),
                    detail: Some(error.rule.code().to_owned()),
                });
            }
        };
        received.drain(..length);
    }
}
