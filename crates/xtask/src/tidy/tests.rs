//! A small house that is in order, and what is said when one thing in it is not.

use tempfile::TempDir;

use super::{decoders, faults};

struct Tree(TempDir);

impl Tree {
    fn sound() -> Tree {
        let tree = Tree(TempDir::new().unwrap());
        let workspace = "[workspace]\nmembers = [\"crates/*\"]\n\n[workspace.dependencies]\n\
                         # engines: no ORM\nrusqlite = \"1\"\ntokio-postgres = \"1\"\n\n\
                         # the house\nforebay-db = { path = \"crates/db\" }\n\n\
                         [workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        tree.put("Cargo.toml", workspace);
        let db = ["[dependencies]", "rusqlite.workspace = true", "tokio-postgres.workspace = true"];
        tree.room("db", 2, &db);
        tree.room("store", 3, &["[dependencies]", "forebay-db.workspace = true"]);
        tree.room("testkit", 5, &["[dependencies]", "forebay-store.workspace = true"]);
        tree
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn room(&self, name: &str, floor: i64, manifest: &[&str]) {
        let package = format!("[package]\nname = \"forebay-{name}\"\nmetadata.floor = {floor}\n");
        self.put(&format!("crates/{name}/Cargo.toml"), &(package + &manifest.join("\n")));
        self.put(&format!("crates/{name}/src/lib.rs"), "//! What it is for.\n");
    }

    fn faults(&self, outgrown: &[(&str, usize)]) -> Vec<String> {
        faults(self.0.path(), outgrown).unwrap()
    }
}

#[test]
fn a_house_in_order_has_no_faults() {
    assert_eq!(Tree::sound().faults(&[]), [""; 0]);
}

#[test]
fn a_crate_knows_lower_floors_only() {
    let up = "forebay-store (floor 3) may not know forebay-testkit (floor 5)";
    for table in ["[dependencies]", "[build-dependencies]", "[target.'cfg(unix)'.dependencies]"] {
        let tree = Tree::sound();
        tree.room("store", 3, &[table, "kit = { package = \"forebay-testkit\", version = \"1\" }"]);
        assert_eq!(tree.faults(&[]), [up], "{table}");
    }
    let tree = Tree::sound();
    tree.room("process", 3, &["[dependencies]", "forebay-store.workspace = true"]);
    let aside = "forebay-process (floor 3) may not know forebay-store (floor 3)";
    assert_eq!(tree.faults(&[]), [aside]);
    // Tests may take the kit of a higher floor.
    let tree = Tree::sound();
    tree.room("store", 3, &["[dev-dependencies]", "forebay-testkit.workspace = true"]);
    assert_eq!(tree.faults(&[]), [""; 0]);
}

#[test]
fn a_crate_has_a_floor() {
    let tree = Tree::sound();
    tree.put("crates/store/Cargo.toml", "[package]\nname = \"forebay-store\"\n");
    assert_eq!(tree.faults(&[]), ["forebay-store: no package.metadata.floor"]);
}

#[test]
fn a_heavy_library_has_one_owner_in_the_product() {
    let tree = Tree::sound();
    tree.room("store", 3, &["[dependencies]", "rusqlite.workspace = true"]);
    let twice = "rusqlite belongs to one crate, and is taken by forebay-db and forebay-store";
    assert_eq!(tree.faults(&[]), [twice]);
    tree.room("store", 3, &["[dev-dependencies]", "rusqlite.workspace = true"]);
    tree.room("testkit", 5, &["[dependencies]", "rusqlite.workspace = true"]);
    assert_eq!(tree.faults(&[]), [""; 0]);
    tree.room("db", 2, &["[dependencies]", "rusqlite.workspace = true"]);
    tree.room("testkit", 5, &["[dependencies]", "tokio-postgres.workspace = true"]);
    assert_eq!(tree.faults(&[]), ["tokio-postgres belongs to one crate, and is taken by none"]);
}

#[test]
fn a_crate_says_what_it_is_for() {
    let tree = Tree::sound();
    tree.put("crates/store/src/lib.rs", "mod x;\n//! Too late.\n");
    tree.put("crates/store/src/main.rs", "//! A second door.\n");
    assert_eq!(tree.faults(&[]), ["forebay-store: lib.rs begins with `//!`"]);
    std::fs::remove_dir_all(tree.0.path().join("crates/db/src")).unwrap();
    assert!(
        tree.faults(&[]).contains(&"forebay-db: neither src/lib.rs nor src/main.rs".to_owned())
    );
}

#[test]
fn a_library_has_a_reason() {
    let tree = Tree::sound();
    tree.put("Cargo.toml", "[workspace.dependencies]\n# a reason\na = \"1\"\n\nb = { version = \"1\" }\n\n[x]\nc = 1\n");
    let both = ["[dependencies]", "a.workspace = true", "[dev-dependencies]", "b.workspace = true"];
    tree.room("store", 3, &both);
    assert_eq!(tree.faults(&[]), ["b: no reason stands above it in Cargo.toml"]);
    tree.room("store", 3, &both[..2]);
    let told = tree.faults(&[]);
    assert_eq!(told[1..], ["b: no crate takes it; strike it from Cargo.toml"]);
}

#[test]
fn files_grow_to_a_limit_and_outgrown_ones_only_shrink() {
    let (lib, test) = ("crates/db/src/lib.rs", "crates/db/tests/it/main.rs");
    let tree = Tree::sound();
    tree.put(lib, &"//! x\n".repeat(120));
    tree.put(test, &"// x\n".repeat(400));
    assert_eq!(tree.faults(&[]), [""; 0]);
    let listed = [(test, 402)];
    let short = format!("{test}: is short enough; strike it from the list");
    assert_eq!(tree.faults(&listed), [short]);
    tree.put(lib, &"//! x\n".repeat(121));
    tree.put(test, &"// x\n".repeat(401));
    let long =
        [format!("{lib}: 121 lines, at most 120"), format!("{test}: 401 lines, at most 400")];
    assert_eq!(tree.faults(&[]), long);
    tree.put(lib, "//! x\n");
    assert_eq!(tree.faults(&listed), [format!("{test}: has shrunk; write 401 into the list")]);
    assert_eq!(tree.faults(&[(test, 401)]), [""; 0]);
    tree.put(test, &"// x\n".repeat(403));
    let grown = format!("{test}: 403 lines; it had 402, and may only shrink");
    assert_eq!(tree.faults(&listed), [grown]);
    std::fs::remove_file(tree.0.path().join(test)).unwrap();
    assert_eq!(tree.faults(&listed), [format!("{test}: is gone; strike it from the list")]);
}

#[test]
fn what_clients_send_is_fuzzed() {
    let (file, readers) = ("crates/db/src/decode/csv.rs", "crates/db/src/decode");
    let tree = Tree::sound();
    tree.put(file, "");
    tree.put("crates/db/src/decode/mod.rs", "");
    let faults =
        |listed: &[(&str, &str)]| decoders::faults(tree.0.path(), listed, readers).unwrap();
    assert_eq!(faults(&[]), [format!("{file}: no fuzz target is listed for it")]);
    let absent = format!("{file}: fuzz/ has no target csv");
    assert_eq!(faults(&[(file, "csv")]), [&*absent]);
    tree.put("fuzz/fuzz_targets/csv.rs", "");
    assert_eq!(faults(&[(file, "csv")]), [&*absent], "cargo does not know the file");
    tree.put("fuzz/Cargo.toml", "[[bin]]\nname = \"csv\"\n");
    assert_eq!(faults(&[(file, "csv")]), [""; 0]);
    let gone = "x.rs: is gone; strike it from the list of decoders";
    assert_eq!(faults(&[(file, "csv"), ("x.rs", "csv")]), [gone]);
}
