//! The topology file as any text: findings with a line that is there, or a topology that equals itself.
use rustls_pki_types::UnixTime;
use sipward::topology::load_text;
use sipward::trust::Generation;
use sipward_lab::site::{HOME, Site};
use std::net::SocketAddr;

thread_local! {
    /// The files that the text may name.
    static SITE: Site = Site::new().unwrap();
}

/// A file that loads, as a start for mutations.
pub fn usual_topology() -> String {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 5061));
    SITE.with(|site| {
        site.topology(&[(&format!("fe01.{HOME}"), anywhere)], Some(anywhere))
            .to_toml()
    })
}

/// Loads the text twice.
pub fn topology(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // What lies outside of the folder is not ours to read, and a device may never end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return;
    }
    let path = SITE.with(|site| site.path().join("fuzz.toml"));
    let at = UnixTime::now();
    match (load_text(text, &path, at), load_text(text, &path, at)) {
        (Ok(topology), Ok(again)) => {
            assert_eq!(topology.changes(&again), Vec::<String>::new());
            let _ = Generation::prepare(1, topology, at);
        }
        (Err(faults), Err(again)) => {
            assert!(!faults.is_empty(), "refused without a fault");
            let lines = text.split('\n').count();
            for (fault, again) in faults.iter().zip(&again) {
                assert_eq!(fault.to_string(), again.to_string());
                assert!(
                    fault
                        .line
                        .is_none_or(|line| line >= 1
                            && usize::try_from(line).is_ok_and(|line| line <= lines)),
                    "{fault}"
                );
                assert!(!fault.what.is_empty() && !fault.remedy.is_empty());
            }
        }
        (first, second) => panic!("{:?}, then {:?}", first.is_ok(), second.is_ok()),
    }
}
