//! Converts between terms and the types of the core.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hotpush_core::{Kind, Problem};
use rustler::{Atom, Binary, Env, NewBinary};

mod atoms {
    rustler::atoms! {
        ok, error, new, code, lines, text, variable, file, limit, lost, missing,
        truncated, empty, not_a_beam, bad_gzip, too_large, bad_chunk, unreadable, dangling_link,
        vanished, changed_while_reading, wrong_name, duplicate_module, missing_folder
    }
}

pub(crate) use atoms::{code, error, file, limit, lines, lost, missing, new, ok, text, variable};

/// `{path, kind, posix | nil, detail}`
pub(crate) type ProblemTerm<'a> = (Binary<'a>, Atom, Option<Atom>, Binary<'a>);

pub(crate) fn problem<'a>(env: Env<'a>, problem: &Problem) -> ProblemTerm<'a> {
    (
        binary(env, problem.path.as_os_str().as_bytes()),
        kind(problem.kind),
        problem
            .posix
            .and_then(|name| Atom::from_str(env, name).ok()),
        binary(env, problem.detail.as_bytes()),
    )
}

/// Small ones stay on the process's heap.
pub(crate) fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Binary<'a> {
    let mut binary = NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary.into()
}

/// File names are bytes, whatever the locale says.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

pub(crate) fn paths(binaries: &[Binary<'_>]) -> Vec<PathBuf> {
    binaries.iter().map(|bytes| path(bytes).into()).collect()
}

fn kind(kind: Kind) -> Atom {
    match kind {
        Kind::Truncated => atoms::truncated(),
        Kind::Empty => atoms::empty(),
        Kind::NotABeam => atoms::not_a_beam(),
        Kind::BadGzip => atoms::bad_gzip(),
        Kind::TooLarge => atoms::too_large(),
        Kind::BadChunk => atoms::bad_chunk(),
        Kind::Unreadable => atoms::unreadable(),
        Kind::DanglingLink => atoms::dangling_link(),
        Kind::Vanished => atoms::vanished(),
        Kind::ChangedWhileReading => atoms::changed_while_reading(),
        Kind::WrongName => atoms::wrong_name(),
        Kind::DuplicateModule => atoms::duplicate_module(),
        Kind::MissingFolder => atoms::missing_folder(),
    }
}
