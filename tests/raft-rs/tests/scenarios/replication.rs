//! Scenarios of raft-rs's tests of the log: appends, acknowledgements, commits, flow control.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        raft_rs: &["test_log_replication", "test_leader_start_replication", "test_leader_commit_entry"],
        name: "entries_reach_all_members_and_are_applied",
        script: "group 3; campaign 1; propose 1; all commit 3; all applied 1
            | group 3; campaign 1; propose 1; campaign 2; propose 2; all commit 5; all applied 2",
    },
    Scenario {
        raft_rs: &["test_single_node_commit"],
        name: "a_sole_voter_commits_alone",
        script: "group 1; campaign 1; propose 1; propose 1; commit 1 4; applied 1 2",
    },
    Scenario {
        raft_rs: &["test_leader_acknowledge_commit"],
        name: "a_majority_commits_and_less_does_not",
        script: "group 3; campaign 1; stop 2; propose 1; commit 1 3 | group 3; campaign 1; stop 2; stop 3; propose 1; commit 1 2
            | group 5; campaign 1; stop 2; stop 3; propose 1; commit 1 3
            | group 5; campaign 1; stop 2; stop 3; stop 4; propose 1; commit 1 2",
    },
    Scenario {
        raft_rs: &["test_cannot_commit_without_new_term_entry", "test_leader_only_commits_log_from_current_term"],
        name: "entries_of_an_older_term_wait_for_one_of_the_leaders_term",
        script: "group 5; campaign 1; cut 1 3; cut 1 4; cut 1 5; propose 1; propose 1; commit 1 2; heal; ignore append;
            campaign 2; leader 2; commit 2 2; heal; tick 2 1; propose 2; commit 2 6; all applied 3",
    },
    Scenario {
        raft_rs: &["test_commit_without_new_term_entry", "test_leader_commit_preceding_entries"],
        name: "a_new_leaders_first_entry_commits_those_before_it",
        script: "group 5; campaign 1; cut 1 3; cut 1 4; cut 1 5; propose 1; propose 1; commit 1 2; heal; campaign 2;
            leader 2; commit 2 5; all applied 2
            | group 3; disk 1 entries 1 2; campaign 1; commit 1 4; applied 1 2; all commit 4",
    },
    Scenario {
        raft_rs: &["test_old_messages"],
        name: "an_append_of_an_older_leader_changes_nothing",
        script: "group 3; campaign 1; campaign 2; campaign 1; recv 1 append from 2 term 3 index 3 logterm 3 entries 3; leader 1;
            propose 1; all commit 5; all last 5",
    },
    Scenario {
        raft_rs: &["test_proposal"],
        name: "a_proposal_needs_a_leader_and_a_majority",
        script: "group 3; campaign 1; propose 1; taken; commit 1 3
            | group 3; stop 2; stop 3; campaign 1; propose 1; refused; commit 1 1; last 1 1
            | group 4; stop 2; stop 3; campaign 1; propose 1; refused; commit 1 1
            | group 5; stop 2; stop 3; campaign 1; propose 1; commit 1 3",
    },
    Scenario {
        raft_rs: &["test_proposal_by_proxy"],
        name: "a_follower_passes_a_proposal_on",
        script: "group 3; campaign 1; propose 2; all commit 3; all applied 1 | group 3; stop 3; campaign 1; propose 2; commit 1 3;
            commit 2 3
            | group 3; campaign 1; context 2; all commit 3; all applied 1; context 1; all applied 2",
    },
    Scenario {
        raft_rs: &["test_handle_msg_append", "test_follower_check_msg_append"],
        name: "entries_need_the_entry_before_them",
        script: "group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 3 index 3 logterm 3 commit 3; last 1 3;
            says 1 appendresp 2 reject
            | group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 3 index 4 logterm 3 commit 3;
            says 1 appendresp 2 reject; commit 1 1
            | group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 2 index 3 logterm 2 commit 2;
            says 1 appendresp 2 grant index 3; commit 1 2
            | group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 3 index 2 logterm 1 commit 3 entries 3; last 1 3;
            lastterm 1 3; commit 1 3
            | group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 2 index 3 logterm 2 commit 4 entries 2 2;
            last 1 5; commit 1 4
            | group 3; disk 1 entries 1 2; only 1; recv 1 append from 2 term 2 index 2 logterm 1 commit 4; commit 1 2",
    },
    Scenario {
        raft_rs: &["test_follower_commit_entry"],
        name: "a_follower_commits_up_to_the_leaders_index",
        script: "group 3; only 1; recv 1 append from 2 term 2 index 1 logterm 1 commit 2 entries 2; commit 1 2; applied 1 1
            | group 3; only 1; recv 1 append from 2 term 2 index 1 logterm 1 commit 2 entries 2 2; commit 1 2; applied 1 1
            | group 3; only 1; recv 1 append from 2 term 2 index 1 logterm 1 commit 3 entries 2 2; commit 1 3; applied 1 2",
    },
    Scenario {
        raft_rs: &["test_follower_append_entries"],
        name: "a_conflict_removes_the_entry_and_all_behind_it",
        script: "group 3; disk 1 entries 2 3; only 1; recv 1 append from 2 term 4 index 3 logterm 3 entries 4; last 1 4; lastterm 1 4
            | group 3; disk 1 entries 2 3; only 1; recv 1 append from 2 term 5 index 2 logterm 2 entries 4 5; last 1 4;
            lastterm 1 5
            | group 3; disk 1 entries 2 3; only 1; recv 1 append from 2 term 4 index 1 logterm 1 entries 2; last 1 3; lastterm 1 3
            | group 3; disk 1 entries 2 3; only 1; recv 1 append from 2 term 4 index 1 logterm 1 entries 4; last 1 2; lastterm 1 4",
    },
    Scenario {
        raft_rs: &["test_leader_sync_follower_log"],
        name: "a_leader_brings_any_log_in_line_with_its_own",
        script: "group 3; disk 1 entries 2 2 5 5 6 term 8 commit 4; disk 2 entries 2 2 term 8; campaign 1; leader 1; last 2 7;
            lastterm 2 9; commit 2 7
            | group 3; disk 1 entries 2 2 5 5 6 term 8 commit 4; disk 2 entries 2 2 3 3 3 4 4 term 8; stop 2; campaign 1;
            leader 1; disk 2 entries 2 2 3 3 3 4 4 term 8; tick 1 1; last 2 7; lastterm 2 9; commit 2 7
            | group 3; disk 1 entries 2 2 5 5 6 term 8 commit 4; disk 2 entries 2 2 5 5 6 6 term 8; stop 2; campaign 1;
            leader 1; disk 2 entries 2 2 5 5 6 6 term 8; tick 1 1; last 2 7; lastterm 2 9",
    },
    Scenario {
        raft_rs: &["test_fast_log_rejection"],
        name: "hints_skip_terms_of_either_log",
        script: "group 3; disk 1 entries 2 2 5 5 6 7 7 term 8; disk 2 entries 2 2 3 3 3 4 4 4 term 8; stop 2; campaign 1; leader 1;
            disk 2 entries 2 2 3 3 3 4 4 4 term 8; tick 1 1; last 2 9; lastterm 2 9; commit 2 9",
    },
    Scenario {
        raft_rs: &["test_handle_heartbeat"],
        name: "a_heartbeat_raises_the_commit_index_and_never_lowers_it",
        script: "group 3; disk 1 entries 1 2 commit 2; only 1; recv 1 heartbeat from 2 term 2 commit 3; commit 1 3;
            says 1 heartbeatresp 2
            | group 3; disk 1 entries 1 2 commit 2; only 1; recv 1 heartbeat from 2 term 2 commit 1; commit 1 2;
            says 1 heartbeatresp 2",
    },
    Scenario {
        raft_rs: &["test_handle_heartbeat_resp"],
        name: "an_answer_to_a_heartbeat_of_a_peer_that_lags_brings_an_append",
        script: "group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1; recv 1 heartbeatresp from 2 term 2;
            says 1 append 2; recv 1 appendresp from 2 term 2 index 2; recv 1 heartbeatresp from 2 term 2; silent 1",
    },
    Scenario {
        raft_rs: &["test_bcast_beat", "test_recv_msg_beat", "test_leader_bcast_beat"],
        name: "a_leader_alone_sends_heartbeats_with_what_each_peer_has",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; tick 1 1; says 1 heartbeat 2 commit 4;
            says 1 heartbeat 3 commit 2; count 1 heartbeat 2; tick 2 1; silent 2
            | group 3; only 1; campaign 1; tick 1 1; silent 1",
    },
    Scenario {
        raft_rs: &["test_leader_append_response"],
        name: "an_acknowledgement_moves_match_and_next",
        script: "group 3; disk 1 entries 1; only 1; campaign 1; recv 1 voteresp from 2 term 2; leader 1; last 1 3;
            recv 1 appendresp from 2 term 2 index 9 reject 9; peer 1 2 match 0 next 3; commit 1 1
            | group 3; disk 1 entries 1; only 1; campaign 1; recv 1 voteresp from 2 term 2;
            recv 1 appendresp from 2 term 2 index 2 reject 1; peer 1 2 match 0 next 2; says 1 append 2 index 1 entries 2
            | group 3; disk 1 entries 1; only 1; campaign 1; recv 1 voteresp from 2 term 2;
            recv 1 appendresp from 2 term 2 index 3; peer 1 2 match 3 next 4; commit 1 3",
    },
    Scenario {
        raft_rs: &["test_leader_increase_next", "test_send_append_for_progress_probe", "test_send_append_for_progress_replicate"],
        name: "a_probe_waits_for_its_answer_and_a_replicating_peer_does_not",
        script: "group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; peer 1 2 match 0 next 2 state 0; propose 1;
            count 1 append 0; tick 1 1; recv 1 heartbeatresp from 2 term 2; says 1 append 2 index 1 entries 2;
            recv 1 appendresp from 2 term 2 index 3; peer 1 2 match 3 next 4 state 1; propose 1; says 1 append 2 index 3 entries 1;
            propose 1; says 1 append 2 index 4 entries 1; peer 1 2 match 3 next 6",
    },
    Scenario {
        raft_rs: &["test_send_append_for_progress_snapshot"],
        name: "a_peer_that_waits_for_a_snapshot_gets_no_entries",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; compact 1 3; heal; ignore snapshot; tick 1 1;
            peer 1 3 state 2; propose 1; says 1 append 2 entries 1; spares 1 append 3",
    },
    Scenario {
        raft_rs: &["test_recv_msg_unreachable"],
        name: "an_unreachable_peer_is_probed_from_what_it_has",
        script: "group 3; campaign 1; isolate 2; propose 1; propose 1; peer 1 2 match 2 next 5 state 1; unreachable 1 2;
            peer 1 2 match 2 next 3 state 0",
    },
    Scenario {
        raft_rs: &["test_progress_paused", "test_progress_resume_by_heartbeat_resp"],
        name: "a_probe_goes_out_once_and_again_after_a_heartbeats_answer",
        script: "group 2; campaign 1; isolate 2; unreachable 1 2; propose 1; count 1 append 1; propose 1; count 1 append 0;
            propose 1; count 1 append 0; heal; tick 1 1; all commit 5",
    },
    Scenario {
        raft_rs: &["test_progress_leader"],
        name: "a_leader_counts_its_own_entries",
        script: "group 2; campaign 1; isolate 2; propose 1; last 1 3; commit 1 2; heal; tick 1 1; commit 1 3; all last 3",
    },
    Scenario {
        raft_rs: &["test_progress_flow_control", "test_msg_app_flow_control_full", "test_msg_app_flow_control_move_forward"],
        name: "a_window_bounds_the_appends_in_flight_and_moves_with_acknowledgements",
        script: "group 2 window=3 size=0; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 appendresp from 2 term 2 index 2;
            propose 1 100; count 1 append 1; propose 1 100; count 1 append 1; propose 1 100; count 1 append 1;
            propose 1 100; count 1 append 0; recv 1 appendresp from 2 term 2 index 3; count 1 append 1;
            recv 1 appendresp from 2 term 2 index 6; peer 1 2 match 6 next 7; propose 1; count 1 append 1",
    },
    Scenario {
        raft_rs: &["test_msg_append_response_wait_reset"],
        name: "a_peer_that_has_all_gets_the_next_entry_at_once",
        script: "group 3; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 appendresp from 2 term 2 index 2; commit 1 2;
            propose 1; says 1 append 2 index 2 entries 1; count 1 append 1; recv 1 appendresp from 3 term 2 index 2;
            says 1 append 3 index 2 entries 1",
    },
    Scenario {
        raft_rs: &["test_skip_bcast_commit"],
        name: "a_commit_without_a_broadcast_travels_with_the_next_message",
        script: "group 3 lazy; campaign 1; propose 1; commit 1 3; commit 2 2; propose 1; commit 1 4; commit 2 3;
            tick 1 1; all commit 4",
    },
    Scenario {
        raft_rs: &["test_log_replication_with_reordered_message"],
        name: "acknowledgements_out_of_order_never_lower_match",
        script: "group 2; only 1; campaign 1; recv 1 voteresp from 2 term 2; recv 1 appendresp from 2 term 2 index 2; propose 1;
            propose 1; recv 1 appendresp from 2 term 2 index 4; recv 1 appendresp from 2 term 2 index 3;
            peer 1 2 match 4 next 5; commit 1 4; recv 1 appendresp from 2 term 2 index 3 reject 2; peer 1 2 match 4 next 5",
    },
    Scenario {
        raft_rs: &["test_uncommitted_entries_size_limit", "test_bounded_uncommitted_entries_growth_with_partition"],
        name: "proposals_beyond_the_limit_of_uncommitted_bytes_are_refused",
        script: "group 3 uncommitted=30 size=0; campaign 1; isolate 1; propose 1; propose 1; propose 1; taken; propose 1; refused;
            propose 1 0; taken; heal; tick 1 1; all commit 6; propose 1; taken; all commit 7
            | group 1 uncommitted=30 size=0; campaign 1; propose 1 100; taken; commit 1 3; propose 1 100; taken; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_uncommitted_entry_after_leader_election"],
        name: "a_new_leader_does_not_count_the_bytes_of_older_terms",
        script: "group 5 uncommitted=30 size=0; campaign 1; cut 1 3; cut 1 4; cut 1 5; propose 1; propose 1; propose 1; propose 1; refused;
            heal; ignore appendresp; campaign 2; leader 2; propose 2; taken; propose 2; taken; propose 2; taken;
            propose 2; refused",
    },
    Scenario {
        raft_rs: &["test_disable_progress"],
        name: "a_window_of_no_appends_pauses_a_peer_until_it_opens",
        script: "group 3; campaign 1; window 1 3 0; propose 1; last 3 2; all follows 1; window 1 3 256; propose 1;
            tick 1 1; all commit 4",
    },
    Scenario {
        raft_rs: &["test_group_commit"],
        name: "an_entry_is_committed_once_two_groups_have_it",
        script: "group 5; campaign 1; groups 1 1 1 1 2 2; isolate 4; isolate 5; propose 1; commit 1 2; heal; tick 1 1; all commit 3
            | group 3; campaign 1; groups 1 1 1 1; isolate 3; propose 1; commit 1 3
            | group 3; campaign 1; groups 1 1 1 2; isolate 3; propose 1; commit 1 2; groups 1; commit 1 3
            | group 3; campaign 1; groups 1 1 2 2; isolate 3; propose 1; commit 1 3",
    },
    Scenario {
        raft_rs: &["test_progress_committed_index"],
        name: "a_leader_hears_the_commit_index_of_each_peer",
        script: "group 3; campaign 1; peer 1 2 commit 2; propose 1; peer 1 2 commit 3; peer 1 3 commit 3; isolate 3; propose 1;
            peer 1 2 commit 4; peer 1 3 commit 3; heal; tick 1 1; peer 1 3 commit 4
            | group 3; campaign 1; recv 1 heartbeatresp from 2 term 2 commit 1; peer 1 2 commit 2;
            isolate 2; propose 1; propose 1; recv 1 heartbeatresp from 2 term 2 commit 3; peer 1 2 commit 3;
            recv 1 appendresp from 2 term 2 index 4 commit 4; peer 1 2 commit 4",
    },
    Scenario {
        raft_rs: &["test_commit"],
        name: "as_many_acknowledgements_commit_as_make_a_majority",
        script: "group 2; campaign 1; isolate 1; propose 1; commit 1 2; recv 1 appendresp from 2 term 2 index 3; commit 1 3
            | group 4; campaign 1; isolate 1; propose 1; recv 1 appendresp from 2 term 2 index 3; commit 1 2;
            recv 1 appendresp from 3 term 2 index 3; commit 1 3
            | group 5; campaign 1; isolate 1; propose 1; propose 1; recv 1 appendresp from 2 term 2 index 4; commit 1 2;
            recv 1 appendresp from 3 term 2 index 3; commit 1 3; recv 1 appendresp from 4 term 2 index 4; commit 1 4",
    },
    Scenario {
        raft_rs: &["test_batch_msg_append"],
        name: "unsent_entries_travel_in_one_append",
        script: "group 3 batch; campaign 1; propose 1; hold; stall 1; propose 1; propose 1; propose 1; propose 1; work 1;
            says 1 append 2 entries 4; says 1 append 3 entries 4; count 1 append 2; release; commit 1 7",
    },
    Scenario {
        raft_rs: &["test_raw_node_overwrite_entries"],
        name: "entries_that_are_overwritten_before_their_write_are_never_acknowledged",
        script: "group 3; only 1; stall 1; recv 1 append from 2 term 2 index 1 logterm 1 entries 2 2 2;
            recv 1 append from 3 term 3 index 1 logterm 1 entries 3; work 1; last 1 2; lastterm 1 3; says 1 appendresp 3 index 2;
            recv 1 append from 3 term 3 index 2 logterm 3 entries 3 commit 3; commit 1 3; applied 1 2",
    },
    Scenario {
        raft_rs: &["test_raw_node_with_async_entries"],
        name: "entries_that_the_storage_has_later_are_sent_later",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; propose 1; restart 1; campaign 1; leader 1; heal; busy 1;
            tick 1 1; last 3 2; propose 1; all term 3; last 3 2; commit 1 7; fetched 1; tick 1 1; tick 1 1; all commit 7",
    },
    Scenario {
        raft_rs: &["test_raw_node_with_async_entries_to_removed_node"],
        name: "entries_that_the_storage_has_after_the_peers_removal_go_nowhere",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; restart 1; campaign 1; leader 1; heal; busy 1; tick 1 1; last 3 2;
            isolate 3; change 1 v1 -3; conf 1 1,2; heal; fetched 1; spares 1 append 3; tick 1 3; spares 1 append 3; last 3 2;
            commit 2 6; only 1",
    },
    Scenario {
        raft_rs: &["test_raw_node_async_entries_with_leader_change"],
        name: "entries_that_the_storage_has_after_a_change_of_leader_go_nowhere",
        script: "group 3; campaign 1; isolate 3; propose 1; propose 1; restart 1; campaign 1; leader 1; heal; busy 1; tick 1 1; last 3 2;
            isolate 3; campaign 2; leader 2; role 1 follower; heal; fetched 1; silent 1; tick 2 1; all commit 6",
    },
    Scenario {
        raft_rs: &["test_uncommitted_state_advance_ready_from_last_term"],
        name: "entries_of_an_older_term_that_are_committed_free_no_bytes_of_this_term",
        script: "group 3 uncommitted=100 size=50; campaign 1; isolate 1; propose 1 60; taken; propose 1 60; refused; heal;
            recv 1 heartbeat from 2 term 3; campaign 1; leader 1; all last 4; hold; propose 1 60; taken; propose 1 60; refused;
            release; all last 5; hold; propose 1 60; taken; propose 1 60; refused; release; all commit 6",
    },
    Scenario {
        raft_rs: &["test_msg_app_flow_control_with_freeing_resources"],
        name: "a_leader_gives_memory_back_and_goes_on",
        script: "group 3; campaign 1; hold; propose 1; propose 1; propose 1; release; trim 1; taken; trim 1; refused; propose 1;
            tick 1 1; all commit 6",
    },
];
