//! The file as serde reads it, after its shape was checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::Deserialize;
use toml::de::Deserializer;
use toml::Spanned;

pub(crate) type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) app: Option<Spanned<Names>>,
    pub(crate) cookie: Text,
    pub(crate) cookie_env: Text,
    pub(crate) cookie_file: Text,
    #[serde(default)]
    pub(crate) device: BTreeMap<Spanned<String>, Device>,
    #[serde(default)]
    pub(crate) group: BTreeMap<Spanned<String>, Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) ssh: Text,
    pub(crate) node: Text,
    pub(crate) adb: Text,
    pub(crate) cookie: Text,
    pub(crate) cookie_env: Text,
    pub(crate) cookie_file: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(default)]
    pub(crate) devices: Vec<Spanned<String>>,
}

/// One name, or a list of them.
pub(crate) enum Names {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl File {
    /// Where it is wrong, in case the check of the shape missed something.
    pub(crate) fn read(table: Deserializer<'_>) -> Result<Self, usize> {
        File::deserialize(table).map_err(|error| error.span().map_or(0, |span| span.start))
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E>(self, name: &str) -> Result<Names, E> {
        Ok(Names::One(name.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = items.next_element()? {
            names.push(name);
        }
        Ok(Names::Many(names))
    }
}
