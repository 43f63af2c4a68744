//! What a state directory holds after it was written, damaged and read again.
use super::contents::{MOST_NAMED, read, read_within};
use super::record_file::{ENDING, LARGEST, ReadBudget};
use super::store::Store;
use crate::trust::{Generation, Ledger, Series};
use sipward_lab::pki::{self, CrlSpec};
use sipward_lab::site::Site;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

/// What a daemon holds whose file has a CRL of this number.
fn ledger(site: &Site, number: u64) -> Arc<Ledger> {
    let spec = CrlSpec {
        number,
        ..CrlSpec::default()
    };
    let pem = site.enterprise.crl_as_pem(&spec).unwrap();
    site.write("enterprise-ca.crl.pem", &pem).unwrap();
    let peer = ("fe01.contoso.test", "127.0.0.1:5061".parse().unwrap());
    let text = site.topology(&[peer], None).to_toml();
    let path = site.path().join("topology.toml");
    let topology = crate::topology::load_text(&text, &path, pki::now()).unwrap();
    let generation = Generation::build(1, topology, pki::now()).unwrap();
    Arc::clone(generation.ledger())
}

fn of_enterprise(ledger: &Ledger) -> Option<Arc<Series>> {
    let mut all = ledger.all().into_iter();
    all.find(|series| series.issuer().contains("Contoso"))
        .map(Arc::clone)
}

#[test]
fn a_newer_record_of_another_process_stays_and_what_was_left_behind_goes() {
    let site = Site::new().unwrap();
    let directory = site.path().join("state");
    let (old, new) = (ledger(&site, 19), ledger(&site, 20));
    let number = || {
        let kept = read(&directory);
        assert!(kept.problems.is_empty());
        of_enterprise(&kept.ledger)?.number_text()
    };
    let place = Some(directory.clone());
    assert_eq!(Store::default().keep(place.clone(), &new), None);
    assert_eq!(number().as_deref(), Some("20"));
    fs::write(directory.join(".crls-abc.tmp"), "half").unwrap();
    // A process that was started before, and knows less.
    let mut store = Store::default();
    assert_eq!(store.keep(place.clone(), &old), None);
    assert_eq!(number().as_deref(), Some("20"));
    assert!(!directory.join(".crls-abc.tmp").exists());
    // An operator's wish counts.
    let id = of_enterprise(&old).unwrap().id();
    store.forget(place.as_deref(), id).unwrap();
    assert_eq!(store.keep(place.clone(), &old), None);
    assert_eq!(number().as_deref(), Some("19"));
    // What goes from the ledger goes from the disk.
    assert_eq!(store.keep(place, &Ledger::default()), None);
    assert_eq!(number(), None);
}

#[test]
fn what_is_damaged_takes_no_room_from_the_others() {
    let site = Site::new().unwrap();
    let directory = site.path().join("state");
    let new = ledger(&site, 20);
    assert_eq!(Store::default().keep(Some(directory.clone()), &new), None);
    let all = fs::read_dir(&directory).unwrap();
    let good: u64 = all.map(|e| e.unwrap().metadata().unwrap().len()).sum();
    let file = |name: String| directory.join(name + ENDING);
    // Of gibibytes of nothing not a block is read, and what begins like a record is given back when it is none.
    for (digit, length) in [("b", LARGEST - 300), ("c", 3 * LARGEST), ("d", 20)] {
        let hollow = File::create(file(digit.repeat(32))).unwrap();
        hollow.set_len(length).unwrap();
    }
    let mark = Series::RECORD_MARK.as_bytes();
    for number in 0..6 {
        let junk = [mark, &vec![b'a'; 400]].concat();
        fs::write(file(format!("{number:032x}")), junk).unwrap();
    }
    let mut budget = ReadBudget {
        files: 2,
        bytes: good,
        damaged: 1_000_000,
    };
    let kept = read_within(&directory, &mut budget);
    let series = of_enterprise(&kept.ledger).unwrap();
    assert_eq!(series.number_text().as_deref(), Some("20"));
    assert_eq!((budget.files, budget.bytes), (0, 0));
    let problems: Vec<&str> = kept
        .problems
        .iter()
        .map(|problem| problem.reason.code())
        .collect();
    assert_eq!(problems, ["state_damaged"; 9]);
    // A larger record that is damaged comes after those that are good, and its end is the end of it alone.
    fs::write(file("f".repeat(32)), [mark, &vec![b'a'; 999_000]].concat()).unwrap();
    let mut budget = ReadBudget {
        damaged: good + 3_000,
        ..ReadBudget::default()
    };
    let kept = read_within(&directory, &mut budget);
    assert_eq!(kept.ledger.all().len(), 2);
    assert!(
        kept.problems
            .iter()
            .any(|problem| problem.what.contains("that is damaged"))
    );
    // Very many are counted, not listed.
    for number in 0..MOST_NAMED {
        fs::write(file(format!("a{number:031x}")), "junk").unwrap();
    }
    let kept = read(&directory);
    assert_eq!(kept.problems.len(), MOST_NAMED + 1);
    assert_eq!(kept.ledger.all().len(), 2);
}

#[test]
fn a_directory_that_others_can_write_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let codes = |mode| {
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        let problems = read(directory.path()).problems;
        problems
            .iter()
            .map(|problem| problem.reason.code())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(0o700), [""; 0]);
    assert_eq!(codes(0o770), ["state_unsafe"]);
    assert!(read(&directory.path().join("none")).problems.is_empty());
}
