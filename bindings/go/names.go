package raftcore

import "strings"

// The library's texts name settings, calls and constants as raftcore.h does. These tables have Go's
// names. Test_go_names_are_those_of_fields_and_methods compares the tables with Config, Node and
// the header.

// goNames has names of several words.
var goNames = map[string]string{
	// settings
	"election_ticks":               "ElectionTicks",
	"heartbeat_ticks":              "HeartbeatTicks",
	"read_timeout_ticks":           "ReadTimeoutTicks",
	"snapshot_timeout_ticks":       "SnapshotTimeoutTicks",
	"vote_fence_ticks":             "VoteFenceTicks",
	"own_write_timeout_ticks":      "OwnWriteTimeoutTicks",
	"election_jitter_ticks":        "ElectionJitterTicks",
	"peer_lags_ticks":              "PeerLagsTicks",
	"no_leader_ticks":              "NoLeaderTicks",
	"max_entries_per_msg":          "MaxEntriesPerMsg",
	"caught_up_entries":            "CaughtUpEntries",
	"max_peers":                    "MaxPeers",
	"max_inflight_msgs":            "MaxInflightMsgs",
	"max_outstanding":              "MaxOutstanding",
	"max_entries_per_ready":        "MaxEntriesPerReady",
	"max_messages":                 "MaxMessages",
	"max_reads":                    "MaxReads",
	"max_tokens":                   "MaxTokens",
	"max_apply_unpersisted":        "MaxApplyUnpersisted",
	"recent_bytes":                 "RecentBytes",
	"catchup_bytes":                "CatchupBytes",
	"max_size_per_msg":             "MaxSizePerMsg",
	"max_committed_size_per_ready": "MaxCommittedSizePerReady",
	"max_uncommitted_size":         "MaxUncommittedSize",
	"max_inflight_bytes":           "MaxInflightBytes",
	"max_entry_bytes":              "MaxEntryBytes",
	"max_snapshot_bytes":           "MaxSnapshotBytes",
	"block_bytes":                  "BlockBytes",
	// calls
	"abort_transfer":         "AbortTransfer",
	"apply_change":           "ApplyChange",
	"apply_conf":             "ApplyConfChange",
	"boot_conf":              "BootConf",
	"boot_done":              "BootDone",
	"boot_entries":           "BootEntries",
	"boot_state":             "BootState",
	"boot_terms":             "BootTerms",
	"forget_leader":          "ForgetLeader",
	"get_conf":               "Conf",
	"get_peers":              "Peers",
	"get_ready":              "Ready",
	"get_status":             "Status",
	"has_ready":              "Pending",
	"hello_check":            "CheckHello",
	"next_event":             "NextEvent",
	"next_fetch":             "NextFetch",
	"promote_when_caught_up": "PromoteWhenCaughtUp",
	"propose_conf":           "ProposeConfChange",
	"propose_conf_at":        "ProposeConfChangeAt",
	"propose_entry":          "ProposeEntry",
	"propose_in_term":        "ProposeInTerm",
	"propose_many":           "ProposeMany",
	"propose_with_context":   "ProposeWithContext",
	"read_index":             "ReadIndex",
	"ready_flat":             "ReadyFlat",
	"report_snapshot":        "ReportSnapshot",
	"report_unreachable":     "ReportUnreachable",
	"request_snapshot":       "RequestSnapshot",
	"set_commit_broadcast":   "SetCommitBroadcast",
	"set_commit_group":       "SetCommitGroup",
	"set_electable":          "SetElectable",
	"set_election_timeout":   "SetElectionTimeout",
	"set_flags":              "SetFlags",
	"set_priority":           "SetPriority",
	"set_window":             "SetWindow",
	"skip_conf":              "SkipConfChange",
	"step_frames":            "StepFrames",
	"step_local":             "StepLocal",
	"supply_entries":         "SupplyEntries",
	"supply_none":            "SupplyNone",
	"supply_snapshot":        "SupplySnapshot",
	"ticks_until_due":        "TicksUntilDue",
	"try_clone":              "Clone",
	// modes and flags
	"SYNC":                  "StorageSync",
	"ASYNC":                 "StorageAsync",
	"MESSAGES":              "StorageMessages",
	"PRE_VOTE":              "FlagPreVote",
	"CHECK_QUORUM":          "FlagCheckQuorum",
	"LEASE_READS":           "FlagLeaseReads",
	"DEBUG_POISON_VIEWS":    "FlagDebugPoisonViews",
	"VOTE_REQUEST_EARLY":    "FlagVoteRequestEarly",
	"STAY_WHEN_REMOVED":     "FlagStayWhenRemoved",
	"REFUSED_CONF_AS_EMPTY": "FlagRefusedConfAsEmpty",
	"LEASE_IN_TRANSFER":     "FlagLeaseInTransfer",
	"TRANSFER_FENCE":        "FlagTransferFence",
	"COMMIT_IN_VOTES":       "FlagCommitInVotes",
	"READ_AT_ONCE":          "FlagReadAtOnce",
	"BATCH_APPEND":          "FlagBatchAppend",
	"NO_COMMIT_BROADCAST":   "FlagNoCommitBroadcast",
	"NOMINATE_SUCCESSOR":    "FlagNominateSuccessor",
	"NO_CONF_VALIDATION":    "FlagNoConfValidation",
	"FORWARDING":            "FlagForwarding",
	"DECODED_MSGS":          "FlagDecodedMsgs",
	"RETIRE_GRACEFULLY":     "FlagRetireGracefully",
	"QUIET_COMMIT":          "FlagQuietCommit",
	"COMMITTED_SPANS":       "FlagCommittedSpans",
	"CONF_APART":            "FlagConfApart",
	"SNAPSHOT_ANY_CONF":     "FlagSnapshotAnyConf",
	"REPORT_COMMIT":         "FlagReportCommit",
	"SPARE_HEARTBEATS":      "FlagSpareHeartbeats",
	"YIELD_TO_PRIORITY":     "FlagYieldToPriority",
	"LEASED_PROPOSALS":      "FlagLeasedProposals",
	// constants; a trailing underscore stands for all of its kind
	"RAFTCORE_CHANGE_":           "Change",
	"RAFTCORE_ENTRY_":            "Entry",
	"RAFTCORE_ENTRY_CONF_CHANGE": "EntryConfChange",
	"RAFTCORE_SNAPSHOT_":         "Snapshot",
	"RAFTCORE_STORAGE_":          "Storage",
	"RAFTCORE_SUPPLY_GONE":       "SupplyGone",
	"RAFTCORE_SUPPLY_LATER":      "SupplyLater",
	"RAFTCORE_TRANSITION_":       "Transition",
	"_V2":                        "EntryConfChangeV2",
}

// goWords has names of one word, which are names only where a text begins with them or brackets
// follow.
var goWords = map[string]string{
	"advance":   "Advance",
	"applied":   "Applied",
	"compacted": "Compacted",
	"dialect":   "Dialect",
	"flags":     "Flags",
	"id":        "ID",
	"ping":      "Ping",
	"persisted": "Persisted",
	"release":   "Release",
	"seed":      "Seed",
	"storage":   "Storage",
	"trim":      "Trim",
}

// inGo returns a text of the library with the names of this package.
func inGo(text string) string {
	var b strings.Builder
	for at := 0; at < len(text); {
		end := at
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if end == at {
			b.WriteByte(text[at])
			at++
			continue
		}
		word := text[at:end]
		name, ok := goNames[word]
		if !ok && (at == 0 || strings.HasPrefix(text[end:], "(") || word == "storage" && strings.HasPrefix(text[end:], " = ")) {
			name, ok = goWords[word]
		}
		if !ok {
			name = word
		}
		b.WriteString(name)
		at = end
	}
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
