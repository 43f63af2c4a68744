//! Reloads without end under calls: nothing fails, nothing grows.
#[cfg(test)]
mod reloads;
