//! Which indexes of a stream are kept, written, built and dropped. Pure.

use forebay_search::{Generation, Layout};

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// Goes on being written, and answers.
    pub(crate) live: Option<Generation>,
    /// Goes on being built.
    pub(crate) building: Option<Generation>,
    /// Whether a new one is begun.
    pub(crate) create: bool,
    /// Go now.
    pub(crate) discard: Vec<String>,
}

impl Plan {
    /// Decides. `wanted` is `None` when nothing of the stream is searched; `rebuild` is that somebody
    /// asked for a new one; a stream that is empty has none.
    pub(crate) fn of(
        wanted: Option<&Layout>,
        generations: &[Generation],
        (rebuild, empty): (bool, bool),
    ) -> Plan {
        let Some(wanted) = wanted else {
            let discard = generations.iter().map(|g| g.name.clone()).collect();
            return Plan { discard, ..Plan::default() };
        };
        let is = |g: &&Generation| g.layout.as_ref() == Some(wanted);
        let live = generations.iter().find(|g| g.live);
        let anew = rebuild || !live.as_ref().is_some_and(is);
        let building = generations.iter().rfind(|g| anew && !g.live && is(g));
        // One that is of no use any more still has the name of the live one: it goes with the switch.
        let serves = live.filter(|g| g.layout.as_ref().is_some_and(|l| l.serves(wanted)));
        let kept = |g: &Generation| g.live || building.is_some_and(|b| b.name == g.name);
        Plan {
            live: serves.cloned(),
            building: building.cloned(),
            create: anew && building.is_none() && !(empty && live.is_none()),
            discard: generations.iter().filter(|g| !kept(g)).map(|g| g.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_search::layout::{Column, FORMAT};

    use super::*;

    fn layout(columns: &[i64], epoch: i64) -> Layout {
        let column = |&number: &i64| Column { number, path: vec![], scalar: "string".into() };
        Layout {
            format: FORMAT,
            words: forebay_model::text::VERSION,
            stream: 7,
            epoch,
            columns: columns.iter().map(column).collect(),
            fields: vec![],
        }
    }

    fn generation(name: &str, layout: Option<Layout>, live: bool) -> Generation {
        Generation { name: name.into(), layout, live }
    }

    #[test]
    fn what_fits_is_kept() {
        let wanted = layout(&[1], 1);
        let fits = generation("a", Some(wanted.clone()), true);
        let plan = Plan::of(Some(&wanted), std::slice::from_ref(&fits), (false, false));
        assert_eq!(plan, Plan { live: Some(fits.clone()), ..Plan::default() });
        // What was begun and is not needed goes; what was asked for goes on.
        let begun = generation("b", Some(wanted.clone()), false);
        let all = [fits, begun.clone()];
        assert_eq!(Plan::of(Some(&wanted), &all, (false, false)).discard, ["b"]);
        let plan = Plan::of(Some(&wanted), &all, (true, false));
        assert_eq!((plan.building, plan.create), (Some(begun), false));
    }

    #[test]
    fn another_layout_is_built_beside() {
        let wanted = layout(&[1, 2], 1);
        let old = generation("a", Some(layout(&[1], 1)), true);
        let plan = Plan::of(Some(&wanted), std::slice::from_ref(&old), (false, false));
        assert_eq!(plan, Plan { live: Some(old), create: true, ..Plan::default() });
        // One that serves no more is neither written nor dropped before the switch.
        for other in [Some(layout(&[1, 2], 2)), None] {
            let old = [generation("a", other, true), generation("b", None, false)];
            let plan = Plan::of(Some(&wanted), &old, (false, false));
            assert_eq!((plan.live, plan.create), (None, true));
            assert_eq!(plan.discard, ["b"]);
        }
    }

    #[test]
    fn nothing_for_what_is_empty_or_not_searched() {
        let wanted = layout(&[], 1);
        assert_eq!(Plan::of(Some(&wanted), &[], (false, true)), Plan::default());
        assert!(Plan::of(Some(&wanted), &[], (false, false)).create);
        let old = [generation("a", Some(wanted), true)];
        assert_eq!(Plan::of(None, &old, (false, false)).discard, ["a"]);
    }
}
