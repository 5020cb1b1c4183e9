//! Scenarios of raft-rs's tests of reads.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_read_only_option_safe", "test_raw_node_read_index"],
        name: "a_read_is_answered_at_leader_and_follower_after_a_round",
        script: "group 3; campaign 1; propose 1; read 1; answered 1 1; read 2; answered 2 1; read 3; answered 3 1; read 1; answered 1 2",
    },
    Scenario {
        raft_rs: &["test_read_only_with_learner"],
        name: "a_learner_reads_too",
        script: "group 3; learners 3; campaign 1; propose 1; read 3; answered 3 1; read 1; answered 1 1",
    },
    Scenario {
        raft_rs: &["test_read_only_option_lease"],
        name: "a_lease_answers_without_a_round",
        script: "group 3 lease; campaign 1; propose 1; tick 1 1; read 1; answered 1 1; count 1 heartbeat 0; read 2; answered 2 1",
    },
    Scenario {
        raft_rs: &["test_read_when_quorum_becomes_less"],
        name: "a_smaller_quorum_confirms_a_read",
        script: "group 2; campaign 1; ignore heartbeatresp; change 1 v1 -2; conf 1 1; read 1; answered 1 1",
    },
    Scenario {
        raft_rs: &["test_advance_commit_index_by_read_index_response"],
        name: "an_answer_to_a_read_brings_the_commit_index",
        script: "group 5 lazy; campaign 1; propose 1; commit 1 3; commit 2 2; ignore heartbeat; ignore append; commit 2 2; heal;
            read 2; answered 2 1; commit 2 3",
    },
    Scenario {
        raft_rs: &["test_raw_node_read_index_to_old_leader"],
        name: "an_old_leader_passes_a_read_on_to_the_new_one",
        script: "group 3; campaign 1; campaign 2; leader 2; follows 1 2; hold; read 3; release; answered 3 1",
    },
    Scenario {
        raft_rs: &["test_raft_frees_read_only_mem"],
        name: "a_leader_forgets_a_read_once_it_is_answered",
        script: "group 3; campaign 1; propose 1; ignore heartbeatresp; read 1; waits 1 1; answered 1 0; heal; tick 1 1; waits 1 0;
            answered 1 1 | group 3; campaign 1; propose 1; ignore heartbeatresp; read 2; waits 1 1; heal; tick 1 1; waits 1 0;
            answered 2 1",
    },
];
