//! The room `path`.
