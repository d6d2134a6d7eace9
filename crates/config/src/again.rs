//! Reading the same sources again, while the process runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::load::{Config, ConfigError, FILES};

/// Where settings came from.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) flags: Vec<(String, String)>,
}

impl std::fmt::Debug for Sources {
    /// What stands in the environment is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the same files, environment and flags as they are now.
    pub fn again(&self) -> Result<Config, ConfigError> {
        Config::read(&self.sources)
    }

    /// The files that are looked at, whether they are there or not.
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = self.sources.folder.iter();
        folder.flat_map(|folder| FILES.iter().map(|(name, _)| folder.join(name))).collect()
    }

    /// The keys whose values are others than before.
    pub fn changed(&self, before: &Config) -> Vec<&str> {
        let other = |key: &str| before.values.get(key).map(|(value, _)| value);
        let keys = self.values.iter().filter(|(key, (value, _))| other(key) != Some(value));
        keys.map(|(key, _)| key.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_sources_say_what_they_say_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.yaml");
        std::fs::write(&file, "server:\n  max_connections: 7\n").unwrap();
        let flags = [("server.listen", "[::1]:2".to_owned())];
        let before = Config::load(Some(folder.path()), [], &flags).unwrap();
        assert!(before.files().contains(&file));
        assert!(before.again().unwrap().changed(&before).is_empty());
        std::fs::write(&file, "server:\n  max_connections: 8\n  listen: x:1\nroutes: [{}]\n")
            .unwrap();
        let after = before.again().unwrap();
        assert_eq!(after.changed(&before), ["routes", "server.max_connections"]);
        std::fs::write(&file, "server:\n  max_conections: 8\n").unwrap();
        assert!(before.again().unwrap_err().to_string().contains("max_connections"));
        let bare = Config::load(None, [], &[]).unwrap();
        assert!(bare.files().is_empty());
    }
}
