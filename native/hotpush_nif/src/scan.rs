//! `scan/4`

use std::os::unix::ffi::OsStrExt;

use hotpush_core::{Entry, Kept, Options};
use rustler::{Binary, Env};

use crate::terms::{self, binary, problem, ProblemTerm};

/// `{entries, problems, read, cached}`, the entries as one binary
type ScanTerm<'a> = (Binary<'a>, Vec<ProblemTerm<'a>>, u64, u64);

#[rustler::nif(schedule = "DirtyIo")]
fn scan<'a>(
    env: Env<'a>,
    dirs: Vec<Binary<'a>>,
    keep: Vec<Binary<'a>>,
    manifest: Binary<'a>,
    overlay: u64,
) -> ScanTerm<'a> {
    let options = Options {
        kept: Kept::with(keep.iter().map(|id| id.as_slice())),
        manifest: (!manifest.is_empty()).then(|| terms::path(&manifest).into()),
        overlay: usize::try_from(overlay).unwrap_or(usize::MAX),
    };
    let found = hotpush_core::scan(&terms::paths(&dirs), &options);
    (
        binary(env, &entries(&found.entries)),
        found
            .problems
            .iter()
            .map(|item| problem(env, item))
            .collect(),
        found.read as u64,
        found.cached as u64,
    )
}

/// One binary for all entries: the VM makes references into it, while thousands of small binaries
/// would each have to be allocated and collected.
fn entries(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 256);
    for entry in entries {
        let identity = &entry.identity;
        let line = identity.line_md5.as_ref().map_or(&[][..], |md5| &md5[..]);
        out.extend_from_slice(&(entry.dir as u32).to_be_bytes());
        out.extend_from_slice(&entry.size.to_be_bytes());
        out.extend_from_slice(&identity.md5);
        out.extend_from_slice(&identity.bare_md5);
        out.extend_from_slice(&identity.digest);
        for part in [
            line,
            identity.module.as_bytes(),
            entry.path.as_os_str().as_bytes(),
        ] {
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}
