//! The keys of `[log]`.
use super::key::ValueType;
use super::{keys, words};

words! {
    /// `[log] requests`.
    pub enum LogRequests {
        /// Every request.
        All = "all",
        /// INVITE, BYE, REGISTER and every refusal.
        Calls = "calls",
        /// Refusals only.
        Refused = "refused",
    }

    /// `[log] identities`.
    pub enum LogIdentities {
        /// As they are.
        Full = "full",
        /// A keyed hash in the place of the user.
        Hashed = "hashed",
        /// The domain alone.
        Domain = "domain",
    }

    /// `[log] format`.
    pub enum LogFormat {
        /// JSON lines.
        Json = "json",
        /// For a terminal.
        Human = "human",
        /// Human on a terminal, JSON otherwise.
        Auto = "auto",
    }
}

keys! {
    /// `[log]`.
    #[derive(Clone, Copy, Debug)]
    pub struct LogSettings compares (), LogSettings {
        requests: LogRequests = default(LogRequests::Calls), ValueType::Word(LogRequests::WORDS), reload,
            "Which requests make a line. `\"all\"`: all. `\"calls\"`: INVITE, BYE, REGISTER and every refusal. `\"refused\"`: \
             refusals only.";
        identities: LogIdentities = default(LogIdentities::Full), ValueType::Word(LogIdentities::WORDS), reload,
            "How lines name users in From, To and Request-URI. `\"full\"`: as they are, without password and parameters. \
             `\"hashed\"`: a keyed hash in the place of the user, the same for as long as the first key of `[tokens]` is; without \
             such keys until the restart. `\"domain\"`: the domain alone.";
        format: LogFormat = default(LogFormat::Auto), ValueType::Word(LogFormat::WORDS), reload,
            "How a line looks. `\"json\"`: JSON lines. `\"human\"`: for a terminal. `\"auto\"`: human on a terminal, JSON \
             otherwise.";
    }
}
