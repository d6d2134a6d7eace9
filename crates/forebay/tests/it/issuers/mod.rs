//! Tokens of other issuers: who they are here, what they may, and what is refused.

mod local;

use forebay_testkit::{OidcProvider, lacks};
use serde_json::{Value, json};

use crate::people::said;
use crate::support::{Engine, Server, answer, both, client};
use local::{Key, Local, now};

both! {
    a_token_of_another_issuer_is_somebody
    what_another_issuer_has_not_said_is_nothing
    rights_are_those_that_its_roles_have_now
    a_subscription_ends_with_its_token
    whoever_has_no_account_has_no_account_s_doors
}

#[tokio::test]
async fn a_second_issuer_s_programs_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let provider = OidcProvider::start(folder.path());
    if lacks(&provider) {
        return;
    }
    let provider = provider.unwrap();
    let setting = |audience: &str, name: &str| {
        json!([{
            "name": name, "issuer": provider.issuer, "audience": audience, "types": ["at+jwt"],
            "roles_claim": "groups", "roles": {"shippers": "ingest"}, "default_roles": ["viewer"],
        }])
        .to_string()
    };
    // Tokens for each are signed in another way.
    for resource in ["urn:forebay:ES256", "urn:forebay:RS256"] {
        let setting = setting(resource, "second");
        let s = Server::start_with(Engine::Sqlite, &[("FOREBAY_AUTH__ISSUERS", &setting)]).await;
        let token = async |resource: &str| {
            let (id, secret) = OidcProvider::CLIENT;
            let asked = client().post(format!("{}/token", provider.issuer));
            let form = format!("grant_type=client_credentials&resource={resource}");
            let asked = asked.basic_auth(id, Some(secret)).body(form);
            let asked = asked.header("content-type", "application/x-www-form-urlencoded");
            said(&answer(asked).await.expect(200), "access_token")
        };
        let good = token(resource).await;
        let me = s.get_by(&good, "/v1/me", &[]).await.expect(200);
        assert_eq!(
            (&me["id"], &me["roles"]),
            (&json!("second:shipper"), &json!(["ingest", "viewer"]))
        );
        s.put("/v1/streams/orders", stream(&json!({}))).await.expect(201);
        s.post_by(&good, "/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
        s.get_by(&good, "/v1/streams/orders/records", &[]).await.expect(200);
        s.get_by(&good, "/v1/users", &[]).await.problem(403, "forbidden");
        let other = token("urn:another:ES256").await;
        s.get_by(&other, "/v1/me", &[]).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn keys_turn_and_an_issuer_may_be_away() {
    let (old, new, next) = (Key::new("old"), Key::new("new"), Key::new("next"));
    let issuer = Local::start(&old);
    let s = issuer.serve(Engine::Sqlite).await;
    let token = |key: &Key, subject: &str| key.sign(&issuer.claims(subject, &["staff"]));
    let me = async |token: &str| s.get_by(token, "/v1/me", &[]).await;
    me(&token(&old, "ann")).await.expect(200);
    // Another key is good from the moment in which it is published, or ten seconds after the last.
    issuer.publish(&[&old, &new]);
    let new_token = token(&new, "ann");
    while me(&new_token).await.status != 200 {
        tokio::task::yield_now().await;
    }
    // Made-up names ask nobody for a while, and then once.
    issuer.is_away(true);
    let (asked, began) = (issuer.asked(), now());
    for n in 0..200 {
        let made_up = Key::new(&format!("made-up-{n}"));
        me(&token(&made_up, "eve")).await.problem(401, "unauthenticated");
    }
    let most = 2 + usize::try_from((now() - began) / 10).unwrap();
    assert!(issuer.asked() - asked <= most, "{} times", issuer.asked() - asked);
    // It does not answer: the keys that are known stay good, for tokens that were never seen too.
    issuer.publish(&[&next]);
    while issuer.asked() == asked {
        me(&token(&next, "eve")).await.problem(401, "unauthenticated");
    }
    me(&new_token).await.expect(200);
    me(&token(&old, "bob")).await.expect(200);
    me(&token(&next, "bob")).await.problem(401, "unauthenticated");
    let failed = s.log.until(|line| line["message"] == "an issuer's keys cannot be fetched");
    let failed = failed.last().unwrap();
    assert_eq!((&failed["issuer"], &failed["level"]), (&json!("acme"), &json!("WARN")), "{failed}");
    let metrics = s.get("/metrics").await.text;
    let counted = |outcome: &str| {
        let name = "forebay_issuer_fetches_total{issuer=\"acme\"";
        metrics.lines().any(|l| l.starts_with(name) && l.contains(outcome))
    };
    assert!(counted("success") && counted("failure"), "{metrics}");
}

/// A stream of records with an owner, and rules.
fn stream(access: &Value) -> Value {
    let text = json!({"type": "string"});
    let properties = json!({"owner": text, "n": {"type": "integer"}});
    json!({"schema": {"type": "object", "properties": properties}, "access": access})
}

mod scenario {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use reqwest::Method;

    use super::*;
    use crate::audit::events;
    use crate::events::Events;

    pub(super) async fn a_token_of_another_issuer_is_somebody(engine: Engine) {
        let key = Key::new("k");
        let issuer = Local::start(&key);
        let s = issuer.serve(engine).await;
        let mut claims = issuer.claims("ann", &["staff", "unheard-of", "admin"]);
        claims["name"] = json!("Ann");
        claims["email"] = json!("ann@acme.example");
        let unverified = key.sign(&claims);
        claims["email_verified"] = json!(true);
        let ann = key.sign(&claims);
        let me = s.get_by(&ann, "/v1/me", &[]).await.expect(200);
        let expected = json!({
            "id": "acme:ann", "email": "ann@acme.example", "name": "Ann", "roles": ["viewer"],
            "permissions": ["streams:read@*", "records:read@*"],
        });
        assert_eq!(me, expected);
        let me = s.get_by(&unverified, "/v1/me", &[]).await.expect(200);
        assert_eq!(me["email"], Value::Null);
        // Rules see them as themselves.
        let rule = "data.owner == auth.user_id || data.owner == auth.email \
                    || data.owner == \"viewers\" && \"viewer\" in auth.roles";
        s.put("/v1/streams/notes", stream(&json!({"read": rule}))).await.expect(201);
        let owners = ["acme:ann", "acme:bob", "ann@acme.example", "viewers", "ann", "nobody"];
        let records: Vec<Value> = owners.iter().map(|owner| json!({"owner": owner})).collect();
        s.post("/v1/streams/notes/records", json!(records)).await.expect(200);
        let seen = async |token: &str| {
            let page = s.get_by(token, "/v1/streams/notes/records", &[]).await.expect(200);
            let items = page["items"].as_array().unwrap().clone();
            items.iter().map(|item| item["data"]["owner"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(seen(&ann).await, ["acme:ann", "ann@acme.example", "viewers"]);
        assert_eq!(seen(&unverified).await, ["acme:ann", "viewers"]);
        let bob = key.sign(&issuer.claims("bob", &["staff"]));
        assert_eq!(seen(&bob).await, ["acme:bob", "viewers"]);
        // Nothing is had that was not mapped.
        let eve = key.sign(&issuer.claims("eve", &["admin", "viewer"]));
        let me = s.get_by(&eve, "/v1/me", &[]).await.expect(200);
        assert_eq!((&me["roles"], &me["permissions"]), (&json!([]), &json!([])));
        s.get_by(&eve, "/v1/streams/notes/records", &[]).await.problem(403, "forbidden");
        s.post_by(&ann, "/v1/streams/notes/records", json!({})).await.problem(403, "forbidden");
        // What they do is written down, and a repeat of somebody else's request is their own.
        let boss = key.sign(&issuer.claims("boss", &["bosses"]));
        let role = s.request_by(&boss, Method::PUT, "/v1/roles/cooks");
        let role = answer(role.json(&json!({"permissions": ["streams:read"]}))).await;
        role.expect(201);
        let written = events(&s, "role.put", 1).await;
        assert_eq!(written[0]["actor"], json!({"id": "acme:boss", "name": "boss"}));
        let chief = key.sign(&issuer.claims("chief", &["bosses"]));
        for (token, replayed) in [(&boss, false), (&chief, false), (&boss, true)] {
            let send = s.request_by(token, Method::POST, "/v1/streams/notes/records");
            let send = send.header("idempotency-key", "one").json(&json!({"owner": "x"}));
            let sent = answer(send).await;
            sent.expect(200);
            assert_eq!(sent.headers.contains_key("idempotent-replayed"), replayed);
        }
    }

    pub(super) async fn what_another_issuer_has_not_said_is_nothing(engine: Engine) {
        let (key, evil) = (Key::new("k"), Key::new("k"));
        let issuer = Local::start(&key);
        let s = issuer.serve(engine).await;
        let claims = issuer.claims("ann", &["bosses"]);
        let good = key.sign(&claims);
        s.get_by(&good, "/v1/users", &[]).await.expect(200);
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            key.sign(&claims)
        };
        let header = |name: &str, value: Value| {
            let mut header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "k"});
            header[name] = value;
            key.sign_as(&header, &claims)
        };
        let unsigned = |alg: &str| {
            let header = json!({"typ": "at+jwt", "alg": alg, "kid": "k"}).to_string();
            format!("{}.{}.", BASE64.encode(header), BASE64.encode(claims.to_string()))
        };
        let own = format!("http://{}", s.address);
        for (what, token) in [
            ("another's signature", evil.sign(&claims)),
            ("aud", with("aud", json!("others"))),
            ("aud", with("aud", json!(["others"]))),
            ("iss", with("iss", json!(own))),
            ("iss", with("iss", json!(format!("{}/", issuer.url)))),
            ("exp", with("exp", json!(now() - 1))),
            ("exp", with("exp", Value::Null)),
            ("nbf", with("nbf", json!(now() + 600))),
            ("iat", with("iat", json!(now() + 600))),
            ("sub", with("sub", json!(""))),
            ("typ", header("typ", json!("logout+jwt"))),
            ("typ", header("typ", Value::Null)),
            ("alg", header("alg", json!("none"))),
            ("alg", header("alg", json!("HS256"))),
            ("alg", header("alg", json!("RS256"))),
            ("crit", header("crit", json!(["exp"]))),
            ("jku", header("jku", json!(format!("{}/keys", issuer.url)))),
            ("kid", header("kid", json!("../k"))),
            ("none", unsigned("none")),
            ("no signature", unsigned("ES256")),
            ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
            ("long", with("x", json!("a".repeat(17 << 10)))),
        ] {
            let refused = s.get_by(&token, "/v1/users", &[]).await;
            assert_eq!(refused.status, 401, "{what}: {}", refused.text);
            refused.problem(401, "unauthenticated");
        }
        // It is no cookie either.
        let cookie = s.bare(Method::GET, "/v1/me").header("cookie", format!("session={good}"));
        answer(cookie).await.problem(401, "unauthenticated");
        s.get_by(&good, "/v1/users", &[]).await.expect(200);
    }

    pub(super) async fn rights_are_those_that_its_roles_have_now(engine: Engine) {
        let key = Key::new("k");
        let issuer = Local::start(&key);
        let s = issuer.serve(engine).await;
        // On PostgreSQL the change is made in another process than the one that is asked.
        let other = s.database.is_some().then(|| Server::beside(&s));
        let other = other.as_ref().unwrap_or(&s);
        let path = "/v1/streams/notes/records";
        s.put("/v1/streams/notes", stream(&json!({}))).await.expect(201);
        let ann = key.sign(&issuer.claims("ann", &["readers"]));
        // The role is not there yet.
        s.get_by(&ann, path, &[]).await.problem(403, "forbidden");
        let role = json!({"permissions": ["records:read"]});
        other.put("/v1/roles/readers", role.clone()).await.expect(201);
        while s.get_by(&ann, path, &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
        let ask = s.request_by(&ann, Method::GET, "/v1/streams/notes/subscribe");
        let mut events = Events::ask(ask).await.unwrap();
        s.post(path, json!({"n": 1})).await.expect(200);
        assert_eq!(events.next().await.unwrap().0, "create");
        // What is no change for them leaves them alone.
        other.put("/v1/roles/others", role).await.expect(201);
        s.post(path, json!({"n": 2})).await.expect(200);
        assert_eq!(events.next().await.unwrap().0, "create");
        other.put("/v1/roles/readers", json!({"permissions": []})).await.expect(200);
        s.is_soon_refused(&ann, path).await.problem(403, "forbidden");
        let (name, _, data) = events.next().await.unwrap();
        assert_eq!((name.as_str(), &data["code"]), ("error", &json!("access_changed")));
        assert!(events.next().await.is_none());
        // A role for which a second factor is asked: nobody has shown one here.
        let role = json!({"permissions": ["records:read"], "second_factor": true});
        other.put("/v1/roles/readers", role).await.expect(200);
        s.get_by(&ann, path, &[]).await.problem(403, "forbidden");
    }

    pub(super) async fn a_subscription_ends_with_its_token(engine: Engine) {
        let key = Key::new("k");
        let issuer = Local::start(&key);
        let s = issuer.serve(engine).await;
        s.put("/v1/streams/notes", stream(&json!({}))).await.expect(201);
        // However long a request takes here, one of them lives to see it.
        let mut seconds = 2;
        let mut events = loop {
            let mut claims = issuer.claims("ann", &["staff"]);
            claims["exp"] = json!(now() + seconds);
            let path = "/v1/streams/notes/subscribe";
            let ask = s.request_by(&key.sign(&claims), Method::GET, path);
            match Events::ask(ask).await {
                Ok(events) => break events,
                Err(refused) => refused.problem(401, "unauthenticated"),
            };
            seconds *= 2;
        };
        let (name, _, data) = events.next().await.unwrap();
        assert_eq!((name.as_str(), &data["code"]), ("error", &json!("access_changed")));
        assert!(events.next().await.is_none());
    }

    pub(super) async fn whoever_has_no_account_has_no_account_s_doors(engine: Engine) {
        let key = Key::new("k");
        let issuer = Local::start(&key);
        let s = issuer.serve(engine).await;
        let own = s.post("/v1/api-keys", json!({"name": "k", "permissions": []})).await.expect(201);
        let own = own["id"].as_str().unwrap();
        let boss = key.sign(&issuer.claims("boss", &["bosses"]));
        let ann = key.sign(&issuer.claims("ann", &["staff"]));
        let ask = async |token: &str, method: Method, path: &str, body: Value| {
            answer(s.request_by(token, method, path).json(&body)).await
        };
        let password = json!({"current": "x", "new": "wet otter climbs 9 stairs"});
        for (method, path, body) in [
            (Method::PATCH, "/v1/me", json!({"name": "x"})),
            (Method::DELETE, "/v1/me", json!({})),
            (Method::GET, "/v1/me/export", json!({})),
            (Method::GET, "/v1/me/sessions", json!({})),
            (Method::DELETE, "/v1/me/sessions", json!({})),
            (Method::DELETE, "/v1/me/sessions/x", json!({})),
            (Method::POST, "/v1/me/mfa/totp", json!({})),
            (Method::DELETE, "/v1/me/mfa/totp", json!({})),
            (Method::POST, "/v1/me/mfa/totp/confirm", json!({"code": "123456"})),
            (Method::POST, "/v1/me/mfa/recovery-codes", json!({})),
            (Method::POST, "/v1/auth/step-up", json!({"password": "x"})),
            (Method::POST, "/v1/auth/logout", json!({})),
            (Method::POST, "/v1/auth/password/change", password),
            (Method::POST, "/v1/api-keys", json!({"name": "x", "permissions": []})),
            (Method::POST, &format!("/v1/api-keys/{own}/rotate"), json!({})),
            (Method::POST, "/v1/invitations", json!({"email": "x@example.com", "roles": []})),
        ] {
            let refused = ask(&boss, method.clone(), path, body).await;
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
        }
        // The first administrator's keys are not theirs because they have no account.
        let keys = s.get_by(&ann, "/v1/api-keys", &[]).await.expect(200);
        assert_eq!(keys["items"], json!([]));
        let one = format!("/v1/api-keys/{own}");
        s.get_by(&ann, &one, &[]).await.problem(404, "not_found");
        ask(&ann, Method::DELETE, &one, json!({})).await.problem(403, "forbidden");
        // What their roles allow they do.
        assert_eq!(s.get_by(&boss, "/v1/api-keys", &[]).await.expect(200)["items"][0]["id"], own);
        let eyes = s.user("eyes@example.com", &["viewer"]).await;
        let view = s.request_by(&boss, Method::GET, "/v1/me");
        let view = view.header("x-forebay-view-as", eyes["id"].as_str().unwrap());
        assert_eq!(answer(view).await.expect(200)["id"], eyes["id"]);
    }
}
