//! A series: what one key of an issuer has signed for one scope, of which the newest counts (RFC 5280 §5.2.3).
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Crl, CrlScope, HeldCrl, Pin, order_of_numbers, sha256};
use crate::trust::certificate::text::hex;
use crate::trust::revocation::age::CrlAge;
use crate::trust::revocation::scope_key::ScopeKey;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// Names of trust sets that are kept with a series.
///
/// The names are written into each record.
pub(crate) const MOST_SETS: usize = 64;

/// What stands for a series: a digest of key, issuer and scope.
///
/// Short enough to be typed by an operator who wants a series forgotten, and long enough that nobody makes a
/// second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId([u8; 16]);

impl SeriesId {
    /// None comes before it.
    pub(crate) const FIRST: Self = Self([0; 16]);

    /// Of a SubjectPublicKeyInfo, the issuer's name and the scope.
    pub(crate) fn of(key: &[u8], name: &NameKey, scope: &CrlScope) -> Self {
        let mut text = Vec::new();
        // Lengths before the parts, so that two different lists of parts never make one text.
        let mut add = |bytes: &[u8]| {
            text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            text.extend_from_slice(bytes);
        };
        add(key);
        add(name.octets());
        add(&[u8::from(scope.users_only), u8::from(scope.authorities_only)]);
        scope.names().iter().for_each(|name| add(name));
        let mut id = [0; 16];
        id.iter_mut()
            .zip(sha256(&text))
            .for_each(|(byte, digest)| *byte = digest);
        Self(id)
    }

    /// As [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| shaped)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The newest CRLs of a key, an issuer and a scope; when they are gone, what is known of them.
///
/// Immutable: each change makes a new one, because generations that serve share it.
#[derive(Clone, Debug)]
pub struct Series {
    id: SeriesId,
    key: Arc<[u8]>,
    name: NameKey,
    /// The issuer as DER and as text.
    issuer: (Vec<u8>, String),
    // Part of the identity: a CA numbers the CRLs of each scope by themselves.
    scope: CrlScope,
    scope_key: ScopeKey,
    /// Of one age, mostly one; none: it went.
    crls: Vec<HeldCrl>,
    last: Last,
    sets: BTreeSet<String>,
}

/// What is known of the newest CRL.
///
/// It outlives the CRL itself, so that nothing older comes back after it has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// Its CRL number.
    pub(crate) number: Option<Vec<u8>>,
    /// The highest number of any: the newest may have none.
    pub(crate) highest: Option<Vec<u8>>,
    /// thisUpdate and nextUpdate, Unix seconds.
    pub(crate) this_update: u64,
    pub(crate) next_update: u64,
}

impl Last {
    fn of(crl: &Crl, highest: Option<&[u8]>) -> Self {
        let number = crl.number().map(<[u8]>::to_vec);
        Self {
            // A CA that stops numbering does not free its old numbers.
            highest: number.clone().or_else(|| highest.map(<[u8]>::to_vec)),
            number,
            this_update: crl.this_update(),
            next_update: crl.next_update(),
        }
    }
}

impl Series {
    /// With its first CRL.
    pub(crate) fn begin(name: NameKey, key: &[u8], crl: HeldCrl, set: &str) -> Self {
        Self {
            id: SeriesId::of(key, &name, crl.scope()),
            key: key.into(),
            name,
            issuer: (crl.issuer_der().to_vec(), crl.issuer().to_owned()),
            scope: crl.scope().clone(),
            scope_key: ScopeKey::of(crl.scope()),
            last: Last::of(&crl, None),
            crls: vec![crl],
            sets: BTreeSet::from([set.to_owned()]),
        }
    }

    /// As it was kept: with its CRLs, or without any that is at hand.
    pub(crate) fn kept(
        name: NameKey,
        key: &[u8],
        issuer: (Vec<u8>, String),
        scope: CrlScope,
        (crls, last): (Vec<HeldCrl>, Last),
        sets: BTreeSet<String>,
    ) -> Self {
        Self {
            id: SeriesId::of(key, &name, &scope),
            key: key.into(),
            name,
            issuer,
            scope_key: ScopeKey::of(&scope),
            scope,
            crls,
            last,
            sets,
        }
    }

    /// What stands for it.
    pub fn id(&self) -> SeriesId {
        self.id
    }
    /// The SubjectPublicKeyInfo that signed.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
    /// The issuer's name, for comparisons.
    pub(crate) fn name(&self) -> &NameKey {
        &self.name
    }
    /// The issuer as DER.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer.0
    }
    /// The issuer as text.
    pub fn issuer(&self) -> &str {
        &self.issuer.1
    }
    /// Which certificates its CRLs cover.
    pub fn scope(&self) -> &CrlScope {
        &self.scope
    }
    /// Those in force; none: the newest went when it was stale, and nothing older comes back.
    pub fn crls(&self) -> &[HeldCrl] {
        &self.crls
    }
    /// What goes last when there is not room for all: CRLs in force, and the newest.
    pub(crate) fn worth(&self) -> (bool, u64, SeriesId) {
        (!self.crls.is_empty(), self.this_update(), self.id)
    }
    pub(crate) fn last(&self) -> &Last {
        &self.last
    }
    /// The highest CRL number that was proven, without leading zeros.
    pub fn number(&self) -> Option<&[u8]> {
        self.last.highest.as_deref()
    }
    /// The same in decimal digits; beyond 128 bits in hex (RFC 5280 §5.2.3 allows 160).
    ///
    /// As CAs and OpenSSL show it, for comparison by an operator.
    pub fn number_text(&self) -> Option<String> {
        let bytes = self.number()?;
        if bytes.len() > 16 {
            return Some(format!("0x{}", hex(bytes)));
        }
        let number = bytes
            .iter()
            .fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
        Some(number.to_string())
    }
    /// SHA-256 of the key, as pins are written.
    pub fn pin(&self) -> String {
        Pin(sha256(&self.key)).to_string()
    }
    /// thisUpdate of the newest, Unix seconds.
    pub fn this_update(&self) -> u64 {
        self.last.this_update
    }
    /// nextUpdate of the newest, Unix seconds.
    pub fn next_update(&self) -> u64 {
        self.last.next_update
    }
    /// The trust sets that offered one of its CRLs.
    pub fn sets(&self) -> &BTreeSet<String> {
        &self.sets
    }
    /// Whether its scope includes another one.
    pub(crate) fn includes(&self, scope: &CrlScope, key: &ScopeKey) -> bool {
        self.scope_key.may_include(key) && self.scope.includes(scope)
    }
    /// Its own scope, as it is held against others.
    pub(crate) fn scope_key(&self) -> &ScopeKey {
        &self.scope_key
    }
    /// Bytes that its record takes at most: its CRLs, and what is known of them, of which most is in base64.
    pub fn size(&self) -> u64 {
        let texts = self.issuer.1.len() + self.sets.iter().map(|set| set.len() + 8).sum::<usize>();
        let places = self.crls.iter().map(|crl| crl.file.as_os_str().len() + 128);
        let names = self.scope.names().iter().map(|name| name.len() + 8);
        let octets = self.key.len() + self.issuer.0.len() + names.sum::<usize>();
        // A character of a text takes six in JSON at most, of base64 four stand for three bytes.
        let known = 512 + 6 * (texts + places.sum::<usize>()) + octets.div_ceil(3) * 4;
        known as u64 + self.crls.iter().map(|crl| crl.size()).sum::<u64>()
    }

    /// How a CRL of the series stands to the newest: by CRL number, then by thisUpdate; by thisUpdate alone where one of
    /// the two has no number. What has a lower number than any that was proven is older in any case.
    pub(crate) fn standing(&self, crl: &Crl) -> Ordering {
        let by_time = crl.this_update().cmp(&self.last.this_update);
        match crl.number().zip(self.last.highest.as_deref()) {
            None => by_time,
            Some((number, highest)) => match order_of_numbers(number, highest) {
                // RFC 5280 §5.2.3: numbers only grow, so that a lower one is older whatever its date is.
                Ordering::Less => Ordering::Less,
                // Without a number in between: with one the newest has the highest.
                order if self.last.number.is_some() => order.then(by_time),
                Ordering::Equal | Ordering::Greater => by_time,
            },
        }
    }

    /// Whether a CRL of another scope is older than the newest of this one. A CA may count each scope by itself, so that
    /// number and thisUpdate must agree.
    pub(crate) fn outdates(&self, crl: &Crl) -> bool {
        let last = CrlAge {
            number: self.last.number.as_deref(),
            this_update: self.last.this_update,
        };
        CrlAge::of(crl).is_outdated_by(last)
    }

    /// With a CRL that is newer, or as new.
    pub(crate) fn with(&self, crl: HeldCrl, set: &str) -> Self {
        let mut next = self.clone();
        // Of equal age both stay: which of the two a CA meant is unknown, so that both are heard.
        if self.standing(&crl) == Ordering::Greater {
            next.crls.clear();
        }
        next.last = Last::of(&crl, self.last.highest.as_deref());
        next.crls.push(crl);
        next.add_set(set);
        next
    }

    /// With the place where a CRL in force was found now, if that is another: a file is preferred to a URI.
    pub(crate) fn again_from(&self, crl: &HeldCrl, set: &str) -> Option<Self> {
        let mut next = self.clone();
        let added = next.add_set(set);
        let held = next.crls.iter_mut().find(|held| held.list == crl.list)?;
        // Files survive a restart by themselves, and their paths mean something to an operator.
        let moved = *held != *crl && (held.fetched || !crl.fetched);
        if moved {
            held.clone_from(crl);
        }
        (added || moved).then_some(next)
    }

    /// Without its CRLs.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            crls: Vec::new(),
            ..self.clone()
        }
    }

    /// With the names of those sets only that there are; `None` when that changes nothing.
    pub(crate) fn known_to(&self, sets: &HashSet<&str>) -> Option<Self> {
        let there = |set: &String| sets.contains(set.as_str());
        if self.sets.iter().all(there) {
            return None;
        }
        let mut next = self.clone();
        next.sets.retain(there);
        Some(next)
    }

    /// Whether the other is of a newer CRL.
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (other.crls.first(), &other.last) {
            // A series without its CRL is compared by date alone; the number is known only with the CRL.
            (Some(crl), _) => self.standing(crl) == Ordering::Greater,
            (None, last) => last.this_update > self.last.this_update,
        }
    }

    /// Whether the two hold the same CRLs and know the same of them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let lists = |series: &Self| -> Vec<[u8; 32]> {
            series.crls.iter().map(|crl| *crl.digest()).collect()
        };
        self.last == other.last && lists(self) == lists(other)
    }

    fn add_set(&mut self, set: &str) -> bool {
        self.sets.len() < MOST_SETS && self.sets.insert(set.to_owned())
    }
}
