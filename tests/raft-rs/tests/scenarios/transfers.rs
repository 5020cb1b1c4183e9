//! Scenarios of raft-rs's tests of transfers of leadership.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_leader_transfer_to_uptodate_node", "test_leader_transfer_with_check_quorum"],
        name: "leadership_goes_to_a_peer_with_the_whole_log_and_back",
        script: "group 3; campaign 1; transfer 1 2; leader 2; role 1 follower; propose 2; transfer 2 1; leader 1; all term 4
            | group 3 cq; campaign 1; transfer 1 2; leader 2; role 1 follower; propose 2; transfer 2 1; leader 1",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_to_uptodate_node_from_follower"],
        name: "a_follower_passes_the_wish_for_a_transfer_on",
        script: "group 3; campaign 1; transfer 2 2; leader 2; propose 2; transfer 1 1; leader 1",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_to_slow_follower"],
        name: "a_slow_target_is_brought_up_first",
        script: "group 3; campaign 1; isolate 3; propose 1; heal; tick 1 1; transfer 1 3; leader 3; all commit 4",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_after_snapshot"],
        name: "a_target_that_needs_a_snapshot_leads_after_it",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; compact 1 3; heal; ignore snapshot; transfer 1 3; tick 1 1; target 1 3;
            leader 1; heal; failed 1 3; tick 1 1; leader 3",
    },
    Scenario {
        raft_rs: &[
            "test_leader_transfer_to_self", "test_leader_transfer_to_non_existing_node", "test_leader_transfer_to_learner",
            "test_transfer_non_member",
        ],
        name: "who_cannot_lead_is_no_target_of_a_transfer",
        script: "group 3; campaign 1; transfer 1 1; leader 1; target 1 0; transfer 1 4; leader 1; target 1 0; term 1 2
            | group 3; learners 3; campaign 1; transfer 1 3; leader 1; target 1 0
            | group 3; empty 4; recv 4 timeoutnow from 2 term 1; role 4 follower; silent 4; recv 4 voteresp from 2 term 1;
            recv 4 voteresp from 3 term 1; role 4 follower",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_timeout", "test_leader_transfer_ignore_proposal"],
        name: "proposals_wait_for_a_transfer_and_its_deadline_ends_it",
        script: "group 3; campaign 1; isolate 3; transfer 1 3; target 1 3; propose 1; refused; last 1 2; tick 1 9; target 1 3; tick 1 1;
            target 1 0; leader 1; propose 1; taken; commit 1 3",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_receive_higher_term_vote"],
        name: "a_campaign_of_another_node_ends_a_transfer",
        script: "group 3; campaign 1; isolate 3; transfer 1 3; target 1 3; campaign 2; leader 2; target 1 0; term 1 3",
    },
    Scenario {
        raft_rs: &["test_leader_transfer_remove_node"],
        name: "the_removal_of_the_target_ends_a_transfer",
        script: "group 3; campaign 1; ignore timeoutnow; hold; change 1 v1 -3; transfer 1 3; release; target 1 0; leader 1; conf 1 1,2",
    },
    Scenario {
        raft_rs: &[
            "test_leader_transfer_back", "test_leader_transfer_second_transfer_to_another_node",
            "test_leader_transfer_second_transfer_to_same_node",
        ],
        name: "another_target_takes_the_place_of_a_target_that_is_silent",
        script: "group 3; campaign 1; isolate 3; transfer 1 3; target 1 3; transfer 1 2; leader 2; role 1 follower
            | group 3; campaign 1; isolate 3; transfer 1 3; tick 1 5; transfer 1 3; target 1 3; tick 1 5; target 1 0; leader 1",
    },
];
