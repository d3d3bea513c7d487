//! The room `mem`.
