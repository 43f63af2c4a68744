//! Two processes of this node while one hands over to the other: as shards do, each has the other do what only that can.
//!
//! Requests for clients that the other process holds go there as to any sibling (`sibling`). This is about what has begun in
//! one process and goes on in the other: a client is let go in the middle of a transaction, or a server sends a CANCEL, an ACK
//! or an answer over the connection that it has with the other process. The transaction stays where it began. What is for a
//! client that has left goes to it through the other process, under the branch that it knows, and what comes there for a
//! transaction of this process comes back the same way. So does the word that a request could not be delivered. Neither process
//! copies what the other keeps.
//!
//! | file | what stands there |
//! |---|---|
//! | `vouched` | whom the other process says that a message has come from |
//! | `envelope` | how such a message is sent over the connection between the two |
//! | `crossed` | what is kept of a request until it is answered |
//! | `crossing` | when a message crosses, and what is done with it |
//! | `delivery` | how a request of the other process goes on, and who learns that it does not |

mod crossed;
mod crossing;
mod delivery;
mod envelope;
mod vouched;

pub(crate) use crossed::{AwaitingCrossed, CrossedRequest, WrittenRequests};
pub use envelope::Envelope;
pub use vouched::VouchedSender;
