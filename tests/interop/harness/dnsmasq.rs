//! dnsmasq as the name server that the edge asks.
use super::feed::Mark;
use super::ports::free_port;
use super::process::Process;
use super::stage::Program;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

/// A running dnsmasq; it knows what it was told and asks nobody else.
pub(crate) struct Dnsmasq {
    process: Process,
    address: SocketAddr,
}

impl Dnsmasq {
    /// Starts it with records in the words of its own command line, and waits until it serves.
    pub(crate) fn start(records: &[String]) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, free_port()).into(), records)
    }

    /// Has it know these records instead.
    pub(crate) fn restart(&mut self, records: &[String]) {
        self.process.kill();
        *self = Self::start_at(self.address, records);
    }

    fn start_at(address: SocketAddr, records: &[String]) -> Self {
        let mut command = Command::new(Program::executable("dnsmasq").unwrap());
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
            "--pid-file",
            "--user=",
            "--group=",
            "--local-ttl=30",
            "--log-queries",
            "--log-facility=-",
        ]);
        command.arg(format!("--listen-address={}", address.ip()));
        command.arg(format!("--port={}", address.port()));
        command.args(records);
        let server = Self {
            process: Process::start("dnsmasq", &mut command),
            address,
        };
        server.process.wait_text(Mark::START, "started, version");
        server
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it was asked something that its log shows with this text.
    pub(crate) fn wait_asked(&self, text: &str) {
        self.process.wait_text(Mark::START, text);
    }
}
