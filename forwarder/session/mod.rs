//! One worker's flow state.

#![deny(clippy::indexing_slicing)]

mod ids;
pub mod tcp;
mod timeouts;

pub use ids::{BackendIx, ServiceIx};
pub use timeouts::Timeouts;
