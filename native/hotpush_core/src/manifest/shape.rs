//! Checks that bytes are exactly the external term of a manifest.
//!
//! This is checked before they are decoded: the decoder allocates what a length claims, and recurses
//! as deep as the term goes, and both could crash the virtual machine. The checksum is not a
//! signature, so it does not show who wrote the bytes.

/// Far more than any project has.
const MAX_FOLDERS: usize = 100_000;

/// Version, a tuple of two, a short atom.
const HEAD: &[u8] = b"\x83\x68\x02\x77\x10hotpush_manifest";
const NIL: u8 = 106;
const LIST: u8 = 108;
/// A tuple of two, whose first element is a binary; and the tag of the second one.
const PAIR: &[u8] = &[104, 2, BINARY];
const BINARY: u8 = 109;

/// A list or binary may have at most as many elements or bytes as are left of the input.
pub(super) fn fits(body: &[u8]) -> bool {
    walk(body).is_some_and(<[u8]>::is_empty)
}

/// The bytes after the term.
fn walk(body: &[u8]) -> Option<&[u8]> {
    match body.strip_prefix(HEAD)? {
        [NIL, rest @ ..] => Some(rest),
        [LIST, rest @ ..] => {
            let (count, mut rest) = size(rest)?;
            if count > MAX_FOLDERS {
                return None;
            }
            for _ in 0..count {
                rest = binary(rest.strip_prefix(PAIR)?)?;
                rest = binary(rest.strip_prefix(&[BINARY])?)?;
            }
            rest.strip_prefix(&[NIL])
        }
        _ => None,
    }
}

/// The bytes after a binary whose tag has been read.
fn binary(bytes: &[u8]) -> Option<&[u8]> {
    let (size, rest) = size(bytes)?;
    rest.get(size..)
}

fn size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*size) as usize, rest))
}
