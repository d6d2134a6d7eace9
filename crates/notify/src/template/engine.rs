//! The engine: MiniJinja with a bounded number of steps, depth and bytes, and nothing that loads, calls
//! or keeps.

use std::io::{Error as IoError, Write};
use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Cell};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use super::scan;

/// The most bytes of a template.
pub(crate) const MAX_SOURCE_BYTES: usize = 32 << 10;
/// The most bytes that one makes.
const MAX_OUTPUT_BYTES: usize = 256 << 10;
/// The most steps.
const FUEL: u64 = 50_000;
/// How deep.
const DEPTH: usize = 32;
/// The most members or characters that a filter looks at.
const MOST: usize = 200;

static ENGINE: LazyLock<Environment<'static>> =
    LazyLock::new(|| {
        let mut env = Environment::empty();
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(DEPTH);
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_auto_escape_callback(|name| {
            if name == Part::Html.name() { AutoEscape::Html } else { AutoEscape::None }
        });
        env.set_debug(true);
        env.add_filter("upper", |text: String| text.to_uppercase());
        env.add_filter("lower", |text: String| text.to_lowercase());
        env.add_filter("trim", |text: String| text.trim().to_owned());
        env.add_filter("default", |value: Cell, other: Cell| {
            if value.is_undefined() || value.is_none() { other } else { value }
        });
        env.add_filter("truncate", truncate);
        env.add_filter("length", |value: Cell| value.len().unwrap_or(0));
        env.add_filter("items", items);
        env.add_filter("json", |value: Cell| serde_json::to_string(&value).unwrap_or_default());
        env.add_test("defined", |value: Cell| !value.is_undefined());
        env.add_test("none", |value: Cell| value.is_none());
        env
    });

/// Which part of a message a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// One line.
    Subject,
    /// Plain text.
    Text,
    /// HTML: what is put in is escaped.
    Html,
}

impl Part {
    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Subject => "subject",
            Part::Text => "text",
            Part::Html => "html",
        }
    }
}

/// Makes a text; the error is a message for people.
pub(crate) fn render(part: Part, source: &str, data: &Value) -> Result<String, String> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(format!("at most {MAX_SOURCE_BYTES} bytes"));
    }
    if part == Part::Subject && source.contains(['\n', '\r']) {
        return Err("a subject is one line".to_owned());
    }
    scan::check(source)?;
    let template =
        ENGINE.template_from_named_str(part.name(), source).map_err(|error| said(&error))?;
    let mut out = Bounded(Vec::new());
    match template.render_captured_to(Cell::from(Serde(data)), &mut out) {
        Ok(_) => String::from_utf8(out.0).map_err(|_| "it is not UTF-8".to_owned()),
        Err(error) => Err(said(&error)),
    }
}

fn said(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps"),
        ErrorKind::WriteFailure => format!("it makes more than {MAX_OUTPUT_BYTES} bytes"),
        kind => {
            let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{line}{kind}{detail}")
        }
    }
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(IoError::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn truncate(text: String, most: Option<usize>) -> String {
    let most = most.unwrap_or(MOST);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Names and values of an object's members, the first ones.
fn items(value: &Cell) -> Vec<Cell> {
    let Ok(names) = value.try_iter() else { return Vec::new() };
    let pair = |name: Cell| {
        let member = value.get_item(&name).unwrap_or_default();
        Cell::from(vec![name, member])
    };
    names.take(MOST).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_put_into_html_is_escaped_and_into_text_is_not() {
        let data = json!({"name": "<b>&\"'"});
        assert_eq!(render(Part::Text, "{{ name }}", &data).unwrap(), "<b>&\"'");
        let html = render(Part::Html, "<i>{{ name }}</i>", &data).unwrap();
        assert_eq!(html, "<i>&lt;b&gt;&amp;&quot;&#x27;</i>");
        assert!(render(Part::Html, "{{ name|safe }}", &data).is_err());
    }

    #[test]
    fn a_loop_ends_with_the_steps_and_the_bytes() {
        let many: Vec<i64> = (0..1000).collect();
        let data = json!({"a": many, "long": "x".repeat(60_000)});
        let nested =
            "{% for x in a %}{% for y in a %}{% for z in a %}.{% endfor %}{% endfor %}{% endfor %}";
        let error = render(Part::Text, nested, &data).unwrap_err();
        assert!(error.contains("steps"), "{error}");
        let error =
            render(Part::Text, "{% for x in a %}{{ long }}{% endfor %}", &data).unwrap_err();
        assert!(error.contains("bytes"), "{error}");
        let deep = format!("{}1{}", "{% if a %}".repeat(400), "{% endif %}".repeat(400));
        // Whatever it says of so deep a template, it says it.
        let _ = render(Part::Text, &deep, &data);
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(3000), ")".repeat(3000));
        assert!(render(Part::Text, &deep, &data).is_err());
    }

    #[test]
    fn nothing_is_loaded_or_called() {
        for bad in [
            "{{ range(3) }}",
            "{{ debug() }}",
            "{{ a.b() }}",
            "{{ dict() }}",
            "{{ a|replace('a', a) }}",
        ] {
            assert!(render(Part::Text, bad, &json!({"a": {"b": 1}})).is_err(), "{bad}");
        }
        let error = render(Part::Text, "a\n{{ x | nope }}", &json!({})).unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
        assert!(render(Part::Subject, "a\nb", &json!({})).is_err());
    }

    #[test]
    fn filters_and_what_is_missing() {
        let data = json!({"r": {"b": 2, "a": "x"}, "n": null});
        let made = |source: &str| render(Part::Text, source, &data).unwrap();
        assert_eq!(made("{% for k, v in r|items %}{{ k }}={{ v }};{% endfor %}"), "a=x;b=2;");
        assert_eq!(made("{{ nope.deep.er }}|{{ n|default('-') }}|{{ nope|default('?') }}"), "|-|?");
        assert_eq!(
            made("{{ 'äöü'|truncate(2) }}{{ 'x'|upper }}{{ r|json }}"),
            "äö…X{\"a\":\"x\",\"b\":2}"
        );
        assert_eq!(made("{% if r.a == 'x' and nope is not defined %}y{% endif %}"), "y");
    }
}
