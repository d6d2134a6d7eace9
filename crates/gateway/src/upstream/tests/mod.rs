//! Upstreams against endpoints that are real sockets, and behave as the test wants.

mod kit;
mod pass;
