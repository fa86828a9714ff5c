//! From folders to identities.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::digest::Kept;
use crate::identity::Identity;
use crate::manifest::Manifest;
use crate::pool;
use crate::problem::{Flaw, Kind, Problem};
use crate::read::{self, Stat};
use crate::seen::{Seen, Source};

/// One beam on the disk.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index of its folder.
    pub dir: usize,
    /// Its path, as it was reached.
    pub path: PathBuf,
    /// Its identity.
    pub identity: Identity,
    /// Of the file, in bytes.
    pub size: u64,
}

/// How to scan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The chunks that count.
    pub kept: Kept,
    /// The path of the manifest.
    pub manifest: Option<PathBuf>,
    /// How many of the first folders silently replace modules of the folders after them.
    pub overlay: usize,
}

/// What a scan found, entries sorted by module and problems by path.
#[derive(Debug)]
pub struct Scan {
    /// The usable files.
    pub entries: Vec<Entry>,
    /// The others.
    pub problems: Vec<Problem>,
    /// How many files were read.
    pub read: usize,
    /// How many were known from the manifest.
    pub cached: usize,
}

/// Reads every `*.beam` directly inside each folder.
pub fn scan(dirs: &[PathBuf], options: &Options) -> Scan {
    let manifest = match &options.manifest {
        Some(path) => Manifest::load(path, &options.kept),
        None => Manifest::default(),
    };
    let (mut seen, mut problems) = pool::within(|| {
        let (files, problems) = list(dirs);
        let seen: Vec<Seen> = files
            .into_par_iter()
            .with_min_len(16)
            .map_init(Vec::new, |buffer, (dir, path)| {
                let (result, source) = find(&path, &manifest, &options.kept, buffer);
                Seen {
                    dir,
                    path,
                    result,
                    source,
                }
            })
            .collect();
        (seen, problems)
    });
    // The order of the folders decides who wins.
    seen.sort_by_key(|file| file.dir);
    if let Some(path) = &options.manifest {
        manifest.update(path, &seen, &options.kept);
    }
    let count = |wanted: fn(Source) -> bool| seen.iter().filter(|f| wanted(f.source)).count();
    let read = count(|source| matches!(source, Source::File { .. }));
    let cached = count(|source| source == Source::Manifest);
    let mut entries = choose(seen, options.overlay, &mut problems);
    entries.sort_unstable_by(|a, b| a.identity.module.cmp(&b.identity.module));
    problems.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
    Scan {
        entries,
        problems,
        read,
        cached,
    }
}

fn list(dirs: &[PathBuf]) -> (Vec<(usize, PathBuf)>, Vec<Problem>) {
    let (files, problems): (Vec<_>, Vec<_>) = dirs
        .par_iter()
        .enumerate()
        .map(|(index, dir)| list_one(index, dir))
        .unzip();
    (files.concat(), problems.concat())
}

fn list_one(index: usize, dir: &Path) -> (Vec<(usize, PathBuf)>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for item in WalkDir::new(dir).max_depth(1) {
        match item {
            // At depth 0, it is the folder itself, or what is in its place.
            Ok(item) if item.depth() == 0 => {
                if !dir.is_dir() {
                    problems.push(not_a_folder().at(dir));
                }
            }
            Ok(item) => {
                if is_beam(item.file_name()) {
                    files.push((index, item.into_path()));
                }
            }
            Err(error) => problems.push(no_list(&error).at(dir)),
        }
    }
    (files, problems)
}

fn is_beam(name: &OsStr) -> bool {
    Path::new(name).extension() == Some(OsStr::new("beam"))
}

fn not_a_folder() -> Flaw {
    Flaw {
        posix: Some("enotdir"),
        ..Flaw::new(Kind::MissingFolder, "Not a directory")
    }
}

/// A folder that exists, but cannot be listed, is not missing.
fn no_list(error: &walkdir::Error) -> Flaw {
    let Some(cause) = error.io_error() else {
        return Flaw::new(Kind::MissingFolder, error.to_string());
    };
    match Flaw::system(Kind::MissingFolder, cause) {
        gone @ Flaw {
            posix: Some("enoent" | "enotdir" | "einval" | "enametoolong"),
            ..
        } => gone,
        other => Flaw {
            kind: Kind::Unreadable,
            ..other
        },
    }
}

fn find(
    path: &Path,
    manifest: &Manifest,
    kept: &Kept,
    buffer: &mut Vec<u8>,
) -> (Result<(Stat, Identity), Flaw>, Source) {
    let stat = match read::stat(path) {
        Ok(stat) => stat,
        Err(flaw) => return (Err(flaw), Source::Nowhere),
    };
    if let Some(identity) = manifest.find(path, stat) {
        return (Ok((stat, identity)), Source::Manifest);
    }
    match read::read(path, stat, buffer) {
        Ok(moment) => {
            let settled = Manifest::settled(&moment.stat, moment.read_at_ns);
            let identity = Identity::of_bytes(buffer, kept);
            let result = identity.map(|identity| (moment.stat, identity));
            (result, Source::File { settled })
        }
        Err(flaw) => (Err(flaw), Source::Nowhere),
    }
}

/// The file must have the name of its module, or the loader on the device rejects it.
pub(crate) fn check_name(path: &Path, identity: &Identity) -> Result<(), Flaw> {
    if path.file_stem() == Some(OsStr::new(&identity.module)) {
        return Ok(());
    }
    let detail = format!("holds {}", identity.module);
    Err(Flaw::new(Kind::WrongName, detail))
}

/// The first folder wins. A bad file in an overlay still hides the file that it replaces, which is
/// known to be wrong.
fn choose(seen: Vec<Seen>, overlay: usize, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut winners: HashMap<String, usize> = HashMap::with_capacity(seen.len());
    let mut hidden: HashSet<OsString> = HashSet::new();
    let mut entries = Vec::with_capacity(seen.len());
    for file in seen {
        let name = file.path.file_name().unwrap_or_default();
        if hidden.contains(name) {
            continue;
        }
        let checked = file.result.and_then(|(stat, identity)| {
            check_name(&file.path, &identity)?;
            Ok((stat, identity))
        });
        match checked {
            Err(flaw) => {
                if file.dir < overlay {
                    hidden.insert(name.to_owned());
                }
                problems.push(flaw.at(&file.path));
            }
            Ok((stat, identity)) => match winners.entry(identity.module.clone()) {
                Slot::Vacant(slot) => {
                    slot.insert(file.dir);
                    entries.push(Entry {
                        dir: file.dir,
                        path: file.path,
                        identity,
                        size: stat.size,
                    });
                }
                Slot::Occupied(slot) if *slot.get() < overlay => {}
                Slot::Occupied(_) => {
                    let detail = format!("{} is in an earlier folder too", identity.module);
                    problems.push(Flaw::new(Kind::DuplicateModule, detail).at(&file.path));
                }
            },
        }
    }
    entries
}
