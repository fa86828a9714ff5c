//! No input makes it panic, and what is accepted is told the same way twice.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use hotpush_core::{inflate, pack_bytes, Beam, Identity, Kept};
use proptest::prelude::*;

/// A small, complete beam, byte for byte as a compiler would lay it out.
fn small() -> Vec<u8> {
    let atoms = b"\0\0\0\x02\x05small\x05value".to_vec();
    let funs = [&[0, 0, 0, 1][..], &[7; 24][..]].concat();
    let chunks: [(&[u8; 4], Vec<u8>); 10] = [
        (b"AtU8", atoms),
        (b"Code", vec![3; 41]),
        (b"StrT", vec![]),
        (b"ImpT", vec![0; 4]),
        (b"ExpT", vec![0; 16]),
        (b"FunT", funs),
        (b"Meta", vec![131, 106]),
        (b"Line", vec![1; 20]),
        (b"CInf", vec![131, 106]),
        (b"Dbgi", vec![131, 106]),
    ];
    let mut out = b"FOR1\0\0\0\0BEAM".to_vec();
    for (id, data) in chunks {
        out.extend_from_slice(id);
        out.extend_from_slice(&(data.len() as u32).to_be_bytes());
        out.extend_from_slice(&data);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_be_bytes());
    out
}

/// Some real ones, where Erlang is installed.
fn real() -> &'static [Vec<u8>] {
    static REAL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    REAL.get_or_init(find_real)
}

fn find_real() -> Vec<Vec<u8>> {
    let root = Command::new("erl")
        .args([
            "-noshell",
            "-eval",
            "io:put_chars(code:lib_dir(stdlib)), halt().",
        ])
        .output();
    let Ok(root) = root else { return vec![] };
    let ebin = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim()).join("ebin");
    ["lists", "queue", "array"]
        .iter()
        .filter_map(|name| std::fs::read(ebin.join(name).with_extension("beam")).ok())
        .collect()
}

/// All that is done with a file's content.
fn everything(bytes: &[u8]) {
    let kept = Kept::with(["Docs", "Dbgi"]);
    let first = Identity::of_bytes(bytes, &kept);
    assert_eq!(first, Identity::of_bytes(bytes, &kept));
    let packed = pack_bytes(bytes, "app", &kept);
    match (first, packed) {
        (Ok(identity), Ok(packed)) => {
            assert_eq!(identity, packed.identity);
            assert_eq!(Identity::of_bytes(&packed.beam, &kept), Ok(identity));
        }
        (first, packed) => assert_eq!(first.err(), packed.err()),
    }
}

#[test]
fn the_small_one_is_accepted() {
    let identity = Identity::of_bytes(&small(), &Kept::with([""; 0])).unwrap();
    assert_eq!(identity.module, "small");
    assert_ne!(identity.md5, identity.bare_md5);
    everything(&small());
    real().iter().for_each(|beam| everything(beam));
}

#[test]
fn every_cut_is_a_problem() {
    let whole = small();
    for size in 0..whole.len() {
        assert!(Identity::of_bytes(&whole[..size], &Kept::with([""; 0])).is_err());
    }
}

#[test]
fn further_names_do_not_repeat_or_hide_the_stamp() {
    let kept = Kept::with(["Docs", "Code", "CInf", "Docs", "too long", ""]);
    assert_eq!(kept.ids().len(), hotpush_core::DIGEST_CHUNKS.len() + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        everything(&bytes);
        everything(&[b"FOR1", &bytes[..]].concat());
        everything(&[&[0x1f, 0x8b, 8, 0], &bytes[..]].concat());
        let size = (bytes.len() as u32 + 4).to_be_bytes();
        everything(&[b"FOR1", &size[..], b"BEAM", &bytes[..]].concat());
    }

    #[test]
    fn any_first_atom(count in any::<i32>(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut beam = small();
        let at = beam.windows(4).position(|id| id == b"AtU8").unwrap() + 8;
        beam[at..at + 4].copy_from_slice(&count.to_be_bytes());
        let room = bytes.len().min(12);
        beam[at + 4..at + 4 + room].copy_from_slice(&bytes[..room]);
        everything(&beam);
    }

    #[test]
    fn mutations(which in 0usize..4, changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut beams = real().to_vec();
        beams.push(small());
        let mut beam = beams.swap_remove(which % beams.len());
        for (at, byte) in changes {
            // The headers are where it matters most.
            let at = if byte & 1 == 0 { at % 64 } else { at % beam.len() };
            beam[at] = byte;
        }
        everything(&beam);
        everything(&beam[..beam.len() / 2]);
        if let Ok(plain) = inflate(&beam) {
            let _ = Beam::parse(&plain);
        }
    }
}
