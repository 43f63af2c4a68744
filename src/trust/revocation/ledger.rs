//! What was ever proven of CRLs: for each issuer's key and scope the newest one (RFC 5280 §5.2.3 and §6.3.3), whatever file
//! or URI it came from and whatever trust set names it; and beside it those whose issuer's key nobody has shown yet.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{CrlScope, HeldCrl};
use crate::trust::revocation::room::Rooms;
use crate::trust::revocation::scope_key::ScopeKey;
use crate::trust::revocation::series::{MOST_SETS, Series, SeriesId};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// CRLs whose issuer's key is not known, and their bytes, of each trust set.
const MOST_BESIDE: usize = 512;
const LARGEST_BESIDE: u64 = 128 * 1024 * 1024;
/// Series that no source holds any more, and their bytes, of each trust set: as much as its files may hold. Beyond, those
/// are forgotten whose CRL has gone, and then those of the oldest CRLs.
///
/// A CA can make any number of scopes, and of CAs below it, but can only have forgotten what its own set has offered.
const MOST_UNNAMED: usize = 1_024;
const LARGEST_UNNAMED: u64 = 256 * 1024 * 1024;
/// Series of one key of an issuer. CAs that partition their CRLs (AD CS, Let's Encrypt, AWS Private CA) have a few hundred.
pub(crate) const MOST_SCOPES: usize = 512;
/// CRLs of one series and one age.
pub(crate) const MOST_EQUALS: usize = 4;

/// The CRLs in force, with what is known of those that were.
///
/// Cloned for each reading of the sources: the series are shared, so that a copy costs pointers and not CRLs.
#[derive(Clone, Default)]
pub struct Ledger {
    series: HashMap<SeriesId, Arc<Series>>,
    // A certificate names its issuer and not the issuer's key, so the name is where a look-up begins.
    by_name: HashMap<NameKey, Arc<SeriesByKey>>,
    /// The digests of the CRLs in force, each with its series.
    in_force: BTreeSet<([u8; 32], SeriesId)>,
    /// Signed by nobody who is known: they wait for the key, and clear and revoke nothing until then.
    waiting: Arc<HashMap<NameKey, Vec<HeldCrl>>>,
}

/// The series of an issuer's keys.
type SeriesByKey = BTreeMap<Arc<[u8]>, KeySeries>;

/// The series of one key of an issuer.
#[derive(Clone, Default)]
struct KeySeries {
    ids: BTreeSet<SeriesId>,
    /// Sets that have offered one of its CRLs.
    sets: BTreeSet<String>,
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
    /// There are as many of its age, or as many scopes of its key, as are kept.
    Full,
}

impl Ledger {
    /// The series of an issuer's name.
    pub(crate) fn named(&self, name: &NameKey) -> impl Iterator<Item = &Arc<Series>> {
        let keys = self.by_name.get(name).into_iter();
        let ids = keys.flat_map(|keys| keys.values()).flat_map(|of| &of.ids);
        ids.filter_map(|id| self.series.get(id))
    }

    /// The series of one key of an issuer.
    pub(crate) fn of_key(&self, name: &NameKey, key: &[u8]) -> impl Iterator<Item = &Arc<Series>> {
        let of = self.by_name.get(name).and_then(|keys| keys.get(key));
        let ids = of.into_iter().flat_map(|of| &of.ids);
        ids.filter_map(|id| self.series.get(id))
    }

    /// How many series one key of an issuer has.
    fn scopes(&self, name: &NameKey, key: &[u8]) -> usize {
        let of = self.by_name.get(name).and_then(|keys| keys.get(key));
        of.map_or(0, |of| of.ids.len())
    }

    /// The keys that have signed CRLs of an issuer, those first by which a trust set has offered some.
    pub(crate) fn keys(&self, name: &NameKey, set: &str) -> impl Iterator<Item = &Arc<[u8]>> {
        let keys = move |own: bool| {
            let keys = self.by_name.get(name).into_iter();
            let keys = keys.flat_map(|keys| keys.iter());
            keys.filter(move |(_, of)| of.sets.contains(set) == own)
                .map(|(key, _)| key)
        };
        keys(true).chain(keys(false))
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

    /// All series in the order in which they find room, where there is room for so many of so many bytes: whatever takes the
    /// smallest part of it for the sets that have offered it comes first, so that each set has its share.
    pub fn all_by_share(&self, most: usize, largest: u64) -> Vec<&Arc<Series>> {
        let mut all: Vec<_> = self.series.values().collect();
        all.sort_by_key(|s| Reverse(s.worth()));
        let mut taken: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut by_share: Vec<(u64, &Arc<Series>)> = Vec::new();
        for series in all {
            let mut sets = series.sets().iter().map(String::as_str).peekable();
            let of_nobody = sets.peek().is_none().then_some("");
            let parts = sets.chain(of_nobody).map(|set| {
                let (count, bytes) = taken.entry(set).or_default();
                *count += 1;
                *bytes += series.size();
                // In parts of a million.
                let of_count = *count * 1_000_000 / (most as u64).max(1);
                of_count.max(bytes.saturating_mul(1_000_000) / largest.max(1))
            });
            by_share.push((parts.min().unwrap_or(0), series));
        }
        // Stable: of equal shares what is worth more is first.
        by_share.sort_by_key(|(share, _)| *share);
        by_share.into_iter().map(|(_, series)| series).collect()
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
    pub(crate) fn holding(&self, crl: &HeldCrl) -> impl Iterator<Item = SeriesId> {
        let digest = *crl.digest();
        let from = (digest, SeriesId::FIRST);
        let held = self.in_force.range(from..);
        held.take_while(move |(of, _)| *of == digest)
            .map(|(_, id)| *id)
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
        let outdated = || {
            let scope = ScopeKey::of(crl.scope());
            let mut others = self.of_key(name, key);
            others.any(|other| {
                other.id() != id && other.outdates(crl) && other.includes(crl.scope(), &scope)
            })
        };
        let Some(known) = self.series.get(&id) else {
            if outdated() {
                return (id, Entered::Older);
            }
            if !self.make_room(name, key) {
                return (id, Entered::Full);
            }
            self.put(Series::begin(name.clone(), key, crl.clone(), set));
            return (id, Entered::Taken);
        };
        // The first match counts: a rollback is a rollback even if the very same CRL is held, and a CRL that
        // is held needs no second place.
        let entered = match known.standing(crl) {
            Ordering::Less => Entered::Older,
            _ if known.crls().iter().any(|held| held.list == crl.list) => Entered::Held,
            _ if outdated() => Entered::Older,
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

    /// Makes room for a further scope of a key: of the series whose CRL has gone the oldest is forgotten. `false` when there
    /// is none: what is in force goes for nothing that is new.
    fn make_room(&mut self, name: &NameKey, key: &[u8]) -> bool {
        if self.scopes(name, key) < MOST_SCOPES {
            return true;
        }
        let gone = self.of_key(name, key).filter(|s| s.crls().is_empty());
        let oldest = gone.map(|s| (s.this_update(), s.id())).min();
        oldest.is_some_and(|(_, id)| self.remove(id))
    }

    /// Exchanges the CRLs beside, each with the sets that have offered it; returns those for which there is no room. Those
    /// that are offered now come first, then the newest.
    pub(crate) fn set_waiting(
        &mut self,
        mut crls: Vec<(NameKey, HeldCrl)>,
        offered: &HashSet<[u8; 32]>,
        sets: &HashMap<[u8; 32], BTreeSet<&str>>,
    ) -> Vec<HeldCrl> {
        crls.sort_by_key(|(_, crl)| {
            // When there is no room, what an operator's files hold now outranks what was there once.
            let gone = !offered.contains(crl.digest());
            (gone, Reverse(crl.this_update()), *crl.digest())
        });
        crls.dedup_by(|one, other| one.1.list == other.1.list);
        let mut waiting: HashMap<NameKey, Vec<HeldCrl>> = HashMap::new();
        let mut rooms = Rooms::new(MOST_BESIDE, LARGEST_BESIDE);
        let mut left_out = Vec::new();
        for (name, crl) in crls {
            let by = sets.get(crl.digest()).into_iter().flatten().copied();
            if rooms.take(by, crl.size()) {
                waiting.entry(name).or_default().push(crl);
            } else {
                left_out.push(crl);
            }
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
        let is_offered = |series: &Series| {
            let mut crls = series.crls().iter();
            crls.any(|crl| offered.contains(crl.digest()))
        };
        let mut gone = Vec::new();
        for series in self.series.values() {
            // Stale for everybody, even under the longest grace.
            let over = || series.crls().iter().all(|crl| until(crl) <= at);
            if !series.crls().is_empty()
                && !is_offered(series)
                && (over() || self.is_superseded(series))
            {
                gone.push(series.emptied());
            }
        }
        gone.into_iter().for_each(|series| self.put(series));
        // Names of sets that the topology no longer has: they have no room any more.
        let known = self.series.values().filter_map(|s| s.known_to(sets));
        let known: Vec<Series> = known.collect();
        known.into_iter().for_each(|series| self.put(series));
        let unnamed = self.series.values().filter(|series| !is_offered(series));
        let mut unnamed: Vec<Arc<Series>> = unnamed.cloned().collect();
        // First what is in force, then the newest: forgotten beyond a bound is what nobody has renewed for longest.
        unnamed.sort_by_key(|s| Reverse(s.worth()));
        let mut rooms = Rooms::new(MOST_UNNAMED, LARGEST_UNNAMED);
        let mut kept = Vec::new();
        for series in &unnamed {
            if rooms.take(series.sets().iter().map(String::as_str), series.size()) {
                kept.push(series);
            } else {
                self.remove(series.id());
            }
        }
        // Where another version has kept more scopes of a key than this one takes.
        for series in kept.into_iter().rev() {
            if self.scopes(series.name(), series.key()) > MOST_SCOPES {
                self.remove(series.id());
            }
        }
    }

    /// Whether one in force that is newer covers all that this one covers.
    fn is_superseded(&self, series: &Series) -> bool {
        self.of_key(series.name(), series.key()).any(|other| {
            other.id() != series.id()
                && !other.crls().is_empty()
                && series.crls().iter().all(|crl| other.outdates(crl))
                && other.includes(series.scope(), series.scope_key())
        })
    }

    /// Whether something in force under this name covers all that the scope does.
    pub(crate) fn covers(&self, name: &NameKey, scope: &CrlScope) -> bool {
        let key = ScopeKey::of(scope);
        self.named(name)
            .any(|series| !series.crls().is_empty() && series.includes(scope, &key))
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
        let keys = self.by_name.entry(series.name().clone()).or_default();
        // A ledger that is not shared is changed in place, and of one that is the keys of this name alone are copied.
        let keys = Arc::make_mut(keys);
        let of = keys.entry(series.key().into()).or_default();
        of.ids.insert(id);
        for set in series.sets() {
            if of.sets.len() < MOST_SETS && !of.sets.contains(set) {
                of.sets.insert(set.clone());
            }
        }
        let series = Arc::new(series);
        let before = self.series.insert(id, Arc::clone(&series));
        for crl in before.iter().flat_map(|before| before.crls()) {
            self.in_force.remove(&(*crl.digest(), id));
        }
        let digests = series.crls().iter().map(|crl| (*crl.digest(), id));
        self.in_force.extend(digests);
    }

    fn remove(&mut self, id: SeriesId) -> bool {
        let Some(series) = self.series.remove(&id) else {
            return false;
        };
        for crl in series.crls() {
            self.in_force.remove(&(*crl.digest(), id));
        }
        if let Some(keys) = self.by_name.get_mut(series.name()) {
            let keys = Arc::make_mut(keys);
            if let Some(of) = keys.get_mut(series.key()) {
                of.ids.remove(&id);
                if of.ids.is_empty() {
                    keys.remove(series.key());
                }
            }
            if keys.is_empty() {
                self.by_name.remove(series.name());
            }
        }
        true
    }
}
