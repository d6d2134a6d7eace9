//! Each crate says at its door what it is for.

use super::house::{Crate, House};

pub(crate) fn faults(house: &House) -> Vec<String> {
    house.crates.iter().flat_map(silent_doors).collect()
}

fn silent_doors(one: &Crate) -> Vec<String> {
    let read = |file: &&str| std::fs::read_to_string(one.folder.join("src").join(file)).ok();
    let doors: Vec<_> = ["lib.rs", "main.rs"].iter().filter_map(|f| Some((f, read(f)?))).collect();
    if doors.is_empty() {
        return vec![format!("{}: neither src/lib.rs nor src/main.rs", one.name)];
    }
    let silent = doors.iter().filter(|(_, text)| !text.starts_with("//! "));
    silent.map(|(file, _)| format!("{}: {file} begins with `//!`", one.name)).collect()
}
