//! A random hierarchy: authorities that certify each other, their CRLs, anchors, and leaves below them.
use super::der::Form;
use super::model::{Alternative, Certificate, Crl, KeyHint, Name, Subtree, Usage};
use super::random::Random;

/// The time of every decision: 2027-01-15.
pub(super) const AT: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// Keys that a hierarchy can use; the last is that of all leaves.
pub(super) const KEYS: usize = 14;
const LEAF_KEY: usize = KEYS - 1;

/// Certificates beside the leaf: one less than are read.
const MOST_SENT: usize = 9;

const DOMAINS: &[&str] = &["contoso.test", "a.contoso.test", "fabrikam.test"];
const ORGANISATIONS: &[&str] = &["Contoso", "Fabrikam"];

const KEY_CERT_SIGN: u8 = 5;
const CRL_SIGN: u8 = 6;
const DIGITAL_SIGNATURE: u8 = 0;
const KEY_ENCIPHERMENT: u8 = 2;

/// A hierarchy with what is shown of it.
pub(super) struct Hierarchy {
    /// Certificates of authorities.
    pub(super) authorities: Vec<Certificate>,
    /// Positions of those in the file of anchors.
    pub(super) anchors: Vec<usize>,
    /// Positions of those that every leaf brings along, in their order.
    pub(super) sent: Vec<usize>,
    pub(super) crls: Vec<Crl>,
    pub(super) leaves: Vec<Certificate>,
}

/// Somebody with a name and, after a rollover, two keys.
struct Authority {
    name: Name,
    keys: Vec<usize>,
}

struct Grower {
    random: Random,
    serial: u64,
    authorities: Vec<Authority>,
    certificates: Vec<Certificate>,
    next_key: usize,
}

/// The hierarchy of a seed, with so many leaves.
pub(super) fn grow(seed: u64, leaves: usize) -> Hierarchy {
    let mut grower = Grower {
        random: Random::new(seed),
        serial: 1000,
        authorities: Vec::new(),
        certificates: Vec::new(),
        next_key: 0,
    };
    let roots = 1 + grower.random.below(3);
    for _ in 0..roots {
        grower.root();
    }
    for _ in 0..=grower.random.below(4) {
        grower.intermediate();
    }
    for _ in 0..grower.random.below(3) {
        grower.cross();
    }
    let leaves = (0..leaves).map(|number| grower.leaf(number)).collect();
    let anchors = grower.anchors();
    let sent = grower.sent(&anchors);
    let mut hierarchy = Hierarchy {
        crls: Vec::new(),
        authorities: grower.certificates,
        anchors,
        sent,
        leaves,
    };
    hierarchy.crls = crls(&mut grower.random, &hierarchy);
    hierarchy
}

impl Grower {
    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn form(&mut self) -> Form {
        match self.random.below(8) {
            0 => Form::Printable,
            1 => Form::Bmp,
            _ => Form::Utf8,
        }
    }

    /// A new authority with one key or two; a few share a name with another.
    fn authority(&mut self, kind: &str) -> usize {
        let number = self.authorities.len();
        let mut name = Name {
            organisation: (*self.random.pick(ORGANISATIONS)).to_owned(),
            common: format!("{kind} {number}"),
            form: self.form(),
        };
        if number > 0 && self.random.percent(10) {
            let other = self.random.below(number);
            name = self.authorities.get(other).unwrap().name.clone();
        }
        let mut keys = vec![self.key()];
        if self.random.percent(15) {
            keys.push(self.key());
        }
        self.authorities.push(Authority { name, keys });
        number
    }

    fn key(&mut self) -> usize {
        // One that is left over is shared by the last authorities: it does happen.
        let key = self.next_key.min(LEAF_KEY - 1);
        self.next_key += 1;
        key
    }

    fn root(&mut self) {
        let number = self.authority("Root");
        let keys = self.authorities.get(number).unwrap().keys.clone();
        for key in &keys {
            self.certify(number, *key, number, *key);
        }
        if let [old, new] = keys[..] {
            // RFC 4210 §4.4: each key certified with the other one.
            self.certify(number, new, number, old);
            self.certify(number, old, number, new);
        }
    }

    fn intermediate(&mut self) {
        let above = self.authorities.len();
        let number = self.authority("Issuing");
        for key in self.authorities.get(number).unwrap().keys.clone() {
            let issuer = self.random.below(above);
            self.certify_by_any_key(number, key, issuer);
        }
    }

    /// Another certificate for an authority that has one.
    fn cross(&mut self) {
        let number = self.random.below(self.authorities.len());
        let issuer = self.random.below(self.authorities.len());
        let keys = &self.authorities.get(number).unwrap().keys;
        let key = *self.random.pick(keys);
        self.certify_by_any_key(number, key, issuer);
    }

    fn certify_by_any_key(&mut self, subject: usize, key: usize, issuer: usize) {
        let keys = &self.authorities.get(issuer).unwrap().keys;
        let signer = *self.random.pick(keys);
        self.certify(subject, key, issuer, signer);
    }

    fn certify(&mut self, subject: usize, key: usize, issuer: usize, signer: usize) {
        let subject = self.authorities.get(subject).unwrap().name.clone();
        let issuer = self.written_anew(issuer);
        let mut certificate = Certificate {
            serial: self.serial(),
            subject,
            key,
            issuer,
            signer,
            not_before: AT - 400 * DAY,
            not_after: AT + 400 * DAY + DAY * i64::try_from(self.random.below(9)).unwrap(),
            basic: Some((true, None)),
            key_usage: Some(vec![KEY_CERT_SIGN, CRL_SIGN]),
            usages: Vec::new(),
            names: Vec::new(),
            permitted: Vec::new(),
            excluded: Vec::new(),
            subject_key: true,
            hint: KeyHint::Right,
            unknown_critical: false,
            forged: false,
        };
        let root = certificate.self_signed();
        self.hints(&mut certificate);
        if self.random.percent(if root { 8 } else { 25 }) {
            self.restrict(&mut certificate);
        }
        if self.random.percent(if root { 5 } else { 12 }) {
            self.spoil(&mut certificate);
        }
        self.certificates.push(certificate);
    }

    /// The name as its certificate's issuer writes it: as often as not with another string type.
    fn written_anew(&mut self, authority: usize) -> Name {
        let mut name = self.authorities.get(authority).unwrap().name.clone();
        if self.random.percent(15) {
            name.form = self.form();
        }
        name
    }

    fn hints(&mut self, certificate: &mut Certificate) {
        match self.random.below(20) {
            0 | 1 => certificate.hint = KeyHint::Absent,
            2 => {
                certificate.hint = KeyHint::Absent;
                certificate.subject_key = false;
            }
            3 if self.random.percent(30) => certificate.hint = KeyHint::Wrong,
            _ => {}
        }
    }

    /// Rights that an authority may well lack.
    fn restrict(&mut self, certificate: &mut Certificate) {
        match self.random.below(6) {
            0 | 1 => {
                let most = u64::try_from(self.random.below(3)).unwrap();
                certificate.basic = Some((true, Some(most)));
            }
            2 => {
                certificate.usages = self.usages();
            }
            3 | 4 => {
                for _ in 0..=self.random.below(2) {
                    let subtree = self.subtree();
                    certificate.permitted.push(subtree);
                }
            }
            _ => {
                let subtree = self.subtree();
                certificate.excluded.push(subtree);
            }
        }
    }

    fn usages(&mut self) -> Vec<Usage> {
        match self.random.below(10) {
            0..=2 => vec![Usage::Server],
            3 | 4 => vec![Usage::Client],
            5 | 6 => vec![Usage::Server, Usage::Client],
            7 => vec![Usage::SipDomain],
            8 => vec![Usage::Any],
            _ => vec![Usage::CodeSigning],
        }
    }

    fn subtree(&mut self) -> Subtree {
        let domain = (*self.random.pick(DOMAINS)).to_owned();
        match self.random.below(12) {
            0..=4 => Subtree::Dns(domain),
            5 => Subtree::Dns(format!(".{domain}")),
            6 => Subtree::Uri(format!(".{domain}")),
            7 => Subtree::Email(domain),
            8 => Subtree::Address([192, 0, 2, 0, 255, 255, 255, 128]),
            9 => Subtree::Address([198, 51, 100, 0, 255, 255, 255, 0]),
            _ => {
                let form = self.form();
                Subtree::Directory((*self.random.pick(ORGANISATIONS)).to_owned(), form)
            }
        }
    }

    /// What keeps an authority from being one.
    fn spoil(&mut self, certificate: &mut Certificate) {
        match self.random.below(9) {
            0 => certificate.basic = Some((false, None)),
            1 => certificate.basic = None,
            2 => certificate.key_usage = Some(vec![CRL_SIGN]),
            3 => certificate.key_usage = Some(vec![KEY_CERT_SIGN]),
            4 => certificate.key_usage = None,
            5 => certificate.not_after = AT - DAY,
            6 => certificate.not_before = AT + DAY,
            7 => certificate.unknown_critical = true,
            _ => certificate.forged = true,
        }
    }

    fn leaf(&mut self, number: usize) -> Certificate {
        let issuer = self.random.below(self.authorities.len());
        let keys = &self.authorities.get(issuer).unwrap().keys;
        let signer = *self.random.pick(keys);
        let fqdn = format!("l{number}.{}", self.random.pick(DOMAINS));
        let form = self.form();
        let mut leaf = Certificate {
            serial: self.serial(),
            subject: Name {
                organisation: (*self.random.pick(ORGANISATIONS)).to_owned(),
                // Blanks: a CN that looks like a host name is held against constraints by some.
                common: format!("Server number {number}"),
                form,
            },
            key: LEAF_KEY,
            issuer: self.written_anew(issuer),
            signer,
            not_before: AT - 40 * DAY,
            not_after: AT + 40 * DAY,
            basic: None,
            key_usage: Some(vec![DIGITAL_SIGNATURE]),
            usages: vec![Usage::Server, Usage::Client],
            names: vec![Alternative::Dns(fqdn.clone())],
            permitted: Vec::new(),
            excluded: Vec::new(),
            subject_key: true,
            hint: KeyHint::Right,
            unknown_critical: false,
            forged: false,
        };
        self.hints(&mut leaf);
        if self.random.percent(25) {
            leaf.usages = self.usages();
        }
        if self.random.percent(25) {
            self.more_names(&mut leaf, &fqdn);
        }
        if self.random.percent(20) {
            self.spoil_leaf(&mut leaf);
        }
        leaf
    }

    fn more_names(&mut self, leaf: &mut Certificate, fqdn: &str) {
        let domain = *self.random.pick(DOMAINS);
        match self.random.below(6) {
            0 => leaf.names.push(Alternative::Dns(format!("more.{domain}"))),
            1 => leaf.names.push(Alternative::Uri(format!("sip:{fqdn}"))),
            2 => leaf.names = vec![Alternative::Uri(format!("sip:{fqdn}"))],
            3 => leaf.names.push(Alternative::Email(format!("sip@{domain}"))),
            4 => leaf.names.push(Alternative::Address([192, 0, 2, 7])),
            _ => leaf.names.push(Alternative::Address([192, 0, 2, 200])),
        }
    }

    fn spoil_leaf(&mut self, leaf: &mut Certificate) {
        match self.random.below(10) {
            0 => leaf.not_after = AT - DAY,
            1 => leaf.not_before = AT + DAY,
            2 => leaf.basic = Some((true, None)),
            3 => leaf.basic = Some((false, None)),
            4 => leaf.key_usage = Some(vec![KEY_ENCIPHERMENT]),
            5 => leaf.key_usage = None,
            6 => leaf.unknown_critical = true,
            7 => leaf.usages = Vec::new(),
            8 => {
                // Somebody else's key under the right name.
                leaf.signer = LEAF_KEY;
            }
            _ => leaf.forged = true,
        }
    }

    /// Self-signed certificates, at least one; now and then an intermediate among them.
    fn anchors(&mut self) -> Vec<usize> {
        let positions = |signed: bool| {
            let all = self.certificates.iter().enumerate();
            all.filter(move |(_, c)| c.self_signed() == signed)
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        let (roots, others) = (positions(true), positions(false));
        let mut anchors = vec![*self.random.pick(&roots)];
        for root in roots {
            if !anchors.contains(&root) && self.random.percent(60) {
                anchors.push(root);
            }
        }
        if !others.is_empty() && self.random.percent(10) {
            anchors.push(*self.random.pick(&others));
        }
        anchors
    }

    /// Most of what is no anchor, in any order.
    fn sent(&mut self, anchors: &[usize]) -> Vec<usize> {
        let mut sent = Vec::new();
        for (at, certificate) in self.certificates.iter().enumerate() {
            let chance = if certificate.self_signed() { 20 } else { 95 };
            if !anchors.contains(&at) && self.random.percent(chance) {
                sent.push(at);
            }
        }
        self.random.shuffle(&mut sent);
        sent.truncate(MOST_SENT);
        sent
    }
}

/// A CRL of each name and key that issued something, most of them good.
fn crls(random: &mut Random, hierarchy: &Hierarchy) -> Vec<Crl> {
    let mut crls: Vec<Crl> = Vec::new();
    let issued = hierarchy.authorities.iter().chain(&hierarchy.leaves);
    for certificate in issued {
        let known = crls
            .iter()
            .any(|crl| crl.signer == certificate.signer && crl.issuer.is(&certificate.issuer));
        if known || certificate.signer == LEAF_KEY {
            continue;
        }
        crls.push(Crl {
            issuer: certificate.issuer.clone(),
            signer: certificate.signer,
            number: 7,
            this_update: AT - 5 * DAY,
            next_update: AT + 5 * DAY,
            revoked: Vec::new(),
            hint: KeyHint::Right,
        });
    }
    for crl in &mut crls {
        for certificate in hierarchy.authorities.iter().chain(&hierarchy.leaves) {
            let its = certificate.signer == crl.signer && certificate.issuer.is(&crl.issuer);
            // An anchor is not revoked by its own CRL: nobody but the operator can withdraw it.
            if its && !certificate.self_signed() && random.percent(5) {
                crl.revoked.push(certificate.serial);
            }
        }
        if random.percent(20) {
            crl.hint = KeyHint::Absent;
        }
        match random.below(30) {
            0 => crl.next_update = AT - DAY,
            1 => crl.this_update = AT + DAY,
            _ => {}
        }
    }
    crls.retain(|_| random.percent(96));
    // The one before, beside it: it says less, and must not count.
    if !crls.is_empty() && random.percent(30) {
        let mut older = random.pick(&crls).clone();
        older.number -= 1;
        older.this_update -= 2 * DAY;
        older.revoked = Vec::new();
        crls.insert(random.below(crls.len() + 1), older);
    }
    crls
}

impl Hierarchy {
    /// All that there is to know of the case of one leaf.
    pub(super) fn text(&self, leaf: usize) -> String {
        let mut text = format!("leaf: {:#?}\n", self.leaves.get(leaf));
        text.push_str(&format!(
            "anchors: {:?}, sent: {:?}\n",
            self.anchors, self.sent
        ));
        for (at, authority) in self.authorities.iter().enumerate() {
            text.push_str(&format!("authority {at}: {authority:?}\n"));
        }
        for crl in &self.crls {
            text.push_str(&format!("{crl:?}\n"));
        }
        text
    }
}
