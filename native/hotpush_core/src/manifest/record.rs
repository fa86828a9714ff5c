//! The facts of one file as bytes: numbers in little-endian order, names with their size before them.

use std::collections::HashMap;

use crate::identity::Identity;
use crate::read::Stat;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub stat: Stat,
    pub identity: Identity,
}

pub(super) fn encode(out: &mut Vec<u8>, name: &[u8], stat: &Stat, identity: &Identity) {
    bytes(out, name);
    out.extend_from_slice(&stat.size.to_le_bytes());
    out.extend_from_slice(&stat.mtime_ns.to_le_bytes());
    out.extend_from_slice(&stat.ctime_ns.to_le_bytes());
    out.extend_from_slice(&stat.inode.to_le_bytes());
    bytes(out, identity.module.as_bytes());
    out.extend_from_slice(&identity.md5);
    out.extend_from_slice(&identity.bare_md5);
    bytes(out, identity.line_md5.as_ref().map_or(&[], |md5| &md5[..]));
    out.extend_from_slice(&identity.digest);
}

/// The records by file name, or nothing if any byte is wrong.
pub(super) fn decode(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Record>> {
    let mut rest = Reader(bytes);
    let mut records = HashMap::with_capacity(bytes.len() / 160);
    while !rest.0.is_empty() {
        let name = rest.bytes()?.to_vec();
        records.insert(name, rest.record()?);
    }
    Some(records)
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<Record> {
        let stat = Stat {
            size: u64::from_le_bytes(self.array()?),
            mtime_ns: i64::from_le_bytes(self.array()?),
            ctime_ns: i64::from_le_bytes(self.array()?),
            inode: u64::from_le_bytes(self.array()?),
        };
        let identity = Identity {
            module: std::str::from_utf8(self.bytes()?).ok()?.to_owned(),
            md5: self.array()?,
            bare_md5: self.array()?,
            line_md5: match self.bytes()? {
                [] => None,
                md5 => Some(md5.try_into().ok()?),
            },
            digest: self.array()?,
        };
        Some(Record { stat, identity })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let size = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(bytes)
    }
}
