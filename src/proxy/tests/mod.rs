//! The core without sockets or clocks, filed by what it proves.

mod answers;
mod dialogs;
mod failover;
mod forwarding;
mod loops;
mod message_policy;
mod methods;
mod model;
mod noise;
mod responses;
mod shards;
mod validation;
mod world;
