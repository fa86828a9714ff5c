//! `watch/2`

use std::os::unix::ffi::OsStrExt;

use hotpush_core::watch::{self, Change, Refused, Watch};
use rustler::env::OwnedEnv;
use rustler::{Binary, Encoder, Env, Resource, ResourceArc, Term};

use crate::terms::{self, binary, error, ok, path};

/// The folders are watched until this is garbage.
struct Watched {
    _watch: Watch,
}

#[rustler::resource_impl]
impl Resource for Watched {}

/// Sends `{tag, paths}`, or `{tag, :lost}`, to the caller for each change. Returns `{:ok, watch}`, or
/// `{:error, {:limit | :missing | :text, text}}`.
#[rustler::nif(schedule = "DirtyIo")]
fn watch<'a>(env: Env<'a>, tag: i64, folders: Vec<(Binary<'a>, bool)>) -> Term<'a> {
    let owner = env.pid();
    let folder = |(folder, below): &(Binary<'a>, bool)| (path(folder).to_path_buf(), *below);
    let folders: Vec<_> = folders.iter().map(folder).collect();
    let tell = move |change: Change| {
        // An owner that has ended hears nothing.
        let _ = OwnedEnv::new().send_and_clear(&owner, |env| (tag, term(env, &change)));
    };
    match watch::watch(&folders, tell) {
        Ok(watch) => (ok(), ResourceArc::new(Watched { _watch: watch })).encode(env),
        Err(refused) => (error(), why(env, &refused)).encode(env),
    }
}

fn term<'a>(env: Env<'a>, change: &Change) -> Term<'a> {
    let bytes = |path: &std::path::PathBuf| binary(env, path.as_os_str().as_bytes());
    match change {
        Change::Paths(paths) => paths.iter().map(bytes).collect::<Vec<_>>().encode(env),
        Change::Lost => terms::lost().encode(env),
    }
}

fn why<'a>(env: Env<'a>, refused: &Refused) -> Term<'a> {
    match refused {
        Refused::Limit => (terms::limit(), binary(env, b"")).encode(env),
        Refused::Missing(path) => {
            (terms::missing(), binary(env, path.as_os_str().as_bytes())).encode(env)
        }
        Refused::Other(text) => (terms::text(), binary(env, text.as_bytes())).encode(env),
    }
}
