//! The example topologies and the lab PKI script are good: they load, and `check` explains them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use sipward::cli::check::CheckCommand;
use sipward::edge::DescriptorRoom;
use sipward::topology::{self, Fault};
use sipward_lab::pki::{Authority, CrlSpec, LeafSpec, now};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Every file that the examples name, in `certs/` beside a copy of the example.
fn example(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    let ca = Authority::root("Contoso Root").unwrap();
    let partner = Authority::root("Fabrikam Root").unwrap();
    let valid = Duration::from_secs(86_400);
    let teams = Authority::root("Teams Root").unwrap();
    for (name, ca) in [
        ("enterprise-ca", &ca),
        ("fabrikam-ca", &partner),
        ("teams-ca", &teams),
    ] {
        put(&certs.join(format!("{name}.pem")), &ca.certificate_pem());
        put(
            &certs.join(format!("{name}.crl.pem")),
            &ca.crl_pem(&[], valid).unwrap(),
        );
    }
    let spec = LeafSpec {
        not_after: 90 * 86_400,
        ..LeafSpec::edge("edge01.contoso.test", "contoso.test")
    };
    let edge = ca.issue(&spec).unwrap();
    put(&certs.join("edge.chain.pem"), &edge.chain_pem);
    put(&certs.join("edge.key.pem"), &edge.key_pem);
    put(&certs.join("tokens"), &format!("1 {}\n", "5a".repeat(32)));
    let file = dir.path().join(name);
    let example = repository().join("config").join(name);
    std::fs::copy(example, &file).unwrap();
    (dir, file)
}

fn shown(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

fn check(file: PathBuf) -> (bool, String) {
    let mut out = Vec::new();
    let check = CheckCommand {
        file,
        // Nobody's daemon is asked.
        socket: Some("none".into()),
        user: None,
        json: false,
    };
    let good = check.run(now(), &mut out).unwrap();
    (good, String::from_utf8(out).unwrap())
}

/// So many warnings about the file, and one more where this machine has too few descriptors for it.
fn warned(file: &Path, of_the_file: usize) -> String {
    let room = DescriptorRoom::of(&topology::load(file, now()).unwrap());
    match of_the_file + usize::from(room.is_short()) {
        0 => "good, no warnings\n".to_owned(),
        1 => "good, 1 warning\n".to_owned(),
        more => format!("good, {more} warnings\n"),
    }
}

/// As loaded with no warning: an example shall not teach what is warned of.
fn load(file: &Path) -> topology::Topology {
    let topology =
        topology::load(file, now()).unwrap_or_else(|faults| panic!("{}", shown(&faults)));
    assert!(
        topology.warnings().is_empty(),
        "{}",
        shown(topology.warnings())
    );
    topology
}

#[test]
fn the_minimal_example_loads() {
    let (_dir, file) = example("minimal.toml");
    let topology = load(&file);
    assert_eq!(topology.peers().len(), 1);
    assert!(topology.listeners()[0].accept.clients());
}

#[test]
fn the_edge_example_loads() {
    let (_dir, file) = example("edge.toml");
    let topology = load(&file);
    assert_eq!(topology.peers().len(), 3);
    let pools: Vec<&str> = topology.pools().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(pools, ["front-end", "fabrikam.test"]);
}

/// What the field asks for, in a file each: it loads without a warning, `check` shows what makes it special, and the
/// file says in comments what is to be set on the other side.
#[test]
fn every_profile_is_accepted_by_check() {
    for (name, shown) in [
        (
            "skype-for-business.toml",
            &[
                "blocked.example",
                "federated  pool fabrikam.test: sip.fabrikam.test",
            ][..],
        ),
        (
            "teams-direct-routing.toml",
            &[
                "pool teams: sip.pstnhub.microsoft.com, sip2.pstnhub.microsoft.com, sip3.pstnhub.microsoft.com; ordered",
                "every 1m, 5s to answer",
                "sips URIs           never sent to it",
                "home servers, in X-Sipward-Peer",
            ],
        ),
        ("asterisk.toml", &["pool pbx: pbx.contoso.test"]),
        ("freeswitch.toml", &["backoff_max"]),
        ("kamailio.toml", &["home servers, in X-Sipward-Peer"]),
    ] {
        let (_dir, file) = example(name);
        load(&file);
        let text = std::fs::read_to_string(&file).unwrap();
        let second = text.lines().nth(1).unwrap_or_default();
        assert!(second.starts_with("# "), "{name} says what it is for");
        let (good, page) = check(file);
        assert!(good, "{page}");
        for part in shown {
            assert!(page.contains(part), "{name}: {part} not in\n{page}");
        }
    }
}

/// No example is without a test.
#[test]
fn every_example_is_tried() {
    let here = include_str!("config_examples.rs");
    for entry in std::fs::read_dir(repository().join("config")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".toml") || here.contains(&format!("\"{name}\"")),
            "{name}"
        );
    }
}

#[test]
fn check_prints_the_policy_of_the_edge_example() {
    let (_dir, file) = example("edge.toml");
    // The unit of systemd gives the state directory.
    let count = warned(&file, 1);
    let (good, page) = check(file);
    assert!(good, "{page}");
    for text in [
        &count,
        "state_missing",
        "edge01.contoso.test",
        "clients (TLS) and the peers below (MTLS)",
        "show none, or one that leads to no CA and has no name of this file",
        "vouched for by      enterprise-ca: CN=Contoso Root",
        "vouched for by      fabrikam-ca: CN=Fabrikam Root",
        "up to 6h past its next update",
        "From may name       fabrikam.test",
        "A/AAAA of edge.fabrikam.test, port 5061",
        "pool front-end: fe01.contoso.test, fe02.contoso.test; call-id-hash",
        "federated  pool fabrikam.test: edge.fabrikam.test",
        "Limits that differ from their default\n  none",
    ] {
        assert!(page.contains(text), "{text} not in\n{page}");
    }
    assert!(!page.contains("5a5a"), "no token key is shown");
}

#[test]
fn check_says_who_a_partner_may_say_that_its_callers_are() {
    for (entry, from, asserted, where_anonymous) in [
        (
            "assert_identity = false",
            "fabrikam.test\n",
            "stripped\n",
            false,
        ),
        (
            "anonymous = true",
            "fabrikam.test, nobody (below .invalid)\n",
            "stripped; of an anonymous caller numbers and names within its domains pass\n",
            true,
        ),
        (
            "anonymous = true\nfields = { strip_in = [\"P-Asserted-Identity\"] }",
            "fabrikam.test, nobody (below .invalid)\n",
            "stripped\n",
            false,
        ),
        (
            "assert_identity = true",
            "fabrikam.test, nobody (below .invalid), a number (tel) that is global or of these domains\n",
            "believed and passed on, never for a name of the home side; of an anonymous caller or a number only what From may name\n",
            false,
        ),
    ] {
        let (_dir, file) = example("edge.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("assert_identity = false", entry)).unwrap();
        let (good, page) = check(file);
        assert!(good, "{page}");
        for (name, value) in [("From may name", from), ("asserted identity", asserted)] {
            let line = format!("{name:<20}{value}");
            assert!(page.contains(&line), "{line} not in\n{page}");
        }
        assert_eq!(page.contains("where anonymous"), where_anonymous, "{page}");
        // Of clients, and of a partner that is outside.
        assert!(page.contains("for Privacy: history"), "{page}");
        assert!(
            page.contains("contoso.test, nobody (below .invalid)\n"),
            "{page}"
        );
    }
}

#[test]
fn check_prints_the_warnings_of_loading_and_of_the_crls() {
    let (dir, file) = example("minimal.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("[tokens]\nkey_file = \"certs/tokens\"\n", ""),
    )
    .unwrap();
    // The anchor and its CRL, whose nextUpdate is past, from a CA of their own.
    let ca = Authority::root("Late Root").unwrap();
    let stale = CrlSpec {
        this_update: -7200,
        next_update: -3600,
        ..CrlSpec::default()
    };
    let certs = dir.path().join("certs");
    put(&certs.join("enterprise-ca.pem"), &ca.certificate_pem());
    let crl = certs.join("enterprise-ca.crl.pem");
    std::fs::write(crl, ca.crl(&stale).unwrap()).unwrap();
    let count = warned(&file, 4);
    let (good, page) = check(file);
    assert!(good, "{page}");
    let warnings = page.split("\nWarnings\n").nth(1).unwrap_or_default();
    assert!(warnings.contains("token_keys_missing"), "{page}");
    assert!(warnings.contains("crl_stale"), "{page}");
    assert!(page.contains(&count), "{page}");
}

#[test]
fn check_prints_every_fault_and_says_no() {
    let (_dir, file) = example("minimal.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("kind = \"home\"", "knid = \"home\"")
        .replace("edge.key.pem", "gone.pem");
    std::fs::write(&file, text).unwrap();
    let (good, page) = check(file.clone());
    assert!(!good);
    let at = |line: u32, rest: &str| format!("{}:{line}: {rest}", file.display());
    assert!(page.contains(&at(12, "file_missing: ")), "{page}");
    assert!(
        page.contains(&at(
            25,
            "unknown_key: unknown key `knid` in [[peer]]; did you mean `kind`?\n    "
        )),
        "{page}"
    );
    assert!(
        page.ends_with("2 faults; nothing would be loaded\n"),
        "{page}"
    );
}

#[test]
fn the_lab_script_makes_a_topology_that_loads() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: openssl is not installed, certs/make-lab-pki.sh was not tried");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let lab = dir.path().join("lab");
    let script = repository().join("certs/make-lab-pki.sh");
    let run = |to: &Path| Command::new("sh").arg(&script).arg(to).output().unwrap();
    let made = run(&lab);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    for entry in std::fs::read_dir(&lab).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".key.pem") || name == "tokens" {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
    }
    let topology = load(&lab.join("topology.toml"));
    assert_eq!(topology.peers().len(), 3);
    let (good, page) = check(lab.join("topology.toml"));
    assert!(good, "{page}");
    assert!(
        page.contains(&warned(&lab.join("topology.toml"), 0)),
        "{page}"
    );
    assert!(topology.admin().socket.is_some(), "`status` finds it");

    assert!(!run(&lab).status.success(), "it overwrites nothing");
    let inside = repository().join("target/lab-inside-the-repository");
    assert!(
        !run(&inside).status.success(),
        "no key is made in the repository"
    );
}
