//! `[admin]`: where the daemon takes commands.
use super::loading::Loading;
use crate::topology::keys::admin::RawAdmin;
use crate::topology::{AdminSettings, TopologyReason};

/// Bytes of a socket's path: the size of `sockaddr_un` (unix(7)), without the end mark.
const LONGEST_SOCKET: usize = 107;

/// Resolves the section.
pub(super) fn load(raw: &RawAdmin, loading: &mut Loading<'_, '_>) -> AdminSettings {
    let socket = raw.socket.as_ref().map(|text| {
        let path = loading.path(text);
        let length = path.as_os_str().len();
        // `bind` would refuse it with "invalid argument", which nobody connects with the length of a
        // path.
        if length > LONGEST_SOCKET {
            let what = format!(
                "admin.socket {} has {length} bytes, a socket's path at most {LONGEST_SOCKET}",
                path.display()
            );
            let remedy = "choose a directory with a shorter path";
            loading.add(TopologyReason::OutOfRange, text, what, remedy);
        }
        path
    });
    AdminSettings {
        socket,
        watch: raw.watch,
    }
}
