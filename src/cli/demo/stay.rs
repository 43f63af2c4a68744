//! `demo --stay`: the node goes on as the service does, with a control socket, until somebody ends it.
use super::failure::ScenarioFailure;
use super::setup::{DemoSetup, LOG_FILE};
use crate::daemon::AttendedDaemon;
use crate::daemon::control::{Reply, Request, ask};
use sipward_lab::site::{EDGE, HOME};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a new process that an upgrade has left behind may take to say that it ends, and to be gone.
const FOR_SUCCESSOR: Duration = Duration::from_secs(5);

impl DemoSetup {
    /// Serves on, with signals and commands. Returns when a signal or `sipward drain` has ended the node; after an upgrade the
    /// new process goes with this one, at `ended`.
    pub(super) async fn stay(
        &self,
        ended: impl Future<Output = ()>,
        out: &mut impl Write,
    ) -> Result<(), ScenarioFailure> {
        self.write_revoked()?;
        self.print_how_to_connect(out)?;
        // Before its place is printed: who copies a command from it finds the socket.
        let attended = match AttendedDaemon::begin(Arc::clone(&self.daemon)) {
            Ok(attended) => attended,
            // The path of the temporary directory may be too long for a socket.
            Err(why) => {
                writeln!(out, "\nIt takes no commands: {why}\n\nCtrl-C ends it.")?;
                out.flush()?;
                ended.await;
                return Ok(());
            }
        };
        let socket = attended.socket().to_owned();
        self.print_commands(&socket, out)?;
        // A signal or `sipward drain` ends everything.
        if !attended.serve().await {
            return Ok(());
        }
        writeln!(
            out,
            "\nThe upgrade is over: another process is the node now. The servers of the demo stay until Ctrl-C."
        )?;
        ended.await;
        // It would stay behind with the files of the demo gone. Asked apart from this thread, whose servers may be asked for
        // their last answers.
        tokio::task::spawn_blocking(move || end_of(&socket))
            .await
            .map_err(io::Error::other)?;
        Ok(())
    }

    /// How other programs can connect.
    fn print_how_to_connect(&self, out: &mut impl Write) -> io::Result<()> {
        // Whole lines to copy: nobody knows the port or the directory before.
        let (edge, dir) = (self.edge, self.site.path().display());
        writeln!(
            out,
            "\nThe edge listens on {edge} as {EDGE}; everything lies in {dir}\n\n\
             A TLS client (type a SIP message, or press Enter twice for a keep-alive):\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -verify_return_error -crlf\n\
             The partner's server, with its certificate:\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -cert {dir}/partner.chain.pem -key {dir}/partner.key.pem -crlf\n\
             A listed name with a revoked certificate (is refused):\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -cert {dir}/revoked.chain.pem -key {dir}/revoked.key.pem\n\
             A softphone: account sip:dave@{HOME}, any password, outbound proxy sip:{edge};transport=tls,\n  \
             CA file {dir}/enterprise-ca.pem; call sip:bob@{HOME} (nobody answers) or a second softphone of yours."
        )
    }

    /// Which commands reach it, and where its files are.
    fn print_commands(&self, socket: &Path, out: &mut impl Write) -> io::Result<()> {
        // Some of them that have something to show here; the page has the others.
        let (dir, socket) = (self.site.path().display(), socket.display());
        writeln!(
            out,
            "\nThe commands of docs/control.md, in another terminal:\n  \
             sipward status --socket {socket}\n  \
             sipward connections --socket {socket}\n  \
             sipward refusals --socket {socket}\n  \
             sipward trace --for 10m --socket {socket}\n\
             The topology, to be changed and loaded again (--config in place of --socket finds the daemon as well):\n  \
             sipward check {dir}/topology.toml\n  \
             sipward reload --config {dir}/topology.toml\n\
             The log:\n  \
             sipward ladder {dir}/{LOG_FILE}\n\
             The page and the metrics of docs/metrics.md:\n  \
             http://{}/ and http://{}/metrics\n\nCtrl-C ends it.",
            self.http, self.http
        )?;
        out.flush()
    }
}

/// Ends the process that serves at this socket, and waits until it is gone.
fn end_of(socket: &Path) {
    // Ctrl-C in a terminal goes to both processes: then nobody answers here any more.
    let asked = ask(socket, &Request::Drain {}, FOR_SUCCESSOR);
    if !matches!(asked, Ok(Reply::Drain(_))) {
        return;
    }
    let step = Duration::from_millis(50);
    let mut left = FOR_SUCCESSOR;
    // Its file goes with it.
    while socket.exists() && !left.is_zero() {
        std::thread::sleep(step);
        left = left.saturating_sub(step);
    }
}
