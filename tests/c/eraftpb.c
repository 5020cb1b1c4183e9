/* The dialect of raft-rs as a C host sees it: contexts beside the data of entries, in readies, on disks, over a restart and in a supply;
 * requested snapshots; commit indexes of peers. And what a host may ask of a running node: pauses, groups, promotion, flags. */
#include "kit.h"

static uint64_t leader, follower;
static const raftcore_slice none = {NULL, 0};

static void start(uint32_t storage, uint32_t dialect) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, storage);
        c.dialect = dialect;
        kit_found(&c, 3);
    }
    leader = kit_elect();
    follower = leader % 3 + 1;
    kit_tick();
}

static raftcore_slice text(const char *words) {
    raftcore_slice slice = {(const uint8_t *)words, strlen(words)};
    return slice;
}

static void says(const raftcore_node *n, const char *words) {
    char said[256] = "";
    raftcore_error_detail(n, said, sizeof said);
    if (strstr(said, words) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", said, words);
        exit(1);
    }
}

static raftcore_peer peer_of(uint64_t id, uint64_t peer) {
    raftcore_peer peers[KIT_NODES];
    size_t count = 0;
    OK(kit[id].node, raftcore_get_peers(kit[id].node, peers, KIT_NODES, &count));
    for (size_t i = 0; i < count; i++)
        if (peers[i].id == peer)
            return peers[i];
    CHECK(!"a member is among the peers");
    return peers[0];
}

static uint64_t commit_of(uint64_t id) {
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(kit[id].node, raftcore_get_status(kit[id].node, &s));
    return s.commit;
}

/* A disk holds these contexts, in this order, and no others. */
static void holds(uint64_t id, const char *const *want, size_t n_want) {
    size_t found = 0;
    for (uint64_t index = kit[id].first; index <= kit[id].last; index++) {
        const kit_entry *e = kit_slot(&kit[id], index);
        if (e->context_len == 0)
            continue;
        CHECK(found < n_want && e->context_len == strlen(want[found]) && memcmp(e->context, want[found], e->context_len) == 0);
        found++;
    }
    CHECK(found == n_want);
}

static void contexts(uint32_t storage) {
    static const char *const want[] = {"who", "alone", "change", "late"};
    static const uint8_t learner_4[] = {0x10, 2, 0x18, 4}; /* raft-rs's number of a learner */
    raftcore_slice change = {learner_4, sizeof learner_4};
    start(storage, RAFTCORE_DIALECT_ERAFTPB);
    raftcore_node *n = kit[leader].node;
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, text("who"), text("data"), 1));
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, text("alone"), none, 2));
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, none, text("plain"), 3));
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_CONF_CHANGE, text("change"), change, 4));
    OK(n, kit_propose(leader, "between", 5));
    kit_settle();
    kit_tick();
    kit_check_same();
    for (uint64_t id = 1; id <= 3; id++)
        holds(id, want, 3);
    for (int token = 1; token <= 5; token++)
        CHECK(kit[leader].committed[token] == 1);
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    OK(n, raftcore_get_conf(n, &conf));
    CHECK(conf.dialect == RAFTCORE_DIALECT_ERAFTPB && conf.n_learners == 1 && conf.learners[0] == 4);

    /* From the log of another node, whose memory has begun anew: a supply of entries, in whose entries the host puts the contexts. */
    kit_cut[follower] = 1;
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, text("late"), text("more"), 6));
    kit_settle();
    kit_restart(leader);
    kit_restart(leader);
    leader = kit_elect();
    kit_cut[follower] = 0;
    for (int i = 0; i < 30; i++)
        kit_tick();
    kit_elect();
    kit_check_same();
    for (uint64_t id = 1; id <= 3; id++)
        holds(id, want, 4);

    /* The configuration that was stored names its dialect: the other one refuses the log. */
    raftcore_config c = kit_config(1, storage);
    raftcore_node *other = NULL;
    OK(NULL, raftcore_new(&c, &other));
    conf.bytes.ptr = kit[1].conf;
    conf.bytes.len = kit[1].conf_len;
    raftcore_stored stored = kit_founder(&conf);
    CODE(raftcore_boot(other, &stored), RAFTCORE_E_CORRUPT);
    says(other, "written in eraftpb");
    OK(other, raftcore_free(other));
}

/* The limits are those of other proposals: max_entry_bytes for data and context, max_tokens for tokens. */
static void limits(void) {
    static uint8_t zeros[100];
    raftcore_slice fits = {zeros, 80}, rest = {zeros, 20}, more = {zeros, 21};
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    c.dialect = RAFTCORE_DIALECT_ERAFTPB;
    c.max_entry_bytes = 100;
    c.max_tokens = 1;
    kit_reset();
    kit_found(&c, 1);
    raftcore_node *n = kit[1].node;
    OK(n, raftcore_campaign(n));
    kit_settle();
    CODE(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, more, fits, 0), RAFTCORE_E_TOO_LARGE);
    says(n, "entry of 101 bytes");
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, rest, fits, 1));
    CODE(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, rest, none, 2), RAFTCORE_E_FULL);
    OK(n, raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, none, fits, 0));
}

static void refused_in_raftpb(void) {
    start(RAFTCORE_STORAGE_SYNC, RAFTCORE_DIALECT_RAFTPB);
    raftcore_node *n = kit[leader].node;
    CODE(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, text("who"), text("data"), 1), RAFTCORE_E_UNSUPPORTED);
    says(n, "eraftpb");
    OK(n, kit_propose(leader, "goes on", 1));
}

/* The frame that opens a connection tells the dialect. */
static void hello(void) {
    uint8_t frame[64];
    size_t len = 0;
    raftcore_hello_info info = {0};
    raftcore_config c = kit_config(2, RAFTCORE_STORAGE_SYNC);
    raftcore_node *peers[2] = {NULL, NULL};
    info.struct_size = sizeof info;
    start(RAFTCORE_STORAGE_SYNC, RAFTCORE_DIALECT_ERAFTPB);
    for (uint32_t dialect = 0; dialect < 2; dialect++) {
        c.dialect = dialect;
        OK(NULL, raftcore_new(&c, &peers[dialect]));
        OK(peers[dialect], raftcore_hello(peers[dialect], frame, sizeof frame, &len));
        OK(NULL, raftcore_hello_read(frame, len, &info));
        CHECK(!(info.features & RAFTCORE_HELLO_ERAFTPB) == (dialect == RAFTCORE_DIALECT_RAFTPB));
        CODE(raftcore_hello_check(kit[1].node, frame, len), dialect == RAFTCORE_DIALECT_RAFTPB ? RAFTCORE_E_NOT_FOR_ME : RAFTCORE_OK);
        if (dialect == RAFTCORE_DIALECT_RAFTPB)
            says(kit[1].node, "speaks raftpb");
        OK(peers[dialect], raftcore_free(peers[dialect]));
    }
}

static void a_requested_snapshot(uint32_t storage) {
    start(storage, RAFTCORE_DIALECT_ERAFTPB);
    for (uint64_t token = 1; token <= 5; token++)
        OK(kit[leader].node, kit_propose(leader, "some data", token));
    kit_settle();
    kit_tick();
    CHECK(peer_of(leader, follower).commit == commit_of(leader)); /* answers carry it in this dialect */
    kit[follower].state = 77;                                     /* rotten, though the log is well */
    OK(kit[follower].node, raftcore_request_snapshot(kit[follower].node));
    CODE(raftcore_request_snapshot(kit[follower].node), RAFTCORE_E_STATE);
    CODE(raftcore_request_snapshot(kit[leader].node), RAFTCORE_E_NO_LEADER);
    for (int i = 0; i < 3; i++)
        kit_tick();
    CHECK(kit[follower].snapshots == 1);
    OK(kit[leader].node, kit_propose(leader, "after it", 6));
    kit_settle();
    kit_tick();
    kit_check_same();
}

static void controls(void) {
    start(RAFTCORE_STORAGE_SYNC, RAFTCORE_DIALECT_RAFTPB);
    raftcore_node *n = kit[leader].node;
    raftcore_status s = {0};
    raftcore_conf conf = {0};
    raftcore_slice data = text("bound");
    raftcore_change add = {4, RAFTCORE_CHANGE_ADD_LEARNER, 0}, more = {5, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    s.struct_size = sizeof s;
    conf.struct_size = sizeof conf;

    /* A window of no messages pauses a peer. */
    uint64_t last = kit[follower].last;
    OK(n, raftcore_set_window(n, follower, 0, 0));
    OK(n, kit_propose(leader, "x", 1));
    kit_settle();
    CHECK(kit[follower].last == last && kit[leader].committed[1] == 1);
    OK(n, raftcore_set_window(n, follower, 8, 0));
    kit_settle();
    CHECK(kit[follower].last == last + 1);

    /* Bound to a term, and to a configuration. */
    OK(n, raftcore_get_status(n, &s));
    CODE(raftcore_propose_in_term(n, s.term + 1, &data, 1, 2), RAFTCORE_E_NO_LEADER);
    OK(n, raftcore_propose_in_term(n, s.term, &data, 1, 2));
    OK(n, raftcore_get_conf(n, &conf));
    uint64_t seen = conf.index;
    CHECK(conf.dialect == RAFTCORE_DIALECT_RAFTPB);
    OK(n, raftcore_propose_conf_at(n, seen, &add, 1, RAFTCORE_TRANSITION_AUTO, none, 3));
    kit_settle();
    CHECK(kit[leader].committed[2] == 1 && kit[leader].committed[3] == 1);
    CODE(raftcore_propose_conf_at(n, seen, &more, 1, RAFTCORE_TRANSITION_AUTO, none, 4), RAFTCORE_E_STALE);
    says(n, "as of index");

    /* The learner joins, and becomes a voter by itself. */
    OK(n, raftcore_promote_when_caught_up(n, 4, 1));
    raftcore_config c = kit_config(4, RAFTCORE_STORAGE_SYNC);
    kit_join(&c);
    for (int i = 0; i < 20; i++)
        kit_tick();
    CHECK(peer_of(leader, 4).flags & RAFTCORE_PF_VOTER);

    /* Two groups: what one of them has stored is not committed. */
    for (uint64_t id = 1; id <= 4; id++)
        OK(n, raftcore_set_commit_group(n, id, id == follower ? 2 : 1));
    CHECK(peer_of(leader, follower).group == 2);
    kit_cut[follower] = 1;
    uint64_t commit = commit_of(leader);
    OK(n, kit_propose(leader, "y", 5));
    kit_settle();
    CHECK(commit_of(leader) == commit);
    kit_cut[follower] = 0;
    for (int i = 0; i < 3; i++)
        kit_tick();
    CHECK(commit_of(leader) == commit + 1);

    /* Heartbeats now; nobody checks the quorum; memory goes back. */
    CODE(raftcore_has_ready(n) & RAFTCORE_HAS_MESSAGES, 0);
    OK(n, raftcore_ping(n));
    CHECK(raftcore_has_ready(n) & RAFTCORE_HAS_MESSAGES);
    kit_settle();
    CODE(raftcore_set_flags(n, RAFTCORE_FLAG_NO_CONF_VALIDATION, 0), RAFTCORE_E_ARG);
    says(n, "0x4000");
    OK(n, raftcore_set_flags(n, RAFTCORE_FLAG_CHECK_QUORUM, 0));
    for (uint64_t id = 1; id <= 4; id++)
        kit_cut[id] = id != leader;
    for (int i = 0; i < 50; i++)
        OK(n, raftcore_tick(n, 1));
    OK(n, raftcore_get_status(n, &s));
    CHECK(s.role == RAFTCORE_ROLE_LEADER);
    OK(n, raftcore_trim(n));
    uint64_t before = s.memory_bytes;
    OK(n, raftcore_get_status(n, &s));
    CHECK(s.memory_bytes < before);
}

int main(void) {
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++) {
        contexts(storage);
        a_requested_snapshot(storage);
    }
    limits();
    refused_in_raftpb();
    hello();
    controls();
    kit_reset();
    return 0;
}
