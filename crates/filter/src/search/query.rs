//! The language for people: what was typed, as a condition on records.

use std::sync::Arc;

use forebay_model::schema::ScalarType;
use forebay_model::search::{SearchField, SearchKind};
use forebay_model::text::words;
use serde_json::Value;

use super::highlight;
use super::names::{Named, Names};
use super::parse::{Clause, parse};
use super::{Has, MAX_LEAVES, Sought, anywhere};
use crate::MAX_BYTES;
use crate::ast::Operator;
use crate::compile::{Expression, Filter};
use crate::fields::Paths;
use crate::lower::{Condition, WordTest, words_condition};
use crate::mistake::{Mistake, Mistakes};
use crate::node::{Kind, Node, TextTest};
use crate::span::Span;
use crate::types::Type;
use crate::value::Const;

/// For names up to this many bytes, and so many mistakes, another name is proposed.
const MAX_NAME: usize = 64;
const MAX_HINTS: usize = 10;

/// For whom a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person's typing: what cannot be meant is read as the words that are in it.
    Lenient,
    /// A program's text: each such place is a mistake.
    Strict,
}

/// What somebody searches for.
#[derive(Debug, Clone)]
pub struct Query {
    filter: Filter,
    /// What is to be there, for the score and the marks.
    wanted: Vec<Has>,
    fields: Arc<[SearchField]>,
}

impl Query {
    /// Reads a text for a stream with this schema and these search fields. Without a word in it there
    /// is no query: every record matches.
    ///
    /// # Errors
    /// A text that is too long or has too many parts, and in [`Mode::Strict`] whatever is not clear.
    pub fn read(
        text: &str,
        (schema, fields): (&Value, &Arc<[SearchField]>),
        mode: Mode,
    ) -> Result<Option<Query>, Mistakes> {
        if text.len() > MAX_BYTES {
            let message = format!("a query has at most {MAX_BYTES} bytes");
            let mistake = Mistake::new("too_long", Span::new(0, text.len()), message);
            return Err(Mistakes::new(&text.chars().take(100).collect::<String>(), vec![mistake]));
        }
        let parsed = parse(text);
        let mut building = Building {
            names: Names::of(schema, fields),
            fields,
            paths: Paths::new(),
            leaves: 0,
            wanted: Vec::new(),
            noted: parsed.noted,
            mode,
        };
        let root = parsed.clause.and_then(|clause| building.node(&clause, None, true));
        let Building { paths, leaves, wanted, mut noted, .. } = building;
        if leaves > MAX_LEAVES {
            let message = format!("a query has at most {MAX_LEAVES} words");
            let mistake = Mistake::new("too_long", Span::new(0, text.len()), message);
            return Err(Mistakes::new(text, vec![mistake]));
        }
        if mode == Mode::Strict {
            if root.is_none() {
                let message = "there is no word in this text";
                noted.push(Mistake::new("no_word", Span::new(0, text.len()), message));
            }
            if !noted.is_empty() {
                return Err(Mistakes::new(text, noted));
            }
        }
        Ok(root.map(|root| Query {
            filter: Filter(Expression::from_parts(text, root, paths, Type::Bool)),
            wanted,
            fields: fields.clone(),
        }))
    }

    /// What records must match; it is lowered and evaluated as any filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What a score is made of: the words that are to be there. [`Condition::None`] when nothing is.
    pub fn score(&self) -> Condition {
        let each = self.wanted.iter().map(|has| words_condition(has, true));
        Condition::or(each.collect())
    }

    /// The texts of a record's `data` around what was searched for, by the name of their field.
    /// Words that were found stand between `<mark>` and `</mark>`; the rest is escaped for HTML.
    pub fn highlight(&self, data: &str) -> Vec<(String, Vec<String>)> {
        highlight::marked(&self.wanted, &self.fields, data)
    }
}

struct Building<'f> {
    names: Names,
    fields: &'f Arc<[SearchField]>,
    paths: Paths,
    leaves: usize,
    wanted: Vec<Has>,
    noted: Vec<Mistake>,
    mode: Mode,
}

impl Building<'_> {
    /// What a clause means, within a field where one was named; nothing when there is no word in it.
    fn node(&mut self, clause: &Clause, within: Option<&Named>, wanted: bool) -> Option<Node> {
        match clause {
            Clause::All(parts) => self.several(parts, (within, wanted), Kind::And),
            Clause::Any(parts) => self.several(parts, (within, wanted), Kind::Or),
            Clause::Not(inner) => {
                let node = self.node(inner, within, !wanted)?;
                let span = node.span;
                Some(Node::new(Kind::Not(Box::new(node)), span))
            }
            Clause::In(span, name, inner) => {
                let named = self.names.find(name).cloned();
                if named.is_none() {
                    let mistake = self.unknown(name, *span);
                    self.noted.push(mistake);
                    // Then it was no name: `https://…`, `note: this`.
                    return self.unnamed((*span, name), inner, (within, wanted));
                }
                self.node(inner, named.as_ref(), wanted)
            }
            Clause::Phrase(span, text) => self.leaf((*span, text), false, (within, wanted)),
            Clause::Word(span, text, star) => self.leaf((*span, text), *star, (within, wanted)),
        }
    }

    fn unknown(&self, name: &str, span: Span) -> Mistake {
        let mut message = format!("`{name}` is no field that can be searched");
        // Whoever types without errors is told of none; what is long is no slip of the hand.
        if self.mode == Mode::Strict && name.len() <= MAX_NAME && self.noted.len() < MAX_HINTS {
            let known: Vec<String> = self.names.all().collect();
            let near = forebay_model::field::nearest(name, known.iter().map(String::as_str));
            message += &near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        }
        Mistake::new("unknown_field", span, message)
    }

    fn several(
        &mut self,
        parts: &[Clause],
        (within, wanted): (Option<&Named>, bool),
        kind: fn(Vec<Node>) -> Kind,
    ) -> Option<Node> {
        let nodes = parts.iter().filter_map(|part| self.node(part, within, wanted));
        let mut nodes: Vec<Node> = nodes.collect();
        if nodes.len() < 2 {
            return nodes.pop();
        }
        let (start, end) = (nodes[0].span.start, nodes[nodes.len() - 1].span.end);
        Some(Node::new(kind(nodes), Span::new(start, end)))
    }

    fn unnamed(
        &mut self,
        (span, name): (Span, &str),
        inner: &Clause,
        scope: (Option<&Named>, bool),
    ) -> Option<Node> {
        if let Clause::Word(word, text, star) = inner
            && word.start == span.end
        {
            let whole = format!("{name} {text}");
            return self.leaf((Span::new(span.start, word.end), &whole), *star, scope);
        }
        let both = [Clause::Word(span, name.to_owned(), false), inner.clone()];
        self.several(&both, scope, Kind::And)
    }

    fn leaf(
        &mut self,
        (span, text): (Span, &str),
        star: bool,
        (within, wanted): (Option<&Named>, bool),
    ) -> Option<Node> {
        let of_words = matches!(within, None | Some(Named::Text(_)));
        if of_words && words(text).next().is_none() {
            self.noted.push(Mistake::new("no_word", span, "there is no word in this"));
            return None;
        }
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return None;
        }
        match within {
            None => self.words((span, text), star, (None, wanted)),
            Some(Named::Text(field)) => self.words((span, text), star, (Some(*field), wanted)),
            Some(Named::Keyword(field)) => {
                if star {
                    let message = "this field is found by its whole values: no star";
                    self.noted.push(Mistake::new("type_mismatch", span, message));
                }
                let test = WordTest::Value(text.to_owned());
                self.has(vec![vec![Has { field: *field, test }]], span, wanted)
            }
            Some(Named::Scalar(path, scalar)) => {
                Some(self.equality((span, text), star, (path, *scalar)))
            }
        }
    }

    /// Words that stand together, as one word or phrase; the last may be the beginning of one.
    fn words(
        &mut self,
        (span, text): (Span, &str),
        star: bool,
        (only, wanted): (Option<usize>, bool),
    ) -> Option<Node> {
        let mut typed: Vec<String> = words(text).map(|word| word.text.into_owned()).collect();
        let beginning = if star { typed.pop() } else { None };
        let mut all = Vec::new();
        match typed.as_slice() {
            [] => {}
            [word] => {
                all.push(
                    self.somewhere(only, text, |field| vec![WordTest::Word(field.term(word))]),
                );
            }
            several => all.push(self.somewhere(only, text, |field| {
                vec![WordTest::Phrase(several.iter().map(|word| field.term(word)).collect())]
            })),
        }
        if let Some(beginning) = beginning {
            all.push(self.somewhere(only, text, |field| {
                let begins = std::iter::once(WordTest::Prefix(beginning.clone()));
                // A word that is longer than its stem would begin none.
                let stem = Some(field.term(&beginning)).filter(|s| !s.starts_with(&beginning));
                begins.chain(stem.map(WordTest::Word)).collect()
            }));
        }
        self.has(all, span, wanted)
    }

    /// Tests of one field, or of every text field; where nothing has words, of the values.
    fn somewhere(
        &self,
        only: Option<usize>,
        text: &str,
        tests: impl Fn(&SearchField) -> Vec<WordTest>,
    ) -> Vec<Has> {
        match only.and_then(|at| Some((at, self.fields.get(at)?))) {
            Some((at, field)) => {
                tests(field).into_iter().map(|test| Has { field: at, test }).collect()
            }
            None => match anywhere(self.fields, tests) {
                found if found.is_empty() => values(self.fields, text),
                found => found,
            },
        }
    }

    fn has(&mut self, all: Vec<Vec<Has>>, span: Span, wanted: bool) -> Option<Node> {
        if wanted {
            let new = all.iter().flatten().filter(|has| !self.wanted.contains(has));
            let new: Vec<Has> = new.cloned().collect();
            self.wanted.extend(new);
        }
        let (paths, fields) = (&mut self.paths, self.fields);
        let wants = all.into_iter().map(|any| Sought::add(paths, fields, any)).collect();
        Some(Node::new(Kind::Words(wants), span))
    }

    fn equality(
        &mut self,
        (span, text): (Span, &str),
        star: bool,
        (path, scalar): (&[String], ScalarType),
    ) -> Node {
        let (ty, constant) = match scalar {
            ScalarType::String => (Type::Text, Some(Const::Text(text.to_owned()))),
            ScalarType::Integer => (Type::Int, text.parse().ok().map(Const::Int)),
            ScalarType::Number => {
                let double = text.parse().ok().filter(|d: &f64| d.is_finite());
                (Type::Double, double.map(|d| Const::Double(d + 0.0)))
            }
            ScalarType::Boolean => (Type::Bool, text.parse().ok().map(Const::Bool)),
        };
        let Some(constant) = constant else {
            let message = format!("`{text}` is no {}", scalar.name());
            self.noted.push(Mistake::new("type_mismatch", span, message));
            return Node::new(Kind::Const(Const::Bool(false)), span);
        };
        let slot = self.paths.slot(path, ty);
        let sides = [Node::new(Kind::Data(slot), span), Node::new(Kind::Const(constant), span)];
        let kind = match (star, scalar) {
            (true, ScalarType::String) => Kind::Test(TextTest::StartsWith, Box::new(sides)),
            _ => Kind::Compare(Operator::Equal, Box::new(sides)),
        };
        Node::new(kind, span)
    }
}

/// Where nothing has words, a word is looked for among the values.
fn values(fields: &[SearchField], text: &str) -> Vec<Has> {
    let keywords = fields.iter().enumerate().filter(|(_, f)| f.kind == SearchKind::Keyword);
    keywords.map(|(field, _)| Has { field, test: WordTest::Value(text.to_owned()) }).collect()
}
