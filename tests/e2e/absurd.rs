//! What no command can read: each refuses it with one line that names it, and neither the daemon nor a call notices.
use crate::harness::{World, message_passes};
use std::path::Path;
use std::process::{Command, Stdio};

/// A name with escape sequences of both kinds, a line end and a mark of direction.
const HOSTILE: &str = "\u{1b}[2J\n\u{9b}2J\u{202e}evil";

/// Which daemon a command asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The one that runs, by its socket.
    Socket,
    /// None, or by a topology that is among the arguments.
    Nobody,
}
use Asked::{Nobody, Socket};

/// Runs a command in this directory; gives exit code, standard output and standard error.
fn run(directory: &Path, arguments: &[String]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn acts(c: char) -> bool {
    c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// Exit code, part of what is said, whom it is for, and the command. `@` stands for the topology.
type Case<'c> = (i32, &'c str, Asked, Vec<&'c str>);

/// One for each way in which each command can be asked wrongly: numbers, times, files and words that are none.
const SLIPS: &[(i32, &str, Asked, &[&str])] = &[
    (2, "unrecognized subcommand 'fly'", Nobody, &["fly"]),
    (2, "--limit", Socket, &["connections", "--limit", "0"]),
    (2, "--limit", Socket, &["bindings", "--limit", "x"]),
    (2, "'-1'", Socket, &["calls", "--limit", "-1"]),
    (
        2,
        "1 at least",
        Socket,
        &["pools", "--limit", "99999999999999999999"],
    ),
    (
        2,
        "--client",
        Socket,
        &["connections", "--client", "--peer"],
    ),
    (2, "ADDRESS|PEER|USER", Socket, &["kick"]),
    (2, "--for", Socket, &["kick", "alice", "--for", "0s"]),
    (2, "a year at most", Socket, &["kick", "7", "--for", "400d"]),
    (
        2,
        "a year at most",
        Socket,
        &["deny", "add", "192.0.2.1", "--for", "400d"],
    ),
    (
        2,
        "192.0.2.1/33",
        Socket,
        &["deny", "add", "192.0.2.1/33", "--for", "1h"],
    ),
    (1, "unknown_denial", Socket, &["deny", "remove", "nobody"]),
    (2, "subcommand", Socket, &["deny"]),
    (
        2,
        "loud",
        Socket,
        &["log-level", "loud", "--client", "alice", "--for", "1m"],
    ),
    (2, "a million at most", Socket, &["trace", "--limit", "0"]),
    (2, "an hour at most", Socket, &["trace", "--for", "2h"]),
    (
        2,
        "a Call-ID",
        Socket,
        &["trace", "--call-id", "", "--for", "1s"],
    ),
    (
        2,
        "no/such/file",
        Socket,
        &["trace", "--pcap", "no/such/file"],
    ),
    (2, "--clients", Socket, &["drain", "--cancel"]),
    (2, "'extra'", Socket, &["reload", "extra"]),
    (1, "cannot start", Socket, &["upgrade", "no/such/program"]),
    (
        2,
        "unknown_decision",
        Socket,
        &["explain", "0123456789abcdef"],
    ),
    (1, "unknown_crls", Socket, &["crls", "forget", "x"]),
    (
        69,
        "no/such/socket",
        Nobody,
        &["status", "--socket", "no/such/socket"],
    ),
    (
        2,
        "no/such/file",
        Nobody,
        &["status", "--config", "no/such/file"],
    ),
    (2, "a directory", Nobody, &["ladder", "."]),
    (2, "no/such/file", Nobody, &["ladder", "no/such/file"]),
    (
        2,
        "no certificate",
        Nobody,
        &["explain", "--config", "@", "--cert", "@"],
    ),
    (
        2,
        "no/such/file",
        Nobody,
        &["explain", "--config", "@", "--cert", "no/such/file"],
    ),
    (
        2,
        "--timeout",
        Nobody,
        &["probe", "fe01.contoso.test", "--timeout", "0"],
    ),
    (2, "--fqdn is missing", Nobody, &["init", "new"]),
];

/// These, and each command that takes a name with names that nobody can have.
fn cases() -> Vec<Case<'static>> {
    let slips = SLIPS.iter();
    let slips = slips.map(|(code, says, asked, words)| (*code, *says, *asked, words.to_vec()));
    let mut cases: Vec<Case<'_>> = slips.collect();
    let users = [
        ("", "\"\" is no user"),
        ("sip:", "\"sip:\" is no user"),
        ("a@b@c", "\"a@b@c\" is no user"),
        (HOSTILE, "is no user"),
    ];
    for (user, says) in users {
        cases.extend([
            (2, says, Socket, vec!["connections", "--user", user]),
            (2, says, Socket, vec!["bindings", "--user", user]),
            (2, says, Socket, vec!["kick", user]),
            (2, says, Socket, vec!["kick", user, "--for", "1h"]),
            (
                2,
                says,
                Socket,
                vec!["log-level", "all", "--client", user, "--for", "1m"],
            ),
            (
                2,
                says,
                Socket,
                vec!["trace", "--user", user, "--for", "1s"],
            ),
            (
                2,
                says,
                Socket,
                vec!["trace", "--client", user, "--for", "1s"],
            ),
        ]);
    }
    for name in [HOSTILE, "@@", "a b"] {
        cases.extend([
            (
                2,
                "names no peer",
                Socket,
                vec!["trace", "--peer", name, "--for", "1s"],
            ),
            (
                2,
                "is no address",
                Socket,
                vec!["deny", "add", name, "--for", "1h"],
            ),
            (2, "is called", Nobody, vec!["explain", name]),
            (
                2,
                "nor a host name",
                Nobody,
                vec!["probe", name, "--config", "@"],
            ),
            (
                2,
                "is no name",
                Nobody,
                vec![
                    "init", "new", "--fqdn", name, "--domain", "a.test", "--home", "b.test",
                ],
            ),
        ]);
    }
    cases
}

#[tokio::test]
async fn what_cannot_be_read_is_one_line_that_names_it_and_no_call_notices() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let directory = world.lab.site.path().to_owned();
    let topology = directory.join("topology.toml").display().to_string();
    let socket = world.edge.socket.display().to_string();
    // What is not as it should be, of all of them at once.
    let mut faults = Vec::new();
    for (code, says, asked, words) in cases() {
        let words = words.iter().map(|&word| match word {
            "@" => topology.clone(),
            word => word.to_owned(),
        });
        let mut arguments: Vec<String> = words.collect();
        if asked == Socket {
            arguments.extend(["--socket".to_owned(), socket.clone()]);
        }
        let (ended, page, told) = run(&directory, &arguments);
        let is_named = told.to_lowercase().contains(&says.to_lowercase());
        let is_line = page.is_empty() && told.lines().count() == 1 && !told.contains(acts);
        if ended != Some(code) || !is_named || !is_line {
            faults.push(format!("{arguments:?}: {ended:?} {page:?} {told:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Nothing is left of what did not come about.
    assert!(!directory.join("new").exists());
    let capture = directory.join("trace.pcapng");
    let words = [
        "trace",
        "--pcap",
        "trace.pcapng",
        "--peer",
        "nobody.test",
        "--socket",
        &socket,
    ];
    let words = words.map(str::to_owned);
    for _ in 0..2 {
        let (code, _, told) = run(&directory, &words);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("names no peer"), "{told}");
        assert!(!capture.exists());
    }
    // A hundred thousand characters, more than a request may have.
    let long = "x".repeat(100_000);
    for words in [
        &["kick", &long, "--socket", &socket][..],
        &["connections", "--user", &long, "--socket", &socket],
        &["trace", "--call-id", &long, "--socket", &socket],
        &["explain", &long],
        &["probe", &long, "--config", &topology],
        &["ladder", &long],
        &["--nothing", &long],
        &["calls", "--limit", &long],
    ] {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let (code, page, told) = run(&directory, &words);
        assert_eq!((code, page.as_str()), (Some(2), ""), "{told}");
        assert!(told.lines().count() == 1 && told.len() < 1_000, "{told}");
    }
    // Faults of a file that is named so are its lines, and act on nothing either.
    let hostile = directory.join("a\u{1b}[2J\nb.toml");
    std::fs::write(&hostile, "[node]\nfqnd = 1\n").unwrap();
    let hostile = hostile.to_str().unwrap().to_owned();
    for words in [
        vec!["check".to_owned(), hostile.clone()],
        vec!["plan".to_owned(), hostile.clone(), topology.clone()],
    ] {
        let (code, page, told) = run(&directory, &words);
        assert_eq!(code, Some(1));
        assert!(!format!("{page}{told}").contains(acts), "{page}{told:?}");
    }
    // Nobody is denied by any of it, and the node serves.
    let (_, denials) = world.edge.command(&["deny", "list"]).await;
    assert_eq!(denials, serde_json::json!([]));
    message_passes(&alice, &world.fe01).await;
    let log = world.stop().await;
    assert!(log.named("denial").is_empty());
    assert!(log.named("log_level_set").is_empty());
    assert!(log.named("upgrade_failed").len() <= 1);
}
