//! The allowed keys, and the types of their values.

use toml::de::{DeTable, DeValue};
use toml::Spanned;

use super::near::near;
use super::place::First;

enum Shape {
    Text,
    Texts,
    TextOrTexts,
    Fields(&'static [(&'static str, Shape)]),
    /// A table whose keys are names chosen by the user.
    Named(&'static Shape),
}

const FILE: &[(&str, Shape)] = &[
    ("app", Shape::TextOrTexts),
    ("cookie", Shape::Text),
    ("cookie_env", Shape::Text),
    ("cookie_file", Shape::Text),
    ("device", Shape::Named(&Shape::Fields(DEVICE))),
    ("group", Shape::Named(&Shape::Fields(GROUP))),
];

const DEVICE: &[(&str, Shape)] = &[
    ("ssh", Shape::Text),
    ("node", Shape::Text),
    ("adb", Shape::Text),
    ("cookie", Shape::Text),
    ("cookie_env", Shape::Text),
    ("cookie_file", Shape::Text),
];

const GROUP: &[(&str, Shape)] = &[("devices", Shape::Texts)];

pub(crate) fn check(file: &Spanned<DeTable<'_>>, first: &mut First<'_>) {
    fields(file.get_ref(), FILE, first);
}

fn fields(table: &DeTable<'_>, known: &'static [(&str, Shape)], first: &mut First<'_>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, shape)) => check_value(name, value, shape, first),
            None => first.tell(key.span().start, || unknown(name, known)),
        }
    }
}

fn unknown(name: &str, known: &[(&str, Shape)]) -> (String, Option<String>) {
    let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let message = format!("unknown key {name:?} (known here: {})", known.join(", "));
    let meant = near(name, known).map(str::to_owned);
    (message, meant)
}

fn check_value(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    shape: &'static Shape,
    first: &mut First<'_>,
) {
    let expected = match (shape, value.get_ref()) {
        (Shape::Text | Shape::TextOrTexts, DeValue::String(_)) => return,
        (Shape::Texts | Shape::TextOrTexts, DeValue::Array(items)) => {
            for item in items.iter() {
                check_value(key, item, &Shape::Text, first);
            }
            return;
        }
        (Shape::Fields(known), DeValue::Table(table)) => return fields(table, known, first),
        (Shape::Named(shape), DeValue::Table(table)) => {
            for (name, value) in table {
                check_value(name.get_ref(), value, shape, first);
            }
            return;
        }
        (Shape::Text, _) => "a string",
        (Shape::Texts, _) => "a list of strings",
        (Shape::TextOrTexts, _) => "a string or a list of strings",
        (Shape::Fields(_), _) => "a table",
        (Shape::Named(_), _) => "a table of tables",
    };
    first.tell(value.span().start, || {
        let got = type_name(value.get_ref());
        (format!("{key:?} should be {expected}, got {got}"), None)
    });
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
