//! An aggregate that was checked against a stream: what to look at, and what to keep of it.

use forebay_filter::lower::{Place, place};
use forebay_filter::search::Mode;
use forebay_filter::{Env, Expression, Filter, Scope, Type};
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};

use super::accumulate::Keep;
use super::level::Level;
use super::metric::{self, Measure};
use super::request::{Key, Request};
use crate::query::{Asked, typed};

/// What is asked, ready to be answered.
pub(crate) struct Question {
    pub(crate) asked: Asked,
    pub(crate) levels: Vec<Level>,
    /// What metrics are of; each stands once.
    pub(crate) arguments: Vec<Argument>,
    /// What is kept for each group; each stands once.
    pub(crate) slots: Vec<Slot>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) having: Option<Filter>,
    pub(crate) order: Vec<Key>,
    pub(crate) limit: usize,
    pub(crate) explain: bool,
}

/// An expression that some metrics are of.
pub(crate) struct Argument {
    text: String,
    pub(crate) expression: Expression,
    /// Where engines hold it, when they do.
    pub(crate) place: Option<Place>,
}

/// What is kept of an argument, or of the record when there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) keep: Keep,
    pub(crate) argument: Option<usize>,
}

/// A named value of each group.
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) measure: Measure,
    pub(crate) slot: usize,
    pub(crate) ty: Type,
}

impl Question {
    /// Checks a request against a stream, or says everything that is wrong with its texts.
    pub(crate) fn compile(
        request: Request,
        stream: &Stream,
        who: &Principal,
        now: Timestamp,
    ) -> Result<Question, Error> {
        let scope = Scope::record(&stream.definition.schema);
        let mut wrong = Vec::new();
        let asked = Asked::of((request.filter.as_deref(), "/filter"), stream, who, now);
        let asked = noted(asked, &mut wrong);
        let query = noted(typed(request.q.as_deref(), stream, (Mode::Lenient, "/q")), &mut wrong);
        let asked = asked.zip(query).map(|(asked, query)| asked.and(query, stream));
        let levels = request.levels.iter().enumerate();
        let levels: Vec<Option<Level>> =
            levels.map(|(at, level)| noted(Level::compile(level, at, scope), &mut wrong)).collect();
        let mut parts = Parts::default();
        for (name, text) in &request.metrics {
            parts.metric(name, text, stream, &mut wrong);
        }
        let levels: Vec<Level> = levels.into_iter().flatten().collect();
        if let (Some(asked), true) = (asked, wrong.is_empty()) {
            let having = having(request.having.as_deref(), &levels, &parts.metrics)?;
            return Ok(Question {
                asked,
                levels,
                arguments: parts.arguments,
                slots: parts.slots,
                metrics: parts.metrics,
                having,
                order: request.order,
                limit: request.limit,
                explain: request.explain,
            });
        }
        Err(together(wrong))
    }

    /// What surrounds an evaluation on a record.
    pub(crate) fn env(&self) -> Env<'_> {
        self.asked.env()
    }
}

/// Collects what is wrong.
fn noted<T>(result: Result<T, Error>, wrong: &mut Vec<Error>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}

/// Several errors as one.
fn together(mut wrong: Vec<Error>) -> Error {
    if wrong.len() == 1 {
        return wrong.remove(0);
    }
    let texts = wrong.iter().any(|error| error.code == Code::FilterInvalid);
    let code = if texts { Code::FilterInvalid } else { Code::ValidationFailed };
    let errors: Vec<FieldError> = wrong.into_iter().flat_map(|error| error.errors).collect();
    let detail = format!("{} places are not valid", errors.len());
    Error { errors, ..Error::new(code, detail) }
}

#[derive(Default)]
struct Parts {
    arguments: Vec<Argument>,
    slots: Vec<Slot>,
    metrics: Vec<Metric>,
}

impl Parts {
    fn metric(&mut self, name: &str, text: &str, stream: &Stream, wrong: &mut Vec<Error>) {
        let mut path = "/metrics".to_owned();
        forebay_model::field::push_pointer(&mut path, name);
        let read = metric::read(text, Scope::record(&stream.definition.schema));
        let read = read.map_err(|mistakes| mistakes.into_error(&path));
        let Some(read) = noted(read, wrong) else { return };
        let argument = read.argument.map(|(text, expression)| {
            let known = self.arguments.iter().position(|argument| argument.text == text);
            known.unwrap_or_else(|| {
                let place = place(&expression, &stream.columns);
                self.arguments.push(Argument { text, expression, place });
                self.arguments.len() - 1
            })
        });
        let slot = Slot { keep: read.measure.keep(), argument };
        let at = self.slots.iter().position(|known| *known == slot).unwrap_or(self.slots.len());
        if at == self.slots.len() {
            self.slots.push(slot);
        }
        let (name, measure, ty) = (name.to_owned(), read.measure, read.ty);
        self.metrics.push(Metric { name, measure, slot: at, ty });
    }
}

/// Compiles the condition on groups, which speaks of their keys and metrics by name.
fn having(
    text: Option<&str>,
    levels: &[Level],
    metrics: &[Metric],
) -> Result<Option<Filter>, Error> {
    let Some(text) = text else { return Ok(None) };
    let keys = levels.iter().map(|level| (level.name.clone(), level.key_type()));
    let values = metrics.iter().map(|metric| (metric.name.clone(), metric.ty.clone()));
    let given: Vec<(String, Type)> = keys.chain(values).collect();
    let filter = Filter::compile(text, Scope::given(&given));
    filter.map(Some).map_err(|mistakes| mistakes.into_error("/having"))
}
