//! Prepares a module for travel: stripped and stamped. It is compressed with others, when it is sent.

use std::path::Path;

use rayon::prelude::*;

use crate::beam::{Beam, Chunk};
use crate::digest::Kept;
use crate::gzip::inflate;
use crate::identity::Identity;
use crate::pool;
use crate::problem::{Flaw, Kind, Problem};
use crate::read;
use crate::scan::check_name;

/// A module that is ready to travel, and its identity.
#[derive(Debug)]
pub struct Packed {
    /// Of the very bytes that were packed.
    pub identity: Identity,
    /// An uncompressed beam.
    pub beam: Vec<u8>,
}

/// Packs files, each with the name of its application, in the order given.
pub fn pack(files: &[(&Path, &str)], kept: &Kept) -> Vec<Result<Packed, Problem>> {
    pool::within(|| {
        files
            .par_iter()
            .map(|(path, app)| pack_file(path, app, kept).map_err(|flaw| flaw.at(path)))
            .collect()
    })
}

fn pack_file(path: &Path, app: &str, kept: &Kept) -> Result<Packed, Flaw> {
    let mut bytes = Vec::new();
    read::read(path, read::stat(path)?, &mut bytes)?;
    let packed = pack_bytes(&bytes, app, kept)?;
    check_name(path, &packed.identity)?;
    Ok(packed)
}

/// Packs the content of one file.
pub fn pack_bytes(bytes: &[u8], app: &str, kept: &Kept) -> Result<Packed, Flaw> {
    let plain = inflate(bytes)?;
    let beam = Beam::parse(&plain)?;
    let identity = Identity::of(&beam, kept)?;
    let stamp = stamp(app, &identity.digest)?;
    let beam = rebuild(&beam, kept, &stamp);
    Ok(Packed { identity, beam })
}

/// The stamp takes the place of `CInf`, or comes last.
fn rebuild(beam: &Beam<'_>, kept: &Kept, stamp: &[u8]) -> Vec<u8> {
    let stamp = Chunk {
        id: *b"CInf",
        data: stamp,
    };
    let mut out = b"FOR1\0\0\0\0BEAM".to_vec();
    let mut stamped = false;
    for chunk in beam.chunks() {
        if chunk.id == stamp.id {
            stamped = true;
            add(&mut out, &stamp);
        } else if kept.keeps(chunk) {
            add(&mut out, chunk);
        }
    }
    if !stamped {
        add(&mut out, &stamp);
    }
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_be_bytes());
    out
}

fn add(out: &mut Vec<u8>, chunk: &Chunk<'_>) {
    out.extend_from_slice(&chunk.id);
    out.extend_from_slice(&(chunk.data.len() as u32).to_be_bytes());
    out.extend_from_slice(chunk.data);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// `[{hotpush, {App, Digest}}]` in the external term format.
fn stamp(app: &str, digest: &[u8; 32]) -> Result<Vec<u8>, Flaw> {
    let mut out = vec![131, 108, 0, 0, 0, 1, 104, 2];
    atom(&mut out, "hotpush")?;
    out.extend_from_slice(&[104, 2]);
    atom(&mut out, app)?;
    out.extend_from_slice(&[109, 0, 0, 0, 32]);
    out.extend_from_slice(digest);
    out.push(106);
    Ok(out)
}

fn atom(out: &mut Vec<u8>, name: &str) -> Result<(), Flaw> {
    let size = u8::try_from(name.len())
        .map_err(|_| Flaw::new(Kind::WrongName, "the application's name is too long"))?;
    out.extend_from_slice(&[119, size]);
    out.extend_from_slice(name.as_bytes());
    Ok(())
}
