//! Facts that cbindgen's output lacks: the file of a function, the type of a constant.

use std::path::Path;
use std::{fs, io};

/// The files of `src/ffi`.
pub struct Sources {
    /// Name of the module, and the text of its file.
    files: Vec<(String, String)>,
}

impl Sources {
    /// Reads all files of a folder.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((module, fs::read_to_string(path)?));
        }
        files.sort();
        Ok(Self { files })
    }

    /// Sources that are not in files, for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(module, text)| (module.to_string(), text.to_string())).collect() }
    }

    /// The module that exports a function.
    pub fn module_of(&self, function: &str) -> Option<&str> {
        let declared = format!("extern \"C\" fn {function}(");
        self.files.iter().find(|(_, text)| text.contains(&declared)).map(|(module, _)| module.as_str())
    }

    /// The Rust type of a constant.
    pub fn type_of(&self, constant: &str) -> Option<&str> {
        let declared = format!("pub const {constant}: ");
        let (_, rest) = self.files.iter().find_map(|(_, text)| text.split_once(&declared))?;
        rest.split_once(' ').map(|(name, _)| name)
    }

    /// The names of all structs that are laid out for C. Without this list, cbindgen leaves out structs that no function needs.
    pub fn structs(&self) -> Vec<String> {
        let texts = self.files.iter().flat_map(|(_, text)| text.split("#[repr(C)]\npub struct ").skip(1));
        texts.filter_map(|rest| rest.split_once(' ')).map(|(name, _)| name.to_string()).collect()
    }
}
