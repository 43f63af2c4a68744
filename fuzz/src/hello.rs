//! The first bytes of a connection beside a TLS library: no hello that it would take is held back, and none that is not
//! whole takes a slot.
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use sipward::edge::{Hello, LONGEST_HELLO, look_at_hello};
use std::sync::{Arc, OnceLock};

/// A hello as a client of that library writes it.
fn genuine() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from("edge.contoso.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    })
}

/// The first octet says what the rest is: the bytes themselves, or changes to a genuine hello that is cut into records of so
/// many bytes.
pub fn hello(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    let bytes = if control & 1 == 0 {
        rest.to_vec()
    } else {
        let mut bytes = genuine().to_vec();
        let size = usize::from(control >> 1) * 8;
        if size > 0 {
            let records = bytes[5..].chunks(size).map(|part| {
                let length = (part.len() as u16).to_be_bytes();
                [&[22, 3, 1][..], &length, part].concat()
            });
            bytes = records.collect::<Vec<_>>().concat();
        }
        for change in rest.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
            bytes[at] ^= change[2];
        }
        bytes
    };
    let bytes = &bytes[..bytes.len().min(LONGEST_HELLO)];
    // Every beginning, in steps: what has come is looked at whenever more has.
    let step = bytes.len().div_ceil(24).max(1);
    let mut seen = Hello::Partial;
    for end in (1..=bytes.len())
        .rev()
        .step_by(step)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let now = look_at_hello(&bytes[..end]);
        assert!(
            seen == Hello::Partial || now == seen,
            "{seen:?} became {now:?} at {end}"
        );
        seen = now;
        match (now, taken(&bytes[..end])) {
            (Hello::Partial, taken) => assert_ne!(taken, Some(true), "held back at {end}"),
            (Hello::Whole, taken) => assert_ne!(taken, None, "a slot for a part, at {end}"),
            (Hello::TooLong, _) => {}
        }
    }
}

/// Whether the library takes it as a hello, or waits for more (`None`).
fn taken(mut bytes: &[u8]) -> Option<bool> {
    let mut acceptor = Acceptor::default();
    loop {
        match acceptor.accept() {
            Ok(Some(_)) => return Some(true),
            Err(_) => return Some(false),
            Ok(None) if bytes.is_empty() => return None,
            Ok(None) => {}
        }
        if acceptor.read_tls(&mut bytes).is_err() {
            return Some(false);
        }
    }
}
