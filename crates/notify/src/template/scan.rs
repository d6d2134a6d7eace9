//! What a template may not say, so that its work and its output hang on its own length alone: nothing is
//! kept from one step to the next, and nothing multiplies a text.

/// Tags that keep, load or call something.
const TAGS: &[&str] = &["for", "if", "elif", "else", "endif", "endfor", "raw", "endraw"];

/// Looks through a template.
///
/// # Errors
/// What it says that it may not, as a message for people.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let after = rest.get(at + 1..).unwrap_or_default();
        let Some(kind) = after.chars().next() else { return Ok(()) };
        let body = after.get(kind.len_utf8()..).unwrap_or_default();
        rest = match kind {
            '{' => expression(body)?,
            '%' => tag(body)?,
            '#' => behind(body, "#}"),
            _ => after,
        };
    }
    Ok(())
}

fn behind<'s>(text: &'s str, end: &str) -> &'s str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

fn tag(body: &str) -> Result<&str, String> {
    let inner = body.trim_start_matches(['-', '+']).trim_start();
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let name = inner.get(..end).unwrap_or_default();
    if !TAGS.contains(&name) {
        return Err(format!("the tag `{name}` is not taken here; available: for, if, raw"));
    }
    if name == "raw" {
        // Up to its end everything is text.
        let found = body.find("endraw").and_then(|at| body.get(at..));
        return Ok(behind(found.unwrap_or_default(), "%}"));
    }
    expression(inner)
}

/// Looks through an expression up to its end; what is behind it.
fn expression(body: &str) -> Result<&str, String> {
    let mut quote = None;
    let mut characters = body.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|(_, c)| *c);
        match quote {
            Some(_) if c == '\\' => drop(characters.next()),
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quote = Some(c),
                '%' | '}' if next == Some('}') => {
                    return Ok(body.get(at + 2..).unwrap_or_default());
                }
                '*' | '~' | '+' if next != Some('%') && next != Some('}') => {
                    return Err(format!("the operator `{c}` is not taken here"));
                }
                _ => {}
            },
        }
    }
    Ok("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_refused() {
        for bad in [
            "{{ 'a' * 1000000000 }}",
            "{{ a ~ a }}",
            "{{ a + a }}",
            "{% set x = 1 %}",
            "{%- set x = 1 -%}",
            "{% macro f() %}{{ f() }}{% endmacro %}",
            "{% include 'x' %}",
            "{% import 'x' as y %}",
            "{% extends 'x' %}",
            "{% with x = 1 %}{% endwith %}",
            "{% filter upper %}{% endfilter %}",
            "{% do f() %}",
            "{% autoescape false %}{% endautoescape %}",
            "{# fine #}{{ a ** 2 }}",
            "{{ \"}}\" * 3 }}",
            "{{ '\\'' * 3 }}",
            "{% raw %}{{ a * b }}{% endraw %}{{ a * b }}",
            "{%",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_stays_small_is_taken() {
        for good in [
            "",
            "plain * ~ + { } text",
            "{{ data.value }} + {{ data.other }}",
            "{{ 'a * b' }}",
            "{{- a -}}",
            "{%- if a > 1 and b in c -%}x{%- elif d -%}y{%- else -%}z{%- endif +%}",
            "{%+ for k in data.x -%}{{ loop.index }}{%- endfor %}",
            "{# {{ a * b }} #}",
            "{% raw %}{{ a * b }}{% endraw %}",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
