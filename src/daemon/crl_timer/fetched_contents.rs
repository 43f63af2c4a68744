//! What was fetched last from each distribution point, kept to be offered beside a set's files: within bounds of its own.
use crate::daemon::crl_fetch::Fetched;
use crate::topology::{CrlFile, TrustSet};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What may be kept.
struct FetchedBounds {
    /// Contents of one set: certificates may name ever new distribution points.
    of_set: usize,
    /// Bytes of one set's CRLs that are not in force: a CA may sign ever new ones that cannot take effect.
    beside: u64,
    /// The same over all sets.
    beside_all: u64,
}

const BOUNDS: FetchedBounds = FetchedBounds {
    of_set: 32,
    beside: 64 * 1024 * 1024,
    beside_all: 256 * 1024 * 1024,
};

/// By set and URI.
type ContentKey = (String, Arc<Path>);

/// What was fetched last from each URI of a set.
///
/// CRLs in force are held anyway, under the bounds of their set; what else is kept here only costs.
#[derive(Default)]
pub(super) struct FetchedContents(BTreeMap<ContentKey, CrlFile>);

impl FetchedContents {
    /// Keeps what came for the sets that fetch.
    pub(super) fn keep(&mut self, came: Vec<Fetched>, trusts: &[TrustSet]) {
        let fetches = |name: &str| trusts.iter().any(|set| set.crl_fetch && set.name == name);
        self.0.retain(|(trust, _), _| fetches(trust));
        if came.is_empty() {
            return;
        }
        // By content and not by URI: a point whose CRL is in force may send others that are not. In force for any set is
        // enough, since it is held then.
        let in_force = trusts.iter().flat_map(|set| &set.crls);
        let in_force: HashSet<[u8; 32]> = in_force.map(|crl| *crl.digest()).collect();
        for Fetched { trust, file, .. } in came {
            // A reload may have ended the fetching meanwhile.
            if fetches(&trust) {
                self.insert(trust, file, &in_force, &BOUNDS);
            }
        }
    }

    /// The newest answer of a point stands for it; whether it is the better CRL is decided with the files. Room is made by
    /// others that are not in force: they did not take effect, and need not be logged again.
    fn insert(
        &mut self,
        trust: String,
        file: CrlFile,
        in_force: &HashSet<[u8; 32]>,
        bounds: &FetchedBounds,
    ) {
        let beside = |file: &CrlFile| {
            let lists = file.content.iter().flatten();
            let beside = lists.filter(|crl| !in_force.contains(crl.digest()));
            beside.map(|crl| crl.size()).sum::<u64>()
        };
        let key = (trust, Arc::clone(&file.file));
        let size = beside(&file);
        // Its own place is free before it is asked whether there is room.
        self.0.remove(&key);
        let full = self.0.keys().filter(|(trust, _)| *trust == key.0).count() >= bounds.of_set;
        let mut left = bounds.beside.saturating_sub(size);
        let mut left_in_all = bounds.beside_all.saturating_sub(size);
        // Which of them go does not matter: a CRL that could take effect has done so when it came.
        self.0.retain(|(trust, _), file| {
            let size = beside(file);
            if size == 0 {
                return true;
            }
            let same = *trust == key.0;
            if same && (full || size > left) || size > left_in_all {
                return false;
            }
            left_in_all -= size;
            left -= if same { size } else { 0 };
            true
        });
        self.0.insert(key, file);
    }

    /// What was fetched for a set.
    pub(super) fn of_set(&self, set: &TrustSet) -> Vec<CrlFile> {
        let of_set = self.0.iter().filter(|((trust, _), _)| *trust == set.name);
        of_set.map(|(_, file)| file.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::parse_crls;
    use sipward_lab::pki::{Authority, CrlSpec};

    #[test]
    fn what_is_not_in_force_is_kept_within_bounds_of_its_set_and_of_all() {
        let ca = Authority::root("Contoso Root").unwrap();
        let file = |uri: &str, number: u64| {
            let spec = CrlSpec {
                number,
                ..CrlSpec::default()
            };
            CrlFile {
                file: Path::new(uri).into(),
                fetched: true,
                line: 1,
                digest: [0; 32],
                content: parse_crls(ca.crl(&spec).unwrap().to_vec()),
            }
        };
        let list = |file: &CrlFile| Arc::clone(&file.content.as_ref().unwrap()[0]);
        let first = file("http://a/1", 1);
        let size = list(&first).size() + 8;
        let bounds = FetchedBounds {
            of_set: 4,
            beside: 2 * size,
            beside_all: 3 * size,
        };
        let in_force = HashSet::from([*list(&first).digest()]);
        let mut kept = FetchedContents::default();
        let mut insert = |trust: &str, file: CrlFile| {
            kept.insert(trust.to_owned(), file, &in_force, &bounds);
            let keys = kept.0.keys();
            keys.map(|(trust, uri)| format!("{trust} {}", uri.display()))
                .collect::<Vec<_>>()
        };
        insert("one", first);
        insert("one", file("http://a/2", 2));
        insert("one", file("http://a/2", 3));
        let all = insert("one", file("http://a/3", 4));
        assert_eq!(all, ["one http://a/1", "one http://a/2", "one http://a/3"]);
        // A third one makes another of its set go, never one that is in force.
        let all = insert("one", file("http://a/4", 5));
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all.contains(&"one http://a/1".to_owned()));
        assert!(all.contains(&"one http://a/4".to_owned()));
        // Another set's make one go once all sets together have no room.
        insert("two", file("http://b/1", 6));
        let all = insert("two", file("http://b/2", 7));
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.contains(&"two http://b/2".to_owned()));
    }
}
