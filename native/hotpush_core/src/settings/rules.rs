//! The rules between values: one way to reach a device, one cookie, names that exist.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::near::near;
use super::place::{First, Lines, Placed};
use super::raw::{self, Names, Text};
use super::{Cookie, Device, Group, Settings, Source};

pub(crate) fn apply(file: raw::File, lines: &Lines<'_>, first: &mut First<'_>) -> Settings {
    let apps = apps(file.app, lines, first);
    let cookie = cookie(
        [file.cookie, file.cookie_env, file.cookie_file],
        lines,
        first,
    );
    let names: BTreeSet<String> = file
        .device
        .keys()
        .map(|name| name.get_ref().clone())
        .collect();
    let devices = in_order(file.device)
        .map(|(name, raw)| device(name, raw, lines, first))
        .collect();
    let groups = in_order(file.group)
        .map(|(name, raw)| group(name, raw, &names, lines, first))
        .collect();
    Settings {
        apps,
        cookie,
        devices,
        groups,
    }
}

/// In the order of the file, not by name.
fn in_order<T>(map: BTreeMap<Spanned<String>, T>) -> impl Iterator<Item = (Spanned<String>, T)> {
    let mut pairs: Vec<_> = map.into_iter().collect();
    pairs.sort_by_key(|(name, _)| name.span().start);
    pairs.into_iter()
}

fn apps(
    names: Option<Spanned<Names>>,
    lines: &Lines<'_>,
    first: &mut First<'_>,
) -> Vec<Placed<String>> {
    let Some(names) = names else { return vec![] };
    let span = names.span();
    let names = match names.into_inner() {
        Names::One(name) => vec![Spanned::new(span, name)],
        Names::Many(names) if names.is_empty() => {
            first.tell(span.start, || said("\"app\" names no application"));
            names
        }
        Names::Many(names) => names,
    };
    names
        .into_iter()
        .map(|name| {
            if !is_app(name.get_ref()) {
                let words = "an application's name has small letters, digits and _, \
                             and begins with a letter";
                first.tell(name.span().start, || said(words));
            }
            lines.placed(name)
        })
        .collect()
}

fn is_app(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 255
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
}

fn device(
    name: Spanned<String>,
    raw: raw::Device,
    lines: &Lines<'_>,
    first: &mut First<'_>,
) -> Device {
    check_name("device", &name, first);
    let at = name.span().start;
    let two = |a: &str, b: &str| {
        said(&format!(
            "a device has only one way to reach it: {a} or {b}, not both"
        ))
    };
    match (&raw.ssh, &raw.node, &raw.adb) {
        (None, None, None) => first.tell(at, || {
            said("this device needs one of ssh, node and adb, which says how to reach it")
        }),
        (Some(ssh), Some(node), _) => first.tell(later(ssh, node), || two("ssh", "node")),
        (Some(ssh), _, Some(adb)) => first.tell(later(ssh, adb), || two("ssh", "adb")),
        _ => {}
    }
    Device {
        ssh: text("ssh", raw.ssh, lines, first),
        node: text("node", raw.node, lines, first),
        adb: text("adb", raw.adb, lines, first),
        cookie: cookie([raw.cookie, raw.cookie_env, raw.cookie_file], lines, first),
        name: lines.placed(name),
    }
}

fn later(a: &Spanned<String>, b: &Spanned<String>) -> usize {
    a.span().start.max(b.span().start)
}

fn group(
    name: Spanned<String>,
    raw: raw::Group,
    known: &BTreeSet<String>,
    lines: &Lines<'_>,
    first: &mut First<'_>,
) -> Group {
    check_name("group", &name, first);
    if raw.devices.is_empty() {
        first.tell(name.span().start, || {
            said("this group is empty: name its devices, as in devices = [\"NAME\", ...]")
        });
    }
    for device in &raw.devices {
        let text = device.get_ref();
        if !known.contains(text) {
            first.tell(device.span().start, || {
                let meant = near(text, known.iter().map(String::as_str));
                let message = format!("this file has no [device.{text}]");
                (message, meant.map(str::to_owned))
            });
        }
    }
    let devices = raw.devices.into_iter().map(|d| lines.placed(d)).collect();
    let name = lines.placed(name);
    Group { name, devices }
}

/// With an @, it would be the name of a node; with a - in front, an option.
fn check_name(kind: &str, name: &Spanned<String>, first: &mut First<'_>) {
    let text = name.get_ref();
    let fits = text.chars().count() <= 64
        && text.starts_with(char::is_alphanumeric)
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !fits {
        first.tell(name.span().start, || {
            said(&format!(
                "a {kind}'s name has letters, digits, _, - and ., begins with a letter or a digit, \
                 and has at most 64 of them"
            ))
        });
    }
}

fn cookie(texts: [Text; 3], lines: &Lines<'_>, first: &mut First<'_>) -> Option<Cookie> {
    let keys = ["cookie", "cookie_env", "cookie_file"];
    let sources = [Source::Text, Source::Variable, Source::File];
    let mut found: Vec<(&str, Source, Spanned<String>)> = keys
        .into_iter()
        .zip(sources)
        .zip(texts)
        .filter_map(|((key, source), text)| Some((key, source, text?)))
        .collect();
    found.sort_by_key(|(_, _, text)| text.span().start);
    if let [(one, ..), (other, _, second), ..] = found.as_slice() {
        first.tell(second.span().start, || {
            said(&format!(
                "there can be only one cookie: {one} or {other}, not both"
            ))
        });
    }
    let (key, source, value) = found.into_iter().next()?;
    let value = text(key, Some(value), lines, first)?;
    Some(Cookie { source, value })
}

fn text(
    key: &str,
    value: Text,
    lines: &Lines<'_>,
    first: &mut First<'_>,
) -> Option<Placed<String>> {
    let value = value?;
    let at = value.span().start;
    if value.get_ref().is_empty() {
        first.tell(at, || said(&format!("{key:?} is empty")));
    } else if value.get_ref().contains(char::is_control) {
        first.tell(at, || said(&format!("{key:?} has a control character")));
    }
    Some(lines.placed(value))
}

fn said(message: &str) -> (String, Option<String>) {
    (message.to_owned(), None)
}
