//! The reasons of the daemon itself: start-up, reload, shards and the control socket.
use serde::de::{Deserialize, Deserializer, Error};

reasons! {
    /// Why the daemon did not start, warns, or does not carry out a command.
    pub enum DaemonReason of Daemon (check "", remedy "") {
        /// the daemon did not start, because the topology has faults
        TopologyFaults "topology_faults" (was "topology")
            check: "`details` of the event; sipward check FILE",
            remedy: "fix what each fault names",
        /// the daemon did not start, because a listener or the control socket could not be bound, or a socket that systemd
        /// handed over is of no listener
        ListenFailed "listen_failed" (was "listen")
            check: "ss -ltnp: who has the address; `details` of the event; systemctl cat sipward.socket",
            remedy: "stop the other process, or correct the address, in the socket unit too",
        /// the address of [http] cannot be had, so there are no figures and no page; calls are not concerned
        HttpUnavailable "http_unavailable"
            check: "`detail` of the event; ss -ltnp: who has the address",
            remedy: "stop the other process, or correct `address` in [http]",
        /// the daemon did not start, because the system refused a resource
        StartFailed "start_failed" (was "internal")
            check: "`details` of the event: what the system said",
            remedy: "fix what it names, such as a limit of threads or open files",
        /// the file of `[log] file` cannot be opened anew; lines go on where they went
        LogFileFailed "log_file_failed"
            check: "`detail` of the event: what the system said; the directory's owner and mode",
            remedy: "give the daemon's user the directory, then send SIGUSR1 again",
        /// an [[expect]] of the topology does not hold: the decision on its certificate is another one
        ExpectationFailed "expectation_failed"
            check: "sipward check FILE prints the decision; sipward explain --cert PEM shows every step",
            remedy: "fix the trust that the expectation guards, or correct the [[expect]]",
        /// there is no state directory, so after a restart an older CRL than the newest known one would be
        /// accepted
        StateMissing "state_missing"
            check: "`state` of [node]; StateDirectory= of the unit",
            remedy: "set `state`, or start the daemon by its unit",
        /// a CRL cannot be written to the state directory
        StateUnwritable "state_unwritable" (was "unwritable")
            check: "ls -ld of the directory and df of its file system; `detail` of the event crl_state_failed",
            remedy: "let the user that sipward runs as write there, and make room",
        /// the state directory would hold more CRLs than are kept
        StateFull "state_full" (was "full")
            check: "sipward crls lists what is kept",
            remedy: "sipward crls forget ID for series that are no longer needed",
        /// a file of the state directory is not used: it is damaged, or its CRL is not genuine
        StateDamaged "state_damaged"
            check: "`detail` of the event names the file",
            remedy: "remove the file; its CRL is stored again when a certificate proves it",
        /// the state directory cannot be read, so older CRLs than those in it would be accepted
        StateUnreadable "state_unreadable"
            check: "ls -ld of the directory that `detail` of the event names",
            remedy: "let the user that sipward runs as read it",
        /// others than the user that sipward runs as can write to the state directory
        StateUnsafe "state_unsafe"
            check: "ls -ld of the directory that `detail` of the event names",
            remedy: "chmod 700 the directory, and keep nothing else in it",
        /// after a reload, a listener of this node showed another certificate than the topology says
        ListenerServesAnotherCertificate "listener_serves_another_certificate"
            check: "openssl s_client -connect EDGE:PORT -servername FQDN; `served` of the event reload",
            remedy: "find out what else listens on that address; report it if nothing does",
        /// the system could not accept a connection that had arrived
        AcceptFailed "accept_failed"
            check: "the event's detail; ulimit -n of the service and the count of open descriptors in /proc/PID/fd",
            remedy: "raise LimitNOFILE, or lower limits.connections",
        /// the process may have fewer descriptors than limits.connections needs in all shards, so that fewer connections
        /// are taken
        DescriptorsShort "descriptors_short"
            check: "`detail` of the event: what is needed and what there is; sipward check FILE",
            remedy: "raise LimitNOFILE of the unit (ulimit -n), or lower limits.connections",
        /// the user that the daemon runs as may not read a file that the topology names, or not search a directory on the way
        /// to it
        ClosedToService "closed_to_service"
            check: "sipward check FILE --user NAME as root names the file or the directory; getfacl, if there are ACLs",
            remedy: "chown or chgrp what it names, or hand keys over with LoadCredential= of the unit",
        /// a shard does not keep up with what other shards send to it
        ShardInboxFull "shard_inbox_full"
            check: "sipward status; top -H of the process",
            remedy: "add cores or nodes, or find out who floods",
        /// a shard ended unexpectedly
        ShardFailed "shard_failed"
            check: "the lines before it",
            remedy: "report it with the log: this should not happen",
        /// the system did not let shards run under SCHED_BATCH; they run as the daemon was started, and
        /// messages cost more CPU time
        SchedulingRefused "scheduling_refused"
            check: "the unit's SystemCallFilter=: @resources has the call; the container's seccomp profile",
            remedy: "CPUSchedulingPolicy=batch in the unit, as config/sipward.service has it, or `scheduling = \"inherit\"` in [node]",
        /// a shard could not use the new generation
        ShardKeptGeneration "shard_kept_generation"
            check: "the event reload",
            remedy: "reload again; report it if it happens again",
        /// another daemon answers on the control socket's path
        SocketInUse "socket_in_use" (was "in_use")
            check: "sipward status --socket PATH",
            remedy: "stop that daemon, or set another `socket` in [admin]",
        /// the control socket cannot be made
        SocketUnusable "socket_unusable" (was "unusable")
            check: "`detail` of the event; ls -ld of the directory",
            remedy: "let the user that sipward runs as write to that directory, or set another `socket` in [admin]",
        /// the new process did not take over; the old one serves as before
        UpgradeFailed "upgrade_failed"
            check: "the command's text, or `detail` of the event; the new process's own lines in the log",
            remedy: "fix what it names: sipward check FILE with the new program, its path and mode; then try again",
        /// the process before this one still has clients, and two upgrades at a time are not made
        UpgradeRunning "upgrade_running"
            check: "sipward status: how many clients the former process has",
            remedy: "wait until it has let them go (limits.handover), or end it by SIGTERM",
        /// the daemon does not know the command that was sent to the control socket
        MalformedCommand "malformed_command" (was "malformed_request")
            check: "whether command and daemon are of the same version: sipward --version and sipward status",
            remedy: "use the sipward of the daemon's version",
        /// the process that used the control socket runs neither as the daemon's user nor as root
        NotPermitted "not_permitted"
            check: "`uid` of the event control_refused",
            remedy: "run the command as the daemon's user or as root",
        /// no command was sent, or it was not carried out, in time
        CommandTimeout "command_timeout" (was "timeout")
            check: "the log: how the command ended",
            remedy: "wait for the event; if none comes, look at the load of the machine",
        /// too many commands are waiting
        Busy "busy"
            check: "control_request events: who sends them",
            remedy: "try again",
        /// a shard did not answer a command
        ShardSilent "shard_silent" (was "no_answer")
            check: "top -H of the process; the event warning with reason shard_failed, the event overloaded with reason shard_inbox_full",
            remedy: "try again; restart the daemon if it stays so, and report it with the log",
        /// the answer is larger than a reply of the control socket may be
        ReplyTooLarge "reply_too_large"
            check: "the command's own output names the bound",
            remedy: "ask for less",
        /// the daemon is stopping and accepts no more commands
        Stopping "stopping"
            check: "the event drain or stopped",
            remedy: "nothing",
        /// the chain of a decision with this id is no longer kept
        UnknownDecision "unknown_decision"
            check: "`decision` of the handshake event; the daemon keeps the latest only",
            remedy: "sipward explain --cert PEM with the certificate itself",
        /// no operator has denied this network, peer or user
        UnknownDenial "unknown_denial"
            check: "sipward deny list",
            remedy: "name it as the list does; what limits.deny has ends with a reload",
        /// operators have denied as many networks, peers and users as there is room for
        DenialsFull "denials_full"
            check: "sipward deny list",
            remedy: "deny larger networks, or put what is to last into limits.deny",
        /// no series of CRLs has this id, or several begin with it
        UnknownCrls "unknown_crls"
            check: "sipward crls",
            remedy: "give the whole id",
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
