//! The reasons of the daemon itself: start-up, reload, shards and the control socket.
use serde::de::{Deserialize, Deserializer, Error};

reasons! {
    /// Why the daemon did not start, warns, or does not carry out a command.
    pub enum DaemonReason of Daemon {
        TopologyFaults "topology_faults" {
            what: "the daemon did not start, because the topology has faults",
            check: "`details` of the event; sipward check FILE",
            remedy: "fix what each fault names",
            former: ["topology"],
        }
        ListenFailed "listen_failed" {
            what: "the daemon did not start, because a listener or the control socket could not be bound",
            check: "ss -ltnp: who has the address; `details` of the event",
            remedy: "stop the other process, or correct the address",
            former: ["listen"],
        }
        StartFailed "start_failed" {
            what: "the daemon did not start, because the system refused it something",
            check: "`details` of the event: what the system said",
            remedy: "fix what it names, as limits of threads or open files",
            former: ["internal"],
        }
        ExpectationFailed "expectation_failed" {
            what: "an [[expect]] of the topology does not hold: its certificate is judged otherwise",
            check: "sipward check FILE prints the decision; sipward explain --cert PEM shows every step",
            remedy: "fix the trust that the expectation guards, or correct the [[expect]]",
        }
        StateMissing "state_missing" {
            what: "no state directory keeps what is known of CRLs, so a restart accepts an older CRL than was seen before",
            check: "`state` of [node]; StateDirectory= of the unit",
            remedy: "set `state`, or start the daemon by its unit",
        }
        StateUnwritable "state_unwritable" {
            what: "a CRL cannot be written to the state directory",
            check: "ls -ld of the directory and df of its file system; `detail` of the event crl_state_failed",
            remedy: "let the user that sipward runs as write there, and make room",
            former: ["unwritable"],
        }
        StateFull "state_full" {
            what: "the state directory would hold more CRLs than are kept",
            check: "sipward crls lists what is kept",
            remedy: "sipward crls forget ID for what nobody needs any more",
            former: ["full"],
        }
        StateDamaged "state_damaged" {
            what: "a file of the state directory is not used: it is damaged, or its CRL is not genuine",
            check: "`what` of the event names the file",
            remedy: "remove the file if nobody knows what it is; its CRL is kept again when it is next proven",
        }
        StateUnreadable "state_unreadable" {
            what: "the state directory cannot be read, so older CRLs than those in it would be accepted",
            check: "ls -ld of the directory that `what` of the event names",
            remedy: "let the user that sipward runs as read it",
        }
        StateUnsafe "state_unsafe" {
            what: "others than the user that sipward runs as can write to the state directory",
            check: "ls -ld of the directory that `what` of the event names",
            remedy: "chmod 700 the directory, and keep nothing else in it",
        }
        ListenerServesAnotherCertificate "listener_serves_another_certificate" {
            what: "after a reload, a listener of this node showed another certificate than the topology says",
            check: "openssl s_client -connect EDGE:PORT -servername FQDN; `served` of the event reload",
            remedy: "find out what else listens on that address; report it if nothing does",
        }
        AcceptFailed "accept_failed" {
            what: "the system could not hand over a connection that had arrived",
            check: "the event's detail; ulimit -n of the service and the count of open descriptors in /proc/PID/fd",
            remedy: "raise LimitNOFILE, or lower limits.connections",
        }
        ShardInboxFull "shard_inbox_full" {
            what: "another shard does not keep up with what is handed to it",
            check: "sipward status; top -H of the process",
            remedy: "add cores or nodes, or find out who floods",
        }
        ShardFailed "shard_failed" {
            what: "a shard ended by itself",
            check: "the lines before it",
            remedy: "report it with the log: this should not happen",
        }
        SchedulingRefused "scheduling_refused" {
            what: "the system did not let shards run under SCHED_BATCH; they run as the daemon was started, and a message costs more",
            check: "the unit's SystemCallFilter=: @resources has the call; the container's seccomp profile",
            remedy: "CPUSchedulingPolicy=batch in the unit, as config/sipward.service has it, or `scheduling = \"inherit\"` in [node]",
        }
        ShardKeptGeneration "shard_kept_generation" {
            what: "a shard did not take the new generation",
            check: "the event reload",
            remedy: "reload again; report it if it comes back",
        }
        SocketInUse "socket_in_use" {
            what: "another daemon answers on the control socket's path",
            check: "sipward status --socket PATH",
            remedy: "stop that daemon, or set another `socket` in [admin]",
            former: ["in_use"],
        }
        SocketUnusable "socket_unusable" {
            what: "the control socket cannot be made",
            check: "`detail` of the event; ls -ld of the directory",
            remedy: "let the user that sipward runs as write to that directory, or set another `socket` in [admin]",
            former: ["unusable"],
        }
        MalformedCommand "malformed_command" {
            what: "what came on the control socket is no command that this version knows",
            check: "whether command and daemon are of the same version: sipward --version and sipward status",
            remedy: "use the sipward of the daemon's version",
            former: ["malformed_request"],
        }
        NotPermitted "not_permitted" {
            what: "the process at the control socket runs neither as the daemon's user nor as root",
            check: "`uid` of the event control_request",
            remedy: "run the command as the daemon's user or as root",
        }
        CommandTimeout "command_timeout" {
            what: "no command came, or it was not carried out, in time",
            check: "the log: how the command ended",
            remedy: "wait for the event; if none comes, look at the load of the machine",
            former: ["timeout"],
        }
        Busy "busy" {
            what: "too many commands wait",
            check: "control_request events: who sends them",
            remedy: "try again",
        }
        ShardSilent "shard_silent" {
            what: "a shard did not answer a command",
            check: "top -H of the process; the events shard_failed and shard_inbox_full",
            remedy: "try again; restart the daemon if it stays so, and report it with the log",
            former: ["no_answer"],
        }
        ReplyTooLarge "reply_too_large" {
            what: "the answer is larger than a reply of the control socket may be",
            check: "the command's own output names the bound",
            remedy: "ask for less",
        }
        Stopping "stopping" {
            what: "the daemon ends and takes no more commands",
            check: "the event drain or stopped",
            remedy: "nothing",
        }
        UnknownDecision "unknown_decision" {
            what: "no chain of a decision with this id is kept any more",
            check: "`decision` of the handshake event; the daemon keeps the latest only",
            remedy: "sipward explain --cert PEM with the certificate itself",
        }
        UnknownCrls "unknown_crls" {
            what: "no series of CRLs has this id, or several begin with it",
            check: "sipward crls",
            remedy: "give the whole id",
        }
    }
}

impl<'de> Deserialize<'de> for DaemonReason {
    /// Replies of an older daemon hold former codes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        let known = |reason: &&Self| {
            let row = reason.reason();
            row.code() == code || row.former().contains(&code.as_str())
        };
        Self::ALL
            .iter()
            .find(known)
            .copied()
            .ok_or_else(|| D::Error::custom(format_args!("no reason is called {code}")))
    }
}
