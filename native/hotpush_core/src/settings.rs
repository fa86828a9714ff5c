//! `hotpush.toml`: the devices of one developer, or the first mistake in the file with its place.
//!
//! The caller checks what values mean (such as whether a host name is valid), so every value comes
//! with its place. No message contains a value, since one of them is the cookie.

mod near;
mod place;
mod raw;
mod rules;
mod shape;

use std::fmt;

use toml::de::{DeTable, Deserializer};

pub use near::near;
use place::{First, Lines};
pub use place::{Place, Placed};

/// The largest size of the file, in bytes.
pub const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// The content of the file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The project's applications.
    pub apps: Vec<Placed<String>>,
    /// The cookie of devices without one of their own.
    pub cookie: Option<Cookie>,
    /// The devices.
    pub devices: Vec<Device>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// One device, and the way to it: `ssh`, `node`, or `adb` with or without `node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its nickname.
    pub name: Placed<String>,
    /// `[user@]host[:port]`
    pub ssh: Option<Placed<String>>,
    /// The name of its node.
    pub node: Option<Placed<String>>,
    /// Its serial number, or a unique prefix of it.
    pub adb: Option<Placed<String>>,
    /// Its own cookie.
    pub cookie: Option<Cookie>,
}

/// A group of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Placed<String>,
    /// Nicknames of devices of this file; at least one.
    pub devices: Vec<Placed<String>>,
}

/// Where a cookie comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The value is the cookie.
    Text,
    /// The value is the name of an environment variable.
    Variable,
    /// The value is the path of a file.
    File,
}

/// A cookie, or where to find it. It stays hidden when it is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    /// What the value is.
    pub source: Source,
    /// The value.
    pub value: Placed<String>,
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong, as part of a sentence, without any value.
    pub message: String,
    /// The key or name that was probably meant.
    pub meant: Option<String>,
}

/// Reads the bytes of the file. Of several mistakes, the first one in the file is reported.
pub fn settings(bytes: &[u8]) -> Result<Settings, Mistake> {
    let text = text(bytes)?;
    let lines = Lines::of(text);
    let mut first = First::new(&lines);
    let table = DeTable::parse(text).map_err(|error| syntax(text, &lines, &error))?;
    shape::check(&table, &mut first);
    first.none()?;
    let file = raw::File::read(Deserializer::from(table)).map_err(|at| Mistake {
        place: lines.place(at),
        message: "this is not allowed here".into(),
        meant: None,
    })?;
    let mut first = First::new(&lines);
    let settings = rules::apply(file, &lines, &mut first);
    first.none()?;
    Ok(settings)
}

fn text(bytes: &[u8]) -> Result<&str, Mistake> {
    let start = |message: &str| Mistake {
        place: Place { line: 1, column: 1 },
        message: message.into(),
        meant: None,
    };
    if bytes.len() > MAX_SETTINGS_BYTES {
        return Err(start("the file is larger than 64 KiB"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Mistake {
            place: Lines::of(&valid).place(valid.len()),
            ..start("this is not UTF-8")
        }
    })
}

/// The parser's own messages are fixed: none repeats a value.
fn syntax(text: &str, lines: &Lines<'_>, error: &toml::de::Error) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let key = text.get(span.clone()).unwrap_or_default();
    let (at, message) = match (error.message(), bare_word(text, span.start)) {
        ("duplicate key", _) => (
            span.start,
            format!("the key {key} appears a second time here"),
        ),
        (_, Some(at)) => (at, "text must be in quotes".into()),
        (other, None) => (span.start, other.to_owned()),
    };
    Mistake {
        place: lines.place(at),
        message,
        meant: None,
    }
}

/// The beginning of the value that the parser could not read, if it is text without quotes, such as a
/// host name that looks like a number.
fn bare_word(text: &str, at: usize) -> Option<usize> {
    let plain = |c: char| c.is_alphanumeric() || "_-.@:/%".contains(c);
    let (before, after) = text.split_at_checked(at)?;
    let head = before.trim_end_matches(plain);
    let word = &before[head.len()..];
    let rest = &after[..after.len() - after.trim_start_matches(plain).len()];
    let letters = word.chars().chain(rest.chars()).any(char::is_alphabetic);
    let address = word.matches('.').count() + rest.matches('.').count() > 1;
    let head_end = head.trim_end_matches([' ', '\t', '\n', '\r']);
    // A bracket at the beginning of a line belongs to the name of a table.
    let list = head_end.strip_suffix('[').is_some_and(|before| {
        !before.is_empty() && !before.trim_end_matches([' ', '\t']).ends_with('\n')
    });
    let value = list || head_end.ends_with(['=', ',']);
    (value && (letters || address)).then_some(head.len())
}
