//! Texts of what is told: seen, changed, looked at, and bounded.

use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::events;
use crate::support::{Engine, Server, answer, both};

both! {
    a_text_takes_the_built_in_one_s_place
    a_text_that_does_not_end_is_refused
    who_may_change_texts
}

const PATH: &str = "/v1/templates/alert.firing";

async fn preview(s: &Server, body: Value) -> crate::support::Answer {
    s.post(&format!("{PATH}/preview"), body).await
}

mod scenario {
    use super::*;

    pub(super) async fn a_text_takes_the_built_in_one_s_place(engine: Engine) {
        let s = Server::start(engine).await;
        let all = s.get("/v1/templates").await.expect(200);
        let names: Vec<&str> =
            all["items"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"alert.firing") && names.contains(&"mail.password_reset"));
        let sample = preview(&s, json!({})).await.expect(200);
        assert_eq!(sample["subject"], "Firing: busy machine web-1");
        let own = json!({"subject": "{{ data.rule|upper }}!"});
        let put = s.put(PATH, own).await.expect(200);
        assert_eq!(
            (&put["built_in"], &put["subject"]),
            (&json!(false), &json!("{{ data.rule|upper }}!"))
        );
        assert!(put["text"].as_str().unwrap().contains("{{ link }}"));
        assert_eq!(preview(&s, json!({})).await.expect(200)["subject"], "BUSY MACHINE!");
        let body = json!({"html": "<p>{{ data.x }}</p>", "data": {"data": {"x": "<script>", "rule": "r"}}});
        let made = preview(&s, body).await.expect(200);
        assert!(made["html"].as_str().unwrap().contains("<p>&lt;script&gt;</p>"), "{made}");
        assert_eq!(made["subject"], "R!");
        s.delete(PATH).await.expect(204);
        s.delete(PATH).await.problem(404, "not_found");
        assert_eq!(
            preview(&s, json!({})).await.expect(200)["subject"],
            "Firing: busy machine web-1"
        );
        s.put("/v1/templates/nope", json!({"text": "x"})).await.problem(404, "not_found");
        assert_eq!(events(&s, "template.put", 1).await[0]["target"]["id"], "alert.firing");
        events(&s, "template.delete", 1).await;
    }

    pub(super) async fn a_text_that_does_not_end_is_refused(engine: Engine) {
        let s = Server::start(engine).await;
        let many: Vec<i64> = (0..1000).collect();
        let nested =
            "{% for a in m %}{% for b in m %}{% for c in m %}.{% endfor %}{% endfor %}{% endfor %}";
        for (text, said) in [
            (nested, "steps"),
            ("{{ 'x' * 1000000000 }}", "operator"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macro"),
            ("{% include '/etc/passwd' %}", "include"),
            ("{% set a = 1 %}", "set"),
            ("{{ x", "line 1"),
            ("{% for a in m %}", "line 1"),
            ("{{ range(9) }}", "line 1"),
        ] {
            let body = json!({"text": text, "data": {"m": many}});
            let refused = preview(&s, body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], "/text");
            assert!(refused["errors"][0]["message"].as_str().unwrap().contains(said), "{refused}");
        }
        for bad in [
            json!({}),
            json!({"text": "{{ 'x' * 9 }}"}),
            json!({"subject": "a\nb"}),
            json!({"text": "x".repeat(40_000)}),
            json!({"text": 3}),
            json!({"body": "x"}),
        ] {
            s.put(PATH, bad).await.problem(400, "validation_failed");
        }
    }

    pub(super) async fn who_may_change_texts(engine: Engine) {
        let s = Server::start(engine).await;
        let (_, operator) = s.program(&["operator"]).await;
        let (_, editor) = s.program(&["editor"]).await;
        s.get_by(&editor, "/v1/templates", &[]).await.problem(403, "forbidden");
        let put = |key: String, name: &'static str| {
            let request = s.request_by(&key, Method::PUT, &format!("/v1/templates/{name}"));
            answer(request.json(&json!({"subject": "x"})))
        };
        put(editor, "alert.firing").await.problem(403, "forbidden");
        put(operator.clone(), "alert.firing").await.expect(200);
        // Whoever writes what goes with links that open accounts could have them.
        put(operator, "mail.password_reset").await.problem(403, "forbidden");
    }
}
