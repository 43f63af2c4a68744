//! How one process of this node sends the other a message that is not its own: whole, in the body of a request of a form that
//! nobody else can have sent.
//!
//! The connection between the two is a pair of sockets that only they have. What passes there besides is relayed, and so has a
//! Via; an envelope has none. Nothing of the message inside is read or changed on the way.
use super::crossed::CrossedRequest;
use super::vouched::VouchedSender;
use crate::proxy::binding::{Asker, BindingId};
use crate::proxy::branch::BranchKey;
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message, Method, StartLine};
use smallvec::SmallVec;
use std::fmt;
use std::net::SocketAddr;
use std::str::Split;
use std::time::Duration;

/// The method of the request, which no RFC has.
const METHOD: &[u8] = b"SIPWARD";
/// The most bindings of a sender that are read: as many as a client has at most, and each in a number for each key.
const MOST_BINDINGS: usize = 64;

/// What the other process is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// Send this to the client, who was let go and comes there, or is there already.
    ///
    /// It is written for the client as it is to be sent: the transaction is the sender's. If that
    /// is named, it waits to learn that this was not delivered. An ACK, a CANCEL or a response
    /// has none that could.
    ToClient(BindingId, Option<Asker>),
    /// Send this to the peer with this number, over whatever connection there is; a request as one of the sender's own.
    ToPeer(u64, Option<CrossedRequest>),
    /// The request of this transaction of the receiver's was not delivered, for this reason, or will
    /// not be answered, since its connection has gone.
    Undelivered(Asker, MessageReason),
    /// The client is here now: what runs for it there follows.
    Holds(BindingId),
    /// Nothing more is to be sent on this connection: the other process ends when what is under way has come.
    Ends,
    /// This belongs to a transaction that this process does not have: an answer, a CANCEL, or the ACK for a refusal.
    ///
    /// It is as it was received. Who has sent it counts in the other process as it would here.
    From {
        /// Who has sent it.
        sender: VouchedSender,
        /// From there.
        remote: SocketAddr,
        /// This node's address on that connection.
        local: SocketAddr,
        /// The number of the connection in the log.
        number: u64,
    },
}

impl Envelope {
    /// What a message of the other process is to be done with; the message inside is its body. `None`: it is an ordinary one.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        let StartLine::Request { method, uri } = message.start() else {
            return None;
        };
        // What is relayed has a Via, whatever its sender has called it.
        if method != Method::Other(METHOD) || message.has(HeaderName::Via) {
            return None;
        }
        let mut words = std::str::from_utf8(uri).ok()?.split('/');
        let envelope = match words.next()? {
            "client" => {
                let id = binding(words.next()?)?;
                Self::ToClient(id, rest(&mut words, asker)?)
            }
            "peer" => {
                let key = number(words.next()?)?;
                Self::ToPeer(key, rest(&mut words, crossed)?)
            }
            "undelivered" => {
                let asker = asker(&mut words)?;
                Self::Undelivered(asker, MessageReason::from_code(words.next()?)?)
            }
            "holds" => Self::Holds(binding(words.next()?)?),
            "ends" => Self::Ends,
            // An address of IPv6 has colons, and none of them a slash.
            kind @ ("from-client" | "from-peer") => {
                let who = words.next()?;
                let sender = match kind {
                    "from-peer" => VouchedSender::Peer(number(who)?),
                    _ => {
                        let ids = who.split('+').take(MOST_BINDINGS);
                        VouchedSender::Client(ids.map(binding).collect::<Option<_>>()?)
                    }
                };
                Self::From {
                    sender,
                    remote: words.next()?.parse().ok()?,
                    local: words.next()?.parse().ok()?,
                    number: number(words.next()?)?,
                }
            }
            _ => return None,
        };
        words.next().is_none().then_some(envelope)
    }

    /// Who waits to learn that the message inside was not delivered, if anybody does.
    pub(crate) fn asker(&self) -> Option<Asker> {
        match self {
            Self::ToClient(_, asker) => *asker,
            Self::ToPeer(_, crossed) => crossed.map(|crossed| crossed.asker),
            Self::Undelivered(..) | Self::Holds(_) | Self::Ends | Self::From { .. } => None,
        }
    }

    /// Writes it around a message.
    pub fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        let head = format!(
            "SIPWARD {self} SIP/2.0\r\nContent-Length: {}\r\n\r\n",
            message.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(message);
    }
}

/// As it stands in place of the Request-URI.
impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToClient(id, asker) => {
                write!(f, "client/{:x}", id.as_u64())?;
                asker.map_or(Ok(()), |asker| write_asker(f, asker))
            }
            Self::ToPeer(key, None) => write!(f, "peer/{key:x}"),
            Self::ToPeer(key, Some(crossed)) => {
                write!(f, "peer/{key:x}")?;
                write_asker(f, crossed.asker)?;
                // A time that is left and no moment: the clocks of two processes have nothing in common
                // that could be written down.
                let patience = crossed.patience.as_millis();
                let flags = u8::from(crossed.in_dialog) | u8::from(crossed.is_last) << 1;
                write!(f, "/{patience:x}/{flags:x}")
            }
            Self::Undelivered(asker, reason) => {
                f.write_str("undelivered")?;
                write_asker(f, *asker)?;
                write!(f, "/{}", reason.code())
            }
            Self::Holds(id) => write!(f, "holds/{:x}", id.as_u64()),
            Self::Ends => f.write_str("ends"),
            Self::From {
                sender,
                remote,
                local,
                number,
            } => {
                match sender {
                    VouchedSender::Peer(key) => write!(f, "from-peer/{key:x}")?,
                    VouchedSender::Client(ids) => {
                        let ids: SmallVec<[String; 1]> =
                            ids.iter().map(|id| format!("{:x}", id.as_u64())).collect();
                        write!(f, "from-client/{}", ids.join("+"))?;
                    }
                }
                write!(f, "/{remote}/{local}/{number:x}")
            }
        }
    }
}

/// What may follow, if anything does.
fn rest<'a, T>(
    words: &mut Split<'a, char>,
    read: impl FnOnce(&mut Split<'a, char>) -> Option<T>,
) -> Option<Option<T>> {
    match words.clone().next() {
        None => Some(None),
        Some(_) => read(words).map(Some),
    }
}

fn asker(words: &mut Split<'_, char>) -> Option<Asker> {
    let shard = u8::try_from(number(words.next()?)?).ok()?;
    let slot = u32::try_from(number(words.next()?)?).ok()?;
    let nonce = number(words.next()?)?;
    Some(Asker {
        shard,
        branch: BranchKey { slot, nonce },
    })
}

fn write_asker(f: &mut fmt::Formatter<'_>, asker: Asker) -> fmt::Result {
    let Asker { shard, branch } = asker;
    write!(f, "/{shard:x}/{:x}/{:x}", branch.slot, branch.nonce)
}

fn crossed(words: &mut Split<'_, char>) -> Option<CrossedRequest> {
    let asker = asker(words)?;
    let patience = u32::try_from(number(words.next()?)?).ok()?;
    let flags = number(words.next()?)?;
    Some(CrossedRequest {
        asker,
        patience: Duration::from_millis(patience.into()),
        in_dialog: flags & 1 == 1,
        is_last: flags & 2 == 2,
    })
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn binding(text: &str) -> Option<BindingId> {
    number(text).map(BindingId::from_u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn all() -> Vec<Envelope> {
        let id = BindingId::from_u64;
        let from = |sender| Envelope::From {
            sender,
            remote: "[2001:db8::1]:5061".parse().unwrap(),
            local: "192.0.2.1:5061".parse().unwrap(),
            number: 77,
        };
        let branch = BranchKey {
            slot: u32::MAX,
            nonce: u64::MAX,
        };
        let asker = Asker { shard: 31, branch };
        let crossed = |in_dialog, is_last| CrossedRequest {
            asker,
            patience: Duration::from_millis(8_000),
            in_dialog,
            is_last,
        };
        vec![
            Envelope::ToClient(id(u64::MAX), None),
            Envelope::ToClient(id(5), Some(asker)),
            Envelope::ToPeer(1, None),
            Envelope::ToPeer(1, Some(crossed(true, false))),
            Envelope::ToPeer(u64::MAX, Some(crossed(false, true))),
            Envelope::Undelivered(asker, MessageReason::PeerUnreachable),
            Envelope::Holds(id(0xabc)),
            Envelope::Ends,
            from(VouchedSender::Peer(0xfeed)),
            from(VouchedSender::Client(smallvec![id(1), id(2)])),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_the_message_inside_is_as_it_was() {
        let inside = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a\r\n\r\nx";
        for envelope in all() {
            let mut out = Vec::new();
            envelope.write(inside, &mut out);
            let message = Message::parse(&out).unwrap();
            assert!(message.fault().is_none(), "{envelope}");
            assert_eq!(Envelope::read(&message), Some(envelope));
            assert_eq!(message.body(), inside);
        }
    }

    /// A request of this method that somebody sends is relayed with a Via.
    #[test]
    fn what_somebody_else_has_sent_is_none() {
        for envelope in all() {
            let text = format!("SIPWARD {envelope} SIP/2.0\r\nVia: x\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(
                Envelope::read(&Message::parse(text.as_bytes()).unwrap()),
                None
            );
        }
        let wrong = [
            "client/",
            "client/x",
            "client/1/2",
            "client/1/100/2/3",
            "peer/1/2",
            "peer/1/2/3/4",
            "peer/1/2/3/4/5/0/6",
            "undelivered/1/2/3",
            "undelivered/1/2/3/no_such_reason",
            "from-peer/1",
            "sip:a@b",
        ];
        for uri in wrong {
            let text = format!("SIPWARD {uri} SIP/2.0\r\nContent-Length: 0\r\n\r\n");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(Envelope::read(&message), None, "{uri}");
        }
    }
}
