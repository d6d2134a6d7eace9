//! What it costs to know who asks: keys and tokens, sign-ins, access rules, and how fast a right
//! that was taken away is gone.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_auth::config::{AuthConfig, Registration};
use forebay_auth::{Auth, First, Scheme};
use forebay_contract::{Identity, Shown};
use forebay_db::{Db, Settings};
use forebay_model::time::SystemClock;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{Case, KEY, MASTER_KEY, database, measure};

const PASSWORD: &str = "wet otter climbs 9 stairs";
const EMAIL: &str = "ann@example.com";
const TOKENS: usize = 500;
const FLOOD: usize = 4;
const COST: u32 = 12;

struct House<'h> {
    server: &'h Server,
    client: Client,
}

impl House<'_> {
    async fn ask(&self, method: Method, path: &str, key: &str, body: Value) -> Result<Value> {
        let url = format!("http://{}{path}", self.server.address);
        let request = self.client.request(method, url);
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn new_key(&self, body: Value) -> Result<(String, String)> {
        let made = self.ask(Method::POST, "/v1/api-keys", KEY, body).await?;
        Ok((text(&made, "id")?, text(&made, "key")?))
    }

    async fn login(&self) -> Result<Value> {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        self.ask(Method::POST, "/v1/auth/login", "", body).await
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name}: {value}"))?.to_owned())
}

/// Measures all of it; the table's lines.
pub(crate) async fn all(binary: &Path) -> Result<String> {
    let mut table = String::new();
    let data = tempfile::tempdir()?;
    let server = Server::forebay(binary, data.path())?;
    let house = House { server: &server, client: Client::new() };
    let link = std::fs::read_to_string(data.path().join("setup-url"))?;
    let token = link.trim().rsplit('=').next().unwrap_or_default();
    let body = json!({"token": token, "email": EMAIL, "password": PASSWORD});
    house.ask(Method::POST, "/v1/setup", "", body).await?;
    rules(&house, data.path(), &mut table).await?;
    sign_ins(&house, &mut table).await?;
    let key = json!({"name": "k", "permissions": ["records:read"]});
    let (_, key) = house.new_key(key).await?;
    let mut login = house.login().await?;
    let mut tokens = Vec::new();
    for _ in 0..TOKENS {
        tokens.push(text(&login, "access_token")?);
        let refresh = json!({"refresh_token": text(&login, "refresh_token")?});
        login = house.ask(Method::POST, "/v1/auth/refresh", "", refresh).await?;
    }
    drop(server);
    if database().is_none() {
        checks(data.path(), &key, &tokens, &mut table).await?;
    } else {
        revocations(binary, &mut table).await?;
    }
    Ok(table)
}

/// What an access rule of two parts adds to a list of 20.
async fn rules(house: &House<'_>, scratch: &Path, table: &mut String) -> Result<()> {
    let account = json!({"name": "reader", "roles": ["viewer"]});
    let account = house.ask(Method::POST, "/v1/service-accounts", KEY, account).await?;
    let body = json!({"name": "r", "permissions": ["*:*"], "owner": text(&account, "id")?});
    let (_, reader) = house.new_key(body).await?;
    let field = json!({"type": "string", "x-index": true});
    let schema = json!({"type": "object", "properties": {"owner": field, "team": field}});
    let rule = "data.owner == auth.user_id || data.team in [\"all\", \"eu\"]";
    for (name, access) in [("open", json!({})), ("ruled", json!({"read": rule}))] {
        let path = format!("/v1/streams/{name}");
        let definition = json!({"schema": schema, "access": access});
        house.ask(Method::PUT, &path, KEY, definition).await?;
        let text = "as long as they are, ".repeat(8);
        let records: Vec<Value> =
            (0..200).map(|n| json!({"owner": "x", "team": "eu", "n": n, "text": text})).collect();
        house.ask(Method::POST, &format!("{path}/records"), KEY, json!(records)).await?;
    }
    let case = |path: &'static str| Case {
        name: path,
        connections: "16",
        path,
        body: None,
        records: 1,
        key: reader.clone(),
    };
    let cases =
        [case("/v1/streams/open/records?limit=20"), case("/v1/streams/ruled/records?limit=20")];
    let mut costs = [0.0, 0.0];
    for _ in 0..2 {
        for (case, cost) in cases.iter().zip(&mut costs) {
            *cost += measure(house.server, case, scratch)?.1 / 2.0;
        }
    }
    let [open, ruled] = costs;
    writeln!(table, "list 20: {open:.1} us, under a rule of two parts {ruled:.1} us")?;
    Ok(())
}

/// Sign-ins a second beside the hash alone, and what others feel of a flood of them.
async fn sign_ins(house: &House<'_>, table: &mut String) -> Result<()> {
    let calm = paced(house).await?;
    let raw = tokio::task::spawn_blocking(raw_hashes).await??;
    let over = AtomicBool::new(false);
    let done = AtomicUsize::new(0);
    let one = async || {
        while !over.load(Ordering::Relaxed) {
            house.login().await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, anyhow::Error>(())
    };
    let began = Instant::now();
    let watch = async {
        let flooded = paced(house).await;
        tokio::time::sleep(Duration::from_secs(10).saturating_sub(began.elapsed())).await;
        let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        Ok::<_, anyhow::Error>((flooded?, rate))
    };
    let [a, b, c, d]: [_; FLOOD] = std::array::from_fn(|_| one());
    let ((flooded, rate), ..) = tokio::try_join!(watch, a, b, c, d)?;
    writeln!(
        table,
        "sign-ins: {rate:.2}/s from {FLOOD} clients, the hash alone {raw:.2}/s on one thread, {:.0} %",
        rate / raw * 100.0
    )?;
    for (name, calm, flooded) in [("create", calm.0, flooded.0), ("list", calm.1, flooded.1)] {
        writeln!(
            table,
            "{name}: p50 {:.2} p99 {:.2} ms, under a flood of sign-ins p50 {:.2} p99 {:.2} ms",
            calm.0, calm.1, flooded.0, flooded.1
        )?;
    }
    Ok(())
}

fn raw_hashes() -> Result<f64> {
    let began = Instant::now();
    let mut hashes = 0;
    while began.elapsed() < Duration::from_secs(4) {
        bcrypt::hash_with_salt(PASSWORD, COST, [7; 16])?;
        hashes += 1;
    }
    Ok(f64::from(hashes) / began.elapsed().as_secs_f64())
}

/// Latencies in milliseconds, median and 99th percentile: of creates and of lists, fifty of each a
/// second for eight seconds.
async fn paced(house: &House<'_>) -> Result<((f64, f64), (f64, f64))> {
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let (mut creates, mut lists) = (Vec::new(), Vec::new());
    for n in 0..400 {
        every.tick().await;
        let began = Instant::now();
        let record = json!({"owner": "x", "team": "eu", "n": n});
        house.ask(Method::POST, "/v1/streams/open/records", KEY, record).await?;
        creates.push(began.elapsed());
        let began = Instant::now();
        house.ask(Method::GET, "/v1/streams/open/records?limit=20", KEY, Value::Null).await?;
        lists.push(began.elapsed());
    }
    Ok((spread(creates), spread(lists)))
}

fn spread(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    (at(50), at(99))
}

/// The door at which everybody is asked who they are, alone.
async fn checks(data: &Path, key: &str, tokens: &[String], table: &mut String) -> Result<()> {
    let clock = Arc::new(SystemClock);
    let path = data.join("forebay.db");
    let settings = Settings::Sqlite { path, readers: 2, cache_bytes: 64 << 20 };
    let db = Db::open(settings, clock.clone()).await?;
    let config = AuthConfig {
        master_key: Some(MASTER_KEY.to_owned()),
        master_key_file: data.join("master.key"),
        site: forebay_http::browser::Site::default(),
        scheme: Scheme::Bcrypt(COST),
        hash_wait: Duration::from_secs(5),
        registration: Registration::Closed,
        mail: false,
        issuers: Vec::new(),
    };
    let opened = Auth::open(&db, clock, First::Given(KEY), config).await?;
    let identity = opened.auth.identity();
    let listening = tokio::spawn(opened.auth.tasks());
    // It has heard of the newest change then, and remembers.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let began = Instant::now();
    for token in tokens {
        ensure!(is_known(&identity, token).await?, "a token is not known");
    }
    let first = began.elapsed().as_secs_f64() * 1e6 / tokens.len() as f64;
    for (name, secret) in [("token", &tokens[0]), ("key", &key.to_owned())] {
        let rounds = 200_000;
        let began = Instant::now();
        for _ in 0..rounds {
            ensure!(is_known(&identity, secret).await?, "it is not known");
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
        writeln!(table, "a {name} that is remembered: {each:.2} us")?;
    }
    writeln!(table, "a token that is not: {first:.1} us (ES256, and the session's row)")?;
    listening.abort();
    Ok(())
}

async fn is_known(identity: &Arc<dyn Identity>, secret: &str) -> Result<bool> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let shown = Shown { secret, cookie: false, address };
    Ok(identity.identify(shown).await.map_err(|error| anyhow::anyhow!("{error:?}"))?.is_some())
}

/// From a revocation at one process to the refusal at another.
async fn revocations(binary: &Path, table: &mut String) -> Result<()> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let here = Server::forebay(binary, folders[0].path())?;
    let there = Server::forebay(binary, folders[1].path())?;
    let house = House { server: &here, client: Client::new() };
    let mut times = Vec::new();
    for _ in 0..100 {
        let key = json!({"name": "k", "permissions": ["streams:read"]});
        let (id, key) = house.new_key(key).await?;
        let url = format!("http://{}/v1/streams", there.address);
        let asked = async || house.client.get(&url).bearer_auth(&key).send().await;
        // The other process hears of the new key, and remembers it when it is shown again.
        tokio::time::sleep(Duration::from_millis(300)).await;
        ensure!(asked().await?.status() == StatusCode::OK, "the key is not known");
        house.ask(Method::DELETE, &format!("/v1/api-keys/{id}"), KEY, Value::Null).await?;
        let began = Instant::now();
        while asked().await?.status() == StatusCode::OK {
            ensure!(began.elapsed() < Duration::from_secs(5), "the key is good for ever");
        }
        times.push(began.elapsed());
    }
    let longest = times.iter().max().copied().unwrap_or_default().as_secs_f64() * 1000.0;
    let (half, most) = spread(times);
    writeln!(
        table,
        "revocation to refusal at another process, 100 times: p50 {half:.0} p99 {most:.0} max {longest:.0} ms"
    )?;
    Ok(())
}
