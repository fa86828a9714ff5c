use proptest::prelude::*;

use super::*;

fn kept() -> Kept {
    Kept::with(["Docs"])
}

fn seen(number: u64) -> Seen {
    let stat = Stat {
        size: number,
        mtime_ns: 1,
        ctime_ns: 2,
        inode: number,
    };
    let identity = Identity {
        module: format!("Elixir.Example{number}"),
        md5: [number as u8; 16],
        bare_md5: [3; 16],
        line_md5: (number.is_multiple_of(2)).then_some([4; 16]),
        digest: [5; 32],
    };
    Seen {
        dir: 0,
        path: format!("/build/lib/app{}/ebin/x{number}.beam", number % 3).into(),
        result: Ok((stat, identity)),
        source: Source::Manifest,
    }
}

/// What is written for this many files, without the checksum.
fn written(files: u64) -> Vec<u8> {
    let seen: Vec<Seen> = (0..files).map(seen).collect();
    let bytes = encode(&seen, &kept()).unwrap();
    let manifest = Manifest::decode(&bytes, &kept()).unwrap();
    assert_eq!(manifest.count as u64, files);
    bytes[MAGIC.len() + 32..].to_vec()
}

/// Puts a right checksum before it, and decodes.
fn decoded(rest: &[u8]) -> Option<Manifest> {
    let bytes = [&MAGIC[..], blake3::hash(rest).as_bytes(), rest].concat();
    Manifest::decode(&bytes, &kept())
}

/// With a right checksum, around this term.
fn of_term(term: &[u8]) -> Option<Manifest> {
    decoded(&[&kept_list(&kept())[..], &[131], term].concat())
}

/// The decoder only gets what it understands to the last byte.
fn agrees(rest: &[u8]) {
    let prefix = kept_list(&kept());
    let Some(body) = rest.strip_prefix(&prefix[..]) else {
        assert!(decoded(rest).is_none());
        return;
    };
    if shape::fits(body) {
        let term = Term::decode(body).unwrap();
        let mut again = Vec::new();
        term.encode(&mut again).unwrap();
        let pairs = list_of(term).unwrap();
        assert!(pairs.len() <= body.len());
        // An empty list has two forms.
        assert!(again == body || pairs.is_empty());
        assert!(pairs.into_iter().all(|pair| pair_of(pair).is_some()));
    }
    let _ = decoded(rest);
}

#[test]
fn what_was_written_is_read() {
    for files in [0, 1, 2, 100] {
        agrees(&written(files));
    }
}

#[test]
fn a_length_that_cannot_be_is_no_manifest() {
    let tuple = b"\x68\x02\x77\x10hotpush_manifest";
    for hostile in [
        &b"\x6c\xff\xff\xff\xff"[..],
        b"\x6c\xff\xff\xff\xff\x68\x02",
        b"\x6c\0\0\0\x01\x68\x02\x6d\xff\xff\xff\xff",
        b"\x6c\0\0\0\x01\x68\x02\x6d\0\0\0\0\x6d\xff\xff\xff\xff",
        b"\x69\xff\xff\xff\xff",
        b"\x74\xff\xff\xff\xff",
        b"\x6f\xff\xff\xff\xff\0",
        b"\x4d\xff\xff\xff\xff\x08",
    ] {
        assert!(of_term(&[tuple, hostile].concat()).is_none());
        assert!(of_term(hostile).is_none());
    }
    // Compressed, and claiming to be large.
    assert!(of_term(b"\x50\xff\xff\xff\xff\x78\x9c\x03\0\0\0\0\x01").is_none());
}

#[test]
fn a_deep_term_is_no_manifest() {
    const DEEP: usize = 2_000_000;
    let tuple = b"\x68\x02\x77\x10hotpush_manifest";
    for level in [&b"\x68\x01"[..], b"\x6c\0\0\0\x01", b"\x74\0\0\0\x01\x6a"] {
        let term = level.repeat(DEEP);
        assert!(!shape::fits(&[b"\x83", &term[..]].concat()));
        assert!(!shape::fits(&[b"\x83", &tuple[..], &term].concat()));
    }
    // To the end once: a checksum takes its time.
    let term = [tuple, &b"\x68\x01".repeat(DEEP)[..]].concat();
    assert!(of_term(&term).is_none());
}

#[test]
fn more_folders_than_there_can_be_are_no_manifest() {
    let pair = b"\x68\x02\x6d\0\0\0\0\x6d\0\0\0\0";
    let list = |count: u32| {
        let head = b"\x68\x02\x77\x10hotpush_manifest\x6c";
        let pairs = pair.repeat(count as usize);
        [&head[..], &count.to_be_bytes(), &pairs, b"\x6a"].concat()
    };
    assert!(of_term(&list(100_000)).is_some());
    assert!(of_term(&list(100_001)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn mutations_under_a_right_checksum(
        files in 0u64..12,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut rest = written(files);
        // Behind the kept chunks, where the term is; half of them at its beginning.
        let from = kept_list(&kept()).len();
        for (at, byte) in changes {
            let end = if byte & 1 == 0 { rest.len() } else { rest.len().min(from + 48) };
            let at = from + at.index(end - from);
            rest[at] = byte;
        }
        agrees(&rest);
        agrees(&rest[..cut.index(rest.len())]);
    }

    #[test]
    fn any_term_of_the_tags_that_matter(
        tags in prop::collection::vec(
            prop::sample::select(vec![131u8, 104, 105, 106, 107, 108, 109, 116, 119, 80, 0, 1, 2, 255]),
            0..60,
        ),
    ) {
        let head = b"\x83\x68\x02\x77\x10hotpush_manifest";
        let prefix = kept_list(&kept());
        agrees(&[&prefix[..], &head[..], &tags].concat());
        agrees(&[&prefix[..], &tags].concat());
    }
}

/// More by HOTPUSH_FUZZ_CASES.
fn cases() -> u32 {
    let asked = std::env::var("HOTPUSH_FUZZ_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(400)
}
