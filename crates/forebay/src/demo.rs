//! The demo: this machine's measurements as records, through the same doors as anybody's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use forebay_http::Who;
use forebay_model::principal::{Permission, Principal};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sysinfo::{Disks, Networks, System};
use tower::ServiceExt;

const STREAM: &str = "/v1/streams/machine";

/// What the lines below need, and no more: whoever wants more becomes the administrator by the link.
pub(crate) const RIGHTS: &[&str] = &[
    "records:read@stream/machine",
    "streams:read@stream/machine",
    "records:read@stream/notes",
    "records:write@stream/notes",
    "streams:read@stream/notes",
    "streams:write@stream/notes",
];

/// The lines that a stranger tries first.
pub(crate) fn tour(listen: SocketAddr, key: Option<&str>) -> String {
    let set = match key {
        Some(key) => format!("  export FOREBAY_URL=http://{listen} FOREBAY_KEY={key}\n"),
        None => format!("  export FOREBAY_URL=http://{listen} FOREBAY_KEY=\"$API_KEY\"\n"),
    };
    let curl = "curl -sH \"Authorization: Bearer $FOREBAY_KEY\"";
    let url = "$FOREBAY_URL/v1/streams";
    format!(
        "\nThis machine is measured into the stream `machine`. The key is good for this\n\
         run, and opens what these lines need. Try:\n\n\
         {set}  \
         {curl} \"{url}/machine/records?sort=-seq&limit=3\"\n  \
         {curl} -G {url}/machine/records --data-urlencode 'filter=data.cpu_percent > 50 && time > now() - duration(\"1m\")' -d count=exact\n  \
         {curl} {url}/machine/aggregate --json '{{\"group_by\":[{{\"field\":\"time\",\"every\":\"10s\"}}],\"metrics\":{{\"cpu\":\"avg(data.cpu_percent)\"}}}}'\n  \
         {curl} -N {url}/machine/subscribe\n  \
         {curl} \"{url}/machine/export?format=csv\"\n  \
         {curl} -X PUT {url}/notes --json '{{\"schema\":{{\"type\":\"object\",\"properties\":{{\"text\":{{\"type\":\"string\"}}}}}}}}'\n  \
         {curl} {url}/notes/records --json '{{\"text\":\"hello\"}}'\n  \
         {curl} {url}/notes/records\n\n\
         The command line takes the same two variables:\n\n  \
         forebay query machine 'data.cpu_percent > 50' --sort=-seq\n  \
         forebay tail machine\n\n"
    )
}

/// Measures until it is stopped.
pub(crate) async fn measure(routes: Router, every: Duration) {
    let mut machine = match Machine::open() {
        Ok(machine) => machine,
        Err(error) => {
            tracing::warn!(%error, "this machine cannot be measured");
            return;
        }
    };
    if let Err(why) = send(&routes, Method::PUT, STREAM.to_owned(), definition()).await {
        tracing::warn!(why, "the stream `machine` cannot be made");
    }
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let record = machine.look();
        let sent = send(&routes, Method::POST, format!("{STREAM}/records?return=minimal"), record);
        if let Err(why) = sent.await {
            tracing::warn!(why, "a measurement was not stored");
        }
    }
}

async fn send(routes: &Router, method: Method, path: String, body: Value) -> Result<(), String> {
    let permissions = ["streams:write@stream/machine", "records:write@stream/machine"];
    let permissions = permissions.iter().filter_map(|p| Permission::parse(p)).collect();
    let (id, name) = ("system:demo".into(), "demo".into());
    let who = Principal { id, name, permissions, ..Principal::default() };
    let mut request = Request::new(Body::from(body.to_string()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|e| format!("{e}"))?;
    request.extensions_mut().insert(Who(Arc::new(who)));
    let response = match routes.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    if status == StatusCode::OK || status == StatusCode::CREATED {
        return Ok(());
    }
    Err(format!("answered {status}"))
}

fn definition() -> Value {
    let indexed = |kind: &str| json!({"type": kind, "x-index": true});
    json!({
        "kind": "append",
        "schema": {
            "type": "object",
            "properties": {
                "host": indexed("string"),
                "cpu_percent": indexed("number"),
                "memory_used": {"type": "integer"},
                "memory_total": {"type": "integer"},
                "load_1m": {"type": "number"},
                "disk_free": {"type": "integer"},
                "network_received": {"type": "integer"},
                "network_sent": {"type": "integer"},
            },
            "required": ["host"],
        },
    })
}

struct Machine {
    host: String,
    system: System,
    disks: Disks,
    networks: Networks,
}

impl Machine {
    fn open() -> Result<Machine, sysinfo::Error> {
        Ok(Machine {
            host: System::host_name().unwrap_or_else(|_| "localhost".to_owned()),
            system: System::new()?,
            disks: Disks::new_with_refreshed_list()?,
            networks: Networks::new_with_refreshed_list()?,
        })
    }

    fn look(&mut self) -> Value {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(true);
        self.networks.refresh(true);
        let percent = f64::from(self.system.global_cpu_usage());
        let load = System::load_average().map(|load| load.one).unwrap_or_default();
        json!({
            "host": self.host,
            "cpu_percent": (percent * 10.0).round() / 10.0,
            "memory_used": self.system.used_memory(),
            "memory_total": self.system.total_memory(),
            "load_1m": load,
            "disk_free": self.disks.iter().map(sysinfo::Disk::available_space).max().unwrap_or(0),
            "network_received": self.networks.values().map(|n| n.total_received()).sum::<u64>(),
            "network_sent": self.networks.values().map(|n| n.total_transmitted()).sum::<u64>(),
        })
    }
}
