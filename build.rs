//! With the feature `header`, writes the C header `raftcore.h` into OUT_DIR.
//!
//! Without the feature, a build generates nothing. The header is committed, and `make check-header` compares the committed file with the
//! sources. mk/c.mk links the libraries for C.

#[cfg(feature = "header")]
#[path = "mk/header/mod.rs"]
mod header;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "header")]
    write_header()?;
    Ok(())
}

#[cfg(feature = "header")]
fn write_header() -> Result<(), Box<dyn Error>> {
    use std::path::Path;
    use std::{env, fs};

    for input in ["cbindgen.toml", "mk/header", "src/ffi"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let sources = header::Sources::read(Path::new("src/ffi"))?;
    let mut config = cbindgen::Config::from_file("cbindgen.toml")?;
    config.export.include = sources.structs();
    let declared = cbindgen::Builder::new().with_config(config).with_src("src/ffi/mod.rs").generate()?;
    let mut text = Vec::new();
    declared.write(&mut text);

    match header::page(&fs::read_to_string("mk/header/raftcore.h.in")?, &String::from_utf8(text)?, &sources) {
        Ok(page) => fs::write(Path::new(&env::var("OUT_DIR")?).join("raftcore.h"), page)?,
        Err(faults) => faults.iter().for_each(|fault| println!("cargo::error={fault}")),
    }
    Ok(())
}
