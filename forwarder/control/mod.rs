//! The room `control`.

pub mod views;
