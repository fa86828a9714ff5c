//! `pack/2`

use std::path::Path;

use hotpush_core::{Kept, Packed, Problem};
use rustler::{Binary, Encoder, Env, NifResult, Term};

use crate::terms::{self, binary, error, ok};

/// `{:ok, {module, beam, md5, digest}}` or `{:error, {path, kind, posix, detail}}`, each
#[rustler::nif(schedule = "DirtyCpu")]
fn pack<'a>(
    env: Env<'a>,
    files: Vec<(Binary<'a>, &'a str)>,
    keep: Vec<Binary<'a>>,
) -> NifResult<Vec<Term<'a>>> {
    let kept = Kept::with(keep.iter().map(|id| id.as_slice()));
    // Plain slices: a term may not cross to another thread.
    let files: Vec<(&Path, &str)> = files
        .iter()
        .map(|(path, app)| (terms::path(path), *app))
        .collect();
    let packed = hotpush_core::pack(&files, &kept);
    Ok(packed.iter().map(|result| term(env, result)).collect())
}

fn term<'a>(env: Env<'a>, result: &Result<Packed, Problem>) -> Term<'a> {
    match result {
        Ok(packed) => {
            let identity = &packed.identity;
            let fields = (
                binary(env, identity.module.as_bytes()),
                binary(env, &packed.beam),
                binary(env, &identity.md5),
                binary(env, &identity.digest),
            );
            (ok(), fields).encode(env)
        }
        Err(problem) => (error(), terms::problem(env, problem)).encode(env),
    }
}
