//! Finds the name that was probably meant.

/// Longer names are not compared.
const LONGEST: usize = 64;

/// The name in `known` that is most similar to `text`, with at most one typing error in three
/// characters (a character added, left out, changed, or swapped with its neighbour; case does not
/// matter). Of equally similar names, the first one.
///
/// ```
/// use hotpush_core::near;
/// assert_eq!(near("cookei", ["app", "cookie", "cookie_env"]), Some("cookie"));
/// assert_eq!(near("colour", ["app", "cookie"]), None);
/// ```
pub fn near<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = letters(text)?;
    known
        .into_iter()
        .filter_map(|name| {
            let letters = letters(name)?;
            let slips = slips(&text, &letters);
            let allowed = text.len().max(letters.len()).div_ceil(3);
            (slips <= allowed && slips < letters.len()).then_some((slips, name))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

fn letters(text: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = text
        .chars()
        .take(LONGEST + 1)
        .flat_map(char::to_lowercase)
        .collect();
    (letters.len() <= LONGEST).then_some(letters)
}

/// The optimal string alignment distance, row by row.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = [
        "app",
        "cookie",
        "cookie_env",
        "cookie_file",
        "device",
        "group",
    ];

    #[test]
    fn slips_of_each_kind() {
        let slips_of = |a: &str, b: &str| slips(&letters(a).unwrap(), &letters(b).unwrap());
        assert_eq!(slips_of("cookie", "cookie"), 0);
        assert_eq!(slips_of("cokie", "cookie"), 1);
        assert_eq!(slips_of("cookies", "cookie"), 1);
        assert_eq!(slips_of("cookei", "cookie"), 1);
        assert_eq!(slips_of("coolie", "cookie"), 1);
        assert_eq!(slips_of("", "app"), 3);
        assert_eq!(slips_of("kitten", "sitting"), 3);
    }

    #[test]
    fn what_was_meant() {
        for (text, meant) in [
            ("apps", Some("app")),
            ("devices", Some("device")),
            ("Groups", Some("group")),
            ("cookie_evn", Some("cookie_env")),
            ("cookiefile", Some("cookie_file")),
            ("kitchen", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(near(text, KNOWN), meant, "{text}");
        }
        assert_eq!(near(&"a".repeat(10_000), KNOWN), None);
        assert_eq!(near("a", ["b", "c"]), None);
    }
}
