//! Forebay from outside: the real binary, its HTTP doors, both engines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its expectation does")]

mod access;
mod aggregate;
mod bad_input;
mod commands;
mod crash;
mod doors;
mod events;
mod faults;
mod files;
mod filters;
mod follow;
mod framing;
mod ingest;
mod injections;
mod input;
mod keys;
mod ledger;
mod openapi;
mod plans;
mod pooled;
mod reads;
mod refusals;
mod restart;
mod resume;
mod settings;
mod streams;
mod subscriptions;
mod support;
mod telemetry;
mod tls;
mod websockets;
