//! Upstreams against endpoints that are real sockets, and behave as the test wants.

mod bodies;
mod faults;
mod heads;
mod kit;
mod limits;
mod pass;
mod repeat;
mod tunnels;
mod wards;
