#ifndef RAFTCORE_TEST_HOOKS_H
#define RAFTCORE_TEST_HOOKS_H
/*
 * Two pure parts of raftcore, quorum arithmetic and the changer of configurations, for tests only.
 *
 * These functions are in no released library: build with the feature that adds them. They keep nothing, allocate nothing that
 * outlives the call, and may be called from any thread. Every array may be NULL if its count is 0, but see outgoing.
 * Ids need not be sorted in what goes in; they are sorted in what comes out.
 */
#include "raftcore.h"

/* ==== Quorum ==== */

#define RAFTCORE_TEST_VOTE_PENDING 1u
#define RAFTCORE_TEST_VOTE_LOST    2u
#define RAFTCORE_TEST_VOTE_WON     3u

typedef struct raftcore_test_acked { uint64_t id, index; } raftcore_test_acked;
typedef struct raftcore_test_vote { uint64_t id; uint32_t granted, reserved0; } raftcore_test_vote;

/**
 * The highest index that a quorum has acknowledged.
 *
 * voters     The incoming half, or the only one. No id twice.
 * outgoing   NULL: the majority rule for voters alone. Not NULL, even with n_outgoing 0: the joint rule for both halves.
 * acked      At most one for an id. Who is missing has acknowledged nothing.
 * index_out  UINT64_MAX if there are no voters at all.
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code raftcore_test_quorum_committed(
    const uint64_t *voters, size_t n_voters, const uint64_t *outgoing, size_t n_outgoing,
    const raftcore_test_acked *acked, size_t n_acked, uint64_t *index_out);

/**
 * Where an election stands.
 *
 * voters, outgoing  As above. An empty half is won.
 * votes             At most one for an id. Who is missing has not answered.
 * result_out        RAFTCORE_TEST_VOTE_*.
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code raftcore_test_quorum_vote(
    const uint64_t *voters, size_t n_voters, const uint64_t *outgoing, size_t n_outgoing,
    const raftcore_test_vote *votes, size_t n_votes, uint32_t *result_out);

/* ==== Membership ==== */

#define RAFTCORE_TEST_IDS_MAX 32

#define RAFTCORE_TEST_CHANGE_SIMPLE      0u
#define RAFTCORE_TEST_CHANGE_ENTER_JOINT 1u
#define RAFTCORE_TEST_CHANGE_LEAVE_JOINT 2u

/* Why a change is refused. */
#define RAFTCORE_TEST_CONF_TAKEN           0u
#define RAFTCORE_TEST_CONF_ALREADY_JOINT   1u   /* enter: it is joint already */
#define RAFTCORE_TEST_CONF_NO_VOTERS       2u   /* enter: there are no voters to keep as the outgoing half */
#define RAFTCORE_TEST_CONF_NOT_JOINT       3u   /* leave: it is not joint */
#define RAFTCORE_TEST_CONF_SIMPLE_IN_JOINT 4u   /* simple: it is joint */
#define RAFTCORE_TEST_CONF_MANY_VOTERS     5u   /* simple: more than one voter would change */
#define RAFTCORE_TEST_CONF_ALL_REMOVED     6u   /* no incoming voter would be left */
#define RAFTCORE_TEST_CONF_OTHER           7u   /* a refusal that etcd's raft does not have */

typedef struct raftcore_test_peer {
    uint64_t id, match_index, next_index;
    uint32_t flow, flags;               /* RAFTCORE_FLOW_*, RAFTCORE_PF_LEARNER */
} raftcore_test_peer;

/* A configuration with a leader's peers. All zero: none yet. */
typedef struct raftcore_test_membership {
    uint32_t n_voters, n_outgoing, n_learners, n_learners_next, n_peers, auto_leave;
    uint64_t voters[RAFTCORE_TEST_IDS_MAX], outgoing[RAFTCORE_TEST_IDS_MAX];
    uint64_t learners[RAFTCORE_TEST_IDS_MAX], learners_next[RAFTCORE_TEST_IDS_MAX];
    raftcore_test_peer peers[RAFTCORE_TEST_IDS_MAX];
} raftcore_test_membership;

/**
 * Applies changes to a configuration, as a leader does whose log ends at last_index.
 *
 * membership  In: as an earlier call left it. Out: the new one; unchanged if the change is refused.
 * operation   RAFTCORE_TEST_CHANGE_*.
 * auto_leave  Of ENTER_JOINT: leave by itself later.
 * changes     None with LEAVE_JOINT.
 * last_index  What a new peer's next_index comes from.
 * why_out     RAFTCORE_TEST_CONF_*; other than TAKEN: refused. The result is RAFTCORE_OK then, too.
 * Returns     RAFTCORE_E_ARG  an unknown operation, or a membership that contradicts itself
 *             RAFTCORE_E_FULL more than RAFTCORE_TEST_IDS_MAX ids
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code raftcore_test_confchange(
    raftcore_test_membership *membership, uint32_t operation, uint32_t auto_leave,
    const raftcore_change *changes, size_t n_changes, uint64_t last_index, uint32_t *why_out);

#endif
