//! The registry of reasons: why something was refused, dropped, closed or warned of, each with a stable code.
//!
//! It lies below every other folder, so that each of them, the log and the counters use the same type. A layer has its own
//! enum here, made by `reasons!` out of one table, and converts it into a [`Reason`] with `From`. A code without a row
//! cannot be written: event fields, control replies and faults take a [`Reason`] or an enum of this folder, not a string.
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Declares the layers, in the order of the registry: each with its enum and what its reasons are about.
macro_rules! layers {
    ($(#[doc = $doc:literal] $layer:ident($reasons:ident) $about:literal;)+) => {
        /// The part of the daemon that a reason comes from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Layer {
            $(#[doc = $doc] $layer,)+
        }

        impl Layer {
            const LENGTHS: &'static [usize] = &[$($reasons::OWN.len()),+];

            /// Every layer, in the order of [`Reason::all`].
            pub const ALL: [Self; Self::LENGTHS.len()] = [$(Self::$layer),+];

            /// What its reasons are about.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$layer => $about,)+
                }
            }
        }

        impl Reason {
            /// Every reason once, in the order of [`Reason::index`].
            pub fn all() -> impl Iterator<Item = Self> {
                std::iter::empty()$(.chain($reasons::OWN.iter().map(|reason| reason.reason())))+
            }
        }
    };
}

layers! {
    /// A rule for the form of a message.
    Form(Rule) "form of a message";
    /// What the proxy does with a request or response.
    Message(MessageReason) "message";
    /// A decision on a certificate.
    Trust(TrustReason) "trust decision";
    /// The anchors and CRLs of a trust set.
    TrustSet(TrustSetReason) "trust set";
    /// A CRL that is not used.
    Crl(CrlReason) "CRL";
    /// A CRL that could not be fetched.
    Fetch(FetchReason) "fetching a CRL";
    /// A handshake, a dial or the end of a connection.
    Connection(ConnectionReason) "handshake or connection";
    /// A TLS alert that the remote sent.
    Alert(AlertReason) "alert from the remote";
    /// A peer that is passed over.
    Health(HealthReason) "health of a peer";
    /// What loading a topology found.
    Topology(TopologyReason) "topology";
    /// Start-up, reload, shards and the control socket.
    Daemon(DaemonReason) "daemon";
}

impl Layer {
    /// Where the indices of its rows begin: the counts of the layers before it. It is computed by the compiler, so that a
    /// new row moves the others and no number has to be kept by hand.
    const fn base(self) -> usize {
        let (mut before, _) = Self::LENGTHS.split_at(self as usize);
        let mut base = 0;
        while let [first, rest @ ..] = before {
            base += *first;
            before = rest;
        }
        base
    }
}

/// One row of the registry.
#[derive(Debug)]
struct Row {
    layer: Layer,
    /// Its place among all rows, dense from 0: counters are arrays of this index.
    index: usize,
    code: &'static str,
    what: &'static str,
    check: &'static str,
    remedy: &'static str,
    rfc: &'static str,
    protects: &'static str,
    learns: Learns,
    former: &'static [&'static str],
}

/// A reason: a reference to its row, as cheap to copy as a pointer.
///
/// Only the enums of this folder make one, so every reason has a row.
#[derive(Clone, Copy)]
pub struct Reason(&'static Row);

/// Makes a layer's enum and its rows out of one table.
///
/// The doc comment of a variant is the sentence that says what happened, so that it is written once. In parentheses stand
/// the RFC's section, what the sender learns (`alert` or `status`), and with `was` the codes of earlier versions. The
/// row's texts follow, up to the next doc comment; one without `check` or `remedy` has those of the first line. `shared` lists variants whose row belongs to
/// another enum: one code has one row, whoever uses it.
macro_rules! reasons {
    (
        $(#[$meta:meta])*
        pub enum $name:ident of $layer:ident (check $usual_check:expr, remedy $usual_remedy:expr) {
            $(
                $(#[doc = $what:literal])+
                $variant:ident $code:literal $((
                    $(rfc $rfc:literal $(,)?)?
                    $(alert $alert:ident $(,)?)?
                    $(status $status:literal $public:literal $(,)?)?
                    $(was $($former:literal)+)?
                ))?
                $(check: $check:expr,)?
                $(remedy: $remedy:expr,)?
                $(protects: $protects:literal,)?
            )+
        }
        $(shared { $($own:ident = $other:path,)+ })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $what])+ $variant,)+
            $($(#[doc = concat!("The same as [`", stringify!($other), "`].")] $own,)+)?
        }

        impl $name {
            /// Those whose row is in this table, in its order.
            pub(super) const OWN: &'static [Self] = &[$(Self::$variant),+];

            /// Every variant, those that share another table's row last.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $($(Self::$own,)+)?];

            /// The registry's entry.
            pub const fn reason(self) -> $crate::reason::Reason {
                use $crate::reason::{Layer, Learns, Reason, Row};
                match self {
                    $(Self::$variant => {
                        // A static has one address (a constant may have several), and reasons are compared by it.
                        static ROW: Row = Row {
                            layer: Layer::$layer,
                            index: Layer::$layer.base() + $name::$variant as usize,
                            code: $code,
                            what: concat!($($what),+),
                            check: [$($check,)? $usual_check][0],
                            remedy: [$($remedy,)? $usual_remedy][0],
                            rfc: concat!($($($rfc)?)?),
                            protects: concat!($($protects)?),
                            learns: [
                                $($(Learns::Alert(rustls::AlertDescription::$alert),)?)?
                                $($(Learns::Status($status, $public),)?)?
                                Learns::Nothing,
                            ][0],
                            former: &[$($($($former),+)?)?],
                        };
                        Reason(&ROW)
                    })+
                    $($(Self::$own => $other.reason(),)+)?
                }
            }

            /// The stable code, as in logs, replies and docs.
            pub const fn code(self) -> &'static str {
                self.reason().code()
            }

            /// What happened, in one sentence.
            pub fn what(self) -> &'static str {
                self.reason().what()
            }

            /// What an operator can do about it.
            pub const fn remedy(self) -> &'static str {
                self.reason().remedy()
            }

            /// The variant of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }

        impl From<$name> for $crate::reason::Reason {
            fn from(reason: $name) -> Self {
                reason.reason()
            }
        }

        impl PartialEq<$name> for $crate::reason::Reason {
            fn eq(&self, other: &$name) -> bool {
                *self == other.reason()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
    };
}

mod alert;
mod connection;
mod crl;
mod daemon;
mod health;
mod learns;
mod message;
mod rule;
#[cfg(test)]
mod tests;
mod topology;
mod trust;
mod trust_set;

pub use alert::AlertReason;
pub use connection::ConnectionReason;
pub use crl::{CrlReason, FetchReason};
pub use daemon::DaemonReason;
pub use health::HealthReason;
pub use learns::Learns;
pub use message::MessageReason;
pub use rule::Rule;
pub use topology::{Severity, TopologyReason};
pub use trust::TrustReason;
pub use trust_set::TrustSetReason;

impl Reason {
    /// How many there are: the length of an array that is indexed by [`Reason::index`].
    pub const COUNT: usize = Layer::Daemon.base() + DaemonReason::OWN.len();

    /// The stable code.
    pub const fn code(self) -> &'static str {
        self.0.code
    }
    /// The part of the daemon that it comes from.
    pub const fn layer(self) -> Layer {
        self.0.layer
    }
    /// Its place among all, from 0 to [`Reason::COUNT`] - 1. Counters of a shard are an array of this index: nothing is
    /// hashed or allocated when a refusal is counted. It changes from version to version; the code does not.
    pub const fn index(self) -> usize {
        self.0.index
    }
    /// What happened, in one sentence.
    pub fn what(self) -> &'static str {
        // The table writes it as the variant's doc comment, which begins with a space.
        self.0.what.trim_start()
    }
    /// How an operator can see whether that is it.
    pub const fn check(self) -> &'static str {
        self.0.check
    }
    /// What an operator can do about it.
    pub const fn remedy(self) -> &'static str {
        self.0.remedy
    }
    /// The section of the RFC that the rule comes from; empty where none says it.
    pub const fn rfc(self) -> &'static str {
        self.0.rfc
    }
    /// What a rule for the form of messages protects; empty for other reasons.
    pub const fn protects(self) -> &'static str {
        self.0.protects
    }
    /// What the sender learns.
    pub const fn learns(self) -> Learns {
        self.0.learns
    }
    /// Codes that earlier versions wrote for it.
    pub const fn former(self) -> &'static [&'static str] {
        self.0.former
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        // Each row has one address, and each code one row: a test holds that.
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Reason {}

/// Tests write what stands on the wire.
#[cfg(test)]
impl From<&str> for Reason {
    fn from(code: &str) -> Self {
        let found = Self::all().find(|reason| reason.code() == code);
        found.unwrap_or_else(|| panic!("no reason is called {code}"))
    }
}

/// Tests compare with what stands on the wire.
#[cfg(test)]
impl PartialEq<&str> for Reason {
    fn eq(&self, code: &&str) -> bool {
        self.code() == *code
    }
}

impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of the registry: reports that list reasons are the same in every run.
impl Ord for Reason {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.index.cmp(&other.0.index)
    }
}

/// By the dense index, which is unique as the address is, and the same in every run.
impl Hash for Reason {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.index.hash(state);
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// As the code: a whole row would bury what a failed test or an event prints.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Events, replies and reports of commands hold the code alone; the texts are for `explain`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
