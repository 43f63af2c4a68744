//! What was ever proven of CRLs: for each issuer's key and scope the newest one (RFC 5280 §5.2.3 and §6.3.3), whatever file
//! or URI it came from and whatever trust set names it; and beside it those whose issuer's key nobody has shown yet.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{CrlScope, HeldCrl};
use crate::trust::revocation::series::{Series, SeriesId};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// CRLs whose issuer's key is not known, and their bytes, of all trust sets together.
const MOST_BESIDE: usize = 512;
const LARGEST_BESIDE: u64 = 128 * 1024 * 1024;
/// Series that no trust set's files or fetches hold any more, and their bytes. Beyond, those of the oldest CRLs are
/// forgotten: only CAs that are or were trusted can make any.
const MOST_UNNAMED: usize = 4_096;
const LARGEST_UNNAMED: u64 = 256 * 1024 * 1024;
/// CRLs of one series and one age.
const MOST_EQUALS: usize = 4;

/// The CRLs in force, with what is known of those that were.
///
/// Cloned for each reading of the sources: the series are shared, so that a copy costs pointers and not CRLs.
#[derive(Clone, Default)]
pub struct Ledger {
    series: HashMap<SeriesId, Arc<Series>>,
    // A certificate names its issuer and not the issuer's key, so the name is where a look-up begins.
    by_name: HashMap<NameKey, Vec<SeriesId>>,
    /// Signed by nobody who is known: they wait for the key, and clear and revoke nothing until then.
    waiting: Arc<HashMap<NameKey, Vec<HeldCrl>>>,
}

/// What came of a CRL that was proven.
///
/// Only `Older` can be an attack, and only the whole of what was offered can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It is in force from now on.
    Taken,
    /// It was already.
    Held,
    /// One that is newer was proven before.
    Older,
    /// There are as many of its age as are kept.
    Full,
}

impl Ledger {
    /// The series of an issuer's name.
    pub(crate) fn named(&self, name: &NameKey) -> impl Iterator<Item = &Arc<Series>> {
        let ids = self.by_name.get(name).into_iter().flatten();
        ids.filter_map(|id| self.series.get(id))
    }

    /// The CRLs under an issuer's name that no known key of that name has signed.
    pub(crate) fn waiting(&self, name: &NameKey) -> &[HeldCrl] {
        self.waiting.get(name).map_or(&[], Vec::as_slice)
    }

    /// All that are beside.
    pub(crate) fn all_waiting(&self) -> impl Iterator<Item = (&NameKey, &HeldCrl)> {
        let named = self.waiting.iter();
        named.flat_map(|(name, crls)| crls.iter().map(move |crl| (name, crl)))
    }

    /// Whether some CRLs wait for their issuer's key, and whether that of any was seen meanwhile.
    ///
    /// The daemon looks again soon when a key came up, since the CRL can then be proven and count.
    pub fn waits(&self) -> (bool, bool) {
        let seen = |crl: &HeldCrl| crl.proven_by().is_some();
        let mut waiting = self.all_waiting();
        (!self.waiting.is_empty(), waiting.any(|(_, crl)| seen(crl)))
    }

    /// All series, in the order of their ids.
    pub fn all(&self) -> Vec<&Arc<Series>> {
        let mut all: Vec<_> = self.series.values().collect();
        all.sort_by_key(|series| series.id());
        all
    }

    /// One of them.
    pub fn get(&self, id: SeriesId) -> Option<&Arc<Series>> {
        self.series.get(&id)
    }

    /// The same without one series; `None` when it is not there.
    pub(crate) fn without(&self, id: SeriesId) -> Option<Self> {
        let mut ledger = self.clone();
        ledger.remove(id).then_some(ledger)
    }

    /// Takes over what was kept by another process; of two of a series the newer stays.
    ///
    /// The state directory may be older than what the files hold by now.
    pub fn restore(&mut self, series: Series) {
        let newer = |known: &Arc<Series>| known.is_older_than(&series);
        if self.series.get(&series.id()).is_none_or(newer) {
            self.put(series);
        }
    }

    /// The series in which this very CRL is in force.
    pub(crate) fn holding(&self, name: &NameKey, crl: &HeldCrl) -> Vec<SeriesId> {
        let holds = |series: &&Arc<Series>| series.crls().iter().any(|held| held.list == crl.list);
        self.named(name)
            .filter(holds)
            .map(|series| series.id())
            .collect()
    }

    /// Enters a CRL that `key` signed, offered by a trust set.
    pub(crate) fn enter(
        &mut self,
        name: &NameKey,
        key: &[u8],
        crl: &HeldCrl,
        set: &str,
    ) -> (SeriesId, Entered) {
        let id = SeriesId::of(key, name, crl.scope());
        // A CRL for everything outdates one for a partition: otherwise an old partition could hide a
        // revocation.
        let wider = |series: &&Arc<Series>| {
            series.id() != id && series.key() == key && series.scope().includes(crl.scope())
        };
        let outdated = self
            .named(name)
            .filter(wider)
            .any(|series| series.outdates(crl));
        let Some(known) = self.series.get(&id) else {
            if outdated {
                return (id, Entered::Older);
            }
            self.put(Series::begin(name.clone(), key, crl.clone(), set));
            return (id, Entered::Taken);
        };
        // The first match counts: a rollback is a rollback even if the very same CRL is held, and a CRL that
        // is held needs no second place.
        let entered = match known.standing(crl) {
            Ordering::Less => Entered::Older,
            _ if known.crls().iter().any(|held| held.list == crl.list) => Entered::Held,
            _ if outdated => Entered::Older,
            Ordering::Equal if known.crls().len() >= MOST_EQUALS => Entered::Full,
            Ordering::Equal | Ordering::Greater => Entered::Taken,
        };
        let series = match entered {
            Entered::Taken => Some(known.with(crl.clone(), set)),
            Entered::Held => known.again_from(crl, set),
            Entered::Older | Entered::Full => None,
        };
        if let Some(series) = series {
            self.put(series);
        }
        (id, entered)
    }

    /// Exchanges the CRLs beside; returns those for which there is no room. Those that are offered now come first, then the
    /// newest.
    pub(crate) fn set_waiting(
        &mut self,
        mut crls: Vec<(NameKey, HeldCrl)>,
        offered: &HashSet<[u8; 32]>,
    ) -> Vec<HeldCrl> {
        crls.sort_by_key(|(_, crl)| {
            // When there is no room, what an operator's files hold now outranks what was there once.
            let gone = !offered.contains(crl.digest());
            (gone, std::cmp::Reverse(crl.this_update()), *crl.digest())
        });
        crls.dedup_by(|one, other| one.1.list == other.1.list);
        let mut waiting: HashMap<NameKey, Vec<HeldCrl>> = HashMap::new();
        let (mut count, mut bytes) = (0, 0);
        let mut left_out = Vec::new();
        for (name, crl) in crls {
            if count >= MOST_BESIDE || bytes + crl.size() > LARGEST_BESIDE {
                left_out.push(crl);
                continue;
            }
            count += 1;
            bytes += crl.size();
            waiting.entry(name).or_default().push(crl);
        }
        // An unchanged ledger must stay the same by pointer, or each reading would make a new generation.
        if waiting != *self.waiting {
            self.waiting = Arc::new(waiting);
        }
        left_out
    }

    /// Lets go of what is over: a CRL that nothing offers any more goes once it is stale, or once a newer one covers all
    /// that it covers; that it was there stays known. `until` returns when a CRL serves nobody any more, Unix seconds.
    pub(crate) fn prune(
        &mut self,
        offered: &HashSet<[u8; 32]>,
        sets: &HashSet<&str>,
        until: impl Fn(&HeldCrl) -> u64,
        at: u64,
    ) {
        // A CRL that no source offers any more is not dropped at once: taking the file away must not undo a
        // revocation.
        let mut gone = Vec::new();
        let mut unnamed = Vec::new();
        for series in self.series.values() {
            let is_offered = series
                .crls()
                .iter()
                .any(|crl| offered.contains(crl.digest()));
            if is_offered {
                continue;
            }
            // Stale for everybody, even under the longest grace.
            let over = series.crls().iter().all(|crl| until(crl) <= at);
            if !series.crls().is_empty() && (over || self.is_superseded(series)) {
                gone.push(series.id());
            }
            unnamed.push((series.this_update(), series.id(), series.size()));
        }
        for id in gone {
            if let Some(series) = self.series.get(&id) {
                let series = series.emptied();
                self.put(series);
            }
        }
        // The newest first: what is forgotten beyond the bound is what nobody has renewed for longest.
        unnamed.sort_by(|one, other| other.cmp(one));
        let (mut count, mut bytes) = (0, 0);
        for (_, id, size) in unnamed {
            count += 1;
            bytes += size;
            if count > MOST_UNNAMED || bytes > LARGEST_UNNAMED {
                self.remove(id);
            }
        }
        // Names of sets that the topology no longer has.
        let strangers: Vec<Series> = self
            .series
            .values()
            .filter_map(|series| series.known_to(sets))
            .collect();
        strangers.into_iter().for_each(|series| self.put(series));
    }

    /// Whether one in force that is newer covers all that this one covers.
    fn is_superseded(&self, series: &Series) -> bool {
        let wider = |other: &&Arc<Series>| {
            other.id() != series.id()
                && other.key() == series.key()
                && !other.crls().is_empty()
                && other.scope().includes(series.scope())
        };
        self.named(series.name())
            .filter(wider)
            .any(|other| series.crls().iter().all(|crl| other.outdates(crl)))
    }

    /// Whether something in force under this name covers all that the scope does.
    pub(crate) fn covers(&self, name: &NameKey, scope: &CrlScope) -> bool {
        self.named(name)
            .any(|series| !series.crls().is_empty() && series.scope().includes(scope))
    }

    /// Whether the two hold the same CRLs and know the same of those that are gone.
    ///
    /// Decides whether a reading makes a new generation, and with it a re-evaluation of all connections.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |(id, series): (&SeriesId, &Arc<Series>)| {
            let other = other.series.get(id);
            other.is_some_and(|other| Arc::ptr_eq(series, other) || series.is_same(other))
        };
        self.series.len() == other.series.len()
            && self.series.iter().all(same)
            && *self.waiting == *other.waiting
    }

    fn put(&mut self, series: Series) {
        let id = series.id();
        if !self.series.contains_key(&id) {
            let ids = self.by_name.entry(series.name().clone()).or_default();
            ids.push(id);
        }
        self.series.insert(id, Arc::new(series));
    }

    fn remove(&mut self, id: SeriesId) -> bool {
        let Some(series) = self.series.remove(&id) else {
            return false;
        };
        if let Some(ids) = self.by_name.get_mut(series.name()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_name.remove(series.name());
            }
        }
        true
    }
}
