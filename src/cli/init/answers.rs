//! What the first topology is made of: the answers of the command line, or those of a terminal.
//!
//! Each answer is parsed here, so that a slip is found while somebody is there to correct it, and before anything is written.
//! What only the whole file can show (a domain twice, an address that is none) is left to `check`.
use super::given::Given;
use crate::topology::{DnsName, NameError};
use std::io::{self, BufRead};

/// All answers, each of them a name in the form that is compared.
#[derive(Debug)]
pub(super) struct SiteAnswers {
    /// This node's name.
    pub(super) fqdn: DnsName,
    /// At least one.
    pub(super) domains: Vec<DnsName>,
    /// At least one: name, and the address as it was written.
    pub(super) home: Vec<(DnsName, Option<String>)>,
    /// Name and domain of each.
    pub(super) partners: Vec<(DnsName, DnsName)>,
    /// The listener's address.
    pub(super) listen: String,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// Nobody was there to ask.
    #[error("{0} is missing, and there is no terminal to ask at")]
    Missing(&'static str),
    /// What was answered is no name.
    #[error("{0:?} is no name of a server or domain: {1}")]
    NoName(String, NameError),
    /// The terminal cannot be read.
    #[error("the answer cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// A question, with the flag that answers it.
struct InitQuestion {
    flag: &'static str,
    text: &'static str,
    /// Whether an empty line is an answer.
    optional: bool,
}

// In the order in which they are put: from what the operator certainly knows to what may come later.
const FQDN: InitQuestion = InitQuestion {
    flag: "--fqdn",
    text: "This node's name, as in its certificate (edge01.example.com)",
    optional: false,
};
const DOMAINS: InitQuestion = InitQuestion {
    flag: "--domain",
    text: "The SIP domains that it serves, with a space between (example.com)",
    optional: false,
};
const HOME: InitQuestion = InitQuestion {
    flag: "--home",
    text: "The home servers, NAME or NAME=ADDRESS:PORT (fe01.example.com=10.0.0.11)",
    optional: false,
};
const PARTNERS: InitQuestion = InitQuestion {
    flag: "--partner",
    text: "The partners' servers, NAME or NAME=DOMAIN; empty for none yet",
    optional: true,
};

impl SiteAnswers {
    /// What the command line has; the rest is asked for.
    ///
    /// # Errors
    /// An answer is missing or is none.
    pub(super) fn of(
        command: &Given,
        mut input: Option<&mut dyn BufRead>,
    ) -> Result<Self, AnswerError> {
        // Whoever names the rest and no partner has none, and is not held up by a question.
        let is_asked =
            command.fqdn.is_none() || command.domains.is_empty() || command.home.is_empty();
        let fqdn = match &command.fqdn {
            Some(fqdn) => name(fqdn)?,
            None => name(first(&ask(&FQDN, &mut input)?))?,
        };
        // A list that is given is not asked for again: several homes are several flags.
        let mut words = |given: &[String], question: &InitQuestion| {
            if given.is_empty() && (!question.optional || is_asked) {
                ask(question, &mut input)
            } else {
                Ok(given.to_vec())
            }
        };
        let domains = words(&command.domains, &DOMAINS)?;
        let home = words(&command.home, &HOME)?;
        let partners = words(&command.partners, &PARTNERS)?;
        Ok(Self {
            fqdn,
            domains: domains
                .iter()
                .map(|domain| name(domain))
                .collect::<Result<_, _>>()?,
            home: home
                .iter()
                .map(|word| server(word))
                .collect::<Result<_, _>>()?,
            partners: partners
                .iter()
                .map(|word| partner(word))
                .collect::<Result<_, _>>()?,
            // The port of SIP over TLS (RFC 3261 §19.1.2), on every IPv4 address.
            listen: command
                .listen
                .clone()
                .unwrap_or_else(|| "0.0.0.0:5061".to_owned()),
        })
    }
}

/// Puts a question until it is answered. It goes to standard error: standard output is what was made.
fn ask(
    question: &InitQuestion,
    input: &mut Option<&mut dyn BufRead>,
) -> Result<Vec<String>, AnswerError> {
    let missing = AnswerError::Missing(question.flag);
    // In a script, where the name of the flag is what helps.
    let Some(input) = input else {
        return Err(missing);
    };
    loop {
        eprint!("{}: ", question.text);
        let mut line = String::new();
        // The end of the input is no empty answer: somebody has left.
        if input.read_line(&mut line)? == 0 {
            return Err(missing);
        }
        // Names have no spaces, so that a list needs no other mark.
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if question.optional || !words.is_empty() {
            // An empty line is an answer only where nothing is one.
            return Ok(words);
        }
    }
}

/// One name is asked for; who types more has the first.
fn first(words: &[String]) -> &str {
    words.first().map_or("", String::as_str)
}

/// In lower case and without a dot at the end, as the file would be read.
fn name(text: &str) -> Result<DnsName, AnswerError> {
    DnsName::parse(text).map_err(|why| AnswerError::NoName(text.to_owned(), why))
}

/// The address is left as it is: loading knows best what is wrong with one.
fn server(word: &str) -> Result<(DnsName, Option<String>), AnswerError> {
    match word.split_once('=') {
        Some((fqdn, address)) => Ok((name(fqdn)?, Some(address.to_owned()))),
        None => Ok((name(word)?, None)),
    }
}

/// Without a domain it is that of which the server's name is a part.
fn partner(word: &str) -> Result<(DnsName, DnsName), AnswerError> {
    let (fqdn, domain) = match word.split_once('=') {
        Some((fqdn, domain)) => (fqdn, domain),
        None => (word, word.split_once('.').map_or(word, |(_, rest)| rest)),
    };
    Ok((name(fqdn)?, name(domain)?))
}
