//! Generations: a loaded topology with everything that its decisions need, made whole before it serves.
mod ambiguous;
mod crls;
pub(crate) mod held;
pub(crate) mod loaded;
mod notes;
mod own_staple;
mod prepared_set;
pub(crate) mod refresh;
