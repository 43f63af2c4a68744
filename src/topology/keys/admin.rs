//! The keys of `[admin]`: how the running daemon takes commands.
use super::key::{DAY, TEXT, duration};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::AdminSettings;
use std::time::Duration;

keys! {
    /// `[admin]` as it is written.
    pub(crate) struct RawAdmin compares (), AdminSettings {
        socket: Option<Text> = optional("`control.sock` in the runtime directory"), TEXT, restart,
            "Path of the control socket, at most 107 bytes; the daemon must be able to make it."
            => Compare::Value(|(), admin| {
                admin.socket.as_ref().map_or(ShownValue::Absent, |path| ShownValue::text(&path.display()))
            });
        // Often enough for a test, seldom enough to be no load.
        watch: Option<Duration> = optional("off"), duration(100, DAY), reload,
            "How often the content of this file and of the certificates, keys and anchors that it names is looked at; a change \
             that has settled is a reload. CRLs have a timer of their own (`crl_refresh`).";
    }
}
