//! The names that POSIX gives to errors of the system, as Erlang and Elixir know them.

use std::io::{self, ErrorKind};

/// The name, such as `eacces`. `None` for an error that is not the system's, or is a rare one.
pub(crate) fn name(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error() {
        Some(code) => by_code(code),
        // A path with a zero byte never reaches the system.
        None if error.kind() == ErrorKind::InvalidInput => Some("einval"),
        None => None,
    }
}

/// The system's words, without the number that Rust puts behind them.
pub(crate) fn text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

fn by_code(code: i32) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, name)| *name)
}

/// What stat, open, read and listing a folder may answer.
const NAMES: &[(i32, &str)] = &[
    (libc::EACCES, "eacces"),
    (libc::EAGAIN, "eagain"),
    (libc::EBADF, "ebadf"),
    (libc::EBUSY, "ebusy"),
    (libc::EINTR, "eintr"),
    (libc::EINVAL, "einval"),
    (libc::EIO, "eio"),
    (libc::EISDIR, "eisdir"),
    (libc::ELOOP, "eloop"),
    (libc::EMFILE, "emfile"),
    (libc::ENAMETOOLONG, "enametoolong"),
    (libc::ENFILE, "enfile"),
    (libc::ENODEV, "enodev"),
    (libc::ENOENT, "enoent"),
    (libc::ENOMEM, "enomem"),
    (libc::ENOTDIR, "enotdir"),
    (libc::ENOTSUP, "enotsup"),
    (libc::ENXIO, "enxio"),
    (libc::EOVERFLOW, "eoverflow"),
    (libc::EPERM, "eperm"),
    (libc::ESTALE, "estale"),
    (libc::ETIMEDOUT, "etimedout"),
    (libc::ETXTBSY, "etxtbsy"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words() {
        let gone = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(name(&gone), Some("enoent"));
        assert_eq!(text(&gone), "No such file or directory");
        let many = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(name(&many), Some("emfile"));
        assert_eq!(name(&io::Error::other("no")), None);
        assert_eq!(text(&io::Error::other("no")), "no");
    }
}
