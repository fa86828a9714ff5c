//! The Erlang side of `hotpush_core`: a few functions and a handshake.
//!
//! Terms are flat binaries, tuples and numbers; `Hotpush.Scanner.Native` makes maps of them.
//! No atom is made from the content of a file, nothing is printed, and a panic becomes an error in
//! the calling process.

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod diff;
mod mdns;
mod pack;
mod scan;
mod settings;
mod terms;
mod times;
mod watch;

use rustler::{Env, Term};

/// Must equal the number in `Hotpush.Native`; otherwise, the library has another version.
const INTERFACE: i64 = 7;

fn load(_env: Env<'_>, info: Term<'_>) -> bool {
    // A panic becomes an error term; its text must not disturb a terminal to which others write.
    std::panic::set_hook(Box::new(|_| {}));
    matches!(info.decode::<i64>(), Ok(INTERFACE))
}

rustler::init!("Elixir.Hotpush.Native", load = load);
