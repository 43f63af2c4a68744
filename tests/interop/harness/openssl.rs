//! `openssl s_client` against the edge.
use super::certificates::{Certificates, EDGE};
use super::feed::Mark;
use super::process::{Output, Process, finish};
use std::process::Command;

/// The program, aimed at a port of loopback.
pub(crate) struct Openssl<'a> {
    /// Whose CA it trusts.
    pub(crate) certificates: &'a Certificates,
    /// Where it connects to.
    pub(crate) port: u16,
}

impl Openssl<'_> {
    /// Shakes hands with what the arguments offer, checks the edge's chain and name, and leaves.
    pub(crate) fn handshake(&self, offer: &[&str]) -> Output {
        finish(self.command(offer).arg("-no_ign_eof"))
    }

    /// Shakes hands, sends bytes, waits for a line with a text; gives everything that was printed up to it.
    pub(crate) fn converse(&self, offer: &[&str], send: &[u8], until: &str) -> String {
        // -ign_eof also keeps it from taking a line that begins with R (REGISTER) as a command.
        let mut command = self.command(offer);
        let process = Process::start_with_input("openssl", command.arg("-ign_eof"), send);
        process.wait_text(Mark::START, until);
        process.read(Mark::START, |lines| lines.join("\n"))
    }

    fn command(&self, offer: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port)]);
        command.args([
            "-servername",
            EDGE,
            "-verify_hostname",
            EDGE,
            "-verify_return_error",
        ]);
        command
            .arg("-CAfile")
            .arg(self.certificates.enterprise_ca());
        command.args(offer);
        command
    }
}
