//! Where indexes lie: `s<stream>/g<number>/` holds one, with its `layout.json`; `s<stream>/live`
//! names the one that answers. `next` counts generations, so that no name comes twice.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::layout::Layout;

const LAYOUT: &str = "layout.json";
const LIVE: &str = "live";
const NEXT: &str = "next";
/// What a folder is called that is being removed.
const GONE: &str = ".gone-";

/// The folder of all indexes.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it, and clears away what a removal left.
    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        // Nobody else looks into it: it holds words of records.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let folder = Folder(path.to_owned());
        for stream in folder.numbered("s", &folder.0)? {
            for name in names(&folder.stream(stream))? {
                if name.starts_with(GONE) {
                    fs::remove_dir_all(folder.stream(stream).join(name))?;
                }
            }
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn stream(&self, stream: i64) -> PathBuf {
        self.0.join(format!("s{stream}"))
    }

    /// The folder of one index.
    pub(super) fn generation(&self, stream: i64, name: &str) -> PathBuf {
        self.stream(stream).join(name)
    }

    /// The streams that have indexes.
    pub(super) fn streams(&self) -> io::Result<Vec<i64>> {
        let mut streams = self.numbered("s", &self.0)?;
        streams.retain(|stream| self.generations(*stream).is_ok_and(|names| !names.is_empty()));
        Ok(streams)
    }

    /// The names of a stream's indexes, the oldest first.
    pub(super) fn generations(&self, stream: i64) -> io::Result<Vec<String>> {
        let numbers = self.numbered("g", &self.stream(stream))?;
        Ok(numbers.into_iter().map(|number| format!("g{number}")).collect())
    }

    fn numbered(&self, letter: &str, path: &Path) -> io::Result<Vec<i64>> {
        let mut numbers: Vec<i64> = names(path)?
            .iter()
            .filter_map(|name| name.strip_prefix(letter)?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes a folder for a new index.
    pub(super) fn create(&self, layout: &Layout) -> io::Result<String> {
        let next = self.0.join(NEXT);
        let counted = match fs::read_to_string(&next) {
            Ok(text) => text.trim().parse().unwrap_or(1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
            Err(error) => return Err(error),
        };
        let stream = self.stream(layout.stream);
        let newest = self.numbered("g", &stream)?.last().map_or(0, |number| *number);
        let number: i64 = counted.max(newest + 1);
        replace(&next, (number + 1).to_string().as_bytes())?;
        let name = format!("g{number}");
        let path = stream.join(&name);
        fs::create_dir_all(&path)?;
        replace(&path.join(LAYOUT), &serde_json::to_vec(layout)?)?;
        sync(&stream)?;
        sync(&self.0)?;
        Ok(name)
    }

    /// What an index holds, as was noted when it was made; nothing when that cannot be read.
    pub(super) fn layout(&self, stream: i64, name: &str) -> Option<Layout> {
        let text = fs::read(self.generation(stream, name).join(LAYOUT)).ok()?;
        let layout: Layout = serde_json::from_slice(&text).ok()?;
        (layout.stream == stream).then_some(layout)
    }

    /// The name of the index that answers.
    pub(super) fn live(&self, stream: i64) -> io::Result<Option<String>> {
        match fs::read_to_string(self.stream(stream).join(LIVE)) {
            Ok(name) => Ok(self.generations(stream)?.into_iter().find(|known| *known == name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // No text: nobody knows which.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// From now on this one answers.
    pub(super) fn set_live(&self, stream: i64, name: &str) -> io::Result<()> {
        replace(&self.stream(stream).join(LIVE), name.as_bytes())
    }

    /// Removes an index, at once for whoever looks for it.
    pub(super) fn remove(&self, stream: i64, name: &str) -> io::Result<()> {
        let (path, gone) =
            (self.generation(stream, name), self.stream(stream).join(format!("{GONE}{name}")));
        match fs::rename(&path, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        sync(&self.stream(stream))?;
        fs::remove_dir_all(gone)
    }

    /// Removes what is left of a stream without indexes.
    pub(super) fn forget(&self, stream: i64) -> io::Result<()> {
        match fs::remove_dir_all(self.stream(stream)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync(&self.0)),
        }
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Replaces a file, so that a crash leaves the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes the names of a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
