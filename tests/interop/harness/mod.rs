//! What the interop tests stand on: programs as child processes, certificates, ports, and waiting for what they say.

mod asterisk;
mod baresip;
mod certificates;
mod dnsmasq;
mod edge;
mod feed;
mod haproxy;
mod kamailio;
mod lab;
mod linphone;
mod name_server;
mod namespace;
mod openssl;
mod ports;
mod process;
mod relay;
mod stage;

pub(crate) use asterisk::Asterisk;
pub(crate) use baresip::{Phone, Target};
pub(crate) use certificates::{Certificates, DOMAIN, EDGE, HOME, Pair, SECOND_HOME};
pub(crate) use dnsmasq::Dnsmasq;
pub(crate) use edge::{Edge, Event, Peering};
pub(crate) use feed::Mark;
pub(crate) use haproxy::Haproxy;
pub(crate) use kamailio::{CONTOSO, FABRIKAM, Home, Setup};
pub(crate) use lab::{Lab, establish};
pub(crate) use linphone::Linphone;
pub(crate) use namespace::Namespace;
pub(crate) use openssl::Openssl;
pub(crate) use ports::free_port;
pub(crate) use process::{PATIENCE, Process, finish};
pub(crate) use relay::Relay;
pub(crate) use stage::{Program, Stage};
