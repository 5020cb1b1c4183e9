//! What the copy of the core with planted faults has more than the core: the planter makes this file a module of the copy.

/// What etcd's suites ask of the core's parts.
#[cfg(feature = "capi")]
#[path = "../conformance/hooks.rs"]
mod hooks;

use std::sync::OnceLock;

/// The number of the fault that runs: `RAFTCORE_FAULT` in the environment; 0, none, without the variable.
#[inline]
pub(crate) fn fault() -> u32 {
    static CHOSEN: OnceLock<u32> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var("RAFTCORE_FAULT") {
        Err(_) => 0,
        Ok(number) => number.parse().ok().filter(|&number| number <= crate::PLANTED_FAULTS).unwrap_or_else(|| {
            eprintln!("RAFTCORE_FAULT={number}: no number of a fault in tests/faults");
            std::process::exit(3)
        }),
    })
}
