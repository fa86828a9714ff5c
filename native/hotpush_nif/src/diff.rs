//! `diff/2`

use hotpush_core::{Answer, Local, Reason};
use rustler::{Atom, Binary, Env};

use crate::terms::{binary, code, lines, new};

/// `{module, md5, bare_md5, line_md5, digest}`
type LocalTerm<'a> = (Binary<'a>, Binary<'a>, Binary<'a>, Binary<'a>, Binary<'a>);

/// `{module, md5, stamp, line}`
type AnswerTerm<'a> = (Binary<'a>, Binary<'a>, Binary<'a>, Binary<'a>);

type DiffTerm<'a> = (Vec<(Binary<'a>, Atom)>, Vec<Binary<'a>>, u64);

#[rustler::nif(schedule = "DirtyCpu")]
fn diff<'a>(
    env: Env<'a>,
    locals: Vec<LocalTerm<'a>>,
    answers: Vec<AnswerTerm<'a>>,
) -> DiffTerm<'a> {
    let locals: Vec<Local<'_>> = locals.iter().map(local).collect();
    let answers: Vec<Answer<'_>> = answers.iter().map(answer).collect();
    let found = hotpush_core::diff(&locals, &answers);
    let changed = found.changed.iter();
    (
        changed
            .map(|(module, why)| (binary(env, module), reason(*why)))
            .collect(),
        found
            .gone
            .iter()
            .map(|module| binary(env, module))
            .collect(),
        found.unchanged as u64,
    )
}

fn local<'a>((module, md5, bare_md5, line_md5, digest): &'a LocalTerm<'_>) -> Local<'a> {
    Local {
        module,
        md5,
        bare_md5,
        line_md5,
        digest,
    }
}

fn answer<'a>((module, md5, stamp, line): &'a AnswerTerm<'_>) -> Answer<'a> {
    Answer {
        module,
        md5,
        stamp,
        line,
    }
}

fn reason(reason: Reason) -> Atom {
    match reason {
        Reason::New => new(),
        Reason::Code => code(),
        Reason::Lines => lines(),
    }
}
