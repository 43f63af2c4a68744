//! The sans-I/O proxy core of RFC 3261 §16 and §17: (connection identity, message, time) in,
//! actions out.
//!
//! The calling order, which [`crate::edge`] keeps: one input (`on_message`, `on_unframed`,
//! `on_link`, `on_deadline`, `on_generation`), then carry out and clear every action in `out`, in
//! order, then sleep until `next_deadline` or the next input. The current time is an argument
//! everywhere, random bits come from the seed.
//!
//! An initial INVITE of a client reads, one file after the other:
//!
//! | | file | what happens there, and the call that leads on |
//! |---|---|---|
//! | 1 | `messages` | `on_message`, `on_request`: it is no repetition, so it is read, judged and tried |
//! | 2 | `inbound` | `InboundRequest::read`: its fields, `complete`: whose it is; `Routed::preprocess`: what names this node is taken out |
//! | 3 | `admission` | `admit`: the checks of §16.3 in their order, policy, boundary, limits |
//! | 4 | `policy` | `Question::judge`: what the sender may claim, and which pool it goes to |
//! | 5 | `pool_order` | `RoutedPool::order`: the pool's servers become its targets |
//! | 6 | `plan` | `ForwardPlan::new`: how what is sent will differ from what came |
//! | 7 | `context` | `ResponseContext::new`: what is kept until it is answered |
//! | 8 | `target_set` | `try_targets`: a branch for the first target that can be reached |
//! | 9 | `outgoing` | `MessageWriter::request`: the bytes |
//!
//! Its response comes in by `messages` (`on_response`) and goes back by `relay` and `outgoing`. What
//! the others answer (`routing`: whose name is this?) their names say.
//!
//! | file | what it holds |
//! |---|---|
//! | `leg`, `link_id`, `branch`, `host_hash`, `token`, `token_fields`, `token_keys`, `token_mac` | what a request comes from and goes to, and what names it on the wire |
//! | `interface` | what goes into a core and comes out of it |
//! | `health`, `listing`, `meaning`, `routing`, `tables` | peers, names and domains of one generation, for all shards |
//! | `link_state`, `links`, `wheel`, `buffers`, `secrets`, `environment` | what a shard has besides its requests |
//! | `same_party`, `lookalikes` | who sends, and which entries of the topology are one party |
//! | `inbound`, `admission`, `denied_users`, `policy`, `dialog`, `pool_order`, `privacy`, `asserted`, `plan` | RFC 3261 §16.3 to §16.6: whether and how a request passes |
//! | `hiding`, `outgoing` | what is written to a leg |
//! | `reply`, `keep_alive` | what this node answers itself |
//! | `transaction`, `context`, `contexts`, `target_set`, `relay`, `cancellation`, `timeouts`, `departed`, `departure` | §16.7, §17: the response context and its transactions |
//! | `partner_way`, `covered` | which connection or name of a partner a dialog belongs to |
//! | `stateless` | the ACK of a 2xx, and BENOTIFY |
//! | `process` | what goes on in the other process of this node while one hands over to the other |
//! | `ping` | OPTIONS to pool members |
//! | `calls`, `call_notes`, `identity`, `log_key` | the calls that are up, what begins and ends them, and who they are for the log |
//! | `account`, `node_memory`, `source_key` | what is kept in memory for whom, in this shard and in all |
//! | `core`, `messages`, `events` | the core and its inputs |
//! | `inspection` | what an operator asks it for |

mod account;
mod admission;
mod answered;
mod asserted;
mod binding;
mod bindings;
mod branch;
mod buffers;
mod call_list;
mod call_notes;
mod callers;
mod calls;
mod cancellation;
mod clients;
mod context;
mod contexts;
mod core;
mod covered;
mod credentials;
mod denied_users;
mod departed;
mod departure;
mod dialog;
mod environment;
mod events;
mod fullest;
mod health;
mod hiding;
mod host_hash;
mod identity;
mod inbound;
mod inspection;
mod interface;
mod keep_alive;
mod key_index;
mod leg;
mod link_id;
mod link_state;
mod links;
mod listing;
mod log_key;
mod log_levels;
mod lookalikes;
mod meaning;
mod messages;
mod moving;
mod named_party;
mod node_memory;
mod outgoing;
mod pace;
mod partner_way;
mod ping;
mod plan;
mod policy;
mod pool_order;
mod privacy;
mod process;
mod reached_bounds;
mod refused_credentials;
mod refused_invites;
mod rejoin;
mod relay;
mod reply;
mod request_places;
mod routing;
mod same_party;
mod secrets;
mod sibling;
mod source_key;
mod stateless;
mod tables;
mod target_set;
#[cfg(test)]
mod tests;
mod timeouts;
mod token;
mod token_fields;
mod token_keys;
mod token_mac;
mod token_text;
mod transaction;
mod way_back;
mod wheel;

pub(crate) use account::{Account, Hold, ShardMemory};
pub use binding::{BindingId, BindingMessage, RegisteredUser};
pub use branch::BranchKey;
pub use calls::{CallMessage, CallsOfClients, RunningCall};
pub(crate) use context::FAILOVER_SILENCE;
pub use core::{Core, CoreSetup};
pub use denied_users::DeniedUsers;
pub(crate) use health::REST;
pub use health::{Fitness, HealthBoard, PeerCondition};
pub use interface::{Action, Actions, AdvertisedNames, LinkEvent, Origin, RemoteIdentity};
pub use link_id::LinkId;
pub use link_state::PeerLoad;
pub use listing::OTHER_PROCESS;
pub use log_levels::LogLevel;
pub use named_party::NamedParty;
pub use node_memory::NodeMemory;
pub(crate) use node_memory::{NodeHold, Party, PartyUse};
pub use process::{Envelope, VouchedSender};
pub use refused_credentials::RefusedCredentials;
pub(crate) use source_key::{NetKey, SourceKey};
pub use tables::Tables;
pub(crate) use token::has_token_form;
pub use token_keys::TokenKeys;
