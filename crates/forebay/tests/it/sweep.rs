//! What is somebody's is nobody else's: each operation that names an object is tried by somebody
//! who has all that the object's owner has, but for other objects. The operations are those of the
//! API's description: a new one that names something new has to be given its object here.

use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{PASSWORD, said};
use crate::support::{Answer, Engine, Server, answer, both, orders};

both! {
    nobody_reaches_what_is_anothers
    nobody_says_who_they_are_in_a_body
}

const GUARDED: [&str; 2] = ["/v1/streams/{stream}", "/v1/streams/{stream}/records/{id}"];

/// Somebody's objects, by the paths that name them.
struct Objects {
    session: String,
    key: String,
    user: String,
    program: String,
    channel: String,
    delivery: String,
    item: String,
    rule: String,
    silence: String,
}

/// Objects that are not there, named as if they were.
fn nothing() -> Objects {
    let id = "01a2121e-0000-7000-8000-000000000000".to_owned();
    Objects {
        session: "0123456789abcdef0123456789abcdef".to_owned(),
        key: id.clone(),
        user: id.clone(),
        program: id.clone(),
        channel: id.clone(),
        delivery: id.clone(),
        item: "2".to_owned(),
        rule: id.clone(),
        silence: id,
    }
}

impl Objects {
    /// A path of the description with an object's name in it; `there` is whether a stream, record
    /// or role is.
    fn fill(&self, path: &str, there: bool) -> String {
        let own = |yes: &str, no: &str| if there { yes.to_owned() } else { no.to_owned() };
        let verbs = ["/rotate", "/test", "/attempts", "/read", "/preview", "/backtest", "/groups"];
        let verbs = [&verbs[..], &["/groups/{group}/acknowledge"]].concat();
        let object = verbs.iter().find_map(|verb| path.strip_suffix(verb)).unwrap_or(path);
        let object = match object {
            "/v1/me/sessions/{id}" => ("{id}", self.session.clone()),
            "/v1/api-keys/{id}" => ("{id}", self.key.clone()),
            "/v1/users/{id}" => ("{id}", self.user.clone()),
            "/v1/service-accounts/{id}" => ("{id}", self.program.clone()),
            "/v1/channels/{id}" => ("{id}", self.channel.clone()),
            "/v1/deliveries/{id}" => ("{id}", self.delivery.clone()),
            "/v1/inbox/{id}" => ("{id}", self.item.clone()),
            "/v1/rules/{id}" => ("{id}", self.rule.clone()),
            "/v1/silences/{id}" => ("{id}", self.silence.clone()),
            "/v1/templates/{name}" => ("{name}", own("alert.firing", "nothing")),
            "/v1/roles/{name}" => ("{name}", own("hers", "others")),
            path if path.starts_with("/v1/streams/{stream}") => {
                let path = path.replace("{stream}", &own("hers", "others"));
                assert!(!path.replace("{id}", "").contains('{'), "{path}");
                return path.replace("{id}", &own("secret", "nothing"));
            }
            new => panic!("give {new} an object here"),
        };
        path.replace(object.0, &object.1).replace("{group}", "0f")
    }
}

/// A body that would be taken.
fn body(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("patch", "/v1/users/{id}" | "/v1/service-accounts/{id}") => json!({"state": "disabled"}),
        ("patch", "/v1/channels/{id}" | "/v1/rules/{id}") => json!({"name": "x"}),
        ("post", "/v1/rules/{id}/backtest" | "/v1/rules/{id}/groups/{group}/acknowledge") => {
            json!({})
        }
        ("put", "/v1/templates/{name}") => json!({"subject": "x"}),
        ("put", "/v1/roles/{name}") => json!({"permissions": []}),
        ("put", "/v1/streams/{stream}") => orders(),
        ("post", "/v1/streams/{stream}/records") => json!({"owner": "x", "n": 1}),
        ("put" | "patch", "/v1/streams/{stream}/records/{id}") => json!({"owner": "x", "n": 1}),
        ("post", "/v1/streams/{stream}/aggregate") => json!({"metrics": {"n": "count()"}}),
        _ => return None,
    })
}

async fn ask(s: &Server, token: &str, (method, path): (&str, &str), filled: &str) -> Answer {
    let asked = s.request_by(token, method.to_uppercase().parse().unwrap(), filled);
    answer(match body(method, path) {
        Some(body) => asked.json(&body),
        None => asked,
    })
    .await
}

/// The operations of the description, as method and path.
async fn operations(s: &Server) -> Vec<(String, String)> {
    let described = s.get("/openapi.json").await.expect(200);
    let paths = described["paths"].as_object().unwrap().clone();
    let all = paths.into_iter().flat_map(|(path, methods)| {
        let methods: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    });
    all.collect()
}

/// All that must be what it was.
async fn state(s: &Server) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/v1/users",
        "/v1/api-keys",
        "/v1/service-accounts",
        "/v1/channels",
        "/v1/deliveries",
        "/v1/rules",
        "/v1/silences",
        "/v1/templates",
        "/v1/roles",
        "/v1/streams/hers",
        "/v1/streams/hers/records",
    ] {
        seen.push(s.get(path).await.expect(200));
    }
    seen
}

/// What an answer tells, without the names that were asked for.
fn told(answer: &Answer, path: &str) -> (u16, String) {
    let status = answer.status.as_u16();
    assert!(answer.text.contains("\"code\""), "{path}: {}", answer.text);
    let mut detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    for word in path.split('/').filter(|word| !word.is_empty()) {
        detail = detail.replace(&format!("`{word}`"), "``").replace(&format!("/{word}`"), "/`");
    }
    (status, detail)
}

/// The two roles: hers, and one of somebody on other streams.
async fn roles(s: &Server) {
    let mut stream = orders();
    stream["schema"]["properties"]["note"] = json!({"type": "string", "x-search": "text"});
    let own = "data.owner == auth.user_id";
    stream["access"] = json!({"read": own, "create": own});
    s.put("/v1/streams/hers", stream).await.expect(201);
    let own = ["keys:write", "channels:*@own", "deliveries:*@own", "rules:*@own"];
    let hers = [&own[..], &["streams:read@stream/h*", "records:*@stream/h*"]].concat();
    s.put("/v1/roles/hers", json!({"permissions": hers})).await.expect(201);
    let far = [&own[..], &["streams:*@stream/b*", "records:*@stream/b*"]].concat();
    s.put("/v1/roles/far", json!({"permissions": far})).await.expect(201);
}

/// What she is told, and what became of it.
async fn tell(s: &Server, ann: &str, channel: &str) {
    let told_her = format!(
        "INSERT INTO inbox_head (account, seq, changes) VALUES ('{ann}', 1, 1); \
         INSERT INTO inbox (account, seq, notification, category, title, body, link, read_at, \
         created_at) VALUES ('{ann}', 1, 'n', 'alert', 't', 'b', '/', 0, 4000000000000000); \
         INSERT INTO notification (id, type, rule, category, time, data, created_at) VALUES \
         ('n', 'alert.firing', '', 'alert', 1, '{{}}', 4000000000000000); \
         INSERT INTO delivery (id, notification, channel, address, rule, data, state, due_at, \
         tries, tries_now, holder, held_until, fence, created_at, done_at) VALUES \
         ('d', 'n', '{channel}', '', '', '', 2, 1, 1, 1, '', 0, 0, 1, 4000000000000000);"
    );
    s.alter(&told_her).await;
}

/// Somebody with an object of each kind, and a token of hers.
async fn objects(s: &Server) -> (Objects, String) {
    roles(s).await;
    let ann = said(&s.user("ann@example.com", &["hers"]).await, "id");
    let login = s.login("ann@example.com", PASSWORD).await.expect(200);
    let token = said(&login, "access_token");
    let key = json!({"name": "hers", "permissions": ["records:read@stream/hers"]});
    let key = said(&s.post_by(&token, "/v1/api-keys", key).await.expect(201), "id");
    let (program, _) = s.program(&["viewer"]).await;
    let record = json!({"id": "secret", "data": {"owner": ann, "n": 1}});
    s.post_by(&token, "/v1/streams/hers/records?envelope=true", record).await.expect(200);
    let hook =
        json!({"name": "hers", "kind": "webhook", "config": {"url": "https://example.com/"}});
    let channel = said(&s.post_by(&token, "/v1/channels", hook).await.expect(201), "id");
    let rule = json!({"name": "hers", "stream": "hers", "kind": "event", "filter": "data.n > 99"});
    let rule = said(&s.post_by(&token, "/v1/rules", rule).await.expect(201), "id");
    let silence = json!({"matcher": "data.rule == \"x\"", "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2026-12-31T00:00:00Z"});
    let silence = said(&s.post("/v1/silences", silence).await.expect(201), "id");
    tell(s, &ann, &channel).await;
    let (delivery, item) = ("d".to_owned(), "1".to_owned());
    let hers = Objects {
        session: said(&login, "session_id"),
        key,
        user: ann,
        program,
        channel,
        delivery,
        item,
        rule,
        silence,
    };
    (hers, token)
}

mod scenario {
    use super::*;

    pub(super) async fn nobody_reaches_what_is_anothers(engine: Engine) {
        let s = Server::start(engine).await;
        let (hers, token) = objects(&s).await;
        let before = state(&s).await;
        let operations: Vec<_> =
            operations(&s).await.into_iter().filter(|(_, path)| path.contains('{')).collect();
        assert!(operations.len() > 20, "{operations:?}");
        // By somebody on the same stream, whom its rule keeps apart; and by somebody on another.
        for (email, role) in [("bob@example.com", "hers"), ("eve@example.com", "far")] {
            s.user(email, &[role]).await;
            let other = s.token_of(email).await;
            for (method, path) in &operations {
                let shared = role == "hers" && path.starts_with(GUARDED[0]);
                if shared && path != GUARDED[1] {
                    // The stream is theirs as well; what a list shows is the leak matrix's to say.
                    continue;
                }
                let asked = (method.as_str(), path.as_str());
                let there = hers.fill(path, true);
                let refused = ask(&s, &other, asked, &there).await;
                let status = refused.status.as_u16();
                assert!([403, 404, 405].contains(&status), "{method} {there}: {}", refused.text);
                // As if it were not there.
                let absent = if shared {
                    there.replace("secret", "nothing")
                } else {
                    nothing().fill(path, false)
                };
                let missing = ask(&s, &other, asked, &absent).await;
                assert_eq!(told(&refused, &there), told(&missing, &absent), "{method} {there}");
            }
            // An object that a body names is an object too.
            let key = json!({"name": "k", "permissions": [], "owner": hers.user});
            s.post_by(&other, "/v1/api-keys", key).await.problem(403, "forbidden");
        }
        let after = state(&s).await;
        let but_people = |seen: &[Value]| seen[1..].to_vec();
        assert_eq!(but_people(&before), but_people(&after));
        let people = after[0]["items"].as_array().unwrap();
        assert_eq!(people[0], before[0]["items"][0]);
        // They were the right names: whoever may, reaches all of it.
        for (method, path) in operations.iter().filter(|(method, _)| method == "get") {
            if path.ends_with("/subscribe") {
                continue;
            }
            let filled = hers.fill(path, true);
            let asked = s.request(Method::GET, &filled);
            assert_eq!(answer(asked).await.status, 200, "{method} {filled}");
        }
        s.delete_by(&token, &hers.fill("/v1/api-keys/{id}", true)).await.expect(204);
        s.delete_by(&token, &hers.fill("/v1/me/sessions/{id}", true)).await.expect(204);
    }

    pub(super) async fn nobody_says_who_they_are_in_a_body(engine: Engine) {
        let s = Server::start_with(engine, &[("FOREBAY_AUTH__REGISTRATION", "open")]).await;
        let described = s.get("/openapi.json").await.expect(200);
        let mut tried = 0;
        let mut login = None;
        let mut operations = operations(&s).await;
        operations.sort_by_key(|(_, path)| path != "/v1/setup");
        for (method, path) in operations {
            let operation = &described["paths"][&path][&method];
            let identity =
                operation["tags"] == json!(["identity"]) || operation["tags"] == json!(["sign in"]);
            if !identity || operation.get("requestBody").is_none() {
                continue;
            }
            // Before there is an administrator its door is open, and afterwards it is shut.
            if path != "/v1/setup" && login.is_none() {
                login = Some(said(&s.set_up().await, "access_token"));
            }
            for member in ["user_id", "role", "is_admin", "account", "__proto__"] {
                let named = path.contains('{');
                let filled = if named { nothing().fill(&path, false) } else { path.clone() };
                let method: Method = method.to_uppercase().parse().unwrap();
                let asked = match &login {
                    Some(token) => s.request_by(token, method, &filled),
                    None => s.bare(method, &filled),
                };
                let refused = answer(asked.json(&json!({member: "admin"}))).await;
                let refused = refused.problem(400, "validation_failed");
                assert_eq!(refused["errors"][0]["path"], format!("/{member}"), "{path}: {refused}");
                assert_eq!(refused["errors"][0]["code"], "unknown_member", "{path}: {refused}");
            }
            tried += 1;
        }
        assert!(tried > 15, "{tried}");
    }
}
