//! What others make of it: a phone's codes by oathtool, tokens checked by PyJWT with the published
//! keys alone, metrics read by Prometheus's own tool.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use forebay_testkit::{lacks, oathtool, promtool, python_with_jwt};
use serde_json::{Value, json};

use crate::people::{ADMIN, said};
use crate::support::{Engine, Server, answer, client, orders};

/// Checks a token as any resource server does; prints what it says.
const CHECK: &str = r#"
import json, sys, jwt
url, token, issuer, audience = sys.argv[1:]
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
claims = jwt.decode(token, key.key, algorithms=["ES256", "RS256"], audience=audience,
    issuer=issuer, options={"require": ["exp", "iat", "sub", "jti", "sid"]})
print(json.dumps({"header": jwt.get_unverified_header(token), "claims": claims}))
"#;

#[tokio::test]
async fn the_codes_of_oathtool_are_taken() {
    let tool = oathtool();
    if lacks(&tool) {
        return;
    }
    let tool = tool.unwrap();
    let s = Server::start(Engine::Sqlite).await;
    let token = said(&s.set_up().await, "access_token");
    let offered = s.post_by(&token, "/v1/me/mfa/totp", json!({})).await.expect(200);
    let seed = said(&offered, "secret");
    // The code of now, and the one that comes next.
    let run =
        Command::new(tool).args(["--totp", "--base32", "--window=1", &seed]).output().unwrap();
    let codes = String::from_utf8(run.stdout).unwrap();
    let codes: Vec<&str> = codes.lines().collect();
    let confirm = json!({"code": codes[0]});
    s.post_by(&token, "/v1/me/mfa/totp/confirm", confirm).await.expect(200);
    let due = s.half_way(ADMIN).await;
    s.show_code(&due, "totp", codes[0]).await.problem(401, "invalid_credentials");
    s.show_code(&due, "totp", codes[1]).await.expect(200);
}

#[tokio::test]
async fn pyjwt_takes_our_tokens_by_our_keys() {
    let python = python_with_jwt();
    if lacks(&python) {
        return;
    }
    let python = python.unwrap();
    let s = Server::start(Engine::Sqlite).await;
    let login = s.set_up().await;
    let token = said(&login, "access_token");
    let read = forebay_claims(&token);
    let issuer = said(&read, "iss");
    let check = |token: &str, audience: &str| -> Output {
        let url = format!("http://{}/.well-known/jwks.json", s.address);
        let arguments = ["-c", CHECK, &url, token, &issuer, audience];
        Command::new(&python).args(arguments).output().unwrap()
    };
    let checked = check(&token, &issuer);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["header"]["typ"], "at+jwt");
    let claims = &checked["claims"];
    assert_eq!(*claims, read);
    assert_eq!((&claims["sid"], &claims["roles"]), (&login["session_id"], &json!(["admin"])));
    let me = s.get_by(&token, "/v1/me", &[]).await.expect(200);
    assert_eq!(claims["sub"], me["id"]);
    let refused = |output: Output, why: &str| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(why), "{error}");
    };
    refused(check(&token, "https://elsewhere.example.com"), "InvalidAudienceError");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    refused(check(&format!("{signed}.{first}{}", &signature[1..]), &issuer), "InvalidSignature");
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let tool = promtool();
    if lacks(&tool) {
        return;
    }
    let tool = tool.unwrap();
    let check = |text: &str| -> Output {
        let mut command = Command::new(&tool);
        let command = command.args(["check", "metrics"]).stdin(Stdio::piped());
        let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        run.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        run.wait_with_output().unwrap()
    };
    let backend = crate::routes::Backend::start("shop");
    let limits = json!([{"name": "address", "key": "ip", "rate": "1000/s"}]).to_string();
    let upstreams = json!([{"name": "shop", "endpoints": [format!("http://{}", backend.address)]}]);
    let upstreams = upstreams.to_string();
    let routes = json!([{"name": "shop", "match": {"prefix": "/shop"}, "upstream": "shop"}]);
    let routes = routes.to_string();
    let settings = [
        ("FOREBAY_GATEWAY__LIMITS", limits.as_str()),
        ("FOREBAY_UPSTREAMS", upstreams.as_str()),
        ("FOREBAY_ROUTES", routes.as_str()),
    ];
    let s = Server::start_with(Engine::Sqlite, &settings).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.post("/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
    s.get("/v1/streams/orders/records").await.expect(200);
    s.get("/nothing").await.problem(404, "not_found");
    s.get("/shop/a").await.expect(200);
    let metrics = answer(client().get(format!("http://{}/metrics", s.admin))).await.text;
    for counted in ["forebay_upstream_requests_total{", "forebay_limit_decisions_total{"] {
        assert!(metrics.contains(counted), "{metrics}");
    }
    let checked = check(&metrics);
    let said = [checked.stdout, checked.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(checked.status.success() && said == ["", ""], "{said:?}");
    // It does look.
    let wrong = metrics.replace("_cpu_seconds_total counter", "_cpu_seconds_total gauge");
    assert!(!check(&wrong).status.success());
}

/// What a token says, unchecked.
fn forebay_claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = |byte: u8| alphabet.iter().position(|one| *one == byte).unwrap();
    let bits = payload.bytes().map(|byte| format!("{:06b}", place(byte))).collect::<String>();
    let bytes =
        (0..bits.len() / 8).map(|n| u8::from_str_radix(&bits[8 * n..8 * n + 8], 2).unwrap());
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}
