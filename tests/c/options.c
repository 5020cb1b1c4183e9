/* Options that are off or neutral by default, as a C host sees each: the range of election timeouts, entries in an append, ticks until an
 * event reports silence, heartbeats beside appends, leadership by priority, proposals under a lease, a commit index in a read's answer. */
#include "kit.h"

static uint64_t leader, follower;

static void start(void (*set)(raftcore_config *c)) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        if (set != NULL)
            set(&c);
        kit_found(&c, 3);
    }
}

static void elect(void) {
    leader = kit_elect();
    follower = leader % 3 + 1;
    kit_tick();
    kit_tick();
}

static raftcore_status status_of(uint64_t id) {
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(kit[id].node, raftcore_get_status(kit[id].node, &s));
    return s;
}

/* ---- messages on their way: counted, and held back */

static struct { uint64_t to; uint32_t kind, count, most_entries, lost_kind; } watched;

static int carry(kit_host *h, const raftcore_msg *m) {
    (void)h;
    if (m->to != watched.to)
        return 0;
    if (m->kind == watched.kind) {
        watched.count++;
        if (m->n_entries > watched.most_entries)
            watched.most_entries = m->n_entries;
    }
    return m->kind == watched.lost_kind;
}

static void watch(uint64_t to, uint32_t kind) {
    memset(&watched, 0, sizeof watched);
    watched.to = to;
    watched.kind = kind;
    watched.lost_kind = UINT32_MAX;
    kit_carry = carry;
}

/* ---- the range of election timeouts */

/* Returns how many of the timeouts 10 to 19 a candidate draws in many campaigns. `limit`: no timeout reaches this number. */
static int timeouts(uint32_t jitter, uint32_t limit) {
    int drawn[20] = {0}, count = 0;
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    c.election_jitter_ticks = jitter;
    c.flags &= ~RAFTCORE_FLAG_PRE_VOTE;
    kit_reset();
    kit_found(&c, 3);
    CHECK(c.election_ticks == 10);
    for (int i = 0; i < 300; i++) {
        OK(kit[1].node, raftcore_campaign(kit[1].node));
        kit_settle();
        raftcore_status s = status_of(1);
        CHECK(s.role == RAFTCORE_ROLE_CANDIDATE && s.election_timeout >= 10 && s.election_timeout < limit);
        count += drawn[s.election_timeout]++ == 0;
    }
    return count;
}

static void the_election_timeout_lies_in_its_range(void) {
    raftcore_node *node = NULL;
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    CHECK(c.election_jitter_ticks == 0);
    CHECK(timeouts(0, 20) == 10);
    CHECK(timeouts(3, 13) == 3);
    CHECK(timeouts(1, 11) == 1);
    c.election_jitter_ticks = (1u << 24) + 1;
    CODE(raftcore_new(&c, &node), RAFTCORE_E_ARG);
    CHECK(node == NULL);
}

/* ---- entries in an append */

static void decoded(raftcore_config *c) { c->flags |= RAFTCORE_FLAG_DECODED_MSGS; }

static void two_entries(raftcore_config *c) {
    decoded(c);
    c->max_entries_per_msg = 2;
}

static void an_append_has_no_more_entries_than_allowed(void) {
    for (int limited = 0; limited <= 1; limited++) {
        start(limited ? two_entries : decoded);
        elect();
        kit_cut[follower] = 1;
        for (uint64_t token = 1; token <= 7; token++)
            OK(kit[leader].node, kit_propose(leader, "data", token));
        kit_settle();
        OK(kit[leader].node, raftcore_report_unreachable(kit[leader].node, follower));
        kit_cut[follower] = 0;
        watch(follower, RAFTCORE_MSG_APP);
        kit_tick();
        kit_tick();
        kit_check_same();
        CHECK(limited ? watched.most_entries == 2 && watched.count >= 4 : watched.most_entries == 7);
    }
}

/* ---- silence */

static void soon_told(raftcore_config *c) {
    c->peer_lags_ticks = 7;
    c->no_leader_ticks = 23;
    c->flags &= ~RAFTCORE_FLAG_CHECK_QUORUM;
}

/* Returns after how many ticks of silence the node reports the kind; 0: not within `limit` ticks. */
static int told(uint64_t id, uint32_t kind, int limit) {
    raftcore_event e;
    while (raftcore_next_event(kit[id].node, &e) == RAFTCORE_OK) {
    }
    for (int ticks = 1; ticks <= limit; ticks++) {
        OK(kit[id].node, raftcore_tick(kit[id].node, 1));
        kit_settle();
        while (raftcore_next_event(kit[id].node, &e) == RAFTCORE_OK)
            if (e.kind == kind)
                return ticks;
    }
    return 0;
}

static void silence_is_reported_after_so_many_ticks(void) {
    start(soon_told);
    elect();
    kit_cut[follower] = 1;
    CHECK(told(leader, RAFTCORE_EVENT_PEER_LAGS, 100) == 7);
    int lost = told(follower, RAFTCORE_EVENT_BECAME_PRE_CANDIDATE, 100);
    int told_at = told(follower, RAFTCORE_EVENT_NO_LEADER_LONG, 100);
    CHECK(lost > 0 && told_at == 23);
    CHECK(told(follower, RAFTCORE_EVENT_NO_LEADER_LONG, 100) == 23);

    start(NULL);
    elect();
    kit_cut[follower] = 1;
    CHECK(told(follower, RAFTCORE_EVENT_NO_LEADER_LONG, 99) == 0);
    CHECK(told(leader, RAFTCORE_EVENT_PEER_LAGS, 99) == 0);
    CHECK(told(leader, RAFTCORE_EVENT_PEER_LAGS, 1) == 1);
}

/* ---- heartbeats beside appends */

static void spares(raftcore_config *c) { c->flags |= RAFTCORE_FLAG_SPARE_HEARTBEATS; }

static void a_heartbeat_is_spared_beside_an_append(void) {
    for (int spared = 0; spared <= 1; spared++) {
        start(spared ? spares : NULL);
        elect();
        watch(follower, RAFTCORE_MSG_HEARTBEAT);
        kit_tick();
        CHECK(watched.count == 1);
        OK(kit[leader].node, kit_propose(leader, "x", 1));
        kit_settle();
        kit_tick();
        CHECK(watched.count == (spared ? 1 : 2));
        kit_tick();
        CHECK(watched.count == (spared ? 2 : 3));
    }
}

/* ---- leadership by priority */

static void yields(raftcore_config *c) { c->flags |= RAFTCORE_FLAG_YIELD_TO_PRIORITY; }

static void leadership_goes_to_the_highest_priority(void) {
    for (int yielding = 0; yielding <= 1; yielding++) {
        start(yielding ? yields : NULL);
        elect();
        OK(kit[follower].node, raftcore_set_priority(kit[follower].node, 5));
        for (int i = 0; i < 40; i++)
            kit_tick();
        CHECK(kit_leader() == (yielding ? follower : leader));
    }
}

/* ---- proposals under a lease */

static void leased(raftcore_config *c) { c->flags |= RAFTCORE_FLAG_LEASE_READS | RAFTCORE_FLAG_LEASED_PROPOSALS; }

static void a_leader_without_a_lease_refuses_proposals(void) {
    raftcore_node *node = NULL;
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    int refused = 0;
    start(leased);
    elect();
    OK(kit[leader].node, kit_propose(leader, "x", 1));
    kit_settle();
    CHECK(kit[leader].committed[1] == 1);
    kit_cut[leader] = 1;
    for (int i = 0; i < 40 && status_of(leader).role == RAFTCORE_ROLE_LEADER; i++) {
        OK(kit[leader].node, raftcore_tick(kit[leader].node, 1));
        kit_settle();
        if (status_of(leader).role == RAFTCORE_ROLE_LEADER)
            refused += kit_propose(leader, "y", 0) == RAFTCORE_E_NO_LEADER;
    }
    CHECK(refused > 0);
    c.flags |= RAFTCORE_FLAG_LEASED_PROPOSALS;
    CODE(raftcore_new(&c, &node), RAFTCORE_E_ARG);
}

/* ---- a commit index in a read's answer */

static void lazy(raftcore_config *c) { c->flags |= RAFTCORE_FLAG_NO_COMMIT_BROADCAST; }

static void a_reads_answer_brings_the_commit_index(void) {
    for (int lazily = 0; lazily <= 1; lazily++) {
        start(lazily ? lazy : NULL);
        elect();
        uint64_t known = status_of(follower).commit;
        /* The follower stores the entry, and hears of the commit by neither append nor heartbeat. */
        OK(kit[leader].node, kit_propose(leader, "x", 1));
        CHECK(kit_work(&kit[leader]));
        while (kit_deliver()) {
        }
        CHECK(kit_work(&kit[follower]));
        watch(follower, RAFTCORE_MSG_READ_INDEX_RESP);
        watched.lost_kind = lazily ? RAFTCORE_MSG_HEARTBEAT : RAFTCORE_MSG_APP;
        while (kit_deliver()) {
        }
        kit_settle();
        CHECK(status_of(leader).commit == known + 1 && status_of(follower).commit == known);
        watched.lost_kind = RAFTCORE_MSG_HEARTBEAT;

        OK(kit[follower].node, raftcore_read_index(kit[follower].node, 9));
        kit_settle();

        CHECK(watched.count == 1);
        CHECK(status_of(follower).commit == (lazily ? known + 1 : known));
        CHECK(kit[follower].answered[9] == (lazily ? 1 : 0));
    }
}

int main(void) {
    the_election_timeout_lies_in_its_range();
    an_append_has_no_more_entries_than_allowed();
    silence_is_reported_after_so_many_ticks();
    a_heartbeat_is_spared_beside_an_append();
    leadership_goes_to_the_highest_priority();
    a_leader_without_a_lease_refuses_proposals();
    a_reads_answer_brings_the_commit_index();
    kit_reset();
    return 0;
}
