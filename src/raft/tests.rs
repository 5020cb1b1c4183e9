//! Contradictions in a node's own state, beyond the reach of calls: the check of the log finds a contradiction, and the node stops.

#![allow(clippy::unwrap_used)]

use super::*;

/// How a test breaks an empty log, and the words of the check. `cheap`: release builds check as much after a call.
struct Broken {
    breaks: fn(&mut Log),
    says: &'static str,
    cheap: bool,
}

const MARK: &str = "a storage mark is beyond the log";
const BROKEN: [Broken; 7] = [
    Broken { breaks: |log| log.commit = 1, says: "commit is beyond the last entry", cheap: true },
    Broken { breaks: |log| log.applied = 1, says: "applied is beyond applying", cheap: true },
    Broken { breaks: |log| (log.applied, log.applying) = (1, 1), says: "applying is beyond commit", cheap: true },
    Broken { breaks: |log| log.durable = 1, says: MARK, cheap: true },
    Broken { breaks: |log| log.handed = 1, says: MARK, cheap: false },
    Broken { breaks: |log| (log.durable, log.handed) = (1, 1), says: MARK, cheap: false },
    Broken { breaks: |log| log.recent_first = 2, says: "the recent log does not end at the last entry", cheap: false },
];

#[test]
fn a_node_whose_log_contradicts_itself_stops_and_says_why() {
    for Broken { breaks, says, cheap } in BROKEN {
        let mut raft = Raft::new(&Config { seed: 1, ..Config::new(1) }).unwrap();
        assert!(raft.log.is_sound() && raft.checked(Ok(())).is_ok(), "{says}: sound before");
        breaks(&mut raft.log);

        assert_eq!((raft.log.is_sound(), raft.log.check()), (!cheap, Err(says)));
        assert_eq!(raft.checked(Ok(())), Err(Error::Poisoned), "{says}");
        assert_eq!(raft.fault, Some(says));
    }
}
