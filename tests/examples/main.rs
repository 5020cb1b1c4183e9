//! The programs that `docs/from-raft-rs.md` and `docs/rust.md` print: each runs, and the page shows
//! the same bytes, or the same output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod five_mem_node;
mod single_mem_node;
#[allow(dead_code)] // `main` is for the program alone
#[path = "../../docs/programs/votes/main.rs"]
mod votes;

use std::path::{Path, PathBuf};

#[test]
fn single_mem_node_applies_a_proposal() {
    single_mem_node::main().unwrap();
}

#[test]
fn five_mem_node_grows_to_five_and_replicates() {
    five_mem_node::main();
}

/// Replaces what stands between the marks of a program. `REWRITE=1` writes the page anew.
#[test]
fn the_page_prints_the_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = root.join("docs/from-raft-rs.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let mut expected = text.clone();
    for name in ["single_mem_node.rs", "five_mem_node.rs"] {
        let program = std::fs::read_to_string(root.join("tests/examples").join(name)).unwrap();
        let (head, rest) = expected.split_once(&format!("<!-- {name} -->\n")).expect(name);
        let (_, tail) = rest.split_once("<!-- end -->").expect(name);
        expected = format!("{head}<!-- {name} -->\n```rust\n{program}```\n<!-- end -->{tail}");
    }
    if text != expected && std::env::var_os("REWRITE").is_some() {
        return std::fs::write(&page, expected).unwrap();
    }
    assert!(text == expected, "docs/from-raft-rs.md prints other programs: REWRITE=1 cargo test --test examples");
}

/// An empty folder of a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn votes_print_what_the_page_says() {
    let mut out = Vec::new();
    votes::run(&folder("votes"), &mut out).unwrap();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rust.md")).unwrap();
    let (_, said) = page.split_once("```text\n").unwrap();
    let (said, _) = said.split_once("```").unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), said);
}

#[test]
fn a_member_of_votes_forgets_a_torn_record_and_refuses_a_damaged_one() {
    let folder = folder("votes-damaged");
    votes::run(&folder, &mut Vec::new()).unwrap();
    let file = folder.join("member-1");
    let whole = std::fs::read(&file).unwrap();
    let found = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let disk = votes::disk::Disk::open(&file).map_err(|error| error.to_string())?;
        Ok::<_, String>((disk.log.len(), disk.state))
    };
    let all = found(&whole).unwrap();
    let refused = |error: &String| error.contains("remove this member");

    let (mut kept, mut lost) = (Vec::new(), 0);
    for length in 0..whole.len() {
        match found(&whole[..length]) {
            Ok(left) => {
                assert!(left != all, "{length} of {} bytes are enough", whole.len());
                kept.push(left.0);
            }
            Err(error) => lost += usize::from(refused(&error)),
        }
    }
    assert!(lost > 100 && lost + kept.len() == whole.len(), "{lost} refused, {} kept", kept.len());
    assert!(kept.is_sorted() && kept.last() == Some(&all.0), "a longer file has fewer entries");

    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        match found(&bytes) {
            Ok(left) => assert!(left != all, "byte {at} is not covered"),
            Err(error) => assert!(refused(&error), "{error}"),
        }
    }
}
