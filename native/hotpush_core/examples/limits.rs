//! Measures the parts of a scan, each alone, over the same files and on all cores.
//!
//! Reads folders from standard input, one per line. Prints the median time of each part in
//! milliseconds, over as many rounds as the first argument says. All but `list`, `read` and `scan`
//! work on files that are in memory already.

use std::fs;
use std::hint::black_box;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use hotpush_core::{inflate, scan, Beam, Identity, Kept, Options};
use md5::{Digest, Md5};
use rayon::prelude::*;

/// The chunks of which the module's MD5 is made; `Line` has one of its own.
const MD5_CHUNKS: [&[u8; 4]; 10] = [
    b"Atom", b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT", b"Meta", b"Line",
];

fn list(dirs: &[String]) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for dir in dirs {
        for item in fs::read_dir(dir)? {
            paths.push(item?.path());
        }
    }
    Ok(paths)
}

/// As a scan reads: stat, open, read, close, stat, into one buffer.
fn read(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    let size = fs::metadata(path)?.len();
    buffer.clear();
    fs::File::open(path)?.take(size).read_to_end(buffer)?;
    black_box(fs::metadata(path)?);
    Ok(())
}

fn md5(bytes: &[u8]) -> Option<[u8; 16]> {
    let beam = Beam::parse(bytes).ok()?;
    let mut md5 = Md5::new();
    for data in MD5_CHUNKS.iter().filter_map(|id| beam.chunk(id)) {
        md5.update(data);
    }
    Some(md5.finalize().into())
}

fn blake3(bytes: &[u8], kept: &Kept) -> Option<[u8; 32]> {
    Some(kept.digest(&Beam::parse(bytes).ok()?))
}

fn main() -> io::Result<()> {
    let rounds: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let dirs = io::stdin().lock().lines().collect::<io::Result<Vec<_>>>()?;
    let paths = list(&dirs)?;
    let files: Vec<Vec<u8>> = paths.iter().map(fs::read).collect::<io::Result<_>>()?;
    let packed = files
        .iter()
        .filter(|bytes| bytes.starts_with(&[0x1f, 0x8b]))
        .count();
    let bytes: usize = files
        .iter()
        .filter_map(|bytes| Some((bytes, Beam::parse(bytes).ok()?)))
        .map(|(_, beam)| {
            MD5_CHUNKS
                .iter()
                .filter_map(|id| beam.chunk(id))
                .map(<[u8]>::len)
                .sum::<usize>()
        })
        .sum();
    let kept = Kept::with([] as [&[u8]; 0]);
    let options = Options {
        kept: kept.clone(),
        manifest: None,
        overlay: 0,
    };
    let folders: Vec<PathBuf> = dirs.iter().map(PathBuf::from).collect();

    let parts: [(&str, &dyn Fn()); 7] = [
        ("list", &|| {
            let _ = black_box(list(&dirs));
        }),
        ("read", &|| {
            paths
                .par_iter()
                .with_min_len(16)
                .for_each_init(Vec::new, |buffer, path| {
                    let _ = black_box(read(path, buffer));
                })
        }),
        ("md5", &|| {
            files.par_iter().for_each(|bytes| {
                black_box(md5(bytes));
            })
        }),
        ("blake3", &|| {
            files.par_iter().for_each(|bytes| {
                black_box(blake3(bytes, &kept));
            })
        }),
        ("identity", &|| {
            files.par_iter().for_each(|bytes| {
                let plain = inflate(bytes).ok();
                let beam = plain.as_deref().and_then(|plain| Beam::parse(plain).ok());
                let _ = black_box(beam.map(|beam| Identity::of(&beam, &kept)));
            })
        }),
        ("md5_one_thread", &|| {
            files.iter().for_each(|bytes| {
                black_box(md5(bytes));
            })
        }),
        ("scan", &|| {
            black_box(scan(&folders, &options));
        }),
    ];
    let mut times = vec![Vec::new(); parts.len()];
    for _ in 0..rounds {
        for ((_, part), times) in parts.iter().zip(&mut times) {
            let start = Instant::now();
            part();
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    println!(
        "files {} compressed {packed} md5_bytes {bytes}",
        files.len()
    );
    for ((name, _), times) in parts.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{name} {:.3}", times[times.len() / 2]);
    }
    Ok(())
}
