//! The bodies of the fuzz targets on stable: over the torture messages and mutations of them that are the same each time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;

/// The torture messages, and what fuzzers found.
fn seeds() -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut seeds: Vec<Vec<u8>> = ["rfc4475", "rfc5118/wire"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "dat"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    seeds.sort();
    seeds.push(b"\r\n\r\n\r\nINVITE sip:a@b SIP/2.0\r\nl:0\r\n\r\n".to_vec());
    seeds.push(b" \t\r\n\r\n \r\n\t\r\nINVITE sip:a@b SIP/2.0\r\nl:0\r\n\r\n ".to_vec());
    seeds.push(b"INVITE sip:a SIP/2.0\r\nVia:\r\nv: \r\n ,\r\nRoute:,\r\n\r\n".to_vec());
    // A start line that is folded: a Via put below it would take the fold.
    seeds.push(b"REGISTER sip:a SIP/2.0\r\n  x;\r\nl: 0\r\n\r\n".to_vec());
    assert!(seeds.len() > 60);
    seeds
}

/// A number from a number, for mutations that are the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

/// Octets that parsers trip over.
const SPICE: [&[u8]; 16] = [
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\"",
    b"<",
    b">",
    b"\\",
    b"%",
    b"\0",
    b"\r\n\r\n",
    b"Content-Length: 1\r\n",
];

fn mutated(seed: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=draw.next(3) {
        let at = draw.next(octets.len() + 1);
        match draw.next(4) {
            0 => octets.truncate(at),
            1 if at < octets.len() => octets[at] = draw.next(256) as u8,
            2 => {
                let end = octets.len().min(at + draw.next(12));
                octets.drain(at..end);
            }
            _ => {
                let spice = SPICE[draw.next(SPICE.len())];
                octets.splice(at..at, spice.iter().copied());
            }
        }
    }
    octets
}

/// Files of a folder, sorted by their content.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<Vec<u8>> = entries
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    files.sort();
    files
}

/// What fuzzers have found that reaches what nothing before it had reached: `fuzz/keep` writes it.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let path = format!("fuzz/corpora/{target}.base64");
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path));
    let text = text.unwrap();
    let inputs = text.lines().map(|line| STANDARD.decode(line).unwrap());
    inputs.collect()
}

/// The body of a target.
type Body = fn(&[u8]);

/// Each target's body over its corpus.
#[test]
fn what_fuzzers_have_found_holds_still() {
    let bodies: [(&str, Body); 16] = [
        ("chain", bodies::chain),
        ("control", bodies::control),
        ("crl", bodies::crl),
        ("dialog", bodies::dialog),
        ("files", bodies::files),
        ("framing", bodies::framing),
        ("hello", bodies::hello),
        ("http", bodies::http),
        ("message", bodies::message),
        ("proxied", bodies::proxied),
        ("relay", |input| {
            bodies::relay(input);
        }),
        ("reply", bodies::reply),
        ("token", bodies::token),
        ("topology", bodies::topology),
        ("uri", bodies::uri),
        ("written", bodies::written),
    ];
    for (target, body) in bodies {
        let inputs = corpus(target);
        assert!(inputs.len() >= 10, "{target} has {}", inputs.len());
        inputs.iter().for_each(|input| body(input));
    }
}

fn over_all(rounds: usize, body: impl Fn(&[u8])) {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in seeds() {
        body(&seed);
        for _ in 0..rounds {
            body(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn framing_does_not_depend_on_how_a_stream_is_split() {
    over_all(12, |octets| {
        let step = octets.iter().fold(0_u8, |sum, b| sum.wrapping_add(*b));
        bodies::framing(&[&[step], octets].concat());
    });
}

#[test]
fn unedited_octets_come_out_equal_and_edits_leave_a_message() {
    over_all(120, bodies::message);
}

#[test]
fn uris_equal_themselves() {
    over_all(40, |octets| {
        for word in octets.split(|b| matches!(b, b' ' | b'<' | b'>' | b'\r' | b'\n')) {
            bodies::uri(word);
        }
    });
}

#[test]
fn answers_can_be_read_and_name_every_hop() {
    over_all(120, bodies::reply);
}

#[test]
fn whatever_is_relayed_is_one_message_and_its_answer_finds_the_way_back() {
    over_all(4, |octets| {
        for sender in 0..3 {
            let status = octets.len() as u8 % 6;
            bodies::relay(&[&[3 * status + sender], octets].concat());
        }
    });
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/relay") {
        let crossed = bodies::relay(&seed);
        let is_cancel = seed[1..].starts_with(b"CANCEL");
        assert_eq!(crossed == 0, is_cancel, "{}", seed.escape_ascii());
        for _ in 0..300 {
            bodies::relay(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn no_token_but_ours_leads_to_a_flow() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for sender in 0..3 {
        bodies::token(&[sender]);
        for place in 0..=255 {
            bodies::token(&[sender, place, draw.next(256) as u8]);
        }
    }
    over_all(2, |octets| {
        for word in octets.split(|b| matches!(b, b'\r' | b'\n' | b'@')) {
            bodies::token(&[&[0x80 + word.len() as u8 % 3], word].concat());
        }
    });
}

#[test]
fn only_what_an_authority_issued_is_accepted() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for control in 0..=255 {
        bodies::chain(&[control]);
        for _ in 0..12 {
            let place = (draw.next(700) as u16).to_be_bytes();
            bodies::chain(&[control, place[0], place[1], draw.next(256) as u8]);
        }
    }
}

#[test]
fn a_topology_of_any_text_loads_or_says_where_it_does_not() {
    let usual = bodies::usual_topology().into_bytes();
    bodies::topology(&usual);
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for _ in 0..200 {
        bodies::topology(&mutated(&usual, &mut draw));
    }
}

/// So many octets that are the same each time.
fn octets(draw: &mut Draw, length: usize) -> Vec<u8> {
    (0..length).map(|_| draw.next(256) as u8).collect()
}

#[test]
fn calls_and_registrations_in_any_order_get_one_answer_each_and_leave_nothing() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/dialog") {
        bodies::dialog(&seed);
    }
    for _ in 0..600 {
        let length = 3 * (1 + draw.next(40));
        bodies::dialog(&octets(&mut draw, length));
    }
}

#[test]
fn crls_are_read_as_two_libraries_read_them() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for number in 0..4_u8 {
        bodies::crl(&[&[1][..], &bodies::usual_crl(number.into())].concat());
        for _ in 0..2_000 {
            let place = (draw.next(600) as u16).to_be_bytes();
            bodies::crl(&[number << 2, place[0], place[1], draw.next(256) as u8]);
        }
    }
    over_all(4, |text| bodies::crl(&[&[2], text].concat()));
}

#[test]
fn a_hello_that_the_library_takes_is_not_held_back() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for control in 0..=255 {
        bodies::hello(&[control | 1]);
        for _ in 0..4 {
            let place = (draw.next(1_500) as u16).to_be_bytes();
            bodies::hello(&[control | 1, place[0], place[1], draw.next(256) as u8]);
        }
        let length = draw.next(60);
        bodies::hello(&[&[0][..], &octets(&mut draw, length)].concat());
        bodies::hello(&[&[0, 22, 3, 1][..], &octets(&mut draw, length)].concat());
    }
}

#[test]
fn what_is_said_over_the_control_socket_is_read_as_it_was_written() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/control") {
        bodies::control(&seed);
        for _ in 0..300 {
            bodies::control(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn what_remotes_have_written_acts_on_no_terminal_and_traces_show_no_secret() {
    over_all(6, |octets| {
        for control in 0..4 {
            bodies::written(&[&[control + 4 * (octets.len() as u8 / 4)], octets].concat());
        }
    });
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/written") {
        for _ in 0..300 {
            bodies::written(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn a_balancers_header_is_read_to_its_last_byte_however_it_comes() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/proxied") {
        bodies::proxied(&seed);
        for _ in 0..1_000 {
            bodies::proxied(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn only_who_asks_for_this_node_by_name_is_answered_over_http() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for seed in files("fuzz/seeds/http") {
        bodies::http(&seed);
        for _ in 0..300 {
            bodies::http(&mutated(&seed, &mut draw));
        }
    }
}

#[test]
fn files_on_the_disk_are_read_as_another_library_reads_them_or_refused() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for control in 0..=255 {
        bodies::files(&[control]);
        for _ in 0..20 {
            let place = (draw.next(3_000) as u16).to_be_bytes();
            bodies::files(&[control, place[0], place[1], draw.next(256) as u8]);
        }
    }
}
