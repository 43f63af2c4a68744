//! Whether the user that the daemon runs as may read what the file names: `check` is mostly run by root, who may read all.
//!
//! The usual first failure of a service: everything was tried as root, keys have mode 0600 and belong to root, and the unit runs
//! the daemon as a user of its own. Only permission bits are looked at. An ACL may permit more, which is why this is never
//! more than a warning; users that only LDAP knows cannot be named.
use crate::topology::Topology;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The user of config/sipward.service and of the packages.
const USUAL: &str = "sipward";

/// Who will serve the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUser {
    /// For messages.
    name: String,
    uid: u32,
    /// Its own group first.
    groups: Vec<u32>,
}

/// Something that the user may not do, and what to do about it.
pub(super) struct ClosedFile {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// Bits of a mode, in the place of those of others.
const READ: u32 = 4;
/// Of a directory.
const SEARCH: u32 = 1;

impl ServiceUser {
    /// A user of this machine.
    ///
    /// # Errors
    /// There is none of this name in /etc/passwd.
    pub fn named(name: &str) -> Result<Self, String> {
        // Without the files there is no user; that they cannot be read is no other case.
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self::in_files(name, &read("/etc/passwd"), &read("/etc/group"))
            .ok_or_else(|| format!("/etc/passwd has no user {name}"))
    }

    /// Its number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of its own group.
    pub fn group(&self) -> u32 {
        self.groups.first().copied().unwrap_or(self.uid)
    }

    /// The usual one, where root checks a file for it.
    pub fn usual() -> Option<Self> {
        geteuid()
            .is_root()
            .then(|| Self::named(USUAL).ok())
            .flatten()
    }

    /// passwd(5) and group(5).
    fn in_files(name: &str, passwd: &str, group: &str) -> Option<Self> {
        let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let mut users = passwd.lines().map(fields);
        let user = users.find(|user| user.first().is_some_and(|first| first == name))?;
        let uid = user.get(2)?.parse().ok()?;
        // The group of the user itself counts whether or not it lists the user.
        let mut groups = vec![user.get(3)?.parse().ok()?];
        // The fourth field lists the further members (group(5)).
        for group in group.lines().map(fields) {
            let members = group.get(3).map_or("", String::as_str);
            if members.split(',').any(|member| member == name)
                && let Some(gid) = group.get(2).and_then(|gid| gid.parse().ok())
            {
                groups.push(gid);
            }
        }
        Some(Self {
            name: name.to_owned(),
            uid,
            groups,
        })
    }

    /// What the topology names and the user may not read: each directory and each file once.
    pub(super) fn closed_files(&self, topology: &Topology) -> Vec<ClosedFile> {
        // The topology itself is among them; CRLs are not, since they are read again later.
        let files = topology.files().iter().map(|file| file.path().to_owned());
        let sets = topology.trusts().iter();
        let crls = sets.flat_map(|set| set.crl_sources.iter().map(|source| source.path.clone()));
        // Sorted, so that the report is the same each time.
        let mut directories: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        let mut closed = BTreeMap::new();
        for file in files.chain(crls) {
            match self.hindrance(&file) {
                Some((place, SEARCH)) => directories.entry(place).or_default().push(file),
                Some((place, _)) => {
                    closed.insert(place, ());
                }
                None => {}
            }
        }
        let name = &self.name;
        let mut found = Vec::new();
        // One line for a directory, however much is behind it: one command opens it.
        for (directory, behind) in directories {
            let first = behind.first().map(|file| file.display().to_string());
            let what = format!(
                "user {name} cannot search the directory {} ({}), so that the daemon cannot read {}",
                directory.display(),
                owner(&directory),
                first.unwrap_or_default()
            );
            let remedy = format!("chgrp {name} {0} && chmod g+x {0}", directory.display());
            found.push(ClosedFile { what, remedy });
        }
        // Each file by itself: whose they are may differ, and keys should not be opened in bulk.
        for file in closed.into_keys() {
            let shown = file.display();
            let what = format!("user {name} cannot read {shown} ({})", owner(&file));
            let remedy = format!(
                "chown {name} {shown}, or hand a key over with LoadCredential= of the unit"
            );
            found.push(ClosedFile { what, remedy });
        }
        found
    }

    /// What keeps the user from reading a file: a directory on the way, or the file itself. What cannot be looked at is not
    /// known to be closed.
    fn hindrance(&self, file: &Path) -> Option<(PathBuf, u32)> {
        // Links are followed: both the way that is written and the one that it leads to must be open.
        // Relative ones are relative to the topology, whose path may be relative too.
        let written = std::path::absolute(file).ok()?;
        let real = std::fs::canonicalize(file).ok()?;
        for path in [&written, &real] {
            let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
            // From the root down: the first that is shut is the one to open.
            above.reverse();
            let shut = above
                .into_iter()
                .find(|directory| self.lacks(directory, SEARCH));
            if let Some(directory) = shut {
                return Some((directory.to_owned(), SEARCH));
            }
        }
        if self.lacks(&real, READ) {
            return Some((real, READ));
        }
        // A directory of CRLs is listed and then searched.
        let is_directory = std::fs::metadata(&real).is_ok_and(|data| data.is_dir());
        (is_directory && self.lacks(&real, SEARCH)).then_some((real, SEARCH))
    }

    /// What cannot be looked at is not known to be shut.
    fn lacks(&self, path: &Path, wanted: u32) -> bool {
        std::fs::metadata(path).is_ok_and(|data| !self.may(&data, wanted))
    }

    /// As the kernel decides where there is no ACL: the first class that fits counts, whatever the others have.
    fn may(&self, data: &Metadata, wanted: u32) -> bool {
        let class = if self.uid == data.uid() {
            6
        } else if self.groups.contains(&data.gid()) {
            3
        } else {
            0
        };
        self.uid == 0 || (data.mode() >> class) & wanted == wanted
    }
}

/// By numbers: names of users would have to be looked up, and `ls -n` shows the same.
fn owner(path: &Path) -> String {
    std::fs::metadata(path).map_or_else(
        |error| error.to_string(),
        |data| {
            let (mode, uid, gid) = (data.mode() & 0o7777, data.uid(), data.gid());
            format!("mode {mode:04o}, owner {uid}:{gid}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_user_has_its_own_group_and_those_that_list_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\nsipward:x:992:990::/:/usr/sbin/nologin\n";
        let group = "sipward:x:990:\nssl-cert:x:105:postgres,sipward\nsip:x:7:sipwardx\n";
        let user = ServiceUser::in_files("sipward", passwd, group).unwrap();
        assert_eq!((user.uid, user.groups.as_slice()), (992, &[990, 105][..]));
        assert_eq!(ServiceUser::in_files("sip", passwd, group), None);
        assert_eq!(
            ServiceUser::in_files("broken", "broken:x:one:2:", group),
            None
        );
    }

    #[test]
    fn a_directory_on_the_way_is_found_before_the_file() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("certs");
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("edge.key.pem");
        std::fs::write(&file, "key").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let data = std::fs::metadata(&file).unwrap();
        let stranger = ServiceUser {
            name: "somebody".to_owned(),
            uid: data.uid() + 4711,
            groups: vec![data.gid() + 4711],
        };
        mode(home.path(), 0o755);
        for (of_directory, of_file, found) in [
            (0o700, 0o600, Some((directory.clone(), SEARCH))),
            (0o711, 0o600, Some((file.clone(), READ))),
            (0o711, 0o604, None),
        ] {
            mode(&directory, of_directory);
            mode(&file, of_file);
            // Above lies what this machine's temporary directory has.
            assert_eq!(stranger.hindrance(&file), found);
        }
        let member = ServiceUser {
            groups: vec![data.gid()],
            ..stranger
        };
        mode(&file, 0o604);
        assert!(
            member.lacks(&file, READ),
            "the group counts, not the others"
        );
    }
}
