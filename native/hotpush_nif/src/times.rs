//! `times/1`

use std::os::unix::ffi::OsStrExt;

use rustler::{Binary, Env};

use crate::terms::{binary, paths};

#[rustler::nif(schedule = "DirtyIo")]
fn times<'a>(env: Env<'a>, places: Vec<Binary<'a>>) -> Vec<(Binary<'a>, i64)> {
    hotpush_core::times(&paths(&places))
        .iter()
        .map(|(path, second)| (binary(env, path.as_os_str().as_bytes()), *second))
        .collect()
}
