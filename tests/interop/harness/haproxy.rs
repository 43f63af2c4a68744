//! HAProxy as the layer-4 balancer in front of the edge.
use super::feed::Mark;
use super::ports::free_port;
use super::process::Process;
use super::stage::Program;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// A running HAProxy with one server behind it.
pub(crate) struct Haproxy {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Haproxy {
    /// Starts it in front of an edge, which it reaches from this address; `options` are those of its `server` line.
    pub(crate) fn start(edge_port: u16, source: &str, options: &str) -> Self {
        Self::start_for(&[("edge", edge_port)], source, options)
    }

    /// In front of several, which it takes in turn.
    pub(crate) fn start_for(edges: &[(&str, u16)], source: &str, options: &str) -> Self {
        let servers: String = edges
            .iter()
            .map(|(name, port)| {
                format!("    server {name} 127.0.0.1:{port} source {source} {options}\n")
            })
            .collect();
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let text = format!(
            "global
    log stdout format raw local0
defaults
    mode tcp
    log global
    option log-health-checks
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen edge
    balance roundrobin
    option redispatch 1
    bind 127.0.0.1:{port}
{servers}"
        );
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(Program::executable("haproxy").unwrap());
        command.args(["-db", "-V", "-f"]).arg(&file);
        let balancer = Self {
            process: Process::start("haproxy", &mut command),
            port,
            _directory: directory,
        };
        balancer.wait_text("Using epoll");
        balancer
    }

    /// Where clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for a line of its log with this text.
    pub(crate) fn wait_text(&self, text: &str) {
        self.process.wait_text(Mark::START, text);
    }

    /// Whether a line of its log has this text.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.process.read(Mark::START, |lines| {
            lines.iter().any(|line| line.contains(text))
        })
    }
}
