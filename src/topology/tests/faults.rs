//! Every code provoked by one change to a good topology, and how faults are reported.
use super::cases::CASES;
use super::*;
use std::path::Path;

#[test]
fn every_code_is_found_at_its_line_and_alone() {
    let lab = Lab::new();
    for case in CASES {
        let text = edited(case.edits);
        let findings = match (lab.load(&text), case.code.severity()) {
            (Err(faults), Severity::Fault) => faults,
            (Ok(topology), Severity::Warning) => topology.warnings,
            (Err(faults), Severity::Warning) => panic!("{:?}: {}", case.code, shown(&faults)),
            (Ok(_), Severity::Fault) => panic!("{:?} with {} was not found", case.code, case.says),
        };
        let all = shown(&findings);
        let of_code = findings.iter().filter(|f| f.code == case.code.code());
        let finding = of_code.clone().find(|f| f.what.contains(case.says));
        let finding =
            finding.unwrap_or_else(|| panic!("{:?} \"{}\" not in\n{all}", case.code, case.says));
        if case.code.severity() == Severity::Fault {
            assert_eq!(
                findings.len(),
                of_code.count(),
                "{:?} brings others with it:\n{all}",
                case.code
            );
        }
        if !case.line.is_empty() {
            assert_eq!(finding.file, lab.path("topology.toml"));
            assert_eq!(
                finding.line,
                Some(line_of(&text, case.line)),
                "{:?}\n{all}",
                case.code
            );
        }
        assert!(!finding.remedy.is_empty());
    }
}

#[test]
fn every_code_of_the_table_has_a_case() {
    let provoked: HashSet<TopologyReason> = CASES.iter().map(|case| case.code).collect();
    let missing: Vec<&TopologyReason> = TopologyReason::ALL
        .iter()
        .filter(|code| !provoked.contains(code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn all_faults_come_at_once_in_the_order_of_lines() {
    let lab = Lab::new();
    let text = edited(&[
        ("fqdn = \"edge01", "fdqn = \"edge01"),
        (
            "name = \"edge\"\naddress",
            "name = \"edge\"\ncolour = \"red\"\naddress",
        ),
        ("\"edge.key.pem\"", "\"other.key.pem\""),
        ("kind = \"federated\"", "kind = \"federal\""),
        ("\"fabrikam-ca.crl.pem\"", "\"gone.pem\""),
        ("peers = [\"fe01", "peers = [\"fe1"),
        ("handshakes = 100", "handshakes = 0"),
        ("\"tokens\"", "\"tokens.bad\""),
    ]);
    let faults = lab.load(&text).err().unwrap();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(
        codes,
        [
            "unknown_key",
            "key_mismatch",
            "file_missing",
            "unknown_key",
            "unknown_word",
            "unknown_reference",
            "out_of_range",
            "token_key_malformed",
        ],
        "{}",
        shown(&faults)
    );
    assert_eq!(faults[7].file, lab.path("tokens.bad"));
    assert_eq!(faults[7].line, Some(2));
}

#[test]
fn several_syntax_errors_are_several_faults() {
    let lab = Lab::new();
    let faults = lab
        .load("[node\nfqdn = \n[[peer]]\nx = = 1\n")
        .err()
        .unwrap();
    let lines: HashSet<u32> = faults.iter().filter_map(|fault| fault.line).collect();
    assert!(faults.iter().all(|fault| fault.code == "syntax"));
    assert!(
        lines.contains(&1) && lines.contains(&4),
        "{}",
        shown(&faults)
    );
}

#[test]
fn a_section_in_the_wrong_form_is_one_fault_with_the_right_form() {
    let lab = Lab::new();
    let one = edited(&[("[[identity]]", "[identity]")]);
    let two = "[node]\nfqdn = \"a.test\"\n[peer]\nfqdn = \"b.test\"\n[peer]\nfqdn = \"c.test\"\n";
    for (text, code, header) in [
        (one.as_str(), "wrong_type", "[[identity]]"),
        (two, "syntax", "[[peer]]"),
    ] {
        let faults = lab.load(text).err().unwrap();
        let about: Vec<&Fault> = faults
            .iter()
            .filter(|f| f.remedy.ends_with(header))
            .collect();
        assert_eq!(about.len(), 1, "{}", shown(&faults));
        assert_eq!(about[0].code, code);
        assert!(
            faults.iter().all(|f| f.code != "missing_key"),
            "{}",
            shown(&faults)
        );
    }
    assert_eq!(lab.load(two).err().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_empty_lacks_its_sections() {
    let lab = Lab::new();
    let faults = lab.load("").err().unwrap();
    let codes: HashSet<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(codes, HashSet::from(["missing_key"]));
    assert_eq!(faults.len(), 6, "{}", shown(&faults));
}

/// What a fuzzer found: peers and listeners that name no identity take the first, and there was none.
#[test]
fn a_file_that_lacks_any_kind_of_section_loads_or_says_so() {
    let lab = Lab::new();
    let sections: Vec<&str> = GOOD.split_inclusive("\n\n").collect();
    let header = |section: &str| section.lines().next().unwrap_or_default().to_owned();
    let kinds: HashSet<String> = sections.iter().map(|section| header(section)).collect();
    for named in ["", "identity = \"edge\"\n"] {
        for kind in &kinds {
            let kept = sections.iter().filter(|section| header(section) != *kind);
            let text = kept.copied().collect::<String>().replace(named, "");
            let needed = [
                "[node]",
                "[[identity]]",
                "[[trust]]",
                "[[listener]]",
                "[[peer]]",
                "[[pool]]",
            ];
            match lab.load(&text) {
                Ok(_) => assert!(!needed.contains(&kind.as_str()), "{kind} is not missed"),
                Err(faults) => {
                    let missing = faults
                        .iter()
                        .any(|f| f.code == "missing_key" && f.what.contains(kind));
                    assert!(missing, "without {kind}: {}", shown(&faults));
                }
            }
        }
    }
}

#[test]
fn a_missing_topology_file_is_a_fault_of_its_own() {
    let faults = load(Path::new("/nonexistent/topology.toml"), now())
        .err()
        .unwrap();
    assert_eq!((faults.len(), faults[0].code.code()), (1, "file_missing"));
    let lab = Lab::new();
    let faults = load(&lab.path("directory.pem"), now()).err().unwrap();
    assert_eq!(
        (faults.len(), faults[0].code.code()),
        (1, "file_unreadable")
    );
}

#[test]
fn no_token_key_is_ever_shown() {
    let lab = Lab::new();
    lab.write("tokens.secret", "1 5ec2e75ec2e75ec2e7\n");
    let text = edited(&[("\"tokens\"", "\"tokens.secret\"")]);
    let faults = lab.load(&text).err().unwrap();
    assert!(!shown(&faults).contains("5ec2e7"));
}

/// What never ends must not be read to its end, nor a FIFO waited for.
#[test]
fn a_topology_that_is_no_regular_file_is_refused_at_once() {
    let lab = Lab::new();
    let fifo = lab.path("fifo.toml");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let huge = lab.path("huge.toml");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(16 * 1024 * 1024 + 1).unwrap();
    for (path, says) in [
        (fifo.as_path(), "no regular file"),
        (Path::new("/dev/zero"), "no regular file"),
        (&lab.path(""), "no regular file"),
        (&huge, "larger than 16 MiB"),
    ] {
        let faults = load(path, now()).err().unwrap();
        assert_eq!(faults.len(), 1, "{}", shown(&faults));
        assert_eq!(faults[0].code.code(), "file_unreadable");
        assert!(faults[0].what.contains(says), "{}", shown(&faults));
    }
}

#[test]
fn of_too_many_sections_of_any_kind_no_topology_is_made() {
    let lab = Lab::new();
    for kind in [
        "peer", "identity", "trust", "listener", "pool", "sibling", "expect",
    ] {
        let text = format!(
            "{}\n{}",
            edited(&[]),
            format!("[[{kind}]]\n").repeat(65_536)
        );
        let Err(faults) = lab.load(&text) else {
            panic!("65,536 sections [[{kind}]] were loaded");
        };
        // The first that are found are listed, and others may come before the one about the number.
        let last = faults.last().map(|fault| fault.what.as_str());
        match faults.len() {
            ..=10_000 => {
                let about = |fault: &Fault| fault.what.contains("sections of this kind");
                assert!(faults.iter().any(about), "{kind}: {last:?}");
            }
            10_001 => assert!(last.unwrap().contains("more faults were found"), "{last:?}"),
            more => panic!("{kind}: {more} faults"),
        }
    }
}
