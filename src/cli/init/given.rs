//! The answers that stand on the command line of `sipward init`.
//!
//! A script names all of them; a person at a terminal may name none.

/// One flag for each question.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Given {
    /// This node's own name, which its certificate must carry
    #[arg(long, value_name = "NAME")]
    pub fqdn: Option<String>,
    /// A home SIP domain (may be repeated)
    #[arg(long = "domain", value_name = "DOMAIN")]
    pub domains: Vec<String>,
    /// A home server, by the name in its certificate, with its address if DNS does not know it (may be repeated)
    #[arg(long = "home", value_name = "NAME[=ADDRESS]")]
    pub home: Vec<String>,
    /// A partner's server, with the partner's SIP domain if that is not the rest of its name (may be repeated)
    #[arg(long = "partner", value_name = "NAME[=DOMAIN]")]
    pub partners: Vec<String>,
    // No question, because few sites need another one.
    /// Where clients and servers connect to (default: 0.0.0.0:5061)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}
