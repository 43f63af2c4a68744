//! `[admin]`: where the daemon takes commands, and whether it looks after its files by itself.
use super::AdminSettings;
use super::TopologyReason;
use super::context::Context;
use super::quantity::{duration, show_duration};
use super::raw::{RawAdmin, Text};
use std::time::Duration;

/// Between two looks at the files: often enough for a test, seldom enough to be no load.
const WATCH: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));

/// Octets of a socket's path: the size of `sockaddr_un` (unix(7)), with the end mark.
const LONGEST_SOCKET: usize = 107;

/// Reads the section, if there is one.
pub(super) fn load(raw: Option<&RawAdmin>, context: &mut Context<'_, '_>) -> AdminSettings {
    let Some(raw) = raw else {
        return AdminSettings::default();
    };
    let socket = raw.socket.as_ref().map(|text| {
        let path = context.path(text);
        let length = path.as_os_str().len();
        if length > LONGEST_SOCKET {
            let line = context.line(text);
            context.add(
                TopologyReason::OutOfRange,
                line,
                format!(
                    "admin.socket {} has {length} octets, a socket's path at most {LONGEST_SOCKET}",
                    path.display()
                ),
                "choose a directory with a shorter path",
            );
        }
        path
    });
    AdminSettings {
        socket,
        watch: raw.watch.as_ref().and_then(|text| watch(text, context)),
    }
}

fn watch(text: &Text, context: &mut Context<'_, '_>) -> Option<Duration> {
    let line = context.line(text);
    let given = text.get_ref();
    let Some(every) = duration(given) else {
        context.add(
            TopologyReason::InvalidDuration,
            line,
            format!("admin.watch = \"{given}\" cannot be read"),
            "write a number with a unit: \"10s\" or \"5m\"",
        );
        return None;
    };
    let (least, most) = WATCH;
    if every < least || every > most {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("admin.watch = \"{given}\" is out of range"),
            format!(
                "choose {} to {}, or take the line out",
                show_duration(least),
                show_duration(most)
            ),
        );
        return None;
    }
    Some(every)
}
