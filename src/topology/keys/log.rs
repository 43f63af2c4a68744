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
        format: LogFormat = default(LogFormat::Auto), ValueType::Word(LogFormat::WORDS), reload,
            "How a line looks. `\"json\"`: JSON lines. `\"human\"`: for a terminal. `\"auto\"`: human on a terminal, JSON \
             otherwise.";
    }
}
