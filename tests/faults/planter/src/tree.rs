//! A copy of the repository, of which a build may be made that nobody else gets.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Copies what was changed, and removes what is no longer there; what is built (`target`) and what git keeps stays where it is. A file
/// of `instead` gets the text that stands there.
pub fn copy(from: &Path, to: &Path, instead: &[(String, String)]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    let is_kept = |name: &OsString| name == "target" || name == ".git";
    fs::create_dir_all(to).map_err(failed)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let (source, goal) = (entry.path(), to.join(&name));
        if is_kept(&name) {
            continue;
        } else if kind.is_dir() {
            copy(&source, &goal, instead)?;
        } else if kind.is_file() {
            let other =
                instead.iter().find(|(path, _)| source.strip_prefix(".").is_ok_and(|source| source == Path::new(path)));
            match other {
                Some((_, text)) => write_new(&goal, text.as_bytes())?,
                None => write_new(&goal, &fs::read(&source).map_err(failed)?)?,
            }
            // A program stays one.
            fs::set_permissions(&goal, fs::metadata(&source).map_err(failed)?.permissions()).map_err(failed)?;
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if !is_kept(&name) && !names.contains(&name) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(failed)?;
        }
    }
    Ok(())
}

/// Writes a file unless it is so already: cargo builds anew what has another time.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
