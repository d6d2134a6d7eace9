//! Calls to places that users name: one guard and one client for all of them.
//!
//! Whoever may name a place must not reach by it what only this machine or its network can reach
//! (server-side request forgery).

mod address;
mod client;
mod guard;

pub use client::{Answer, Call, Client, Failure};
pub use guard::{Guard, Refusal, Resolver, SystemResolver};
pub use reqwest::Url;
