//! What the device does not run, and what only the device runs.

use std::collections::{HashMap, HashSet};

/// A shorter prefix of a digest proves nothing.
const MIN_PREFIX: usize = 7;

/// One module on the host.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// Its name.
    pub module: &'a [u8],
    /// What the emulator would answer.
    pub md5: &'a [u8],
    /// The same without `Meta`.
    pub bare_md5: &'a [u8],
    /// Of the `Line` chunk, empty if there is none.
    pub line_md5: &'a [u8],
    /// Of everything that would travel.
    pub digest: &'a [u8],
}

/// What the device says about one module. Each digest may be cut, or empty if there is none.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its name.
    pub module: &'a [u8],
    /// Of the code that it runs, or would load.
    pub md5: &'a [u8],
    /// The digest that came with an earlier push.
    pub stamp: &'a [u8],
    /// Of the `Line` chunk of the device's own file.
    pub line: &'a [u8],
}

/// Why a module is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The device does not have it.
    New,
    /// Other code.
    Code,
    /// The same code, with other line numbers, types or attributes.
    Lines,
}

/// The difference, sorted by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Diff<'a> {
    /// Local modules that the device does not run.
    pub changed: Vec<(&'a [u8], Reason)>,
    /// Modules that only the device has.
    pub gone: Vec<&'a [u8]>,
    /// How many are the same.
    pub unchanged: usize,
}

/// Compares. An answer without an MD5 counts as no answer.
pub fn diff<'a>(locals: &[Local<'a>], answers: &[Answer<'a>]) -> Diff<'a> {
    let known: HashMap<&[u8], &Answer<'a>> = answers
        .iter()
        .rev()
        .filter(|answer| !answer.md5.is_empty())
        .map(|answer| (answer.module, answer))
        .collect();

    let mut changed: Vec<(&[u8], Reason)> = locals
        .iter()
        .filter_map(|local| Some((local.module, reason(local, known.get(local.module))?)))
        .collect();
    changed.sort_unstable_by_key(|(module, _)| *module);

    let names: HashSet<&[u8]> = locals.iter().map(|local| local.module).collect();
    let mut gone: Vec<&[u8]> = known
        .keys()
        .filter(|module| !names.contains(*module))
        .copied()
        .collect();
    gone.sort_unstable();

    let unchanged = locals.len() - changed.len();
    Diff {
        changed,
        gone,
        unchanged,
    }
}

fn reason(local: &Local<'_>, answer: Option<&&Answer<'_>>) -> Option<Reason> {
    let Some(answer) = answer else {
        return Some(Reason::New);
    };
    if !same(answer.md5, local.md5) && !same(answer.md5, local.bare_md5) {
        return Some(Reason::Code);
    }
    // The stamp describes the code that runs; the device's file may have changed since.
    let rest = if !answer.stamp.is_empty() {
        same(answer.stamp, local.digest)
    } else {
        answer.line.is_empty() || same(answer.line, local.line_md5)
    };
    (!rest).then_some(Reason::Lines)
}

fn same(prefix: &[u8], whole: &[u8]) -> bool {
    prefix.len() >= MIN_PREFIX && whole.starts_with(prefix)
}
