//! The chunks that travel, and the digest over them.

use crate::beam::{Beam, Chunk};

/// What the loader needs or a running system shows.
pub const DIGEST_CHUNKS: [&[u8; 4]; 12] = [
    b"Atom", b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT", b"Meta", b"Line",
    b"Type", b"Attr",
];

/// The chunks to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    ids: Vec<[u8; 4]>,
}

impl Kept {
    /// The usual ones and these. `CInf` is never kept: the stamp takes its place.
    pub fn with<I, S>(further: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<[u8]>,
    {
        let mut extra: Vec<[u8; 4]> = further
            .into_iter()
            .filter_map(|id| id.as_ref().try_into().ok())
            .filter(|id| id != b"CInf" && !DIGEST_CHUNKS.contains(&id))
            .collect();
        extra.sort_unstable();
        extra.dedup();
        let mut ids: Vec<[u8; 4]> = DIGEST_CHUNKS.iter().map(|id| **id).collect();
        ids.append(&mut extra);
        Kept { ids }
    }

    /// Their names.
    pub fn ids(&self) -> &[[u8; 4]] {
        &self.ids
    }

    /// Says whether the chunk stays.
    pub fn keeps(&self, chunk: &Chunk<'_>) -> bool {
        self.ids.contains(&chunk.id)
    }

    /// BLAKE3 over the kept chunks in the order of the file: name, size, data.
    pub fn digest(&self, beam: &Beam<'_>) -> [u8; 32] {
        let kept = || beam.chunks().iter().filter(|chunk| self.keeps(chunk));
        // In one piece: the hash works on several KiB at once, which is worth far more than the copy.
        let mut whole = Vec::with_capacity(kept().map(|chunk| chunk.data.len() + 8).sum());
        for chunk in kept() {
            whole.extend_from_slice(&chunk.id);
            whole.extend_from_slice(&(chunk.data.len() as u32).to_be_bytes());
            whole.extend_from_slice(chunk.data);
        }
        *blake3::hash(&whole).as_bytes()
    }
}
