//! The identity of a module.

use md5::{Digest, Md5};

use crate::beam::Beam;
use crate::digest::Kept;
use crate::gzip::inflate;
use crate::problem::Flaw;

/// The emulator's MD5 covers the chunks in this order, whatever the order in the file.
const MD5_CHUNKS: [&[u8; 4]; 8] = [
    b"Atom", b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT",
];

/// The identities of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name in the file.
    pub module: String,
    /// What the emulator answers for the loaded module.
    pub md5: [u8; 16],
    /// The same without `Meta`, which some releases strip.
    pub bare_md5: [u8; 16],
    /// Of the `Line` chunk, if there is one.
    pub line_md5: Option<[u8; 16]>,
    /// Of everything that would travel.
    pub digest: [u8; 32],
}

impl Identity {
    /// Of a beam.
    pub fn of(beam: &Beam<'_>, kept: &Kept) -> Result<Self, Flaw> {
        let module = beam.module()?;
        let bare = module_md5(beam);
        let md5 = match beam.chunk(b"Meta") {
            Some(meta) => bare.clone().chain_update(meta),
            None => bare.clone(),
        };
        Ok(Identity {
            module,
            md5: md5.finalize().into(),
            bare_md5: bare.finalize().into(),
            line_md5: beam.chunk(b"Line").map(|line| Md5::digest(line).into()),
            digest: kept.digest(beam),
        })
    }

    /// Of the content of a file, compressed or not.
    pub fn of_bytes(bytes: &[u8], kept: &Kept) -> Result<Self, Flaw> {
        let plain = inflate(bytes)?;
        Identity::of(&Beam::parse(&plain)?, kept)
    }
}

fn module_md5(beam: &Beam<'_>) -> Md5 {
    let mut md5 = Md5::new();
    for id in MD5_CHUNKS {
        match beam.chunk(id) {
            Some(data) if id == b"FunT" => add_funs(&mut md5, data),
            Some(data) => md5.update(data),
            None => {}
        }
    }
    md5
}

/// The last word of each entry is an older hash, and is taken as zero.
fn add_funs(md5: &mut Md5, data: &[u8]) {
    let (count, entries) = data.split_at(data.len().min(4));
    md5.update(count);
    let mut entries = entries.chunks_exact(24);
    for entry in &mut entries {
        md5.update(&entry[..20]);
        md5.update([0; 4]);
    }
    md5.update(entries.remainder());
}
