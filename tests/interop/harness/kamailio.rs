//! Kamailio as the home server behind the edge.
//!
//! What real runs of Debian 12's 5.6.3 have shown, and the configuration beside this file rests on:
//! - A URI `sip:TOKEN@edge01.contoso.test:PORT;lr` without `;transport=tls` means UDP to it, and the name has to be in DNS;
//!   the script sets the next hop's transport and address itself, and keeps the Route. So the machine's name resolution
//!   need not change.
//! - It sends to the edge on the connection that the edge made only with `tcp_accept_aliases=yes` **and** `;alias` in the
//!   edge's Via (it enters the Via's port into its table). Otherwise it makes an MTLS connection of its own to the
//!   port in the URI. Both happen in the field, so both are tested.
//! - Its outgoing TLS checks the edge's chain, not the edge's name. On requests the script checks the name.
//! - It writes Record-Route above its Via and Route between its Via and the next one: Via lines are not contiguous.
//! - A listening socket with `advertise NAME` needs a resolvable name; `record_route_preset` does not.
use super::certificates::{Certificates, DOMAIN, EDGE, Pair};
use super::feed::Mark;
use super::process::Process;
use super::stage::{Program, kamailio_modules};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Whose home server it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// The SIP domain.
    pub(crate) domain: &'static str,
    /// The edge in front of it.
    pub(crate) edge: &'static str,
    /// The file of its CA's certificate.
    pub(crate) ca: &'static str,
}

/// The usual one.
pub(crate) const CONTOSO: Site = Site {
    domain: DOMAIN,
    edge: EDGE,
    ca: "ca.pem",
};

/// The partner's, with a CA of its own.
pub(crate) const FABRIKAM: Site = Site {
    domain: "fabrikam.test",
    edge: "edge01.fabrikam.test",
    ca: "other.pem",
};

/// How a home server is to be.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Whose it is.
    pub(crate) site: Site,
    /// Where it listens.
    pub(crate) port: u16,
    /// What it shows.
    pub(crate) pair: Pair,
    /// Switches of the configuration.
    pub(crate) switches: &'static [&'static str],
    /// Where `PROBE` goes.
    pub(crate) edge_port: u16,
}

/// A running Kamailio.
pub(crate) struct Home {
    process: Process,
    _directory: TempDir,
}

impl Home {
    /// Starts it and waits until it serves.
    pub(crate) fn start(certificates: &Certificates, setup: &Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(at.join("kamailio.cfg"), configuration(at, setup)).unwrap();
        fs::write(at.join("tls.cfg"), tls(certificates, setup)).unwrap();
        let edge = format!("1 sip:127.0.0.1:{};transport=tls\n", setup.edge_port);
        fs::write(at.join("dispatcher.list"), edge).unwrap();
        let mut command = Command::new(Program::executable("kamailio").unwrap());
        // -DD: stay in the foreground, children included, so that the process group holds all of them. -E: log to
        // standard error. Below 64 MB its guard against OpenSSL's memory use begins to refuse.
        command.args(["-DD", "-E", "-m", "64", "-M", "8"]);
        command.arg("-f").arg(at.join("kamailio.cfg"));
        command.arg("-w").arg(at).arg("-Y").arg(at);
        for switch in setup.switches {
            command.args(["-A", switch]);
        }
        let home = Self {
            process: Process::start("kamailio", &mut command),
            _directory: directory,
        };
        home.process.wait_text(Mark::START, "HOME ready");
        home
    }

    /// Waits for a request of a method to come in; gives the script's line about it.
    pub(crate) fn wait_request(&self, since: Mark, method: &str) -> String {
        self.process.wait_text(since, &format!("HOME in {method} "))
    }

    /// Waits for a line of the script with a text.
    pub(crate) fn wait_text(&self, text: &str) -> String {
        self.process.wait_text(Mark::START, text)
    }

    /// Fails if a request of a method has come in.
    #[track_caller]
    pub(crate) fn assert_saw_nothing(&self, method: &str) {
        let seen = format!("HOME in {method} ");
        self.process.read(Mark::START, |lines| {
            assert!(
                !lines.iter().any(|line| line.contains(&seen)),
                "a {method} got through"
            );
        });
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

fn configuration(directory: &Path, setup: &Setup) -> String {
    include_str!("kamailio.cfg")
        .replace("@PORT@", &setup.port.to_string())
        .replace("@EDGE_PORT@", &setup.edge_port.to_string())
        .replace("@DOMAIN@", setup.site.domain)
        .replace("@EDGE@", setup.site.edge)
        .replace("@DIRECTORY@", &directory.display().to_string())
        .replace(
            "@MODULES@",
            &format!("{}/", kamailio_modules().unwrap().display()),
        )
}

/// As a server it demands a certificate by the enterprise CA (unless clients come directly), as a client it shows one
/// and checks the edge's.
fn tls(certificates: &Certificates, setup: &Setup) -> String {
    let verify = if setup.switches.contains(&"DIRECT") {
        "no"
    } else {
        "yes"
    };
    let own = format!(
        "method = TLSv1.2+\nprivate_key = {}\ncertificate = {}\nca_list = {}\n",
        setup.pair.key.display(),
        setup.pair.chain.display(),
        certificates.directory().join(setup.site.ca).display(),
    );
    format!(
        "[server:default]\n{own}verify_certificate = {verify}\nrequire_certificate = {verify}\n\n\
         [client:default]\n{own}verify_certificate = yes\nrequire_certificate = yes\n"
    )
}
