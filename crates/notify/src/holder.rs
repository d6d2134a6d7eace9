//! What a process calls itself where it holds something: the same after a restart, so that it takes its
//! own things back at once, and no two processes at a time.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use forebay_model::{Error, Result};

/// A name, for as long as it is held.
pub(crate) struct Holder {
    name: String,
    /// Locked while the process lives.
    _file: Option<File>,
}

impl Holder {
    /// Takes the name that stands in a file, or writes one there. Where another process has it, or
    /// nothing can be written, the name is good for this run.
    pub(crate) fn take(path: &Path) -> Result<Holder> {
        match kept(path) {
            Ok(Some((name, file))) => Ok(Holder { name, _file: Some(file) }),
            Ok(None) => Ok(Holder { name: new_name(), _file: None }),
            Err(error) => Err(Error::internal(format!("{}: {error}", path.display()))),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

fn new_name() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn kept(path: &Path) -> std::io::Result<Option<(String, File)>> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut name = String::new();
    (&mut file).take(100).read_to_string(&mut name)?;
    if uuid::Uuid::parse_str(name.trim()).is_err() {
        name = new_name();
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(name.as_bytes())?;
        file.sync_all()?;
    }
    Ok(Some((name.trim().to_owned(), file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_is_nobody_else_s_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.id");
        let first = Holder::take(&path).unwrap();
        let other = Holder::take(&path).unwrap();
        assert_ne!(first.name(), other.name());
        let name = first.name().to_owned();
        drop(first);
        assert_eq!(Holder::take(&path).unwrap().name(), name);
        std::fs::write(&path, "torn").unwrap();
        assert_ne!(Holder::take(&path).unwrap().name(), "torn");
        assert!(Holder::take(&folder.path().join("none/notify.id")).is_err());
    }
}
