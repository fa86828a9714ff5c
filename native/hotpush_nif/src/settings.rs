//! `settings/1`

use hotpush_core::{Cookie, Device, Group, Mistake, Placed, Settings, Source};
use rustler::{Atom, Binary, Encoder, Env, Term};

use crate::terms::{binary, error, file, ok, text, variable};

/// `{value, line, column}`
type TextTerm<'a> = (Binary<'a>, u32, u32);

/// `{:text | :variable | :file, text}`
type CookieTerm<'a> = (Atom, TextTerm<'a>);

/// `{:ok, {apps, cookie, devices, groups}}` or `{:error, {line, column, message, meant}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn settings<'a>(env: Env<'a>, bytes: Binary<'a>) -> Term<'a> {
    match hotpush_core::settings(&bytes) {
        Ok(settings) => (ok(), settings_term(env, &settings)).encode(env),
        Err(mistake) => (error(), mistake_term(env, &mistake)).encode(env),
    }
}

fn settings_term<'a>(env: Env<'a>, settings: &Settings) -> Term<'a> {
    let devices: Vec<Term<'a>> = settings.devices.iter().map(|d| device(env, d)).collect();
    let groups: Vec<Term<'a>> = settings.groups.iter().map(|g| group(env, g)).collect();
    let cookie = settings.cookie.as_ref().map(|c| cookie_term(env, c));
    (texts(env, &settings.apps), cookie, devices, groups).encode(env)
}

/// `{name, ssh, node, adb, cookie}`
fn device<'a>(env: Env<'a>, device: &Device) -> Term<'a> {
    let optional = |text: &Option<_>| text.as_ref().map(|text| text_term(env, text));
    (
        text_term(env, &device.name),
        optional(&device.ssh),
        optional(&device.node),
        optional(&device.adb),
        device.cookie.as_ref().map(|c| cookie_term(env, c)),
    )
        .encode(env)
}

/// `{name, devices}`
fn group<'a>(env: Env<'a>, group: &Group) -> Term<'a> {
    (text_term(env, &group.name), texts(env, &group.devices)).encode(env)
}

fn cookie_term<'a>(env: Env<'a>, cookie: &Cookie) -> CookieTerm<'a> {
    let source = match cookie.source {
        Source::Text => text(),
        Source::Variable => variable(),
        Source::File => file(),
    };
    (source, text_term(env, &cookie.value))
}

fn texts<'a>(env: Env<'a>, texts: &[Placed<String>]) -> Vec<TextTerm<'a>> {
    texts.iter().map(|text| text_term(env, text)).collect()
}

fn text_term<'a>(env: Env<'a>, text: &Placed<String>) -> TextTerm<'a> {
    let place = text.place;
    (binary(env, text.value.as_bytes()), place.line, place.column)
}

fn mistake_term<'a>(env: Env<'a>, mistake: &Mistake) -> Term<'a> {
    let meant = mistake.meant.as_ref();
    (
        mistake.place.line,
        mistake.place.column,
        binary(env, mistake.message.as_bytes()),
        meant.map(|meant| binary(env, meant.as_bytes())),
    )
        .encode(env)
}
