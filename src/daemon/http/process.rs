//! What the system says of this process (proc(5)).
use std::fs;

/// Clock ticks in a second, as proc(5) has them: the same on every architecture that this runs on.
const TICKS: f64 = 100.0;

/// Figures of this process; `None` where the system does not say.
#[derive(Debug, Default)]
pub(super) struct ProcessFigures {
    /// Seconds of CPU time, in user space and in the kernel.
    pub(super) cpu: Option<f64>,
    /// Bytes in memory.
    pub(super) resident: Option<u64>,
    /// Bytes of address space.
    pub(super) virtual_memory: Option<u64>,
    /// Open descriptors.
    pub(super) fds: Option<u64>,
    /// The most that may be open.
    pub(super) max_fds: Option<u64>,
}

impl ProcessFigures {
    /// As they are now.
    ///
    /// Small files that the kernel makes when they are read: no disk is waited for.
    pub(super) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self {
            cpu: fs::read_to_string("/proc/self/stat")
                .ok()
                .and_then(|stat| cpu(&stat)),
            resident: kibibytes(&status, "VmRSS:"),
            virtual_memory: kibibytes(&status, "VmSize:"),
            fds: descriptors(),
            max_fds: field(&limits, "Max open files"),
        }
    }
}

/// Fields 14 and 15; the second one, the name in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// The kernel says `kB` and means 1,024 bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    field(status, name).map(|kibibytes| kibibytes * 1024)
}

/// Since Linux 6.2 the directory's size is their number; before, they are counted.
// A node with a hundred thousand connections has as many entries there: to count them takes a
// while, of this thread alone.
fn descriptors() -> Option<u64> {
    let said = fs::metadata("/proc/self/fd").ok()?.len();
    if said > 0 {
        return Some(said);
    }
    // One of them is the directory that is being read.
    u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count().checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_all_of_them() {
        let figures = ProcessFigures::now();
        assert!(figures.cpu.is_some(), "{figures:?}");
        assert!(figures.resident > Some(1 << 20), "{figures:?}");
        assert!(figures.virtual_memory >= figures.resident, "{figures:?}");
        assert!(figures.fds > Some(2), "{figures:?}");
        assert!(figures.max_fds >= figures.fds, "{figures:?}");
    }

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = "7 (a) S 1) R 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (a)"), None);
    }
}
