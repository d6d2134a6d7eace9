//! The behaviour of `contract::Identity` and `contract::Quotas`, in this process and in another one: the same questions, the
//! same answers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use forebay_auth::config::{AuthConfig, Registration};
use forebay_auth::{Auth, First, Scheme};
use forebay_contract::{Ask, Count, Granted, Identity, Quotas, Seen, Shown};
use forebay_db::{Db, Settings};
use forebay_gateway::config::GatewayConfig;
use forebay_gateway::{Door, Gateway, Inside, Status};
use forebay_http::Who;
use forebay_http::browser::Site;
use forebay_http::internal::Keys;
use forebay_http::origin::RequestId;
use forebay_http::principal::{Peer, Way};
use forebay_model::Code;
use forebay_model::period::Period;
use forebay_model::principal::Principal;
use forebay_model::time::{Clock as _, SystemClock};
use forebay_remote::{Place, RemoteIdentity, RemoteQuotas};
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::shape::SECRET;
use crate::support::KEY;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The service, and the door at which it is asked.
struct House {
    auth: Auth,
    identity: Arc<dyn Identity>,
    remote: Option<Arc<RemoteIdentity>>,
    quotas: Arc<dyn Quotas>,
    stopping: CancellationToken,
    _data: TempDir,
}

struct Well;

#[async_trait]
impl Status for Well {
    async fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

fn config() -> GatewayConfig {
    let time = Duration::from_secs(10);
    GatewayConfig {
        header_timeout: time,
        keep_alive_timeout: time,
        body_timeout: time,
        request_timeout: time,
        shutdown_timeout: Duration::ZERO,
        max_connections: 100,
        max_headers: 100,
        max_header_bytes: 32 << 10,
        site: Site::default(),
        proxies: Default::default(),
        limits: Vec::new(),
        limit_keys: 100,
        cors: Vec::new(),
        headers: Vec::new(),
        routes: Arc::default(),
        access_log: false,
    }
}

impl House {
    async fn local() -> House {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("forebay.db");
        let clock = Arc::new(SystemClock);
        let settings = Settings::Sqlite { path, readers: 2, cache_bytes: 8 << 20 };
        let db = Db::open(settings, clock.clone()).await.unwrap();
        let config = AuthConfig {
            mail: false,
            issuers: Vec::new(),
            master_key: None,
            master_key_file: data.path().join("master.key"),
            site: Site::default(),
            scheme: Scheme::Bcrypt(4),
            hash_wait: Duration::from_secs(10),
            registration: Registration::Closed,
        };
        let opened = Auth::open(&db, clock, First::Given(KEY), config).await.unwrap();
        let (auth, stopping) = (opened.auth, CancellationToken::new());
        let (identity, quotas) = (auth.identity(), auth.quotas());
        House { auth, identity, remote: None, quotas, stopping, _data: data }
    }

    async fn remote() -> House {
        let mut house = House::local().await;
        let (keys, clock) = (Keys::new(SECRET).unwrap(), Arc::new(SystemClock));
        let inside = Inside::new(keys.clone(), clock.clone(), Arc::default());
        let routes = house.auth.router_for_processes();
        let gateway = Gateway::inside(config(), routes, inside, Arc::new(Well));
        let door = Door::bind("127.0.0.1:0").await.unwrap();
        // The first of the two is nowhere: the second answers.
        let addresses =
            vec!["http://127.0.0.1:1".to_owned(), format!("http://{}", door.address().unwrap())];
        tokio::spawn(door.serve(gateway, house.stopping.clone()));
        let place =
            || Place { addresses: addresses.clone(), keys: keys.clone(), clock: clock.clone() };
        house.quotas = RemoteQuotas::new(place()).unwrap();
        let remote = RemoteIdentity::new(place()).unwrap();
        remote.listen().await.unwrap();
        house.identity = remote.clone();
        house.remote = Some(remote);
        house
    }

    async fn do_as_admin(&self, method: Method, path: &str, body: Value) -> Value {
        let admin = self.who(KEY).await.unwrap();
        let mut request = Request::new(Body::from(body.to_string()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let extensions = request.extensions_mut();
        extensions.insert(Who(admin));
        extensions.insert(Peer(HERE, Way::Direct));
        extensions.insert(RequestId("test".to_owned()));
        let response = self.auth.router().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(status.is_success(), "{path}: {status} {bytes:?}");
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Has it hear of what was changed.
    async fn listen(&self) {
        if let Some(remote) = &self.remote {
            remote.listen().await.unwrap();
        }
    }

    async fn who_from(&self, secret: &str, address: IpAddr) -> Option<Arc<Principal>> {
        let shown = Shown { secret, cookie: false, address };
        self.identity.identify(shown).await.unwrap()
    }

    async fn who(&self, secret: &str) -> Option<Arc<Principal>> {
        self.who_from(secret, HERE).await
    }
}

macro_rules! everywhere {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn local() {
                super::suite::$name(super::House::local().await).await;
            }

            #[tokio::test]
            async fn remote() {
                super::suite::$name(super::House::remote().await).await;
            }
        }
    )*};
}

everywhere! {
    a_key_is_somebodys_until_it_is_revoked
    a_key_is_good_where_it_says
    the_administrator_is_known_and_nobody_is_nobody
    who_sees_as_another_may
    quotas_are_granted_and_come_back
}

mod suite {
    use super::*;

    pub(super) async fn the_administrator_is_known_and_nobody_is_nobody(house: House) {
        for _ in 0..2 {
            let admin = house.who(KEY).await.unwrap();
            assert_eq!(
                (admin.id.as_str(), admin.roles.as_slice()),
                ("key:admin", &["admin".into()][..])
            );
            let again = house.identity.current(&admin).await.unwrap().unwrap();
            assert_eq!(again, admin);
            for secret in ["", "nobody's", "the-administrator's-key ", "é"] {
                assert!(house.who(secret).await.is_none(), "{secret}");
            }
            let cookie = Shown { secret: KEY, cookie: true, address: HERE };
            assert!(house.identity.identify(cookie).await.unwrap().is_none());
        }
        let stranger = Principal {
            id: "key:gone".into(),
            key_id: Some("gone".into()),
            ..Principal::default()
        };
        assert!(house.identity.current(&stranger).await.unwrap().is_none());
    }

    pub(super) async fn a_key_is_somebodys_until_it_is_revoked(house: House) {
        let asked =
            json!({"name": "k", "permissions": ["records:read@stream/a"], "expires_at": null});
        let made = house.do_as_admin(Method::POST, "/v1/api-keys", asked).await;
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        house.listen().await;
        let mut changes = house.identity.changes();
        let who = house.who(key).await.unwrap();
        assert_eq!(who.key_id.as_deref(), Some(id));
        assert_eq!(who.permissions.len(), 1);
        // Remembered, it is the same.
        assert_eq!(house.who(key).await.unwrap(), who);
        assert_eq!(house.identity.current(&who).await.unwrap().unwrap(), who);
        assert!(!changes.has_changed().unwrap());
        house.do_as_admin(Method::DELETE, &format!("/v1/api-keys/{id}"), json!({})).await;
        house.listen().await;
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(house.who(key).await.is_none());
        assert!(house.identity.current(&who).await.unwrap().is_none());
    }

    pub(super) async fn a_key_is_good_where_it_says(house: House) {
        let asked = json!({
            "name": "k", "permissions": ["records:read"], "expires_at": null,
            "networks": ["10.0.0.0/8"],
        });
        let made = house.do_as_admin(Method::POST, "/v1/api-keys", asked).await;
        let key = made["key"].as_str().unwrap();
        house.listen().await;
        let (inside, outside): (IpAddr, IpAddr) =
            ("10.1.2.3".parse().unwrap(), "11.1.2.3".parse().unwrap());
        for _ in 0..2 {
            assert!(house.who_from(key, outside).await.is_none());
            assert!(house.who_from(key, inside).await.is_some());
        }
    }

    pub(super) async fn quotas_are_granted_and_come_back(house: House) {
        let period = Period::Month.around(SystemClock.now());
        let count = |key: &str| Count { key: key.to_owned(), period };
        let take = async |key: &str, need, want| {
            let told =
                house.quotas.take(&count(key), Ask { quota: 100, need, want }).await.unwrap();
            let Granted { granted, left } = told;
            (granted, left)
        };
        assert_eq!(take("plan é", 1, 50).await, (12, 88));
        assert_eq!(take("plan é", 89, 89).await, (0, 88));
        assert_eq!(take("plan é", 88, 88).await, (88, 0));
        assert_eq!(take("other", 1, 1).await, (1, 99));
        let unused = vec![(count("plan é"), 30), (count("other"), 1)];
        house.quotas.give_back(unused).await.unwrap();
        assert_eq!(take("plan é", 1, 1).await, (1, 29));
        assert_eq!(take("other", 100, 100).await, (100, 0));
        // Another period is another count.
        let next = Count { period: Period::Month.around(period.until), ..count("other") };
        let told = house.quotas.take(&next, Ask { quota: 100, need: 100, want: 100 }).await;
        assert_eq!(told.unwrap().granted, 100);
    }

    pub(super) async fn who_sees_as_another_may(house: House) {
        let account = json!({"name": "program", "roles": ["viewer"]});
        let account = house.do_as_admin(Method::POST, "/v1/service-accounts", account).await;
        let account = account["id"].as_str().unwrap().to_owned();
        house.listen().await;
        let admin = house.who(KEY).await.unwrap();
        fn seen(account: &str) -> Seen<'_> {
            Seen { account, request: ("GET", "/v1/streams"), request_id: "r", address: HERE }
        }
        let other = house.identity.view_as(&admin, seen(&account)).await.unwrap();
        assert_eq!(other.user_id.as_ref(), Some(&account));
        assert_eq!(other.viewer.as_deref().map(|viewer| viewer.id.as_str()), Some("key:admin"));
        assert_eq!(house.identity.current(&other).await.unwrap().unwrap(), other);
        let error = house.identity.view_as(&admin, seen("nobody")).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        let little = Arc::new(Principal { id: "key:x".into(), ..Principal::default() });
        let error = house.identity.view_as(&little, seen(&account)).await.unwrap_err();
        assert_eq!(error.code, Code::Forbidden);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_guessed() {
    let house = House::remote().await;
    assert!(house.who(KEY).await.is_some());
    let keys = Keys::new("another secret, and long enough to be one").unwrap();
    let clock = Arc::new(SystemClock);
    for addresses in [vec![], vec!["http://127.0.0.1:1".to_owned()]] {
        let place = Place { addresses, keys: keys.clone(), clock: clock.clone() };
        let nowhere = RemoteIdentity::new(place).unwrap();
        assert!(nowhere.listen().await.is_err());
        let shown = Shown { secret: KEY, cookie: false, address: HERE };
        let error = nowhere.identify(shown).await.unwrap_err();
        assert_eq!(error.code, Code::EngineUnavailable);
        let error = nowhere.current(&Principal::default()).await.unwrap_err();
        assert_eq!(error.code, Code::EngineUnavailable);
    }
}

#[tokio::test]
async fn units_are_given_back_once_and_asked_for_until_somebody_answers() {
    let house = House::remote().await;
    let door = Door::bind("127.0.0.1:0").await.unwrap();
    let good = format!("http://{}", door.address().unwrap());
    let (keys, clock) = (Keys::new(SECRET).unwrap(), Arc::new(SystemClock));
    let inside = Inside::new(keys.clone(), clock.clone(), Arc::default());
    let routes = house.auth.router_for_processes();
    let gateway = Gateway::inside(config(), routes, inside, Arc::new(Well));
    tokio::spawn(door.serve(gateway, house.stopping.clone()));
    // It takes what is said, and ends without an answer.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", deaf.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = deaf.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 64]).await;
        }
    });
    let place = || Place {
        addresses: vec![at.clone(), good.clone()],
        keys: keys.clone(),
        clock: clock.clone(),
    };
    let quotas = RemoteQuotas::new(place()).unwrap();
    let count = Count { key: "plan".into(), period: Period::Month.around(SystemClock.now()) };
    let all = Ask { quota: 10, need: 10, want: 10 };
    assert_eq!(house.quotas.take(&count, all).await.unwrap().granted, 10);
    // Whether it has arrived at the first is not known: the second is not told.
    let error = quotas.give_back(vec![(count.clone(), 10)]).await.unwrap_err();
    assert_eq!(error.code, Code::EngineUnavailable);
    assert_eq!(house.quotas.take(&count, all).await.unwrap(), Granted { granted: 0, left: 0 });
    assert_eq!(quotas.take(&count, all).await.unwrap(), Granted { granted: 0, left: 0 });
    // From now on the second is asked first.
    quotas.give_back(vec![(count.clone(), 10)]).await.unwrap();
    assert_eq!(house.quotas.take(&count, all).await.unwrap().granted, 10);
}
