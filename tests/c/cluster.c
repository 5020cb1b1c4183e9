/* A cluster through the C ABI, in each storage mode: elections, proposals, reads, changes, snapshots, restarts, transfer. */
#include "kit.h"

static const char *const modes[] = {"SYNC", "ASYNC", "MESSAGES"};

static uint64_t next_token;

/* Proposes until it is taken, and waits until all living nodes have applied it. */
static void replicate(uint64_t at, int count) {
    uint64_t first = next_token + 1;
    for (int i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "entry %" PRIu64, ++next_token);
        raftcore_code code;
        while ((code = kit_propose(at, text, next_token)) == RAFTCORE_E_FULL)
            kit_settle();
        OK(kit[at].node, code);
        if (i % 16 == 15)
            kit_settle();
    }
    kit_settle();
    for (int i = 0; i < 3; i++)
        kit_tick();
    for (uint64_t token = first; token <= next_token; token++)
        CHECK(kit[at].committed[token % KIT_TOKENS] == 1 && kit[at].dropped[token % KIT_TOKENS] == 0);
    kit_check_same();
}

static void elections_and_proposals(uint64_t leader) {
    raftcore_status s = {0};
    raftcore_slice many[3] = {{(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"ccc", 3}};
    uint64_t tokens[3], before;

    replicate(leader, 300);
    s.struct_size = sizeof s;
    OK(kit[leader].node, raftcore_get_status(kit[leader].node, &s));
    CHECK(s.role == RAFTCORE_ROLE_LEADER && s.leader == leader && s.id == leader && s.commit == s.last_index);
    CHECK(s.n_peers == 3 && s.n_outstanding == 0 && s.n_tokens == 0 && s.memory_bytes > 0 && s.implausible == 0);
    before = s.last_index;

    for (int i = 0; i < 3; i++)
        tokens[i] = ++next_token;
    OK(kit[leader].node, raftcore_propose_many(kit[leader].node, many, tokens, 3));
    OK(kit[leader].node, raftcore_propose_many(kit[leader].node, many, NULL, 3));
    kit_settle();
    kit_tick();
    for (int i = 0; i < 3; i++)
        CHECK(kit[leader].committed[tokens[i] % KIT_TOKENS] == 1);
    kit_check_same();
    CHECK(kit[leader].applied == before + 6);

    /* A follower with FORWARDING passes a proposal on; its outcome is unknown to it. */
    uint64_t follower = leader % 3 + 1;
    OK(kit[follower].node, kit_propose(follower, "passed on", ++next_token));
    kit_settle();
    kit_tick();
    CHECK(kit[follower].dropped[next_token % KIT_TOKENS] == 1 && kit[follower].committed[next_token % KIT_TOKENS] == 0);
    kit_check_same();
    CHECK(kit[leader].applied == before + 7);
}

static void reads(uint64_t leader) {
    for (uint64_t id = 1; id <= 3; id++) {
        uint64_t token = ++next_token, applied = kit[leader].applied;
        OK(kit[id].node, raftcore_read_index(kit[id].node, token));
        kit_settle();
        for (int i = 0; i < 3; i++)
            kit_tick();
        CHECK(kit[id].answered[token % KIT_TOKENS] == 1 && kit[id].dropped[token % KIT_TOKENS] == 0);
        CHECK(kit[id].answer_index[token % KIT_TOKENS] >= applied && kit[id].applied >= kit[id].answer_index[token % KIT_TOKENS]);
    }
}

static void propose_change(uint64_t at, const raftcore_change *changes, size_t count, uint32_t transition, const char *context) {
    raftcore_slice text = {(const uint8_t *)context, strlen(context)};
    OK(kit[at].node, raftcore_propose_conf(kit[at].node, changes, count, transition, text, ++next_token));
    kit_settle();
    for (int i = 0; i < 10; i++)
        kit_tick();
    CHECK(kit[at].committed[next_token % KIT_TOKENS] == 1);
}

static void changes(uint64_t leader, uint32_t storage) {
    raftcore_change learner = {4, RAFTCORE_CHANGE_ADD_LEARNER, 0}, voter = {4, RAFTCORE_CHANGE_ADD_NODE, 0};
    raftcore_config c = kit_config(4, storage);
    raftcore_conf conf = {0};
    raftcore_peer peers[KIT_NODES];
    size_t count = 0;
    conf.struct_size = sizeof conf;

    /* A newcomer has an empty disk: configuration and log come by snapshot. */
    c.flags = kit[leader].flags;
    kit_join(&c);
    propose_change(leader, &learner, 1, RAFTCORE_TRANSITION_V1, "host-4:9000");
    CHECK(kit[4].snapshots == 1);
    replicate(leader, 20);
    OK(kit[4].node, raftcore_get_conf(kit[4].node, &conf));
    CHECK(conf.n_voters == 3 && conf.n_learners == 1 && conf.learners[0] == 4 && conf.n_outgoing == 0);

    OK(kit[leader].node, raftcore_get_peers(kit[leader].node, NULL, 0, &count));
    CHECK(count == 4);
    OK(kit[leader].node, raftcore_get_peers(kit[leader].node, peers, KIT_NODES, &count));
    CHECK(peers[3].id == 4 && (peers[3].flags & RAFTCORE_PF_LEARNER) && (peers[3].flags & RAFTCORE_PF_CAUGHT_UP));
    CHECK(peers[3].flow == RAFTCORE_FLOW_REPLICATE && peers[3].match_index == kit[leader].last);
    CHECK(peers[0].id == 1 && (peers[0].flags & RAFTCORE_PF_VOTER));

    /* Two steps at once go through a joint configuration. */
    raftcore_change both[2] = {voter, {leader % 3 + 1, RAFTCORE_CHANGE_ADD_LEARNER, 0}};
    propose_change(leader, both, 2, RAFTCORE_TRANSITION_JOINT_EXPLICIT, "");
    OK(kit[leader].node, raftcore_get_conf(kit[leader].node, &conf));
    CHECK(conf.n_outgoing == 3 && conf.n_learners_next == 1 && !conf.auto_leave);
    CHECK(raftcore_propose_conf(kit[leader].node, &voter, 1, RAFTCORE_TRANSITION_AUTO, conf.context, 0) < 0);
    propose_change(leader, NULL, 0, RAFTCORE_TRANSITION_AUTO, "");
    OK(kit[leader].node, raftcore_get_conf(kit[leader].node, &conf));
    CHECK(conf.n_outgoing == 0 && conf.n_voters == 3 && conf.n_learners == 1 && conf.learners[0] == leader % 3 + 1);
    replicate(leader, 20);
    both[0].id = leader % 3 + 1;
    propose_change(leader, both, 1, RAFTCORE_TRANSITION_AUTO, "");
    replicate(leader, 5);

    /* One change at a time. */
    raftcore_change update = {4, RAFTCORE_CHANGE_UPDATE_NODE, 0};
    OK(kit[leader].node, raftcore_propose_conf(kit[leader].node, &update, 1, RAFTCORE_TRANSITION_AUTO, conf.context, 0));
    CODE(raftcore_propose_conf(kit[leader].node, &update, 1, RAFTCORE_TRANSITION_AUTO, conf.context, 0), RAFTCORE_E_CONF_BUSY);
    kit_settle();
    kit_check_same();
}

static void behind(uint64_t leader) {
    uint64_t out = leader % 3 + 1, snapshots = kit[out].snapshots;

    /* Behind by what the node no longer holds, but the host does: entries by fetch. */
    kit_cut[out] = 1;
    for (int round = 0; round < 15; round++)
        replicate(leader, 60);
    kit_cut[out] = 0;
    for (int i = 0; i < 60; i++)
        kit_tick();
    kit_check_same();
    CHECK(kit[out].snapshots == snapshots);

    /* Behind what the host has compacted: a snapshot. */
    kit_cut[out] = 1;
    replicate(leader, 30);
    for (uint64_t id = 1; id <= 4; id++) {
        kit_host *h = &kit[id];
        if (id == out)
            continue;
        OK(h->node, raftcore_compacted(h->node, h->applied - 5));
        h->before_term = kit_slot(h, h->applied - 5)->term;
        h->first = h->applied - 4;
    }
    replicate(leader, 5);
    kit_cut[out] = 0;
    for (int i = 0; i < 60; i++)
        kit_tick();
    CHECK(kit[out].snapshots == snapshots + 1);
    kit_check_same();
}

static void restarts(void) {
    for (uint64_t id = 1; id <= 4; id++) {
        uint64_t applied = kit[id].applied, state = kit[id].state;
        kit_restart(id);
        CHECK(kit[id].applied == applied && kit[id].state == state);
        kit_settle();
    }
    uint64_t leader = kit_elect();
    replicate(leader, 20);
}

static void transfer(void) {
    uint64_t leader = kit_elect(), to = leader % 4 + 1;
    raftcore_event event;
    int seen = 0;
    OK(kit[leader].node, raftcore_transfer(kit[leader].node, to));
    for (int i = 0; i < 10; i++)
        kit_tick();
    CHECK(kit_leader() == to && kit[leader].leader == to);
    while (raftcore_next_event(kit[to].node, &event) == RAFTCORE_OK) {
        CHECK(raftcore_event_text(event.kind)[0] != 0);
        seen += event.kind == RAFTCORE_EVENT_BECAME_LEADER;
    }
    CHECK(seen >= 1);
    replicate(to, 20);
    OK(kit[to].node, raftcore_transfer(kit[to].node, 0));
    for (int i = 0; i < 10; i++)
        kit_tick();
    CHECK(kit_leader() != to && kit_leader() != 0);
    replicate(kit_leader(), 5);
}

static void clones(void) {
    uint64_t leader = kit_elect();
    raftcore_node *node = kit[leader].node, *clone = NULL;
    raftcore_ready a = {0}, b = {0};
    OK(node, raftcore_try_clone(node, &clone));
    CHECK(raftcore_digest(node, 1) == raftcore_digest(clone, 1) && raftcore_digest(node, 0) != 0);
    OK(node, kit_propose(leader, "same", 0));
    raftcore_slice same = {(const uint8_t *)"same", 4};
    OK(clone, raftcore_propose(clone, &same, 1, 0));
    CHECK(raftcore_digest(node, 1) == raftcore_digest(clone, 1));
    a.struct_size = b.struct_size = sizeof a;
    OK(clone, raftcore_get_ready(clone, &b));
    OK(node, raftcore_get_ready(node, &a));
    CHECK(a.number == b.number && a.n_msgs == b.n_msgs && a.n_entries == b.n_entries && a.entries != b.entries);
    for (uint32_t i = 0; i < a.n_msgs; i++) {
        uint8_t x[KIT_FRAME], y[KIT_FRAME];
        size_t nx, ny;
        OK(node, raftcore_flatten(KIT_AT(raftcore_msg, a.msgs, a.msg_stride, i), x, sizeof x, &nx));
        OK(node, raftcore_flatten(KIT_AT(raftcore_msg, b.msgs, b.msg_stride, i), y, sizeof y, &ny));
        CHECK(nx == ny && memcmp(x, y, nx) == 0);
    }
    OK(clone, raftcore_free(clone));
    if (kit[leader].storage == RAFTCORE_STORAGE_SYNC)
        kit_settle(); /* the ready that was taken here comes once more */
}

/* An apply thread so late that the node has let go of the entries. With COMMITTED_SPANS the ready names the span, and the tokens; else
 * the node asks for them, and they come as all others. */
static void late_apply(int spans) {
    enum { COUNT = 200 };
    static uint64_t index_of[COUNT + 1];
    static uint8_t data[200];
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_ASYNC);
    raftcore_slice part = {data, sizeof data};
    uint64_t token = 0, next = 2, bare = 0, done = 0, fetched = 0;
    raftcore_code code;
    c.block_bytes = 4 << 10;
    c.recent_bytes = 16 << 10;
    c.max_committed_size_per_ready = 1; /* one entry at a time */
    c.max_outstanding = 512;            /* a ready is outstanding until it is applied, too */
    c.max_entries_per_ready = 4;
    c.max_messages = 16;
    c.max_reads = 1;
    if (spans)
        c.flags |= RAFTCORE_FLAG_COMMITTED_SPANS;
    kit_reset();
    kit_found(&c, 1);
    raftcore_node *n = kit[1].node;
    OK(n, raftcore_campaign(n));
    for (int round = 0; done < COUNT; round++) {
        raftcore_ready rd = {0};
        uint64_t applied = 0;
        rd.struct_size = sizeof rd;
        CHECK(round < 10000);
        data[0] = (uint8_t)(token + 1);
        if (token < COUNT && raftcore_propose(n, &part, 1, token + 1) == RAFTCORE_OK)
            token++;
        while (fetched += kit_fetches(&kit[1]), (code = raftcore_get_ready(n, &rd)) == RAFTCORE_OK) {
            kit_store(&kit[1], &rd);
            for (uint32_t i = 0; i < rd.n_entries; i++) {
                const raftcore_entry *e = KIT_AT(raftcore_entry, rd.entries, rd.entry_stride, i);
                CHECK(e->token == 0);
                if (e->data.len > 0)
                    index_of[e->data.ptr[0]] = e->index; /* the data begin with the token */
            }
            for (uint32_t i = 0; i < rd.n_committed; i++) {
                const raftcore_entry *e = KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i);
                CHECK(e->index == next + i && (e->token == 0 || index_of[e->token] == e->index));
                done += e->token != 0;
            }
            for (uint32_t i = 0; i < rd.n_done; i++) {
                const raftcore_done *d = KIT_AT(raftcore_done, rd.done, rd.done_stride, i);
                CHECK(rd.n_committed == 0 && d->token > 0 && index_of[d->token] == d->index);
                CHECK(d->index >= rd.committed_first && d->index <= rd.committed_last);
                done++;
            }
            if (rd.committed_last > 0) {
                CHECK(rd.committed_first == next && (rd.n_committed == 0 || rd.n_committed == rd.committed_last + 1 - next));
                next = rd.committed_last + 1;
                applied = rd.committed_last;
                bare += rd.n_committed == 0;
            }
            OK(n, raftcore_persisted(n, rd.number));
            OK(n, raftcore_release(n, rd.number));
        }
        kit_code(n, code, RAFTCORE_NONE, __FILE__, __LINE__, "get_ready");
        if (token == COUNT && applied > 0)
            OK(n, raftcore_applied(n, applied));
        if (token == COUNT && applied == 0 && done < COUNT)
            OK(n, raftcore_applied(n, next - 1));
    }
    CHECK((bare > 0) == spans && (fetched > 0) == !spans);
    kit_reset();
}

static void hellos(void) {
    uint8_t frame[128];
    size_t need = 0;
    raftcore_hello_info info = {0};
    raftcore_node *node = kit[1].node;
    info.struct_size = sizeof info;
    CODE(raftcore_hello(node, NULL, 0, &need), RAFTCORE_E_TOO_SMALL);
    CHECK(need > 12 && need <= sizeof frame);
    OK(node, raftcore_hello(node, frame, sizeof frame, NULL));
    OK(NULL, raftcore_hello_read(frame, need, &info));
    CHECK(info.id == 1 && info.version >= 1 && info.group == 0 && info.struct_size == sizeof info);
    CODE(raftcore_hello_read(frame, need - 1, &info), RAFTCORE_E_DECODE);
}

static void many(void) {
    raftcore_node *nodes[7] = {kit[1].node, NULL, kit[2].node, kit[3].node, kit[4].node, NULL, NULL};
    uint32_t found[7];
    size_t count = raftcore_tick_many(nodes, 7, 1, found, 7);
    CHECK(count >= 3 && count <= 7 && found[count - 1] == 6);
    CHECK(raftcore_tick_many(nodes, 7, 0, found, 1) >= 3);
    CHECK(raftcore_tick_many(NULL, 0, 1, NULL, 0) == 0);
    kit_settle();
}

int main(void) {
    CHECK(raftcore_abi_version() == RAFTCORE_ABI_VERSION);
    CHECK(strcmp(raftcore_version_string(), "0.1.0") == 0 && RAFTCORE_VERSION_MINOR == 1);
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++) {
        uint32_t due = 0;
        kit_reset();
        next_token = 0;
        for (uint64_t id = 1; id <= 3; id++) {
            raftcore_config c = kit_config(id, storage);
            c.flags |= RAFTCORE_FLAG_FORWARDING;
            kit_found(&c, 3);
        }
        OK(kit[1].node, raftcore_ticks_until_due(kit[1].node, &due));
        CHECK(due >= 10 && due <= 20);
        uint64_t leader = kit_elect();
        elections_and_proposals(leader);
        reads(leader);
        changes(leader, storage);
        behind(leader);
        restarts();
        transfer();
        hellos();
        many();
        clones();
        printf("%-8s  %" PRIu64 " entries, %" PRIu64 " frames\n", modes[storage], kit[leader].applied, kit_delivered);
    }
    late_apply(1);
    late_apply(0);
    return 0;
}
