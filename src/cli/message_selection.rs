//! Which messages a trace or a ladder is about: one of these, or all.
//!
//! The words are the same for both, so that what was traced is found in the log afterwards.

/// One of these, or nothing. Who has a further one adds it to the group `selection`.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "selection", multiple = false)]
pub struct MessageSelection {
    /// Only what comes from or goes to this peer
    #[arg(long, value_name = "PEER")]
    pub peer: Option<String>,
    /// Only with this Call-ID
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,
    /// Only from or to this user: alice or alice@contoso.test
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only on the connection with this number
    #[arg(long, value_name = "NUMBER")]
    pub connection: Option<u64>,
}
