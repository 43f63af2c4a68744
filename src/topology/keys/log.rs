//! The keys of `[log]`.
use super::key::{TEXT, ValueType};
use super::{Compare, ShownValue, Text, keys, words};
use std::path::PathBuf;

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
    /// `[log]` as it is written.
    pub(crate) struct RawLog compares (), LogSettings {
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
        file: Option<Text> = optional("standard error, or systemd's journal"), TEXT, restart,
            "A file for the lines, made if it is missing, mode 0640. SIGUSR1 opens it anew, for a program that rotates it."
            => Compare::Value(|(), log| {
                log.file.as_ref().map_or(ShownValue::Absent, |path| ShownValue::text(&path.display()))
            });
    }
}

/// `[log]`: what is written, how, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Which requests have a line.
    pub requests: LogRequests,
    /// How it names users.
    pub identities: LogIdentities,
    /// How it looks.
    pub format: LogFormat,
    /// Where it goes; `None`: to standard error, or to systemd's journal.
    pub file: Option<PathBuf>,
}

impl Default for LogSettings {
    /// As if the section were empty.
    fn default() -> Self {
        let RawLog {
            requests,
            identities,
            format,
            ..
        } = RawLog::default();
        Self {
            requests,
            identities,
            format,
            file: None,
        }
    }
}
