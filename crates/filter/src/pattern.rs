//! Regular expressions (RE2's kind) in bounded time.
//!
//! A lazily built automaton reads most texts at a step a byte. It gives up where it would build
//! itself anew all the time; then the pattern's states are followed one by one, and paid for.

use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, BuildError, NFA, State, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchErrorKind};

use crate::fuel::Fuel;

/// What one automaton may keep of itself, in bytes, for each thread that asks it.
const CACHE_BYTES: usize = 1 << 18;
const MAX_NESTING: u32 = 50;

/// A compiled pattern; its copies share one automaton.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Automaton>);

struct Automaton {
    dfa: DFA,
    caches: Pool<Cache, NewCache>,
    /// It gave up once: its texts are not for it.
    gave_up: AtomicBool,
}

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

impl Pattern {
    /// Compiles a pattern into at most so many bytes. The error is a message for people, or `None`
    /// where it takes more.
    pub(crate) fn compile(pattern: &str, bytes: usize) -> Result<Pattern, Option<String>> {
        let limits =
            thompson::Config::new().nfa_size_limit(Some(bytes)).which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .syntax(syntax::Config::new().nest_limit(MAX_NESTING))
            .configure(limits)
            .build(pattern)
            .map_err(|error| message(&error))?;
        // A new state may cost as much as all states of the pattern: it must serve as many bytes.
        let worth = nfa.states().len();
        let config = Config::new()
            .unicode_word_boundary(true)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(worth));
        let built = DFA::builder().configure(config).build_from_nfa(nfa);
        let dfa = built.map_err(|error| Some(error.to_string()))?;
        let maker = dfa.clone();
        let caches = Pool::new(Box::new(move || maker.create_cache()) as NewCache);
        Ok(Pattern(Arc::new(Automaton { dfa, caches, gave_up: AtomicBool::new(false) })))
    }

    /// What it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.dfa.get_nfa().memory_usage()
    }

    /// Whether it matches somewhere in a text; `None` when the fuel does not last.
    pub(crate) fn is_match(&self, text: &str, fuel: &mut Fuel) -> Option<bool> {
        fuel.text(text.len())?;
        let Automaton { dfa, caches, gave_up } = self.0.as_ref();
        if !gave_up.load(Ordering::Relaxed) {
            let found = dfa.try_search_fwd(&mut caches.get(), &Input::new(text).earliest(true));
            match found {
                Ok(found) => return Some(found.is_some()),
                Err(error) => {
                    let for_good = matches!(error.kind(), MatchErrorKind::GaveUp { .. });
                    gave_up.fetch_or(for_good, Ordering::Relaxed);
                }
            }
        }
        Walk::new(dfa.get_nfa(), text).finds_a_match(fuel)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({} bytes)", self.size())
    }
}

/// What is wrong with a pattern: the last line of a drawing of it.
fn message(error: &BuildError) -> Option<String> {
    if error.size_limit().is_some() {
        return None;
    }
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let last = text.lines().last().unwrap_or_default().trim();
    Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
}

/// Follows all states that a pattern can be in, byte by byte.
struct Walk<'n> {
    nfa: &'n NFA,
    text: &'n [u8],
    /// By state: one more than the last place at which it was reached.
    seen: Vec<usize>,
    /// Where the last byte led to.
    reached: Vec<StateID>,
    /// The same, with all that is reached from there without a byte.
    states: Vec<StateID>,
}

impl<'n> Walk<'n> {
    fn new(nfa: &'n NFA, text: &'n str) -> Self {
        let seen = vec![0; nfa.states().len()];
        Walk { nfa, text: text.as_bytes(), seen, reached: Vec::new(), states: Vec::new() }
    }

    fn finds_a_match(&mut self, fuel: &mut Fuel) -> Option<bool> {
        fuel.steps(self.seen.len())?;
        for at in 0..=self.text.len() {
            // A match may begin at each place.
            self.reached.push(self.nfa.start_anchored());
            self.spread(at);
            fuel.steps(self.states.len())?;
            if self.step(at) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Goes on from what was reached as far as it goes without a byte.
    fn spread(&mut self, at: usize) {
        self.states.clear();
        while let Some(id) = self.reached.pop() {
            if std::mem::replace(&mut self.seen[id.as_usize()], at + 1) == at + 1 {
                continue;
            }
            self.states.push(id);
            match self.nfa.state(id) {
                State::Union { alternates } => self.reached.extend(alternates.iter()),
                State::BinaryUnion { alt1, alt2 } => self.reached.extend([alt1, alt2]),
                State::Capture { next, .. } => self.reached.push(*next),
                State::Look { look, next } => {
                    let holds = self.nfa.look_matcher().matches(*look, self.text, at);
                    self.reached.extend(holds.then_some(*next));
                }
                _ => {}
            }
        }
    }

    /// Takes the byte at a place; true when the end of the pattern was reached before it.
    fn step(&mut self, at: usize) -> bool {
        for id in &self.states {
            let state = self.nfa.state(*id);
            if matches!(state, State::Match { .. }) {
                return true;
            }
            let Some(&byte) = self.text.get(at) else { continue };
            self.reached.extend(match state {
                State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                State::Sparse(sparse) => sparse.matches_byte(byte),
                State::Dense(dense) => dense.matches_byte(byte),
                _ => None,
            });
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 1 << 20;
    const PATTERNS: [&str; 20] = [
        "",
        "^a",
        "a$",
        "^$",
        "(ab|cd)+$",
        r"\bx\b",
        r"\Bx",
        r"^\w{3,5}\d?$",
        "(?i)ß",
        "(?m)^b$",
        r"(?s)a.c",
        "a.c",
        "[^a]",
        r"\p{Greek}+",
        "(a*)*b",
        r"\d{2}-\d{2}",
        "x{0}",
        "a||b",
        r"\b{start}é",
        r"[^\x00-\x7f]$",
    ];
    const TEXTS: &str =
        "|a|abcd|x|ax x|éx|xé|É|ẞ|a\nb\nc|a\nc|aéc|λόγος|12-34|aaab|\u{10FFFF}|abc12";

    #[test]
    fn automaton_and_walk_say_what_the_regex_library_says() {
        for pattern in PATTERNS {
            let judge = regex::Regex::new(pattern).unwrap();
            let pattern = Pattern::compile(pattern, BYTES).unwrap();
            for text in TEXTS.split('|') {
                let expected = Some(judge.is_match(text));
                let mut walk = Walk::new(pattern.0.dfa.get_nfa(), text);
                assert_eq!(walk.finds_a_match(&mut Fuel::full()), expected, "{judge} {text:?}");
                let found = pattern.is_match(text, &mut Fuel::full());
                assert_eq!(found, expected, "{judge} {text:?}");
            }
        }
    }

    #[test]
    fn wrong_and_large_patterns_are_told_apart() {
        let said = Pattern::compile("(?=x)", BYTES).unwrap_err().unwrap();
        assert!(said.contains("look-around"), "{said}");
        for large in [r"\w{60}", "(((a{100}){100}){100}){100}"] {
            assert_eq!(Pattern::compile(large, BYTES).unwrap_err(), None);
        }
        assert!(Pattern::compile(&"(".repeat(4000), BYTES).unwrap_err().is_some());
        assert!(
            Pattern::compile(&format!("{}a{}", "(".repeat(90), ")".repeat(90)), BYTES).is_err()
        );
    }

    #[test]
    fn a_pattern_that_explodes_is_unknown_soon() {
        let pattern = Pattern::compile("[ab]*a[ab]{4000}c", BYTES).unwrap();
        let mut random = 12345_u64;
        let letters = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random & 1 == 0 { 'a' } else { 'b' }
        });
        let text: String = letters.take(1_000_000).collect();
        let mut fuel = Fuel::full();
        assert_eq!(pattern.is_match(&text, &mut fuel), None);
        assert!(fuel.is_out());
        assert!(pattern.0.gave_up.load(Ordering::Relaxed));
        assert_eq!(pattern.is_match("bbb", &mut Fuel::full()), Some(false));
    }
}
