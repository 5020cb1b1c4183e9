//! Scenarios of raft-rs's tests of snapshots.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_restore", "test_restore_from_snap_msg"],
        name: "a_snapshot_replaces_log_and_membership",
        script: "group 3; only 1; recv 1 snapshot from 2 term 3 index 11 logterm 2 voters 1 2 3; last 1 11; lastterm 1 2; commit 1 11;
            says 1 appendresp 2 index 11; conf 1 1,2,3; follows 1 2; term 1 3",
    },
    Scenario {
        raft_rs: &["test_restore_ignore_snapshot"],
        name: "a_snapshot_of_what_is_committed_is_only_acknowledged",
        script: "group 3; disk 1 entries 1 1 1 commit 3; only 1; recv 1 snapshot from 2 term 2 index 2 logterm 1 voters 1 2 3; last 1 4;
            commit 1 3; says 1 appendresp 2 index 3
            | group 3; disk 1 entries 1 1 1 commit 3; only 1; recv 1 snapshot from 2 term 2 index 4 logterm 1 voters 1 2 3;
            last 1 4; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_restore_with_learner", "test_restore_learner_promotion"],
        name: "a_snapshot_brings_learners_and_promotes_one",
        script: "group 3; learners 3; only 3; recv 3 snapshot from 1 term 2 index 11 logterm 2 voters 1 2 3; conf 3 1,2,3; commit 3 11
            | group 3; only 1; recv 1 snapshot from 2 term 2 index 11 logterm 2 voters 1 2 learners 3; conf 1 1,2 3",
    },
    Scenario {
        raft_rs: &["test_restore_with_voters_outgoing"],
        name: "a_snapshot_brings_a_joint_membership",
        script: "group 3; only 1; recv 1 snapshot from 2 term 2 index 11 logterm 2 voters 1 2 4 outgoing 1 2 3;
            conf 1 1,2,4 - 1,2,3; commit 1 11",
    },
    Scenario {
        raft_rs: &["test_restore_learner", "test_learner_receive_snapshot"],
        name: "an_empty_node_becomes_a_learner_by_a_snapshot",
        script: "group 2; campaign 1; compact 1 1; change 1 v1 l3; propose 1; compact 1 3; empty 3; tick 1 1; conf 3 1,2 3;
            all commit 4; peer 1 3 match 4",
    },
    Scenario {
        raft_rs: &["test_restore_depromote_voter"],
        name: "a_snapshot_makes_a_voter_a_learner",
        script: "group 3; only 3; recv 3 snapshot from 1 term 2 index 11 logterm 2 voters 1 2 learners 3; conf 3 1,2 3; tick 3 60;
            role 3 follower",
    },
    Scenario {
        raft_rs: &["test_provide_snap", "test_slow_node_restore", "test_snapshot_succeed"],
        name: "a_peer_behind_the_log_gets_a_snapshot_and_goes_on",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; propose 1; compact 1 4; heal; tick 1 1; arrived 1 3; tick 1 1;
            all commit 5; peer 1 3 match 5; propose 1; all commit 6",
    },
    Scenario {
        raft_rs: &["test_ignore_providing_snapshot"],
        name: "a_peer_that_is_silent_gets_no_snapshot",
        script: "group 3; stop 3; campaign 1; propose 1; propose 1; compact 1 3; tick 1 30; count 1 snapshot 0; peer 1 3 state 0",
    },
    Scenario {
        raft_rs: &["test_sending_snapshot_set_pending_snapshot", "test_pending_snapshot_pause_replication"],
        name: "a_rejection_below_the_log_brings_a_snapshot_and_a_pause",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; compact 1 3; peer 1 3 match 2 next 5 state 1;
            recv 1 appendresp from 3 term 2 index 4 reject 2; says 1 snapshot 3; peer 1 3 match 2 state 2; propose 1;
            says 1 append 2 entries 1; spares 1 append 3",
    },
    Scenario {
        raft_rs: &["test_snapshot_failure"],
        name: "a_failed_snapshot_is_made_again_after_a_heartbeats_answer",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; propose 1; compact 1 4; heal; ignore snapshot; tick 1 1;
            peer 1 3 match 2 state 2; failed 1 3; peer 1 3 match 2 next 3 state 0; silent 1; heal; tick 1 1; all commit 5",
    },
    Scenario {
        raft_rs: &["test_snapshot_abort"],
        name: "a_late_acknowledgement_ends_the_snapshot",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; propose 1; compact 1 4; heal; ignore snapshot; tick 1 1;
            peer 1 3 state 2; recv 1 appendresp from 3 term 2 index 5; peer 1 3 match 5",
    },
    Scenario {
        raft_rs: &["test_follower_request_snapshot"],
        name: "a_follower_gets_the_snapshot_it_requests",
        script: "group 3; campaign 1; propose 1; request 3; taken; says 1 snapshot 3; arrived 1 3; propose 1; tick 1 1;
            all commit 4",
    },
    Scenario {
        raft_rs: &["test_request_snapshot"],
        name: "a_leader_answers_a_request_with_a_snapshot_of_its_state",
        script: "group 3; campaign 1; propose 1; isolate 2; recv 1 appendresp from 2 term 2 index 3 reject 3 request 3; says 1 snapshot 2;
            peer 1 2 state 2; propose 1; spares 1 append 2; arrived 1 2; peer 1 2 match 3 next 4 state 0",
    },
    Scenario {
        raft_rs: &["test_request_snapshot_unavailable", "test_request_snapshot_none_replicate"],
        name: "a_request_needs_a_leader_and_a_follower",
        script: "group 3; request 1; refused; campaign 1; request 1; refused; hold; request 2; taken; request 2; refused; release; tick 1 1;
            all commit 2",
    },
    Scenario {
        raft_rs: &["test_request_snapshot_on_role_change"],
        name: "a_campaign_ends_a_request",
        script: "group 3; campaign 1; propose 1; hold; request 2; taken; request 2; refused; campaign 2; role 2 candidate;
            recv 2 append from 3 term 4 index 3 logterm 2 entries 4; last 2 4; request 2; taken",
    },
    Scenario {
        raft_rs: &["test_raw_node_restart_from_snapshot"],
        name: "a_member_restarts_from_a_snapshot_alone_and_goes_on",
        script: "group 3; only 1; recv 1 snapshot from 2 term 3 index 11 logterm 2 voters 1 2 3; restart 1; last 1 11; lastterm 1 2;
            commit 1 11; term 1 3; role 1 follower; conf 1 1,2,3;
            recv 1 append from 2 term 3 index 11 logterm 2 entries 3 commit 12; last 1 12; commit 1 12; applied 1 1",
    },
    Scenario {
        raft_rs: &["test_raw_node_entries_after_snapshot"],
        name: "entries_behind_a_snapshot_are_taken_with_it",
        script: "group 3; only 1; stall 1; recv 1 snapshot from 2 term 3 index 11 logterm 2 voters 1 2 3;
            recv 1 append from 2 term 3 index 11 logterm 2 entries 3 3 commit 12; work 1; last 1 13; commit 1 12; applied 1 1;
            says 1 appendresp 2 index 13",
    },
];
