//! The core without sockets or clocks, filed by what it proves.

mod dialogs;
mod failover;
mod forwarding;
mod loops;
mod message_policy;
mod methods;
mod model;
mod responses;
mod shards;
mod validation;
mod world;
