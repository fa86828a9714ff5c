//! Lines and columns, counted as in editors.

use toml::Spanned;

use super::Mistake;

/// A place in a text. Both numbers begin at 1; a column is one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its first character's place.
    pub place: Place,
}

/// The beginnings of the lines of a text.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Lines { text, starts }
    }

    /// The place of a byte of the text, or of its end.
    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        Place {
            line: line as u32,
            column: before.chars().count() as u32 + 1,
        }
    }

    pub(crate) fn placed(&self, value: Spanned<String>) -> Placed<String> {
        let place = self.place(value.span().start);
        let value = value.into_inner();
        Placed { value, place }
    }
}

/// The first mistake in the file. Only its message is built.
pub(crate) struct First<'a> {
    lines: &'a Lines<'a>,
    found: Option<(usize, Mistake)>,
}

impl<'a> First<'a> {
    pub(crate) fn new(lines: &'a Lines<'a>) -> Self {
        First { lines, found: None }
    }

    /// Of two at one place, the one that was reported first is kept.
    pub(crate) fn tell(&mut self, at: usize, words: impl FnOnce() -> (String, Option<String>)) {
        if self.found.as_ref().is_some_and(|(first, _)| *first <= at) {
            return;
        }
        let (message, meant) = words();
        let place = self.lines.place(at);
        let mistake = Mistake {
            place,
            message,
            meant,
        };
        self.found = Some((at, mistake));
    }

    pub(crate) fn none(self) -> Result<(), Mistake> {
        match self.found {
            None => Ok(()),
            Some((_, mistake)) => Err(mistake),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_count_not_bytes() {
        let lines = Lines::of("a\nüö = 1\r\n");
        assert_eq!(lines.place(0), Place { line: 1, column: 1 });
        assert_eq!(lines.place(2), Place { line: 2, column: 1 });
        assert_eq!(lines.place(6), Place { line: 2, column: 3 });
        assert_eq!(lines.place(12), Place { line: 3, column: 1 });
        assert_eq!(lines.place(99), Place { line: 3, column: 1 });
    }
}
