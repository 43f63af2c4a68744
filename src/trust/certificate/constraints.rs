//! Name constraints: which names a CA may certify, and which not (RFC 5280 §4.2.1.10).
use crate::topology::der::{Der, SEQUENCE, context, context_value};
use crate::topology::distinguished_name::NameKey;
use crate::trust::budget::Budget;
use crate::trust::certificate::general_name::{Name, NameForm, host_of};
use crate::trust::certificate::subtree::{DomainSubtree, Mailbox};
use crate::trust::{StepRefusal, TrustReason};

/// Subtrees that one step of a judgement compares with a name.
///
/// A CA may list thousands of subtrees; without a price on them one certificate could keep a shard busy.
const COMPARISONS: usize = 16;

/// Bytes of names that one step reads.
///
/// Reading a name costs less than comparing it, but a certificate can be full of names.
const BYTES: usize = 64;

/// The constraints of one CA.
#[derive(Clone, Debug)]
pub(crate) struct Constraints {
    /// Of a form without a subtree every name is permitted.
    permitted: Subtrees,
    excluded: Subtrees,
}

/// Subtrees by the form of their names.
#[derive(Clone, Debug, Default)]
struct Subtrees {
    // One list for each form: names are only held against subtrees of their own form (RFC 5280 §4.2.1.10).
    dns: Vec<DomainSubtree>,
    hosts: Vec<DomainSubtree>,
    mailboxes: Vec<Mailbox>,
    /// Address and mask, of one length.
    addresses: Vec<(Vec<u8>, Vec<u8>)>,
    directories: Vec<NameKey>,
    /// Forms that occur and that nothing here can compare.
    unknown: Vec<NameForm>,
}

impl Constraints {
    /// Reads the extension's value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(value: &[u8]) -> Result<Self, String> {
        let malformed = || "it is not NameConstraints".to_owned();
        // NameConstraints ::= SEQUENCE { permittedSubtrees [0] OPTIONAL, excludedSubtrees [1] OPTIONAL }, and
        // one of the two must be there.
        let mut walk = Der::new(value);
        let mut fields = walk.expect(SEQUENCE).ok_or_else(malformed)?.inside();
        if !walk.is_empty() || fields.is_empty() {
            return Err(malformed());
        }
        let mut subtrees = |number| match fields.optional(context(number)) {
            Some(list) => Subtrees::read(&mut list.inside()),
            None => Ok(Subtrees::default()),
        };
        // [0] permittedSubtrees, [1] excludedSubtrees.
        let (permitted, excluded) = (subtrees(0)?, subtrees(1)?);
        if !fields.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            permitted,
            excluded,
        })
    }

    /// Refuses a certificate of `size` bytes below the CA for one of its `names` that it may not have.
    pub(crate) fn check<'n>(
        &self,
        mut names: impl Iterator<Item = Name<'n>>,
        size: usize,
        budget: &Budget,
    ) -> Result<(), StepRefusal> {
        // What has to be read for it is most of the certificate, if that is full of names.
        budget.spend(u32::try_from(size / BYTES).unwrap_or(u32::MAX))?;
        names.try_for_each(|name| self.permit(&name, budget))
    }

    /// Refuses a name that is to be taken for an identity: a host is held against the subtrees of DNS names and against
    /// those of URIs, in whatever field it stands, so that a CA that is bound in one form cannot speak in the other.
    pub(crate) fn check_identity(&self, host: &str, budget: &Budget) -> Result<(), StepRefusal> {
        // Whether it came from a dNSName, a URI or a common name: it is reported as a host.
        let shown = Name::Host(host);
        self.permit_as(&Name::Dns(host), &shown, budget)?;
        self.permit(&shown, budget)
    }

    fn permit(&self, name: &Name<'_>, budget: &Budget) -> Result<(), StepRefusal> {
        self.permit_as(name, name, budget)
    }

    /// The order matters: a name that is excluded is refused even if it is permitted as well (RFC 5280 §6.1.3
    /// (b) and (c)).
    fn permit_as(
        &self,
        name: &Name<'_>,
        shown: &Name<'_>,
        budget: &Budget,
    ) -> Result<(), StepRefusal> {
        let form = name.form();
        let permitted = self.permitted.of(form);
        let excluded = self.excluded.of(form);
        // A form that the CA does not mention is free (RFC 5280 §4.2.1.10).
        if permitted + excluded == 0 {
            return Ok(());
        }
        let steps = (permitted + excluded) / COMPARISONS + 1;
        budget.spend(u32::try_from(steps).unwrap_or(u32::MAX))?;
        let refuse = |why: &str| {
            let what = format!("{}: {why}", shown.words());
            Err(TrustReason::NameConstraintViolated.because(what))
        };
        // What cannot be compared might lie in an excluded subtree, or outside the permitted ones: it is
        // refused, as an unknown form is (RFC 5280 §4.2.1.10: "process or reject").
        if !name.is_comparable()
            || self.permitted.unknown.contains(&form)
            || self.excluded.unknown.contains(&form)
        {
            return refuse("it cannot be held against the CA's constraints");
        }
        if self.excluded.touches(name) {
            return refuse("the CA is excluded from it");
        }
        if permitted > 0 && !self.permitted.covers(name) {
            return refuse("it is not among what the CA is permitted");
        }
        Ok(())
    }
}

impl Subtrees {
    /// Reads GeneralSubtrees, of which there must be one.
    fn read(list: &mut Der<'_>) -> Result<Self, String> {
        let malformed = || "its subtrees cannot be read".to_owned();
        if list.is_empty() {
            return Err("it has an empty list of subtrees".to_owned());
        }
        let mut subtrees = Self::default();
        while !list.is_empty() {
            let mut fields = list.expect(SEQUENCE).ok_or_else(malformed)?.inside();
            let base = fields.next().ok_or_else(malformed)?;
            // minimum must be 0, which is the default, and maximum must not be there. A profile
            // that uses them would mean something that nobody here implements.
            let minimum = fields.optional(context_value(0));
            if !fields.is_empty() || minimum.is_some_and(|minimum| minimum.content() != [0]) {
                return Err("a subtree of it has a minimum or a maximum".to_owned());
            }
            subtrees.add(base.tag, base.content())?;
        }
        Ok(subtrees)
    }

    /// Adds one subtree. A base that cannot be read makes the whole certificate useless, since ignoring it
    /// would widen what the CA may certify.
    fn add(&mut self, tag: u8, base: &[u8]) -> Result<(), String> {
        let bad = || {
            let shown = String::from_utf8_lossy(base);
            format!("its subtree {shown} cannot be read")
        };
        let form = NameForm::of(tag).ok_or_else(bad)?;
        let text = || std::str::from_utf8(base).map_err(|_| bad());
        match form {
            NameForm::Dns => self
                .dns
                .push(DomainSubtree::subtree(text()?).ok_or_else(bad)?),
            NameForm::Uri => self
                .hosts
                .push(DomainSubtree::host(text()?).ok_or_else(bad)?),
            NameForm::Mail => self.mailboxes.push(Mailbox::read(text()?).ok_or_else(bad)?),
            // An address and a mask of equal length: 4 + 4 bytes for IPv4, 16 + 16 for IPv6 (RFC 5280
            // §4.2.1.10).
            NameForm::Address => {
                let half = base.len() / 2;
                let (address, mask) = base.split_at_checked(half).ok_or_else(bad)?;
                if !matches!(base.len(), 8 | 32) || !is_prefix(mask) {
                    return Err("an address range of it is no CIDR block".to_owned());
                }
                self.addresses.push((address.to_vec(), mask.to_vec()));
            }
            NameForm::Directory => self.directories.push(NameKey::of(base).ok_or_else(bad)?),
            NameForm::Other(_) => {
                if !self.unknown.contains(&form) {
                    self.unknown.push(form);
                }
            }
        }
        Ok(())
    }

    /// How many subtrees there are for names of a form.
    fn of(&self, form: NameForm) -> usize {
        match form {
            NameForm::Dns => self.dns.len(),
            NameForm::Uri => self.hosts.len(),
            NameForm::Mail => self.mailboxes.len(),
            NameForm::Address => self.addresses.len(),
            NameForm::Directory => self.directories.len(),
            NameForm::Other(_) => usize::from(self.unknown.contains(&form)),
        }
    }

    /// Whether all that the name stands for lies in one of the subtrees.
    ///
    /// Asked of permitted subtrees: a wildcard that reaches out of them is not permitted.
    fn covers(&self, name: &Name<'_>) -> bool {
        match name {
            Name::Dns(name) => self.dns.iter().any(|base| base.covers(name)),
            Name::Host(host) => self.hosts.iter().any(|base| base.covers(host)),
            Name::Uri(uri) => {
                host_of(uri).is_some_and(|host| self.hosts.iter().any(|base| base.covers(host)))
            }
            Name::Mail(mail) => self.mailboxes.iter().any(|base| base.covers(mail)),
            Name::Address(address) => self.addresses.iter().any(|block| is_in(address, block)),
            Name::Directory(name) => self.directories.iter().any(|base| name.is_within(base)),
            Name::Other(_) => false,
        }
    }

    /// Whether something that the name stands for lies in one of the subtrees: a wildcard stands for many names.
    ///
    /// Asked of excluded subtrees: a wildcard that could be used for an excluded name is excluded with it.
    fn touches(&self, name: &Name<'_>) -> bool {
        let wild = match name {
            Name::Dns(name) => self.dns.iter().any(|base| base.is_reached_by(name)),
            Name::Host(host) => self.hosts.iter().any(|base| base.is_reached_by(host)),
            Name::Uri(_)
            | Name::Mail(_)
            | Name::Address(_)
            | Name::Directory(_)
            | Name::Other(_) => false,
        };
        wild || self.covers(name)
    }
}

/// Whether a mask is ones and then zeros.
fn is_prefix(mask: &[u8]) -> bool {
    // A mask with a hole, such as 255.0.255.0, names no range of addresses that anybody means.
    let mut bits = mask
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    // The first zero is taken; nothing after it may be a one.
    bits.by_ref().all(|bit| bit);
    bits.all(|bit| !bit)
}

fn is_in(address: &[u8], (base, mask): &(Vec<u8>, Vec<u8>)) -> bool {
    address.len() == base.len()
        && address
            .iter()
            .zip(base.iter().zip(mask))
            .all(|(address, (base, mask))| address & mask == base & mask)
}
