//! `mdns_listen/4`

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hotpush_core::mdns::{self, Asked, Heard, Hearing};
use rustler::env::OwnedEnv;
use rustler::{Atom, Encoder, Env, Term};

use crate::terms::{binary, error, ok};

/// How many listeners there may be at once. A caller who asks for more gets an error.
const AT_ONCE: usize = 8;
const LONGEST: u64 = 600_000;

static LISTENERS: AtomicUsize = AtomicUsize::new(0);

struct Listener;

impl Listener {
    fn new() -> Option<Self> {
        let more = |count: usize| (count < AT_ONCE).then_some(count + 1);
        let counted = LISTENERS.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.ok().map(|_| Listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Returns at once; a thread of its own listens, and sends `{tag, {:ok, hosts, dropped}}` or
/// `{tag, {:error, text}}`. It ends early when the caller does.
#[rustler::nif]
fn mdns_listen<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    kinds: Vec<String>,
    hosts: Vec<String>,
    milliseconds: u64,
) -> Atom {
    let Some(listener) = Listener::new() else {
        return error();
    };
    let caller = env.pid();
    let mut letter = OwnedEnv::new();
    let tag = letter.save(tag);
    let asked = Asked { kinds, hosts };
    let time = Duration::from_millis(milliseconds.min(LONGEST));

    let run = move || {
        let alive = OwnedEnv::new();
        let heard = mdns::listen(&asked, time, || alive.run(|env| caller.is_alive(env)));
        // A caller that has ended in the meantime gets nothing.
        let _ = letter.send_and_clear(&caller, |env| (tag.load(env), answer(env, &heard)));
        drop(listener);
    };

    match thread::Builder::new()
        .name("hotpush_mdns".into())
        .spawn(run)
    {
        Ok(_) => ok(),
        Err(_) => error(),
    }
}

fn answer<'a>(env: Env<'a>, heard: &Result<Hearing, String>) -> Term<'a> {
    match heard {
        Ok(hearing) => {
            let hosts: Vec<Term<'a>> = hearing.hosts.iter().map(|host| term(env, host)).collect();
            (ok(), hosts, hearing.dropped as u64).encode(env)
        }
        Err(text) => (error(), binary(env, text.as_bytes())).encode(env),
    }
}

/// `{host, addresses, [{kind, port}]}`
fn term<'a>(env: Env<'a>, heard: &Heard) -> Term<'a> {
    let addresses = heard.addresses.iter();
    let services = heard.services.iter();
    (
        binary(env, heard.host.as_bytes()),
        addresses
            .map(|address| binary(env, address.as_bytes()))
            .collect::<Vec<_>>(),
        services
            .map(|(kind, port)| (binary(env, kind.as_bytes()), *port))
            .collect::<Vec<_>>(),
    )
        .encode(env)
}
