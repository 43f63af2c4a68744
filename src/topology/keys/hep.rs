//! The keys of `[hep]`: a collector that gets copies of messages.
use super::key::{TEXT, ValueType};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::HepSettings;

/// The protocol has 32 bits for it.
const MOST_ID: u64 = u32::MAX as u64;
/// Each message is compared with each.
const MOST_SELECTED: usize = 256;

keys! {
    /// `[hep]` as it is written.
    pub(crate) struct RawHep compares (), HepSettings {
        address: Option<Text> = optional("off"), TEXT, reload,
            "IP address and UDP port of a collector (Homer, sngrep) that gets a copy of each message as HEPv3. Credentials, \
             route tokens and bodies are masked; what is left crosses the network in the clear."
            => Compare::Value(|(), hep| {
                hep.address.map_or(ShownValue::Absent, |address| ShownValue::text(&address))
            });
        capture_id: usize = default(1), ValueType::Integer(0, MOST_ID), reload,
            "The number by which the collector knows this node.";
        password_file: Option<Text> = optional("none"), TEXT, reload,
            "File with the password that the collector asks for, on its first line. Mode 0600."
            => Compare::Value(|(), hep| match &hep.password_file {
                Some(path) => ShownValue::text(&path.display()),
                None => ShownValue::Absent,
            });
        peers: Vec<Text> = optional("all"), ValueType::Texts(1, MOST_SELECTED), reload,
            "Only messages of connections with these peers, by their names, and of `clients`."
            => Compare::Value(|(), hep| ShownValue::list(&hep.peers));
        clients: Vec<Text> = optional("all"), ValueType::Texts(1, MOST_SELECTED), reload,
            "Only messages of connections of clients from these addresses and networks, and of `peers`."
            => Compare::Value(|(), hep| ShownValue::list(&hep.clients));
    }
}
