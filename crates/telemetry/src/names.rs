//! Every metric: its name, its kind, and what it says. Who counts something writes its line here.

use metrics::Unit;

enum Kind {
    Counter,
    Gauge,
    Histogram,
}
use Kind::{Counter, Gauge, Histogram};

const ALL: &[(&str, Kind, Unit, &str)] = &[
    (
        "forebay_http_requests_total",
        Counter,
        Unit::Count,
        "Requests that were answered, by service, route, method and status",
    ),
    (
        "forebay_http_request_duration_seconds",
        Histogram,
        Unit::Seconds,
        "Time until a request's answer began",
    ),
    ("forebay_http_in_flight", Gauge, Unit::Count, "Requests that are being answered"),
    (
        "forebay_limit_decisions_total",
        Counter,
        Unit::Count,
        "What limits have said, by policy and decision",
    ),
    (
        "forebay_limit_keys_dropped_total",
        Counter,
        Unit::Count,
        "Keys of limits that were forgotten before their time, for want of room",
    ),
    (
        "forebay_upstream_requests_total",
        Counter,
        Unit::Count,
        "Requests that were sent to endpoints, by upstream and class of status; failed: no answer",
    ),
    (
        "forebay_upstream_duration_seconds",
        Histogram,
        Unit::Seconds,
        "Time until an endpoint's answer began, by upstream",
    ),
    (
        "forebay_upstream_retries_total",
        Counter,
        Unit::Count,
        "Requests that were tried again, by upstream",
    ),
    (
        "forebay_upstream_refused_total",
        Counter,
        Unit::Count,
        "Requests for which there was no connection, by upstream",
    ),
    (
        "forebay_upstream_ejections_total",
        Counter,
        Unit::Count,
        "How often an endpoint was left out for its failures, by upstream and endpoint",
    ),
    (
        "forebay_upstream_healthy",
        Gauge,
        Unit::Count,
        "Whether an endpoint gets its share, by upstream and endpoint",
    ),
    (
        "forebay_upstream_in_flight",
        Gauge,
        Unit::Count,
        "Requests that endpoints are answering, by upstream",
    ),
    (
        "forebay_upstream_connections",
        Gauge,
        Unit::Count,
        "Connections to endpoints that are open, by upstream",
    ),
    (
        "forebay_config_reloads_total",
        Counter,
        Unit::Count,
        "Times that the configuration was read again, by outcome",
    ),
    (
        "forebay_records_total",
        Counter,
        Unit::Count,
        "Records that were sent, by stream and by what became of them",
    ),
    (
        "forebay_issuer_fetches_total",
        Counter,
        Unit::Count,
        "How often other issuers were asked for their keys, by issuer and outcome",
    ),
    (
        "forebay_deliveries_total",
        Counter,
        Unit::Count,
        "Tries to deliver a message, by kind of channel and outcome",
    ),
    (
        "forebay_deliveries_given_up_total",
        Counter,
        Unit::Count,
        "Messages that were given up, by kind of channel",
    ),
    (
        "forebay_delivery_duration_seconds",
        Histogram,
        Unit::Seconds,
        "Time that a receiver took for a message, by kind of channel",
    ),
    ("forebay_subscribers", Gauge, Unit::Count, "Subscriptions that are open"),
    (
        "forebay_pool_wait_seconds",
        Histogram,
        Unit::Seconds,
        "Time until a connection to PostgreSQL was free",
    ),
    (
        "forebay_writer_wait_seconds",
        Histogram,
        Unit::Seconds,
        "Time that a write waited for its transaction, by lane",
    ),
    ("forebay_writer_commit_seconds", Histogram, Unit::Seconds, "Time of a transaction"),
    ("forebay_writer_batch_requests", Histogram, Unit::Count, "Requests of a transaction"),
    ("forebay_writer_batch_records", Histogram, Unit::Count, "Records of a transaction"),
    (
        "forebay_search_lag_seconds",
        Gauge,
        Unit::Seconds,
        "Age of the oldest record that is not in its index yet, by stream",
    ),
    (
        "forebay_search_indexed_total",
        Counter,
        Unit::Count,
        "Records that were written to indexes, by stream",
    ),
    (
        "forebay_search_refused_total",
        Counter,
        Unit::Count,
        "Records that the search engine will never take, by stream",
    ),
    (
        "forebay_search_failures_total",
        Counter,
        Unit::Count,
        "Turns of writing an index that went wrong and are tried again",
    ),
    ("process_resident_memory_bytes", Gauge, Unit::Bytes, "Memory that is held"),
    (
        "process_start_time_seconds",
        Gauge,
        Unit::Seconds,
        "When the process began, in seconds since 1970",
    ),
    // A gauge in here, for its fractions; it is written out as the counter that it is.
    ("process_cpu_seconds_total", Gauge, Unit::Seconds, "Time that was computed for"),
    ("process_open_fds", Gauge, Unit::Count, "Files and sockets that are open"),
];

/// Says of each metric what it is.
pub(crate) fn describe() {
    for (name, kind, unit, help) in ALL {
        match kind {
            Counter => metrics::describe_counter!(*name, *unit, *help),
            Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Histogram => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
}
