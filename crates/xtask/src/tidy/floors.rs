//! A crate knows only crates of lower floors, and what is heavy has one owner.

use std::collections::BTreeMap;

use super::house::{Crate, House};

/// From this floor on a crate never becomes part of the product.
const TEST_FLOOR: i64 = 5;
/// Drivers and the like: one crate of the product knows each, so that it can be changed there, and
/// waits for it to build.
const HEAVY: &[&str] = &["rusqlite", "tokio-postgres"];

pub(crate) fn faults(house: &House) -> Vec<String> {
    let mut wrong = Vec::new();
    for Crate { name, floor, .. } in &house.crates {
        if floor.is_none() {
            wrong.push(format!("{name}: no package.metadata.floor"));
        }
    }
    let floors: BTreeMap<&str, i64> =
        house.crates.iter().filter_map(|c| Some((c.name.as_str(), c.floor?))).collect();
    for one in &house.crates {
        let Some(floor) = one.floor else { continue };
        for known in one.dependencies() {
            let Some(below) = floors.get(known).filter(|below| **below >= floor) else { continue };
            let name = &one.name;
            wrong.push(format!("{name} (floor {floor}) may not know {known} (floor {below})"));
        }
    }
    wrong.extend(HEAVY.iter().filter_map(|library| owned_once(house, library)));
    wrong
}

fn owned_once(house: &House, library: &str) -> Option<String> {
    let product = house.crates.iter().filter(|c| c.floor.is_some_and(|f| f < TEST_FLOOR));
    let owners: Vec<&str> =
        product.filter(|c| c.dependencies().contains(library)).map(|c| c.name.as_str()).collect();
    let names = if owners.is_empty() { "none".to_owned() } else { owners.join(" and ") };
    (owners.len() != 1).then(|| format!("{library} belongs to one crate, and is taken by {names}"))
}
