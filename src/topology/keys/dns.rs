//! The keys of `[dns]`: who is asked for the addresses of peers.
use super::key::{DAY, MINUTE, ValueType, duration};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::DnsSettings;
use std::time::Duration;

/// More name servers than this only make a failure last longer.
const MOST_SERVERS: usize = 8;

keys! {
    /// `[dns]` as it is written.
    pub(crate) struct RawDns compares (), DnsSettings {
        servers: Vec<Text> = optional("the system's"), ValueType::Texts(1, MOST_SERVERS), reload,
            "Name servers, asked in place of the system's: an IP address, with a port if it is not 53."
            => Compare::Value(|(), dns| ShownValue::list(&dns.servers));
        timeout: Duration = default(Duration::from_secs(2)), duration(100, MINUTE), reload,
            "How long one question may take, repetitions included.";
        stale: Duration = default(Duration::from_secs(3_600)), duration(0, 7 * DAY), reload,
            "How long past its TTL the last good answer serves while no name server answers.";
    }
}
