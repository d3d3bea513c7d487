//! The room `control`.

pub mod api;
pub mod socket;
pub mod views;
