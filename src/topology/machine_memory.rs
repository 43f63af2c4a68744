//! How much memory this process may use: that of the machine, or less where its cgroup has a bound.
use rustix::system::sysinfo;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Where cgroups are found, of either version.
const ROOT: &str = "/sys/fs/cgroup";

/// In bytes. Read once: a bound that moved by itself would be none.
pub(crate) fn usable() -> usize {
    static USABLE: OnceLock<usize> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let read = |file: &Path| fs::read_to_string(file).ok();
        let bound = cgroup_bound(&own, read).unwrap_or(u64::MAX);
        usize::try_from(machine().min(bound)).unwrap_or(usize::MAX)
    })
}

/// Of the machine. By a system call: a hardened unit hides `/proc/meminfo`.
fn machine() -> u64 {
    let info = sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram)
}

/// The least bound of the process's cgroup and those above it. `own` is `/proc/self/cgroup`.
///
/// A path that is not there, as in a container that sees its own cgroup as the root, is tried from its end on.
fn cgroup_bound(own: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let lines = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_memory = controllers.split(',').any(|it| it == "memory");
        // Version 2 has one hierarchy, without a name.
        let (folder, file) = match (controllers.is_empty(), is_memory) {
            (true, _) => ("", "memory.max"),
            (false, true) => ("memory", "memory.limit_in_bytes"),
            (false, false) => return None,
        };
        Some((Path::new(ROOT).join(folder), path, file))
    });
    let bounds = lines.flat_map(|(root, path, file)| {
        let ancestors = Path::new(path.trim_start_matches('/')).ancestors();
        ancestors.map(move |path| root.join(path).join(file))
    });
    // "max", and of version 1 a number near 2^63, mean that there is none.
    let numbers = bounds.filter_map(|file| read(&file)?.trim().parse::<u64>().ok());
    numbers.filter(|bytes| *bytes < 1 << 62).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_bound_of_the_own_cgroup_and_those_above_counts() {
        let files = [
            (
                "/sys/fs/cgroup/system.slice/sipward.service/memory.max",
                "max\n",
            ),
            ("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
            (
                "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
                "536870912\n",
            ),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("/sys/fs/cgroup/memory.max", "2147483648\n"),
        ];
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        for (own, bound) in [
            ("0::/system.slice/sipward.service\n", Some(1 << 30)),
            ("0::/\n", Some(2 << 30)),
            ("0::/../../elsewhere\n", Some(2 << 30)),
            (
                "9:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
                Some(512 << 20),
            ),
            ("4:memory:/\n", None),
            ("", None),
        ] {
            assert_eq!(cgroup_bound(own, read), bound, "{own}");
        }
        assert!(machine() > 64 << 20 && usable() > 0);
    }
}
