//! The container: `FOR1`, a size, `BEAM`, then chunks padded to four bytes.

use crate::problem::{Flaw, Kind};

/// Far more than any real file has. Without a limit, empty chunks in a hostile file could take much
/// memory.
const MAX_CHUNKS: usize = 1000;

/// The loader refuses a file without any of these.
const REQUIRED: [&[u8; 4]; 4] = [b"Code", b"StrT", b"ImpT", b"ExpT"];

/// A named part of a beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Its name.
    pub id: [u8; 4],
    /// Its content, without padding.
    pub data: &'a [u8],
}

/// The chunks of a beam, in the order of the file.
#[derive(Debug)]
pub struct Beam<'a> {
    chunks: Vec<Chunk<'a>>,
}

impl<'a> Beam<'a> {
    /// Parses an uncompressed beam.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let mut rest = form(bytes)?;
        let mut chunks: Vec<Chunk<'a>> = Vec::with_capacity(16);
        while !rest.is_empty() {
            let (chunk, after) = next_chunk(rest)?;
            if chunks.iter().any(|seen| seen.id == chunk.id) {
                return Err(bad(format!("{} twice", name(&chunk.id))));
            }
            if chunks.len() == MAX_CHUNKS {
                return Err(bad("too many chunks"));
            }
            chunks.push(chunk);
            rest = after;
        }
        let beam = Beam { chunks };
        match REQUIRED.iter().find(|id| beam.chunk(id).is_none()) {
            Some(id) => Err(bad(format!("no {}", name(id)))),
            None => Ok(beam),
        }
    }

    /// The chunks, in the order of the file.
    pub fn chunks(&self) -> &[Chunk<'a>] {
        &self.chunks
    }

    /// The data of one chunk.
    pub fn chunk(&self, id: &[u8; 4]) -> Option<&'a [u8]> {
        let chunk = self.chunks.iter().find(|chunk| chunk.id == *id)?;
        Some(chunk.data)
    }

    /// The first atom, which is the module's name.
    pub fn module(&self) -> Result<String, Flaw> {
        if let Some(data) = self.chunk(b"AtU8") {
            let bytes = first_atom(data).ok_or_else(|| bad("AtU8 has no first atom"))?;
            let name = std::str::from_utf8(bytes).map_err(|_| bad("AtU8 is not UTF-8"))?;
            return Ok(name.to_owned());
        }
        let data = self.chunk(b"Atom").ok_or_else(|| bad("no AtU8"))?;
        let bytes = first_atom(data).ok_or_else(|| bad("Atom has no first atom"))?;
        Ok(bytes.iter().map(|&byte| char::from(byte)).collect())
    }
}

/// The bytes between the header and the end that the header states.
fn form(bytes: &[u8]) -> Result<&[u8], Flaw> {
    if bytes.len() < 12 {
        let start = &bytes[..bytes.len().min(4)];
        return Err(if b"FOR1".starts_with(start) {
            Flaw::new(Kind::Truncated, "ends within its header")
        } else {
            not_a_beam()
        });
    }
    let (header, rest) = bytes.split_at(12);
    if !header.starts_with(b"FOR1") || !header.ends_with(b"BEAM") {
        return Err(not_a_beam());
    }
    let size = be32(&header[4..]).unwrap_or(0);
    let inside = size.checked_sub(4).ok_or_else(|| bad("size below 4"))?;
    rest.get(..inside).ok_or_else(|| {
        let missing = inside - rest.len();
        Flaw::new(Kind::Truncated, format!("{missing} bytes are missing"))
    })
}

fn next_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), Flaw> {
    let ([a, b, c, d], rest) = match bytes {
        [a, b, c, d, rest @ ..] => ([*a, *b, *c, *d], rest),
        _ => return Err(bad("ends within the header of a chunk")),
    };
    let id = [a, b, c, d];
    let size = be32(rest).ok_or_else(|| bad("ends within the header of a chunk"))?;
    let rest = &rest[4..];
    let data = rest
        .get(..size)
        .ok_or_else(|| bad(format!("{} is longer than the file", name(&id))))?;
    // The padding of the last one may be missing.
    let padded = size.saturating_add(3) & !3;
    Ok((Chunk { id, data }, rest.get(padded..).unwrap_or(&[])))
}

/// Since OTP 28, a negative count says that the lengths are compact-encoded: four high bits of a
/// byte, or, with its bit 3 set, three high bits and the next byte.
fn first_atom(data: &[u8]) -> Option<&[u8]> {
    let count = be32(data)? as u32 as i32;
    let rest = &data[4..];
    let (size, from) = match (count, rest) {
        (0, _) => return None,
        (1.., [size, ..]) => (usize::from(*size), 1),
        (_, [size, ..]) if size & 0b1000 == 0 => (usize::from(size >> 4), 1),
        (_, [high, low, ..]) if high & 0b1_0000 == 0 => {
            (usize::from(high >> 5) << 8 | usize::from(*low), 2)
        }
        _ => return None,
    };
    match rest.get(from..from + size) {
        Some([]) | None => None,
        found => found,
    }
}

fn be32(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d]) as usize),
        _ => None,
    }
}

fn name(id: &[u8; 4]) -> String {
    id.escape_ascii().to_string()
}

fn bad(detail: impl Into<String>) -> Flaw {
    Flaw::new(Kind::BadChunk, detail)
}

fn not_a_beam() -> Flaw {
    Flaw::new(Kind::NotABeam, "does not start as a beam does")
}
