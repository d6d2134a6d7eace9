//! The search servers' programs: their makers' jars from Maven Central and a launcher of ours, put
//! together once on a machine.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::host::install;

/// A server that Forebay can search with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Elasticsearch 8.18. Absent, for their modules are not on Maven Central: scripts, security,
    /// `_update_by_query` and its like, most analyzers.
    Elasticsearch,
    /// OpenSearch 2.19, without the security plug-in.
    OpenSearch,
}

pub(crate) const JAVA: &str = "/usr/bin/java";
const JAVAC: &str = "/usr/bin/javac";
const JAR: &str = "/usr/bin/jar";
const MAVEN: &str = "/usr/bin/mvn";

/// What of a server goes into its folder.
type Files = [(&'static str, &'static str)];

const ELASTICSEARCH: &Files = &[
    ("pom.xml", include_str!("../search/elasticsearch/pom.xml")),
    ("Launcher.java", include_str!("../search/elasticsearch/Launcher.java")),
    ("Lifetime.java", include_str!("../search/Lifetime.java")),
    ("ServerModule.java", include_str!("../search/elasticsearch/ServerModule.java")),
    (DESCRIPTOR, include_str!("../search/elasticsearch/plugin-descriptor.properties")),
];
const OPENSEARCH: &Files = &[
    ("pom.xml", include_str!("../search/opensearch/pom.xml")),
    ("Launcher.java", include_str!("../search/opensearch/Launcher.java")),
    ("Lifetime.java", include_str!("../search/Lifetime.java")),
];

/// Says what a module is: the server asks for a file of this name.
const DESCRIPTOR: &str = "plugin-descriptor.properties";
/// Jars of Elasticsearch's that must be in the module that brings HTTP, and not in the server.
const OF_THE_MODULE: [&str; 2] = ["transport-netty4-", "netty-"];

impl Product {
    /// Both.
    pub const ALL: [Product; 2] = [Product::Elasticsearch, Product::OpenSearch];

    /// In lower case, as its settings file is named.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Product::Elasticsearch => "elasticsearch",
            Product::OpenSearch => "opensearch",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Product::Elasticsearch => "8.18.0",
            Product::OpenSearch => "2.19.1",
        }
    }

    fn files(self) -> &'static Files {
        match self {
            Product::Elasticsearch => ELASTICSEARCH,
            Product::OpenSearch => OPENSEARCH,
        }
    }

    /// Where its programs are on this machine; another recipe has another place.
    fn place(self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (self.version(), self.files()).hash(&mut hasher);
        let name = format!("forebay-{}-{}-{:016x}", self.name(), self.version(), hasher.finish());
        std::env::temp_dir().join(name)
    }
}

/// Finds a server's programs, or puts them together: `lib`, `classes` and `modules` in a folder.
pub(crate) fn programs(product: Product) -> Result<PathBuf> {
    for (package, program) in [("default-jdk-headless", JAVAC), ("maven", MAVEN)] {
        install(package, || Path::new(program).exists())?;
    }
    let place = product.place();
    // One process builds at a time: they share Maven's store. A killed one leaves no lock.
    let lock = std::env::temp_dir().join("forebay-search.lock");
    let turn = File::create(&lock).with_context(|| lock.display().to_string())?;
    turn.lock()?;
    if !place.exists() {
        let new = place.with_extension("new");
        build(product, &new).with_context(|| format!("{} from its jars", product.name()))?;
        fs::rename(new, &place)?;
    }
    Ok(place)
}

fn build(product: Product, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let libraries = folder.join("lib");
    fs::create_dir_all(&libraries)?;
    for (name, content) in product.files() {
        fs::write(folder.join(name), content)?;
    }
    let mut maven = Command::new(MAVEN);
    maven.args(["-q", "-B", "-ntp", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-Dserver={}", product.version()));
    maven.arg(format!("-DoutputDirectory={}", libraries.display()));
    quiet(maven.current_dir(folder))?;
    compile(folder, &["Launcher.java", "Lifetime.java"], "lib/*", "classes")?;
    match product {
        Product::Elasticsearch => build_module(folder, &libraries, product.version()),
        Product::OpenSearch => Ok(()),
    }
}

/// Elasticsearch takes HTTP, and the answer to `GET /`, from a module: a folder with jars.
fn build_module(folder: &Path, libraries: &Path, version: &str) -> Result<()> {
    let module = folder.join("modules/forebay-test");
    fs::create_dir_all(&module)?;
    for entry in fs::read_dir(libraries)? {
        let (name, path) = entry.map(|e| (e.file_name(), e.path()))?;
        let name = name.to_string_lossy();
        if OF_THE_MODULE.iter().any(|prefix| name.starts_with(prefix)) {
            fs::rename(path, module.join(name.as_ref()))?;
        }
    }
    compile(folder, &["ServerModule.java"], "lib/*:modules/forebay-test/*", "module-classes")?;
    let mut jar = Command::new(JAR);
    jar.args(["cf", "modules/forebay-test/module.jar", "-C", "module-classes", "."]);
    quiet(jar.current_dir(folder))?;
    let descriptor = fs::read_to_string(folder.join(DESCRIPTOR))?.replace("VERSION", version);
    Ok(fs::write(module.join(DESCRIPTOR), descriptor)?)
}

fn compile(folder: &Path, sources: &[&str], libraries: &str, to: &str) -> Result<()> {
    let mut javac = Command::new(JAVAC);
    javac.current_dir(folder).args(["-d", to, "-cp", libraries]).args(sources);
    quiet(&mut javac)
}

/// Runs a command whose output is of interest when it fails.
fn quiet(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        let (out, err) = (&output.stdout, &output.stderr);
        let said = [String::from_utf8_lossy(out), String::from_utf8_lossy(err)].concat();
        bail!("{command:?} failed: {}\n{said}", output.status);
    }
    Ok(())
}
