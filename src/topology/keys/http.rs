//! The keys of `[http]`: where figures and the page of the daemon are.
use super::key::{TEXT, ValueType};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::HttpSettings;

/// Far more than a node has names.
const MOST_HOSTS: usize = 64;

keys! {
    /// `[http]` as it is written.
    pub(crate) struct RawHttp compares (), HttpSettings {
        address: Option<Text> = optional("off"), TEXT, reload,
            "IP address and port at which the daemon serves its metrics and its page over HTTP, such as `127.0.0.1:9464`. \
             Nobody is asked for a password: whoever reaches the address reads all of it."
            => Compare::Value(|(), http| {
                http.address.map_or(ShownValue::Absent, |address| ShownValue::text(&address))
            });
        hosts: Vec<Text> = optional("none"), ValueType::Texts(1, MOST_HOSTS), reload,
            "Further names and IP addresses by which the daemon may be asked, without a port. Requests that name another host \
             than these, a loopback name or the address that they came to are refused, as a page in somebody's browser could \
             send them."
            => Compare::Value(|(), http| ShownValue::list(&http.hosts));
    }
}
