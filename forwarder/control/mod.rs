//! The management thread: everything that may block or takes long.

pub mod api;
pub mod neighbour;
pub mod socket;
pub mod views;
