//! The room `snapshot`.

pub mod toeplitz;
