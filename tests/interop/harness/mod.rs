//! What the interop tests stand on: programs as child processes, certificates, ports, and waiting for what they say.

mod baresip;
mod certificates;
mod edge;
mod feed;
mod kamailio;
mod lab;
mod name_server;
mod openssl;
mod ports;
mod process;
mod stage;

pub(crate) use baresip::{Phone, Target};
pub(crate) use certificates::{Certificates, DOMAIN, EDGE, HOME, Pair};
pub(crate) use edge::Edge;
pub(crate) use feed::Mark;
pub(crate) use kamailio::{Home, Setup};
pub(crate) use lab::{Lab, establish};
pub(crate) use openssl::Openssl;
pub(crate) use ports::free_port;
pub(crate) use process::{Process, finish};
pub(crate) use stage::{Program, Stage};
