//! The text that an edit writes in the place of received bytes. It is a closed set: no edit takes header text as it comes.
use super::HeaderName;
use super::digits::{write_decimal, write_ip};
use super::stamp::Stamp;
use smallvec::SmallVec;
use std::ops::Range;

/// The parameters of the Via that this proxy adds, besides the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViaParams {
    /// None.
    Plain,
    /// `alias` (RFC 5923), towards peers whose requests are welcome on the same connection.
    Alias,
}

/// Text that takes the place of received octets.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewText<'m> {
    Stamp(Stamp),
    Bytes(&'m [u8]),
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
    Number(u8),
    /// `X-Sipward-Peer: name`.
    PeerName(&'m str),
    /// `ms-keep-alive`, seconds.
    KeepAlive(u32),
}

/// Received octets and what is written for them.
pub(super) type Patch<'m> = (Range<usize>, NewText<'m>);

pub(super) type Patches<'m> = SmallVec<[Patch<'m>; 16]>;

pub(super) const NOTHING: NewText<'static> = NewText::Stamp(Stamp::Nothing);

impl NewText<'_> {
    /// About the most octets that this writes.
    pub(super) fn room(&self) -> usize {
        48 + match self {
            Self::Via {
                sent_by, branch, ..
            } => sent_by.len() + branch.len(),
            Self::Bytes(text) | Self::Above(_, text) | Self::Below(_, text) => text.len(),
            Self::PeerName(name) => name.len(),
            Self::Stamp(_) | Self::NumberLine(..) | Self::Number(_) => 16,
            Self::KeepAlive(_) => 32,
        }
    }

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
            Self::KeepAlive(seconds) => write_keep_alive(seconds, out),
        }
    }
}

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

/// The answer of a server that keeps connections by what is sent between two hops (MS-CONMGMT §2.2.1).
pub(super) fn write_keep_alive(seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=");
    write_decimal(u64::from(seconds), out);
    out.extend_from_slice(b"\r\n");
}

/// A Via line of ours.
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
