//! The unit of config/ under a real systemd that is booted for it: hardened as it is shipped, started, upgraded, reloaded,
//! restarted and stopped, with its events in a real journal.
//!
//! systemd is process 1 of namespaces of its own, over a copy of this machine's files that ends with them. Where that cannot be
//! had (no root, no systemd, a kernel that refuses a namespace) the test says so and ends; with `SIPWARD_INTEROP=require` it
//! fails. What is asserted of the notifications themselves is in `systemd` and `upgrade`, with a stand-in.
use crate::systemd::site;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Process 1 of the namespaces: the files, and then systemd in its place.
const BOOT: &str = r#"#!/bin/bash
set -e
share=$1
mount --make-rprivate /
ip link set lo up
mkdir -p $share/root $share/over
mount -t tmpfs tmpfs $share/over
mkdir -p $share/over/upper $share/over/work
mount -t overlay overlay -o lowerdir=/,upperdir=$share/over/upper,workdir=$share/over/work $share/root
root=$share/root
mount -t proc proc $root/proc
mount --rbind /sys $root/sys
mount --rbind /dev $root/dev
mount -t tmpfs tmpfs $root/run
mount -t tmpfs tmpfs $root/tmp
mkdir -p $root/tmp/share
mount --bind $share $root/tmp/share
chmod 755 $root/tmp/share
grep -q '^sipward:' $root/etc/passwd || {
    echo 'sipward:x:4999:4999::/nonexistent:/usr/sbin/nologin' >> $root/etc/passwd
    echo 'sipward:x:4999:' >> $root/etc/group
}
install -m 755 $share/sipward $root/usr/bin/sipward
rm -rf $root/etc/sipward
cp -r $share/site $root/etc/sipward
chroot $root chown -R sipward:sipward /etc/sipward
units=$root/etc/systemd/system
cp $share/sipward.service $share/sipward.socket $units/
# The rest of the system is not booted, and is not waited for.
ln -sf /dev/null $units/network-online.target
for unit in service socket; do
    mkdir -p $units/sipward.$unit.d
    printf '[Unit]\nDefaultDependencies=no\n' > $units/sipward.$unit.d/alone.conf
done
printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nStandardOutput=file:/tmp/share/trace\nStandardError=file:/tmp/share/trace\nExecStart=/bin/bash -x /tmp/share/drive\n' > $units/drive.service
printf '[Unit]\nDefaultDependencies=no\nWants=drive.service\n' > $units/test.target
export container=other SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
# Not by chroot alone: the kernel makes no user namespace (PrivateUsers=) for who is in one.
cd $root
mkdir -p before
pivot_root . before
exec chroot . /bin/bash -c 'umount -l /before; exec /usr/lib/systemd/systemd --system --unit=test.target'
"#;

/// What an operator does, and what comes of it.
const DRIVE: &str = r#"
say() { echo "$1=$2" >> /tmp/share/results; }
show() { systemctl show -P $1 sipward.service; }
count() { pgrep -u sipward -x sipward | wc -l; }
until_is() { for i in $(seq 200); do [ "$($1 $2)" = "$3" ] && return; sleep 0.1; done; }
connects() { (exec 5<>/dev/tcp/127.0.0.1/5061) 2>/dev/null; }
say booted yes
# Before the daemon, whose standard error is connected to it when it is started.
systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service
say journald "$(systemctl is-active systemd-journald.service)"
systemctl start sipward.socket
systemctl start sipward.service
say started "$(show ActiveState)"
first=$(show MainPID)
# A connection that shakes hands keeps the old process for a while.
exec 4<>/dev/tcp/127.0.0.1/5061
( until [ -e /tmp/share/enough ]; do connects || echo refused >> /tmp/share/refused; sleep 0.02; done ) &
connecting=$!
sipward upgrade --socket /run/sipward/control.sock --json > /tmp/share/upgraded
say upgraded $?
pid=$(grep -o '"pid": *[0-9]*' /tmp/share/upgraded | head -1 | grep -o '[0-9]*')
until_is show MainPID $pid
say is_main "$([ "$(show MainPID)" = "$pid" ] && echo yes)"
say is_other "$([ "$first" != "$pid" ] && echo yes)"
say active_after "$(show ActiveState)/$(show NRestarts)"
say both "$(count)"
systemctl reload sipward.service
say reloaded "$?/$(show ActiveState)"
sipward status --socket /run/sipward/control.sock --json > /tmp/share/status
say former "$(grep -c '"former"' /tmp/share/status)"
exec 4>&-
until_is count '' 1
say alone "$(count)/$(show ActiveState)/$(show MainPID)"
say still_main "$pid"
# A second one, by the new process.
sipward upgrade --socket /run/sipward/control.sock > /dev/null
say upgraded_again $?
until_is count '' 1
systemctl restart sipward.service
say restarted "$(show ActiveState)"
touch /tmp/share/enough
wait $connecting
say refused "$(cat /tmp/share/refused 2>/dev/null | wc -l)"
# What docs/logging.md says of the journal.
entries() { journalctl -q -o cat -u sipward "$@" | wc -l; }
journalctl --sync
say by_event "$(entries SIPWARD_EVENT=ready)"
id=$(sipward explain ready | sed -n 's/^ *message_id *//p')
say by_message_id "$(entries MESSAGE_ID=$id)"
say by_field "$(entries SIPWARD_EVENT=listening SIPWARD_LISTENER=edge SIPWARD_ACCEPT=both)"
say by_other_field "$(entries SIPWARD_EVENT=listening SIPWARD_LISTENER=nowhere)"
say infos_among_warnings "$(journalctl -q -o cat -u sipward -p warning | grep -c '"level":"info"')"
say some_are_none "$(journalctl -q -o cat -u sipward | grep -c '"level":"info"' | sed 's/^[1-9].*/yes/')"
journalctl -q -u sipward -o json SIPWARD_EVENT=ready | head -1 > /tmp/share/entry
# Each line of the docs that asks the journal, as it stands there.
while read -r line; do
    echo "$line" >> /tmp/share/asked
    bash -o pipefail -c "$line" > /dev/null 2> /tmp/share/answer || { echo "$line"; cat /tmp/share/answer; } >> /tmp/share/unanswered
done < /tmp/share/docs
say asked "$(wc -l < /tmp/share/asked)"
# Ended the hard way: systemd starts it anew.
kill -KILL $(show MainPID)
until_is show NRestarts 1
until_is show ActiveState active
say after_kill "$(show ActiveState)/$(show NRestarts)"
systemctl stop sipward.socket sipward.service
say stopped "$(show ActiveState)/$(show Result)/$(count)"
say done yes
"#;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);

/// The lines of the docs that ask the journal.
fn of_the_docs() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut lines = Vec::new();
    for folder in [docs.join("howto"), docs] {
        for page in fs::read_dir(folder).unwrap() {
            let path = page.unwrap().path();
            if path.is_file() {
                let text = fs::read_to_string(path).unwrap();
                let asks = text.lines().filter(|line| line.starts_with("journalctl "));
                lines.extend(asks.map(str::to_owned));
            }
        }
    }
    lines
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn results(share: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(share.join("results")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_hardened_unit_is_upgraded_restarted_and_stopped_by_a_real_systemd() {
    let share = tempfile::tempdir().unwrap();
    let directory = share.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for unit in ["sipward.service", "sipward.socket"] {
        fs::copy(root.join("config").join(unit), directory.join(unit)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_sipward"), directory.join("sipward")).unwrap();
    let (lab, file) = site();
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("127.0.0.1:0", "0.0.0.0:5061");
    fs::write(&file, text).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(lab.path())
        .arg(directory.join("site"))
        .status();
    assert!(copied.unwrap().success());
    write(directory, "boot", BOOT);
    write(directory, "drive", DRIVE);
    let docs = of_the_docs();
    assert!(docs.len() >= 6, "{docs:?}");
    write(directory, "docs", &format!("{}\n", docs.join("\n")));
    // Its end is that of process 1, which takes all of its namespaces along.
    let booted = Command::new("unshare")
        .args(["-m", "-p", "-f", "-C", "-u", "-i", "-n", "--kill-child"])
        .arg(directory.join("boot"))
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(fs::File::create(directory.join("console")).unwrap())
        .stderr(fs::File::create(directory.join("errors")).unwrap())
        .spawn();
    let mut booted = match booted {
        Ok(child) => child,
        Err(error) => return skipped(&error.to_string()),
    };
    let is_done = || results(directory).contains_key("done");
    let mut looks = PATIENCE.as_millis() / LOOK.as_millis();
    while !is_done() && booted.try_wait().unwrap().is_none() && looks > 0 {
        std::thread::sleep(LOOK);
        looks -= 1;
    }
    let _ = booted.kill();
    let _ = booted.wait();
    let said = |name: &str| results(directory).get(name).cloned().unwrap_or_default();
    if said("booted").is_empty() {
        let errors = fs::read_to_string(directory.join("errors")).unwrap_or_default();
        return skipped(errors.trim());
    }
    let trace = fs::read_to_string(directory.join("trace")).unwrap_or_default();
    let pid = said("still_main");
    for (name, wanted) in [
        ("journald", "active"),
        ("started", "active"),
        ("upgraded", "0"),
        ("is_main", "yes"),
        ("is_other", "yes"),
        ("active_after", "active/0"),
        ("both", "2"),
        ("reloaded", "0/active"),
        ("former", "1"),
        ("alone", &format!("1/active/{pid}")),
        ("upgraded_again", "0"),
        ("restarted", "active"),
        ("refused", "0"),
        // One start, two upgrades and one restart.
        ("by_event", "4"),
        ("by_message_id", "4"),
        ("by_field", "4"),
        ("by_other_field", "0"),
        ("infos_among_warnings", "0"),
        ("some_are_none", "yes"),
        ("asked", &docs.len().to_string()),
        ("after_kill", "active/1"),
        ("stopped", "inactive/success/0"),
        ("done", "yes"),
    ] {
        assert_eq!(said(name), wanted, "{name}\n{trace}");
    }
    let unanswered = fs::read_to_string(directory.join("unanswered")).unwrap_or_default();
    assert_eq!(unanswered, "");
    // The line and the fields of one event are one entry, of the daemon's own unit.
    let entry = fs::read_to_string(directory.join("entry")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    let message = entry["MESSAGE"].as_str().unwrap();
    let message: serde_json::Value = serde_json::from_str(message).unwrap();
    assert_eq!(
        (&message["event"], &message["generation"]),
        (&"ready".into(), &1.into())
    );
    assert_eq!(
        (&entry["PRIORITY"], &entry["SIPWARD_GENERATION"]),
        (&"6".into(), &"1".into())
    );
    assert_eq!(entry["_TRANSPORT"], "journal");
}

/// No such namespaces here.
fn skipped(why: &str) {
    let must = std::env::var("SIPWARD_INTEROP").as_deref() == Ok("require");
    assert!(!must, "no systemd can be booted here: {why}");
    eprintln!("SKIPPED: no systemd can be booted here: {why}");
}
