//! Decompression. OTP reads compressed and uncompressed beams, and so does this.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::problem::{Flaw, Kind};

/// The limit of a beam's size, compressed or not.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The bytes that start with `FOR1`: the given ones, or their decompressed content.
pub fn inflate(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Flaw> {
    if bytes.is_empty() {
        return Err(Flaw::new(Kind::Empty, "the file has no bytes"));
    }
    if bytes.len() > MAX_BYTES {
        return Err(too_large());
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return gunzip(bytes).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(bytes))
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(3).min(MAX_BYTES));
    // One byte above the limit is enough to detect it.
    let read = GzDecoder::new(bytes)
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut out);
    if out.len() > MAX_BYTES {
        return Err(too_large());
    }
    match read {
        Ok(_) => Ok(out),
        Err(error) => Err(Flaw::new(Kind::BadGzip, error.to_string())),
    }
}

fn too_large() -> Flaw {
    Flaw::new(Kind::TooLarge, format!("more than {MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use flate2::Compression;

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn round_trip() {
        let data = b"FOR1 and more".repeat(100);
        let packed = deflate(&data);
        assert_eq!(&*inflate(&packed).unwrap(), &data[..]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let packed = deflate(&vec![0; MAX_BYTES + 1]);
        assert_eq!(inflate(&packed).unwrap_err().kind, Kind::TooLarge);
    }

    #[test]
    fn a_cut_or_changed_stream_is_bad() {
        let mut packed = deflate(&[7; 5000]);
        let cut = &packed[..packed.len() - 3];
        assert_eq!(inflate(cut).unwrap_err().kind, Kind::BadGzip);
        let last = packed.len() - 6;
        packed[last] ^= 1;
        assert_eq!(inflate(&packed).unwrap_err().kind, Kind::BadGzip);
    }
}
