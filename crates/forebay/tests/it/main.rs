//! Forebay from outside: the real binary, its HTTP doors, both engines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its expectation does")]

mod access;
mod again;
mod aggregate;
mod audit;
mod bad_input;
mod commands;
mod cookies;
mod crash;
mod doors;
mod events;
mod factors;
mod faults;
mod files;
mod filters;
mod follow;
mod ingest;
mod injections;
mod input;
mod keys;
mod ledger;
mod login;
mod openapi;
mod people;
mod plans;
mod pooled;
mod reads;
mod restart;
mod secrets;
mod sessions;
mod setup;
mod streams;
mod subscriptions;
mod support;
mod tls;
mod users;
