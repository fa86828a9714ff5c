//! Reads, compares and packs BEAM files, so that a host can find out which code on a running
//! device is stale. Also reads `hotpush.toml`, which names such devices.
//!
//! This crate does not know Erlang terms or the library that calls it. No input makes it panic:
//! a file that cannot be used is a [`Problem`], and the other files are still read.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod beam;
mod diff;
mod digest;
mod gzip;
mod identity;
mod manifest;
pub mod mdns;
mod pack;
mod pool;
mod posix;
mod problem;
mod read;
mod scan;
mod seen;
mod settings;
mod times;
pub mod watch;

pub use beam::{Beam, Chunk};
pub use diff::{diff, Answer, Diff, Local, Reason};
pub use digest::{Kept, DIGEST_CHUNKS};
pub use gzip::{inflate, MAX_BYTES};
pub use identity::Identity;
pub use manifest::Manifest;
pub use pack::{pack, pack_bytes, Packed};
pub use problem::{Flaw, Kind, Problem};
pub use scan::{scan, Entry, Options, Scan};
pub use settings::{
    near, settings, Cookie, Device, Group, Mistake, Place, Placed, Settings, Source,
    MAX_SETTINGS_BYTES,
};
pub use times::times;
