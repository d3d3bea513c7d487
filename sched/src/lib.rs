//! Whom a new flow goes to.
