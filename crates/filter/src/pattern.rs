//! Regular expressions (RE2's kind) in bounded time.
//!
//! A lazily built automaton reads most texts at a step a byte. It gives up where it would build
//! itself anew all the time; then all positions that the pattern can be in are followed one by one.
//! What a search costs of the fuel depends on pattern and text alone, so that a verdict does too.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_syntax::hir::{Hir, HirKind};

use crate::fuel::Fuel;

/// What one automaton may keep of itself, in bytes, for each thread that asks it.
const CACHE_BYTES: usize = 1 << 18;
const MAX_NESTING: u32 = 50;
/// Bytes of a text times positions of a pattern, up to which the worst case is paid in advance.
const SHORT: usize = 2_000_000;

/// A compiled pattern; its copies share one automaton.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Automaton>);

struct Automaton {
    dfa: DFA,
    /// In how many places of the pattern a search can be at once.
    positions: usize,
    caches: Pool<Cache, NewCache>,
}

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

impl Pattern {
    /// Compiles a pattern into at most so many bytes. The error is a message for people, or `None`
    /// where it takes more.
    pub(crate) fn compile(pattern: &str, bytes: usize) -> Result<Pattern, Option<String>> {
        let syntax = syntax::Config::new().nest_limit(MAX_NESTING);
        let hir = syntax::parse_with(pattern, &syntax).map_err(|error| {
            // The last line of a drawing.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        })?;
        let limits =
            thompson::Config::new().nfa_size_limit(Some(bytes)).which_captures(WhichCaptures::None);
        let built = thompson::Compiler::new().configure(limits).build_from_hir(&hir);
        let nfa = built.map_err(|error| error.size_limit().is_none().then(|| error.to_string()))?;
        let positions = positions(&hir).max(1);
        // A new state costs as much as all positions: it must serve as many bytes.
        let config = Config::new()
            .unicode_word_boundary(true)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(positions));
        let built = DFA::builder().configure(config).build_from_nfa(nfa);
        let dfa = built.map_err(|error| Some(error.to_string()))?;
        let maker = dfa.clone();
        let caches = Pool::new(Box::new(move || maker.create_cache()) as NewCache);
        Ok(Pattern(Arc::new(Automaton { dfa, positions, caches })))
    }

    /// What it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.dfa.get_nfa().memory_usage()
    }

    /// Whether it matches somewhere in a text; `None` when the fuel does not last.
    pub(crate) fn is_match(&self, text: &str, fuel: &mut Fuel) -> Option<bool> {
        let Automaton { dfa, positions, caches } = self.0.as_ref();
        fuel.text(text.len())?;
        let worst = text.len().saturating_mul(*positions);
        if worst > SHORT {
            return search(dfa, &mut dfa.create_cache(), text)
                .or_else(|| Walk::new(dfa.get_nfa(), text).finds(|steps| fuel.steps(steps)));
        }
        fuel.steps(worst)?;
        let mut cache = caches.get();
        search(dfa, &mut cache, text).or_else(|| {
            dfa.reset_cache(&mut cache);
            Walk::new(dfa.get_nfa(), text).finds(|_| Some(()))
        })
    }
}

/// What the automaton says; `None` where it gives up.
fn search(dfa: &DFA, cache: &mut Cache, text: &str) -> Option<bool> {
    let found = dfa.try_search_fwd(cache, &Input::new(text).earliest(true));
    found.ok().map(|found| found.is_some())
}

/// The characters and classes of a pattern, with its repetitions written out.
fn positions(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(1, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            (1 + positions(&repetition.sub)).saturating_mul(times)
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({} bytes)", self.size())
    }
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

    /// Whether there is a match; each place's states are paid for.
    fn finds(mut self, mut pay: impl FnMut(usize) -> Option<()>) -> Option<bool> {
        for at in 0..=self.text.len() {
            // A match may begin at each place.
            self.reached.push(self.nfa.start_anchored());
            self.spread(at);
            pay(self.states.len())?;
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
                let walk = Walk::new(pattern.0.dfa.get_nfa(), text);
                assert_eq!(walk.finds(|_| Some(())), expected, "{judge} {text:?}");
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

    /// Letters `a` and `b` as a coin falls.
    fn letters(count: usize) -> String {
        let mut random = 12345_u64;
        let letters = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random & 1 == 0 { 'a' } else { 'b' }
        });
        letters.take(count).collect()
    }

    #[test]
    fn a_pattern_that_explodes_is_bounded_and_says_the_same_each_time() {
        let pattern = Pattern::compile("[ab]*a[ab]{400}c", BYTES).unwrap();
        for (text, expected) in [
            (letters(1_000), Some(false)),
            (letters(4_000), Some(false)),
            (letters(100_000), None),
            ("a".repeat(1_000) + "c", Some(true)),
        ] {
            for _ in 0..3 {
                let mut fuel = Fuel::full();
                assert_eq!(pattern.is_match(&text, &mut fuel), expected, "{}", text.len());
                assert_eq!(fuel.is_out(), expected.is_none());
            }
        }
    }

    #[test]
    fn what_is_paid_covers_the_positions_that_are_followed() {
        for pattern in
            ["[ab]*a[ab]{100}c", "(a|b|ab)*c", "(a?){50}a{50}c", "(x+x+)+y", r"(\w|b){9}c"]
        {
            let pattern = Pattern::compile(pattern, BYTES).unwrap();
            let text = letters(500);
            let mut steps = 0;
            let walk = Walk::new(pattern.0.dfa.get_nfa(), &text);
            walk.finds(|states| {
                steps += states;
                Some(())
            });
            let paid = text.len() * pattern.0.positions;
            assert!(steps <= 4 * paid, "{steps} of {paid}: {} positions", pattern.0.positions);
        }
    }
}
