//! Scenarios of raft-rs's tests of membership changes and learners.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_step_config", "test_step_ignore_config"],
        name: "of_two_changes_in_a_row_the_second_becomes_an_empty_entry",
        script: "group 3; campaign 1; hold; change 1 v1 +4; last 1 3; change 1 v1 +5; last 1 4; release; tick 1 1;
            conf 1 1,2,3,4",
    },
    Scenario {
        raft_rs: &["test_new_leader_pending_config"],
        name: "a_new_leader_takes_a_change_once_its_first_entry_is_applied",
        script: "group 3; disk 1 entries 1; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1; change 1 v1 +4; last 1 4;
            recv 1 appendresp from 2 term 2 index 3; change 1 v1 +4; recv 1 appendresp from 2 term 2 index 5; conf 1 1,2,3,4",
    },
    Scenario {
        raft_rs: &["test_add_node", "test_raft_nodes", "test_add_node_check_quorum"],
        name: "a_change_adds_a_voter_everywhere",
        script: "group 2; campaign 1; change 1 v1 +3; taken; conf 1 1,2,3; conf 2 1,2,3; peer 1 3 match 0 state 0
            | group 1 cq; campaign 1; tick 1 9; change 1 v1 +2; conf 1 1,2; tick 1 1; leader 1; tick 1 20; role 1 follower",
    },
    Scenario {
        raft_rs: &["test_remove_node"],
        name: "a_change_removes_a_voter_everywhere",
        script: "group 2; campaign 1; change 1 v1 -2; conf 1 1; propose 1; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_commit_after_remove_node"],
        name: "a_removal_commits_what_the_remaining_voters_have",
        script: "group 2; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 appendresp from 2 term 2 index 2; change 1 v1 -2;
            propose 1; commit 1 2; last 1 4; recv 1 appendresp from 2 term 2 index 3; conf 1 1; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_promotable"],
        name: "a_node_outside_the_membership_never_campaigns",
        script: "group 3; empty 4; tick 4 60; role 4 follower; silent 4",
    },
    Scenario {
        raft_rs: &["test_add_learner", "test_remove_learner", "test_learner_promotion"],
        name: "a_learner_comes_is_promoted_and_goes",
        script: "group 2; campaign 1; change 1 v1 l3; conf 1 1,2 3; conf 2 1,2 3; change 1 v1 +3; conf 1 1,2,3; change 1 v1 l3;
            stop 2; propose 1; commit 1 5; last 1 6
            | group 2; campaign 1; change 1 v1 l3; conf 1 1,2 3; change 1 v1 -3; conf 1 1,2",
    },
    Scenario {
        raft_rs: &["test_learner_log_replication"],
        name: "a_learner_gets_entries_and_does_not_count",
        script: "group 3; learners 3; campaign 1; propose 1; all commit 3; stop 2; propose 1; commit 1 3; last 3 4",
    },
    Scenario {
        raft_rs: &["test_raw_node_joint_auto_leave"],
        name: "a_joint_membership_is_left_by_itself",
        script: "group 3; campaign 1; change 1 implicit +4 -3; tick 1 3; conf 1 1,2,4; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_raw_node_propose_and_conf_change", "test_raw_node_propose_add_learner_node"],
        name: "an_explicit_joint_membership_is_left_by_a_change",
        script: "group 3; campaign 1; change 1 explicit +4 l3; conf 1 1,2,4 - 1,2,3 3; conf 2 1,2,4 - 1,2,3 3; change 1 auto; tick 1 1;
            conf 1 1,2,4 3; conf 2 1,2,4 3",
    },
    Scenario {
        raft_rs: &["test_raw_node_propose_add_duplicate_node"],
        name: "a_change_that_changes_nothing_passes_and_the_next_does_too",
        script: "group 2; campaign 1; change 1 v1 +2; conf 1 1,2; change 1 v1 +2; conf 1 1,2; change 1 v1 l3; conf 1 1,2 3; commit 1 5",
    },
    Scenario {
        raft_rs: &["test_raw_node_start", "test_raw_node_restart"],
        name: "a_restarted_member_goes_on_from_its_disk",
        script: "group 3; campaign 1; propose 1; restart 1; role 1 follower; term 1 2; commit 1 3; last 1 3; campaign 1; leader 1;
            all commit 4; propose 1; all commit 5",
    },
];
