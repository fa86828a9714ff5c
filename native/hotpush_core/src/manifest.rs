//! What earlier scans found out, so that unchanged files are not read again.
//!
//! The file has `MAGIC`, the BLAKE3 of everything after it, the list of kept chunks, and the body. The
//! body is an external term `{hotpush_manifest, [{Folder, Records}]}`. The records of a folder are one
//! binary, so reading them is very cheap. Before anything is decoded, the checksum is verified, which
//! detects damage, and then the shape, which detects everything else: anybody can compute a checksum.

mod record;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use eetf::{Atom, Binary, List, Term, Tuple};

use crate::digest::Kept;
use crate::identity::Identity;
use crate::read::{now_ns, Stat};
use crate::seen::{Seen, Source};
use record::Record;

const MAGIC: &[u8; 16] = b"hotpush scan 001";
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A file may change again within one tick of a coarse clock, which its times do not show.
const SETTLED_NS: i64 = 2_000_000_000;

/// The records by path.
#[derive(Debug, Default)]
pub struct Manifest {
    folders: HashMap<Vec<u8>, HashMap<Vec<u8>, Record>>,
    count: usize,
}

impl Manifest {
    /// Loads it. If anything is wrong with it, it is empty.
    pub fn load(path: &Path, kept: &Kept) -> Self {
        read_file(path)
            .and_then(|bytes| Manifest::decode(&bytes, kept))
            .unwrap_or_default()
    }

    /// Whether a file that was read at this time can be relied on later.
    pub(crate) fn settled(stat: &Stat, read_at_ns: i64) -> bool {
        let newest = stat.mtime_ns.max(stat.ctime_ns);
        newest.saturating_add(SETTLED_NS) <= read_at_ns
    }

    pub(crate) fn find(&self, path: &Path, stat: Stat) -> Option<Identity> {
        let record = self.folders.get(folder(path))?.get(name(path))?;
        // Not if the clock was set back since, either.
        (record.stat == stat && Manifest::settled(&stat, now_ns())).then(|| record.identity.clone())
    }

    /// Writes what this scan found, if anything is new.
    pub(crate) fn update(&self, path: &Path, seen: &[Seen], kept: &Kept) {
        let cached = seen.iter().filter(|f| f.source == Source::Manifest).count();
        let fresh = seen
            .iter()
            .any(|file| file.source == Source::File { settled: true } && file.result.is_ok());
        if fresh || cached != self.count {
            // A manifest that cannot be written only makes the next scan slower.
            let _ = encode(seen, kept).and_then(|bytes| replace(path, &bytes));
        }
    }

    fn decode(bytes: &[u8], kept: &Kept) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (checksum, rest) = rest.split_first_chunk::<32>()?;
        if blake3::hash(rest).as_bytes() != checksum {
            return None;
        }
        let body = rest.strip_prefix(&kept_list(kept)[..])?;
        if !shape::fits(body) {
            return None;
        }
        let mut manifest = Manifest::default();
        for term in list_of(Term::decode(body).ok()?)? {
            let (folder, records) = pair_of(term)?;
            let records = record::decode(&records)?;
            manifest.count += records.len();
            manifest.folders.insert(folder, records);
        }
        Some(manifest)
    }
}

fn encode(seen: &[Seen], kept: &Kept) -> io::Result<Vec<u8>> {
    let mut folders: HashMap<&[u8], Vec<u8>> = HashMap::new();
    for file in seen {
        let lasting = matches!(
            file.source,
            Source::Manifest | Source::File { settled: true }
        );
        if let (true, Ok((stat, identity))) = (lasting, &file.result) {
            let records = folders.entry(folder(&file.path)).or_default();
            record::encode(records, name(&file.path), stat, identity);
        }
    }
    let mut folders: Vec<_> = folders.into_iter().collect();
    folders.sort_unstable();
    let pairs: Vec<Term> = folders
        .into_iter()
        .map(|(folder, records)| tuple(vec![binary(folder.to_vec()), binary(records)]))
        .collect();
    let tag = Term::from(Atom::from("hotpush_manifest"));
    let body = tuple(vec![tag, Term::from(List::from(pairs))]);

    let mut rest = kept_list(kept);
    body.encode(&mut rest).map_err(io::Error::other)?;
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(blake3::hash(&rest).as_bytes());
    out.append(&mut rest);
    Ok(out)
}

fn kept_list(kept: &Kept) -> Vec<u8> {
    let mut out = (kept.ids().len() as u32).to_be_bytes().to_vec();
    out.extend(kept.ids().iter().flatten());
    out
}

fn list_of(term: Term) -> Option<Vec<Term>> {
    match term {
        Term::Tuple(Tuple { elements }) => match <[Term; 2]>::try_from(elements).ok()? {
            [Term::Atom(tag), Term::List(list)] if tag.name == "hotpush_manifest" => {
                Some(list.elements)
            }
            _ => None,
        },
        _ => None,
    }
}

fn pair_of(term: Term) -> Option<(Vec<u8>, Vec<u8>)> {
    match term {
        Term::Tuple(Tuple { elements }) => match <[Term; 2]>::try_from(elements).ok()? {
            [Term::Binary(a), Term::Binary(b)] => Some((a.bytes, b.bytes)),
            _ => None,
        },
        _ => None,
    }
}

fn tuple(elements: Vec<Term>) -> Term {
    Term::from(Tuple { elements })
}

fn binary(bytes: Vec<u8>) -> Term {
    Term::from(Binary { bytes })
}

fn folder(path: &Path) -> &[u8] {
    path.parent()
        .map_or(&[], |parent| parent.as_os_str().as_bytes())
}

fn name(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], OsStr::as_bytes)
}

fn read_file(path: &Path) -> Option<Vec<u8>> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return None;
    }
    // It may grow in the meantime; if it is cut off, its checksum is wrong.
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    let mut file = fs::File::open(path).ok()?.take(MAX_FILE);
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Another scan may read or write it at the same time.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.{number}", std::process::id()));
    let beside = PathBuf::from(beside);
    let done = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}
