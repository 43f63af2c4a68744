//! The topology as a picture: clients on the left, this node and its siblings in the middle, pools
//! and partners on the right, in the colours of a traffic light.
use super::html::escaped;
use super::metrics::takes_requests;
use super::snapshot::Snapshot;
use crate::topology::{PeerKind, PeerRef};
use std::fmt::Write as _;

/// Boxes of one column; what is left off is a number. Those that are not well come first.
const MOST: usize = 24;
/// Height of a box, and from one to the next.
const BOX: usize = 34;
const STEP: usize = 42;
/// Where the columns begin, and how wide a box is.
const COLUMNS: [usize; 3] = [10, 340, 670];
const WIDTH: usize = 280;
/// Characters of a name that a box has room for.
const NAME: usize = 34;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Light {
    /// It does not serve.
    Red,
    /// It serves in part, or there is no connection.
    Amber,
    /// It serves.
    Green,
}

impl Light {
    /// Dark enough for a thin line on white. It never says anything alone: the word stands in
    /// the box.
    fn colour(self) -> &'static str {
        match self {
            Self::Red => "#c0392b",
            Self::Amber => "#c77c02",
            Self::Green => "#1e8449",
        }
    }

    /// For who cannot tell the colours apart. `amber`: what that means for this box, since a pool without one of its members is
    /// something else than a peer to which nothing was sent yet.
    fn word(self, amber: &'static str) -> &'static str {
        match self {
            Self::Red => "down",
            Self::Amber => amber,
            Self::Green => "up",
        }
    }
}

/// One box: somebody, and how it is.
///
/// A pool has one as well as each of its members.
struct PictureBox {
    /// Its border, its dot and the line that leads to it.
    light: Light,
    /// What its light means.
    word: &'static str,
    /// As it stands in the topology; not escaped yet.
    name: String,
    /// The second line of text, behind the word of its light.
    says: String,
}

/// The picture as SVG, without a script or a style: it is part of the page, whose policy forbids
/// both. Its height follows the longest column.
pub(super) fn svg(snapshot: &Snapshot) -> String {
    let columns = [left(snapshot), middle(snapshot), right(snapshot)];
    let rows = columns.iter().map(|column| column.len().min(MOST) + 1);
    let height = rows.max().unwrap_or(1) * STEP + 10;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" role="img" aria-label="topology" font-family="sans-serif" font-size="12">"##
    );
    // The node stands at the top of its column: lines lead from there to each box of the others.
    let (left, own) = (COLUMNS[0] + WIDTH, COLUMNS[1]);
    let y = |row: usize| 10 + row * STEP + BOX / 2;
    line(&mut out, (left, y(0)), (own, y(0)), Light::Green);
    for (row, node) in columns[2].iter().take(MOST).enumerate() {
        line(
            &mut out,
            (own + WIDTH, y(0)),
            (COLUMNS[2], y(row)),
            node.light,
        );
    }
    for (x, column) in COLUMNS.into_iter().zip(&columns) {
        for (row, node) in column.iter().take(MOST).enumerate() {
            draw(&mut out, (x, 10 + row * STEP), node);
        }
        if column.len() > MOST {
            let (y, more) = (y(MOST), column.len() - MOST);
            put(
                &mut out,
                format_args!(r##"<text x="{x}" y="{y}">and {more} more</text>"##),
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// Clients, and below them the calls of all.
fn left(snapshot: &Snapshot) -> Vec<PictureBox> {
    let shards = &snapshot.shards;
    let clients = format!(
        "{}, {} registered",
        counted(shards.clients),
        shards.bindings
    );
    let calls = format!("{} answered", shards.calls);
    let boxes = [("clients", clients), ("calls", calls)];
    let boxes = boxes.map(|(name, says)| PictureBox {
        light: Light::Green,
        word: Light::Green.word(""),
        name: name.to_owned(),
        says,
    });
    boxes.into()
}

/// This node first, its siblings below.
fn middle(snapshot: &Snapshot) -> Vec<PictureBox> {
    let topology = snapshot.generation.topology();
    let silent = snapshot.shards.answers.iter().filter(|it| !**it).count();
    let (light, says) = match (silent, snapshot.draining) {
        (0, false) => (Light::Green, "serves".to_owned()),
        (0, true) => (Light::Amber, "takes nothing new".to_owned()),
        (silent, _) => (Light::Red, format!("{silent} shards do not answer")),
    };
    let own = PictureBox {
        light,
        word: light.word("drains"),
        name: topology.node().fqdn.to_string(),
        says,
    };
    let siblings = topology.peer_refs();
    let siblings = siblings.filter(|(_, peer)| peer.kind == PeerKind::Sibling);
    let siblings = siblings.map(|(reference, _)| peer(snapshot, reference, "sibling"));
    std::iter::once(own).chain(siblings).collect()
}

/// Pools with their members; partners are pools too, of their own.
fn right(snapshot: &Snapshot) -> Vec<PictureBox> {
    let topology = snapshot.generation.topology();
    let mut groups = Vec::new();
    for pool in topology.pools() {
        let members: Vec<PictureBox> = pool
            .peers
            .iter()
            .map(|(member, _)| {
                let role = match pool.drain.contains(member) {
                    true => "drains",
                    false => "member",
                };
                peer(snapshot, *member, role)
            })
            .collect();
        let up = members.iter().filter(|it| it.light != Light::Red).count();
        let light = match up {
            0 => Light::Red,
            up if up < members.len() => Light::Amber,
            _ => Light::Green,
        };
        let head = PictureBox {
            light,
            word: light.word("in part"),
            name: format!("pool {}", pool.name),
            says: format!("{up} of {} members up", members.len()),
        };
        // Members stay below their pool, in the order of the topology.
        groups.push((light, std::iter::once(head).chain(members)));
    }
    // What needs somebody's eyes is at the top.
    groups.sort_by_key(|(light, _)| *light);
    groups.into_iter().flat_map(|(_, nodes)| nodes).collect()
}

/// A peer: red if it takes no requests, amber without a connection, which may only mean that
/// nothing was sent to it yet.
fn peer(snapshot: &Snapshot, reference: PeerRef, role: &str) -> PictureBox {
    let peer = snapshot.generation.topology().peer(reference);
    let condition = snapshot.conditions.get(reference.index());
    let connections = snapshot.shards.peers.get(peer.name.as_str());
    let connections = connections.copied().unwrap_or_default();
    let light = match condition.is_some_and(|it| takes_requests(it.fitness)) {
        false => Light::Red,
        true if connections == 0 => Light::Amber,
        true => Light::Green,
    };
    PictureBox {
        light,
        word: light.word("not connected"),
        name: peer.name.to_string(),
        says: format!("{role}, {}", counted(connections)),
    }
}

/// Connections by their number.
fn counted(connections: usize) -> String {
    match connections {
        1 => "1 connection".to_owned(),
        _ => format!("{connections} connections"),
    }
}

/// A line between two boxes, in the light of the one that it leads to.
fn line(out: &mut String, from: (usize, usize), to: (usize, usize), light: Light) {
    let ((x1, y1), (x2, y2), colour) = (from, to, light.colour());
    put(
        out,
        format_args!(
            r##"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.5"/>"##
        ),
    );
}

/// A box with its upper left corner there. A name that is too long for it is cut short; the
/// tooltip, which readers for the blind read out too, has all of it.
fn draw(out: &mut String, (x, y): (usize, usize), node: &PictureBox) {
    let (colour, word) = (node.light.colour(), node.word);
    let mut name: String = node.name.chars().take(NAME).collect();
    if name.len() < node.name.len() {
        name.push('…');
    }
    let (name, whole, says) = (escaped(&name), escaped(&node.name), escaped(&node.says));
    put(
        out,
        format_args!(
            r##"<g><title>{whole}: {word}; {says}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{BOX}" rx="4" fill="#fff" stroke="{colour}" stroke-width="2"/><circle cx="{}" cy="{}" r="6" fill="{colour}"/><text x="{}" y="{}" font-weight="bold">{name}</text><text x="{}" y="{}" fill="#555">{word}; {says}</text></g>"##,
            x + 14,
            y + BOX / 2,
            x + 28,
            y + 14,
            x + 28,
            y + 28
        ),
    );
}

/// A string takes whatever is written to it.
fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}
