//! The times of files.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use walkdir::WalkDir;

/// All files at and below these paths, each with the second (Unix time) in which it was last written.
/// Follows links. Leaves out what cannot be read.
pub fn times(paths: &[PathBuf]) -> Vec<(PathBuf, i64)> {
    let walk = |path: &PathBuf| WalkDir::new(path).follow_links(true).into_iter();
    paths
        .iter()
        .flat_map(walk)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            meta.is_file()
                .then(|| (entry.path().to_owned(), meta.mtime()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_below_folders_links_and_files() {
        let dir = std::env::temp_dir().join(format!("hotpush-{}-times", std::process::id()));
        let at = |name: &str| dir.join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["a/one", "a/b/two", "three"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(at("a"), at("a/b/loop")).unwrap();
        symlink(at("three"), at("a/link")).unwrap();
        symlink(at("nowhere"), at("a/dangling")).unwrap();

        let mut found = times(&[at("a"), at("three"), at("gone")]);
        found.sort();
        let names: Vec<_> = found.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(
            names,
            [at("a/b/two"), at("a/link"), at("a/one"), at("three")]
        );
        let second = fs::metadata(at("three")).unwrap().mtime();
        assert_eq!(found[3].1, second);
        fs::remove_dir_all(dir).unwrap();
    }
}
