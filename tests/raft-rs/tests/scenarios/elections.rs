//! Scenarios of raft-rs's tests of elections, votes and terms.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_leader_election"],
        name: "a_majority_elects_and_less_does_not",
        script: "group 3; campaign 1; leader 1; all term 2
            | group 3; stop 3; campaign 1; leader 1
            | group 3; stop 2; stop 3; campaign 1; role 1 candidate; term 1 2
            | group 4; stop 2; stop 3; campaign 1; role 1 candidate
            | group 5; stop 2; stop 3; campaign 1; leader 1
            | group 5; disk 2 entries 1; disk 3 entries 1; disk 4 entries 1 1; campaign 1; role 1 follower; term 1 2",
    },
    Scenario {
        raft_rs: &["test_leader_election_pre_vote"],
        name: "a_majority_of_pre_votes_elects_and_less_raises_no_term",
        script: "group 3 pre; campaign 1; leader 1; all term 2
            | group 3 pre; stop 2; stop 3; campaign 1; role 1 pre-candidate; term 1 1
            | group 5 pre; stop 2; stop 3; campaign 1; leader 1
            | group 5 pre; disk 2 entries 1; disk 3 entries 1; disk 4 entries 1 1; campaign 1; role 1 follower; term 1 1",
    },
    Scenario {
        raft_rs: &["test_leader_cycle", "test_leader_cycle_pre_vote"],
        name: "each_member_can_lead_after_another",
        script: "group 3; campaign 1; leader 1; campaign 2; leader 2; role 1 follower; campaign 3; leader 3; role 2 follower
            | group 3 pre; campaign 1; leader 1; campaign 2; leader 2; role 1 follower; campaign 3; leader 3; all term 4",
    },
    Scenario {
        raft_rs: &["test_leader_election_overwrite_newer_logs", "test_leader_election_overwrite_newer_logs_pre_vote"],
        name: "a_leader_overwrites_entries_of_a_newer_term_that_no_majority_has",
        script: "group 5; disk 1 entries 2; disk 2 entries 2; disk 3 entries 3 vote 3; disk 4 term 3 vote 3;
            disk 5 term 3 vote 3; campaign 1; role 1 follower; term 1 3; campaign 1; leader 1; term 1 4; all last 3;
            all lastterm 4
            | group 5 pre; disk 1 entries 2; disk 2 entries 2; disk 3 entries 3 vote 3; disk 4 term 3 vote 3;
            disk 5 term 3 vote 3; campaign 1; role 1 follower; term 1 3; campaign 1; leader 1; term 1 4; all last 3;
            all lastterm 4",
    },
    Scenario {
        raft_rs: &["test_vote_from_any_state"],
        name: "a_vote_of_a_newer_term_is_granted_in_any_state",
        script: "group 3; only 1; recv 1 vote from 2 term 2 index 42 logterm 2; says 1 voteresp 2 grant; vote 1 2; term 1 2
            | group 3; only 1; campaign 1; recv 1 vote from 2 term 3 index 42 logterm 3; says 1 voteresp 2 grant;
            role 1 follower; vote 1 2; term 1 3
            | group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1;
            recv 1 vote from 2 term 3 index 42 logterm 3; says 1 voteresp 2 grant; role 1 follower; vote 1 2; term 1 3
            | group 3 pre; only 1; campaign 1; role 1 pre-candidate; recv 1 vote from 2 term 2 index 42 logterm 2;
            says 1 voteresp 2 grant; role 1 follower; vote 1 2; term 1 2",
    },
    Scenario {
        raft_rs: &["test_prevote_from_any_state"],
        name: "a_pre_vote_is_granted_in_any_state_and_changes_nothing",
        script: "group 3; only 1; recv 1 prevote from 2 term 2 index 42 logterm 2; says 1 prevoteresp 2 grant; vote 1 0;
            term 1 1
            | group 3; only 1; campaign 1; recv 1 prevote from 2 term 3 index 42 logterm 3; says 1 prevoteresp 2 grant;
            role 1 candidate; vote 1 1; term 1 2
            | group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2;
            recv 1 prevote from 2 term 3 index 42 logterm 3; says 1 prevoteresp 2 grant; leader 1; term 1 2",
    },
    Scenario {
        raft_rs: &["test_dueling_candidates"],
        name: "of_two_candidates_the_one_with_the_shorter_log_loses_but_raises_the_term",
        script: "group 3; cut 1 3; campaign 1; campaign 3; leader 1; role 3 candidate; heal; campaign 3; role 1 follower;
            role 3 follower; all term 3; last 1 2; last 2 2; last 3 1",
    },
    Scenario {
        raft_rs: &["test_dueling_pre_candidates"],
        name: "a_pre_candidate_with_a_shorter_log_disturbs_nobody",
        script: "group 3 pre; cut 1 3; campaign 1; campaign 3; leader 1; heal; campaign 3; leader 1; role 3 follower;
            term 1 2; last 3 1",
    },
    Scenario {
        raft_rs: &["test_candidate_concede"],
        name: "a_candidate_follows_the_leader_of_its_term",
        script: "group 3; isolate 1; campaign 1; campaign 3; leader 3; heal; tick 3 1; propose 3; role 1 follower;
            all term 2; all last 3; all commit 3",
    },
    Scenario {
        raft_rs: &["test_single_node_candidate", "test_sinle_node_pre_candidate"],
        name: "a_sole_voter_elects_itself",
        script: "group 1; campaign 1; leader 1 | group 1 pre; campaign 1; leader 1",
    },
    Scenario {
        raft_rs: &["test_recv_msg_request_vote", "test_voter", "test_vote_request"],
        name: "a_vote_goes_only_to_a_log_that_is_as_new",
        script: "group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 1 logterm 1; says 1 voteresp 2 reject
            | group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 9 logterm 1; says 1 voteresp 2 reject
            | group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 2 logterm 2; says 1 voteresp 2 reject
            | group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 3 logterm 2; says 1 voteresp 2 grant
            | group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 4 index 2 logterm 3; says 1 voteresp 2 grant
            | group 3; disk 1 entries 2 2 term 3 vote 3; only 1; recv 1 vote from 2 term 3 index 9 logterm 2;
            says 1 voteresp 2 reject
            | group 3; disk 1 entries 2 3; only 1; campaign 1; says 1 vote 2 term 4 index 3 logterm 3;
            says 1 vote 3 term 4 index 3 logterm 3",
    },
    Scenario {
        raft_rs: &["test_follower_vote"],
        name: "a_follower_votes_once_in_a_term_and_again_for_the_same_candidate",
        script: "group 3; only 1; recv 1 vote from 2 term 2 index 1 logterm 1; says 1 voteresp 2 grant;
            recv 1 vote from 2 term 2 index 1 logterm 1; says 1 voteresp 2 grant;
            recv 1 vote from 3 term 2 index 1 logterm 1; says 1 voteresp 3 reject; vote 1 2",
    },
    Scenario {
        raft_rs: &[
            "test_all_server_stepdown", "test_state_transition", "test_follower_update_term_from_message",
            "test_candidate_update_term_from_message", "test_leader_update_term_from_message",
        ],
        name: "a_newer_term_makes_a_follower_of_everyone",
        script: "group 3; only 1; recv 1 append from 2 term 5 index 1 logterm 1; role 1 follower; term 1 5; follows 1 2
            | group 3; only 1; campaign 1; recv 1 append from 2 term 5 index 1 logterm 1; role 1 follower; term 1 5;
            follows 1 2
            | group 3 pre; only 1; campaign 1; recv 1 append from 2 term 5 index 1 logterm 1; role 1 follower; follows 1 2
            | group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1;
            recv 1 append from 2 term 5 index 1 logterm 1; role 1 follower; term 1 5; follows 1 2
            | group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1;
            recv 1 vote from 2 term 5 index 1 logterm 1; says 1 voteresp 2 reject; role 1 follower; term 1 5; follows 1 0",
    },
    Scenario {
        raft_rs: &["test_candidate_reset_term_msg_heartbeat", "test_candidate_reset_term_msg_append", "test_candidate_fallback"],
        name: "a_candidate_follows_whoever_leads_its_term_or_a_newer_one",
        script: "group 3; campaign 1; isolate 3; campaign 3; role 3 candidate; term 3 3; recv 3 heartbeat from 1 term 3;
            role 3 follower; term 3 3; follows 3 1
            | group 3; only 1; campaign 1; recv 1 append from 2 term 2 index 1 logterm 1; role 1 follower; term 1 2
            | group 3; only 1; campaign 1; recv 1 append from 2 term 3 index 1 logterm 1; role 1 follower; term 1 3",
    },
    Scenario {
        raft_rs: &["test_leader_stepdown_when_quorum_active"],
        name: "a_leader_that_hears_a_quorum_goes_on",
        script: "group 3 cq; campaign 1; tick 1 40; leader 1; term 1 2",
    },
    Scenario {
        raft_rs: &["test_leader_stepdown_when_quorum_lost"],
        name: "a_leader_that_hears_no_quorum_steps_down",
        script: "group 3 cq; campaign 1; isolate 1; tick 1 20; role 1 follower; term 1 2; follows 1 0",
    },
    Scenario {
        raft_rs: &["test_leader_superseding_with_check_quorum", "test_leader_election_with_check_quorum"],
        name: "no_vote_is_granted_while_a_leader_is_heard",
        script: "group 3 cq; campaign 1; leader 1; timeout 2 19; campaign 3; role 3 candidate; vote 2 1; tick 2 10;
            campaign 3; leader 3; role 1 follower",
    },
    Scenario {
        raft_rs: &["test_free_stuck_candidate_with_check_quorum"],
        name: "a_candidate_with_a_newer_term_is_freed_by_the_leader_that_steps_down",
        script: "group 3 cq; campaign 1; isolate 1; campaign 3; role 3 candidate; term 3 3; campaign 3; term 3 4; heal;
            tick 1 1; role 1 follower; term 1 4; campaign 3; leader 3",
    },
    Scenario {
        raft_rs: &["test_non_promotable_voter_with_check_quorum", "test_learner_election_timeout"],
        name: "a_learner_never_campaigns",
        script: "group 2 cq; learners 2; tick 2 60; role 2 follower; term 2 1; campaign 1; leader 1; follows 2 1",
    },
    Scenario {
        raft_rs: &["test_learner_respond_vote"],
        name: "a_learner_grants_a_vote",
        script: "group 3; learners 3; only 3; recv 3 vote from 1 term 2 index 1 logterm 1; says 3 voteresp 1 grant; vote 3 1",
    },
    Scenario {
        raft_rs: &["test_disruptive_follower"],
        name: "a_follower_that_lost_touch_ends_the_term_with_check_quorum_alone",
        script: "group 3 cq; campaign 1; leader 1; ignore heartbeat; timeout 3 15; tick 3 15; role 3 candidate; term 3 3;
            heal; tick 1 1; role 1 follower; term 1 3",
    },
    Scenario {
        raft_rs: &["test_disruptive_follower_pre_vote"],
        name: "a_follower_that_lost_touch_comes_back_quietly_with_pre_vote",
        script: "group 3 pre cq; campaign 1; isolate 3; propose 1; propose 1; timeout 3 15; tick 3 15; role 3 pre-candidate;
            heal; tick 1 1; leader 1; role 3 follower; all term 2; all commit 4",
    },
    Scenario {
        raft_rs: &["test_campaign_while_leader", "test_pre_campaign_while_leader"],
        name: "a_campaign_of_a_leader_changes_nothing",
        script: "group 1; campaign 1; leader 1; term 1 2; campaign 1; leader 1; term 1 2
            | group 3 pre; campaign 1; leader 1; campaign 1; leader 1; silent 1; term 1 2",
    },
    Scenario {
        raft_rs: &["test_node_with_smaller_term_can_complete_election"],
        name: "a_node_of_a_smaller_term_learns_the_term_and_then_votes",
        script: "group 3 pre; isolate 3; campaign 1; leader 1; campaign 3; role 3 pre-candidate; campaign 2; leader 2;
            term 2 3; term 3 1; heal; isolate 2; campaign 3; term 3 3; campaign 1; leader 1; term 1 4; follows 3 1",
    },
    Scenario {
        raft_rs: &["test_prevote_migration_can_complete_election"],
        name: "a_member_that_changes_to_pre_vote_hinders_no_election",
        script: "group 3 pre; plain 3; campaign 1; leader 1; isolate 3; propose 1; campaign 3; campaign 3; role 3 candidate;
            term 3 4; pre 3; heal; isolate 1; campaign 3; role 3 pre-candidate; campaign 2; term 2 4; campaign 2; leader 2;
            term 2 5",
    },
    Scenario {
        raft_rs: &["test_prevote_migration_with_free_stuck_pre_candidate"],
        name: "a_pre_candidate_with_a_newer_term_is_freed_by_the_leader_that_steps_down",
        script: "group 3 pre; plain 3; campaign 1; leader 1; isolate 3; propose 1; campaign 3; campaign 3; pre 3; heal; campaign 3;
            leader 1; role 3 pre-candidate; tick 1 1; role 1 follower; term 1 4",
    },
    Scenario {
        raft_rs: &["test_prevote_with_split_vote"],
        name: "a_split_vote_after_pre_votes_ends_with_the_next_campaign",
        script: "group 3 pre; campaign 1; stop 1; hold; campaign 2; campaign 3; release; role 2 candidate; role 3 candidate;
            all term 3; campaign 2; leader 2; all term 4",
    },
    Scenario {
        raft_rs: &["test_prevote_with_check_quorum"],
        name: "no_pre_vote_is_granted_while_a_leader_is_heard",
        script: "group 3 pre cq; campaign 1; isolate 1; timeout 2 19; timeout 3 19; campaign 2; role 2 pre-candidate;
            tick 3 10; campaign 2; leader 2; term 2 3",
    },
    Scenario {
        raft_rs: &["test_advance_commit_index_by_direct_vote_request", "test_advance_commit_index_by_prevote_request"],
        name: "a_refused_request_for_a_vote_tells_the_commit_index",
        script: "group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 1 logterm 1 commit 3 committerm 2;
            says 1 voteresp 2 reject; commit 1 3
            | group 3 pre; disk 1 entries 2 2; only 1;
            recv 1 prevote from 2 term 3 index 1 logterm 1 commit 3 committerm 2; says 1 prevoteresp 2 reject; commit 1 3
            | group 3; disk 1 entries 2 2; only 1; recv 1 vote from 2 term 3 index 1 logterm 1 commit 3 committerm 1;
            commit 1 1",
    },
    Scenario {
        raft_rs: &["test_advance_commit_index_by_direct_vote_response", "test_advance_commit_index_by_prevote_response"],
        name: "a_refused_vote_tells_the_commit_index",
        script: "group 3; disk 1 entries 2 2; only 1; campaign 1; recv 1 voteresp from 2 term 3 reject commit 3 committerm 2;
            commit 1 3; role 1 candidate
            | group 3 pre; disk 1 entries 2 2; only 1; campaign 1;
            recv 1 prevoteresp from 2 term 2 reject commit 3 committerm 2; commit 1 3; role 1 pre-candidate",
    },
    Scenario {
        raft_rs: &["test_election_with_priority_log", "test_election_after_change_priority", "test_set_priority"],
        name: "of_equal_logs_the_higher_priority_leads",
        script: "group 3; priority 2 2; priority 3 2; campaign 1; role 1 follower; priority 1 3; campaign 1; leader 1
            | group 3; disk 1 entries 1; priority 2 2; priority 3 2; campaign 1; leader 1
            | group 3; priority 1 3; priority 2 2; priority 3 1; campaign 1; leader 1
            | group 3; priority 1 1; priority 2 2; priority 3 2; campaign 2; leader 2",
    },
    Scenario {
        raft_rs: &["test_reject_stale_term_message", "test_step_ignore_old_term_msg"],
        name: "a_message_of_an_older_term_changes_nothing",
        script: "group 3; disk 1 term 3; only 1; recv 1 append from 2 term 2 index 1 logterm 1 entries 2; last 1 1; term 1 3;
            silent 1",
    },
    Scenario {
        raft_rs: &["test_start_as_follower", "test_follower_start_election", "test_candidate_start_new_election"],
        name: "a_follower_without_a_leader_campaigns_and_again",
        script: "group 3; only 1; role 1 follower; timeout 1 12; tick 1 11; role 1 follower; tick 1 1; role 1 candidate;
            term 1 2; vote 1 1; says 1 vote 2 term 2; says 1 vote 3 term 2; timeout 1 15; tick 1 15; role 1 candidate;
            term 1 3; says 1 vote 2 term 3",
    },
    Scenario {
        raft_rs: &["test_leader_election_in_one_round_rpc"],
        name: "an_election_ends_with_the_vote_that_decides",
        script: "group 5; only 1; campaign 1; recv 1 voteresp from 2 term 2; role 1 candidate;
            recv 1 voteresp from 3 term 2; leader 1
            | group 5; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 voteresp from 3 term 2 reject;
            recv 1 voteresp from 4 term 2 reject; role 1 candidate; recv 1 voteresp from 5 term 2 reject; role 1 follower
            | group 5; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 voteresp from 2 term 2; role 1 candidate",
    },
    Scenario {
        raft_rs: &[
            "test_pass_election_timeout",
            "test_election_tick_range",
            "test_follower_election_timeout_randomized",
            "test_candidate_election_timeout_randomized",
            "test_follower_election_timeout_nonconflict",
            "test_candidates_election_timeout_nonconf",
        ],
        name: "election_timeouts_are_spread_evenly_over_one_to_two_times_the_configured",
        script: "group 5; spread candidate | group 5; spread follower
            | group 3; only 1; timeout 1 17; tick 1 16; role 1 follower; tick 1 1; role 1 candidate",
    },
    Scenario {
        raft_rs: &["test_conf_change_check_before_campaign"],
        name: "a_member_with_a_committed_change_to_apply_does_not_campaign",
        script: "group 3; campaign 1; stall 2; change 1 v1 l4; propose 1; commit 2 4; campaign 2; role 2 follower; term 2 2; work 2;
            conf 2 1,2,3 4; campaign 2; leader 2; term 2 3
            | group 3; campaign 1; stall 2; change 1 v1 l4; propose 1; transfer 1 2; leader 1; work 2; tick 1 1; leader 2",
    },
    Scenario {
        raft_rs: &["test_switching_check_quorum"],
        name: "a_running_leader_begins_and_ends_to_check_its_quorum",
        script: "group 3; campaign 1; isolate 1; tick 1 40; leader 1; checks 1 1; tick 1 21; role 1 follower
            | group 3 cq; campaign 1; isolate 1; checks 1 0; tick 1 40; leader 1",
    },
    Scenario {
        raft_rs: &["test_raw_node_step"],
        name: "a_member_takes_no_local_message_from_a_peer",
        script: "group 3; campaign 1; recv 1 hup from 2; refused; recv 1 beat from 2; refused; recv 1 unreachable from 2; refused;
            recv 1 snapstatus from 2; refused; recv 1 checkquorum from 2; refused; recv 1 heartbeatresp from 2 term 2; taken; leader 1",
    },
];
