//! `scan/4`

use std::os::unix::ffi::OsStrExt;

use hotpush_core::{Entry, Kept, Options};
use rustler::{Binary, Env};

use crate::terms::{self, binary, problem, ProblemTerm};

/// `{dir, path, module, {md5, bare_md5, line_md5, digest}, size}`
type EntryTerm<'a> = (u64, Binary<'a>, Binary<'a>, Digests<'a>, u64);
type Digests<'a> = (Binary<'a>, Binary<'a>, Binary<'a>, Binary<'a>);

type ScanTerm<'a> = (Vec<EntryTerm<'a>>, Vec<ProblemTerm<'a>>, u64, u64);

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
        found.entries.iter().map(|item| entry(env, item)).collect(),
        found
            .problems
            .iter()
            .map(|item| problem(env, item))
            .collect(),
        found.read as u64,
        found.cached as u64,
    )
}

fn entry<'a>(env: Env<'a>, entry: &Entry) -> EntryTerm<'a> {
    let identity = &entry.identity;
    (
        entry.dir as u64,
        binary(env, entry.path.as_os_str().as_bytes()),
        binary(env, identity.module.as_bytes()),
        (
            binary(env, &identity.md5),
            binary(env, &identity.bare_md5),
            binary(env, identity.line_md5.as_ref().map_or(&[], |md5| &md5[..])),
            binary(env, &identity.digest),
        ),
        entry.size,
    )
}
