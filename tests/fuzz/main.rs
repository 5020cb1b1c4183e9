//! The fuzz targets without a fuzzer: what it found or kept (`fuzz/corpus`), and random bytes for a few seconds. `make fuzz` runs them
//! under libFuzzer.
//!
//!     FUZZ_SEED=7 cargo test --test fuzz      repeats the random part; without it the seed is fresh and printed
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod targets;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn what_a_fuzzer_kept_breaks_no_promise() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for &(name, target) in targets::ALL {
        let mut files: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            println!("{}", file.display());
            target(&std::fs::read(file).unwrap());
        }
    }
}

#[test]
fn random_bytes_break_no_promise() {
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("FUZZ_SEED").unwrap_or(fresh);
    println!("FUZZ_SEED={seed} cargo test --test fuzz");
    let mut random = seed;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    for &(name, target) in targets::ALL {
        let runs = if name == "cluster" { 300 } else { 2000 };
        for _ in 0..number("FUZZ_RUNS").unwrap_or(runs) {
            let len = next() % 600;
            let data: Vec<u8> = (0..len).map(|_| next() as u8).collect();
            target(&data);
        }
    }
}
