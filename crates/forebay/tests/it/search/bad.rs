//! What is typed to do harm, or by mistake: an answer in bounded time that says what is wrong.

use crate::support::both;

both! { whatever_is_typed_has_a_clear_answer }

mod scenario {
    use serde_json::{Value, json};

    use crate::search::{found, ids, logs, reach, search, send};
    use crate::support::Engine;

    /// What people type, by mistake or to do harm.
    const TYPED: &[&str] = &[
        "\"disk full",
        "disk)",
        "((disk",
        "disk AND",
        "OR disk",
        "-",
        "NOT",
        "disk\"",
        "***",
        "disk : full",
        "title:",
        "nofield:disk",
        "https://disk/full",
        "\u{202e}disk\u{202c}",
        "di\u{200d}sk",
        "\u{feff}disk",
        "𝐝𝐢𝐬𝐤",
        "🦀 disk",
        "\u{0}disk",
        "disk\u{301}",
        "%",
        "' OR 1=1 --",
        "*:*",
        "disk~2",
        "disk^4",
        "[a TO z]",
        "{\"match_all\":{}}",
        "שלום",
        "_id:a",
        "a* b* c*",
    ];

    /// Parameters that cannot be meant, with where that is told.
    const WRONG: &[((&str, &str), &str)] = &[
        (("sort", "scor"), "?sort"),
        (("sort", "score,seq"), "?sort"),
        (("sort", "data.msg"), "?sort"),
        (("facets", "data.msg"), "?facets"),
        (("facets", "data.host:0"), "?facets"),
        (("facets", "data.host:101"), "?facets"),
        (("facets", "data.host:x"), "?facets"),
        (("facets", "data.host,data.host"), "?facets"),
        (("facets", "data.hots"), "?facets"),
        (("limit", "0"), "?limit"),
        (("limit", "1001"), "?limit"),
        (("cursor", "x"), "?cursor"),
        (("min_seq", "-1"), "?min_seq"),
        (("min_seq", "x"), "?min_seq"),
        (("strict", "1"), "?strict"),
        (("qq", "x"), "?qq"),
        (("count", "exact"), "?count"),
    ];

    pub(super) async fn whatever_is_typed_has_a_clear_answer(engine: Engine) {
        let s = crate::support::Server::start(engine).await;
        s.put("/v1/streams/logs", logs()).await.expect(201);
        s.put("/v1/streams/plain", json!({"schema": {"type": "object"}})).await.expect(201);
        let head = send(&s, json!([{"id": "a", "data": {"msg": "disk full", "n": 1}}])).await;
        reach(&s, "logs", head).await;
        // A person's typing is never an error.
        for q in TYPED {
            let page = found(&s, &[("q", *q)]).await;
            assert!(page["items"].is_array(), "{q}");
        }
        for q in ["\"disk full", "disk)", "\u{202e}disk", "di\u{ad}sk", "𝐝𝐢𝐬𝐤", "disk OR"]
        {
            assert_eq!(ids(&found(&s, &[("q", q)]).await), ["a"], "{q}");
        }
        // A program's is.
        for (q, column) in [("disk \"full", 6), ("nofield:disk", 1), ("", 1), ("disk )", 6)] {
            let told = search(&s, &[("q", q), ("strict", "true")]).await.expect(400);
            let wrong = &told["errors"][0];
            assert_eq!(
                (&wrong["path"], &wrong["column"]),
                (&json!("?q"), &json!(column)),
                "{told}"
            );
        }
        let (stars, words) = ("a* ".repeat(1_300), "w ".repeat(2_000));
        for q in [stars.as_str(), &words, &"x".repeat(4_097), &"é".repeat(2_500)] {
            let told = search(&s, &[("q", q)]).await.expect(400);
            assert_eq!(told["errors"][0]["path"], "?q", "{told}");
            assert_eq!(told["errors"][0]["code"], "too_long", "{told}");
        }
        for q in ["x".repeat(63 << 10), "\"".repeat(21 << 10), "(".repeat(21 << 10)] {
            let told = search(&s, &[("q", &q)]).await;
            assert!(matches!(told.status.as_u16(), 400 | 414 | 431), "{}", told.text);
        }
        let deep = "(".repeat(2_000);
        assert!(found(&s, &[("q", &format!("{deep}disk"))]).await["items"].is_array());
        for (query, path) in WRONG {
            let told = search(&s, &[("q", "disk"), *query]).await.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], *path, "{told}");
        }
        let many = ["data.n"; 11].join(",");
        search(&s, &[("facets", &many)]).await.problem(400, "validation_failed");
        search(&s, &[("filter", "data.nn > 1")]).await.problem(400, "filter_invalid");
        search(&s, &[("filter", "search(\"...\")")]).await.problem(400, "filter_invalid");
        let none: Value =
            s.get("/v1/streams/plain/search?q=x").await.problem(400, "validation_failed");
        assert_eq!(none["errors"][0]["code"], "not_searched", "{none}");
        let body = json!({"q": "x"});
        let none =
            s.post("/v1/streams/plain/aggregate", body).await.problem(400, "validation_failed");
        assert_eq!(none["errors"][0]["path"], "/q", "{none}");
        s.get("/v1/streams/none/search?q=x").await.problem(404, "not_found");
    }
}
