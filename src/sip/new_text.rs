//! The text that an edit writes in the place of received bytes. It is a closed set: no edit takes header text as it comes.
use super::HeaderName;
use super::digits::{write_decimal, write_ip};
use super::stamp::Stamp;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::ops::Range;

/// The parameters of the Via that this proxy adds, besides the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViaParams {
    /// None.
    Plain,
    /// `alias` (RFC 5923), towards peers whose requests are welcome on the same connection.
    Alias,
}

/// Text that takes the place of received bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewText<'m> {
    /// A parameter of the topmost received Via.
    Stamp(Stamp),
    /// A Request-URI that was parsed, or a fixed line.
    Bytes(&'m [u8]),
    /// The Via line of this node.
    Via {
        sent_by: &'m str,
        branch: &'m [u8],
        params: ViaParams,
    },
    /// `Name: <uri>` above the others.
    Above(HeaderName, &'m [u8]),
    /// `Name: <uri>` below the others.
    Below(HeaderName, &'m [u8]),
    /// `Name: number`.
    NumberLine(HeaderName, u8),
    /// The number alone, in the place of a received one.
    Number(u8),
    /// `X-Sipward-Peer: name`.
    PeerName(&'m str),
    /// `X-Sipward-Client: address;port=number`.
    ClientAddress(SocketAddr),
    /// `X-Sipward-Origin: value`.
    Origin(&'m [u8]),
    /// `ms-keep-alive`, seconds.
    KeepAlive(u32),
}

/// A range of the received message and what is written for it. An empty range inserts.
pub(super) type Patch<'m> = (Range<usize>, NewText<'m>);

pub(super) type Patches<'m> = SmallVec<[Patch<'m>; 16]>;

/// What is written for bytes that are removed.
pub(super) const NOTHING: NewText<'static> = NewText::Stamp(Stamp::Nothing);

impl NewText<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Stamp(stamp) => write_stamp(stamp, out),
            Self::Bytes(text) => out.extend_from_slice(text),
            Self::Via {
                sent_by,
                branch,
                params,
            } => write_via(sent_by, branch, params, out),
            Self::Above(name, uri) | Self::Below(name, uri) => {
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": <");
                out.extend_from_slice(uri);
                out.extend_from_slice(b">\r\n");
            }
            Self::NumberLine(name, number) => {
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                write_decimal(u64::from(number), out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Number(number) => write_decimal(u64::from(number), out),
            Self::PeerName(name) => {
                out.extend_from_slice(HeaderName::PeerName.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::ClientAddress(address) => {
                out.extend_from_slice(HeaderName::ClientAddress.as_str().as_bytes());
                out.extend_from_slice(b": ");
                write_ip(address.ip(), out);
                out.extend_from_slice(b";port=");
                write_decimal(u64::from(address.port()), out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Origin(value) => {
                out.extend_from_slice(HeaderName::SiblingOrigin.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Self::KeepAlive(seconds) => write_keep_alive(seconds, out),
        }
    }
}

/// Writes what a receiver adds to a Via value; the names of the parameters stand there already or come with it.
pub(super) fn write_stamp(stamp: Stamp, out: &mut Vec<u8>) {
    match stamp {
        Stamp::Nothing => {}
        Stamp::Rport(port) => {
            out.push(b'=');
            write_decimal(u64::from(port), out);
        }
        Stamp::Received(address) => {
            out.extend_from_slice(b";received=");
            write_ip(address, out);
        }
    }
}

/// The `ms-keep-alive` answer of a server that keeps connections by what is sent between two hops (MS-CONMGMT §2.2.1).
pub(super) fn write_keep_alive(seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=");
    write_decimal(u64::from(seconds), out);
    out.extend_from_slice(b"\r\n");
}

/// The Via line that this node adds. The transport is TLS whatever the message came in by: nothing else is spoken here.
pub(super) fn write_via(sent_by: &str, branch: &[u8], params: ViaParams, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Via: SIP/2.0/TLS ");
    out.extend_from_slice(sent_by.as_bytes());
    out.extend_from_slice(b";branch=");
    out.extend_from_slice(branch);
    if params == ViaParams::Alias {
        out.extend_from_slice(b";alias");
    }
    out.extend_from_slice(b"\r\n");
}
