//! Metrics: the table of families, and the two text formats of Prometheus that they are written in.
//!
//! Nothing here is asked for by a message: what is counted stands in `counters` and `traffic`, and who serves HTTP reads it.

mod exposition;
pub(crate) mod families;
mod limits;
#[cfg(test)]
mod tests;

pub use exposition::{Dialect, Exposition, FamilySamples};
pub use families::{FAMILIES, MetricFamily, MetricKind};
pub use limits::{COUNTED_WITH, ENDS_BY_INTENT, LIMITS_THAT_BITE, ended, hits};
