//! A rule that was checked against its stream: what to look at, and what to make of it.

use forebay_filter::{Env, Expression, Filter, Mistakes, Scope, Type, Val, View};
use forebay_model::FieldError;
use serde_json::Value;

use super::machine::Patience;
use super::measure::Measure;
use super::spec::{Absence, Kind, Spec, Window};

/// A rule, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    filter: Option<Filter>,
    groups: Vec<(String, Expression)>,
    pub(crate) what: What,
}

/// What makes people be told.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Event {
        /// In microseconds.
        throttle: i64,
    },
    Threshold(Box<Threshold>),
    Absence(Absence),
}

/// A value of windows and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Threshold {
    pub(crate) window: Window,
    pub(crate) measure: Measure,
    pub(crate) patience: Patience,
    when: Filter,
    recover: Option<Filter>,
}

impl Threshold {
    /// Whether a value is bad, and whether it is good again. What is unknown is neither.
    pub(crate) fn judge(&self, value: f64, env: &Env<'_>) -> (bool, bool) {
        let given = [Val::Double(value)];
        let env = Env { given: &given, ..*env };
        let view = View { id: "", seq: 0, version: 0, time: 0, received_at: 0, data: "" };
        let verdict = self.when.verdict(&view, &env);
        let good = match &self.recover {
            Some(recover) => recover.matches(&view, &env),
            None => verdict == Some(false),
        };
        (verdict == Some(true), good)
    }
}

impl Rule {
    /// Checks a rule's texts against the schema of its stream.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn compile(spec: &Spec, schema: &Value) -> Result<Rule, Vec<FieldError>> {
        let scope = super::scope(schema);
        let mut wrong = Vec::new();
        let filter = spec.filter.as_deref().filter(|text| !text.trim().is_empty());
        let filter =
            filter.and_then(|text| noted(Filter::compile(text, scope), "/filter", &mut wrong));
        let by = match &spec.kind {
            Kind::Absence(absence) => vec![("/keys/field".to_owned(), absence.field.clone())],
            _ => {
                let fields = spec.group_by.iter().enumerate();
                fields.map(|(at, field)| (format!("/group_by/{at}"), field.clone())).collect()
            }
        };
        let groups = by.into_iter().filter_map(|(at, text)| {
            let expression = noted(Expression::compile(&text, scope), &at, &mut wrong)?;
            if matches!(expression.ty(), Type::List(_) | Type::Object) {
                let message =
                    format!("groups are told apart by one value, `{text}` is {}", expression.ty());
                wrong.push(FieldError::new(at, "type_mismatch", message));
                return None;
            }
            Some((text, expression))
        });
        let groups: Vec<(String, Expression)> = groups.collect();
        let what = match &spec.kind {
            Kind::Event { throttle } => Some(What::Event { throttle: *throttle }),
            Kind::Absence(absence) => Some(What::Absence(absence.clone())),
            Kind::Threshold(asked) => {
                let given = [("value".to_owned(), Type::Double)];
                let given = Scope::given(&given);
                let measure = noted(Measure::read(&asked.value, scope), "/value", &mut wrong);
                let when = noted(Filter::compile(&asked.when, given), "/when", &mut wrong);
                let recover = asked.recover.as_deref();
                let recover = recover
                    .and_then(|text| noted(Filter::compile(text, given), "/recover", &mut wrong));
                let patience = Patience {
                    hold: asked.hold,
                    keep_firing: asked.keep_firing,
                    of_last: asked.of_last,
                    no_data: asked.no_data,
                };
                measure.zip(when).map(|(measure, when)| {
                    let window = asked.window;
                    What::Threshold(Box::new(Threshold {
                        window,
                        measure,
                        patience,
                        when,
                        recover,
                    }))
                })
            }
        };
        match what {
            Some(what) if wrong.is_empty() => Ok(Rule { filter, groups, what }),
            _ => Err(wrong),
        }
    }

    /// Whether a record is one that the rule looks at.
    pub(crate) fn takes(&self, view: &View<'_>, env: &Env<'_>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(view, env))
    }

    /// Of which group a record is: a value a field, null where it has none.
    pub(crate) fn group(&self, view: &View<'_>, env: &Env<'_>) -> Vec<Value> {
        self.groups.iter().map(|(_, by)| by.with_value(view, env, json)).collect()
    }

    /// What groups are told apart by.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(text, _)| text.as_str())
    }
}

fn noted<T>(result: Result<T, Mistakes>, path: &str, wrong: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|mistakes| wrong.extend(mistakes.into_error(path).errors)).ok()
}

fn json(val: &Val<'_>) -> Value {
    match val {
        Val::Bool(is) => (*is).into(),
        Val::Int(n) | Val::Time(n) | Val::Span(n) => (*n).into(),
        Val::Double(d) => (*d).into(),
        // A group's name is kept with its state, and shown.
        Val::Text(text) => text.chars().take(MOST_CHARS).collect::<String>().into(),
        Val::Unknown | Val::Tree(_) | Val::Texts(_) => Value::Null,
    }
}

/// By how many of its characters a text tells groups apart.
const MOST_CHARS: usize = 256;
