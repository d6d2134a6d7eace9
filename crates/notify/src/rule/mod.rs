//! Rules: what of a stream people want to be told.
//!
//! A rule's text is read into a [`Spec`](spec::Spec), checked against its stream into a
//! [`Rule`](plan::Rule), and run by an [`Evaluator`](evaluator::Evaluator), which is fed the records of
//! the log in their order and told how far time is. It knows neither clock nor database: live
//! evaluation, backtest and tester run the same one, and the same records give the same answer.

pub(crate) mod absence;
pub(crate) mod backtest;
pub(crate) mod evaluator;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod members;
pub(crate) mod plan;
pub(crate) mod receivers;
pub(crate) mod spec;
pub(crate) mod tester;
pub(crate) mod threshold;

use forebay_filter::Scope;
use serde_json::Value;

/// What a rule's texts may speak of.
pub(crate) fn scope(schema: &Value) -> Scope<'_> {
    Scope::record(schema)
}
