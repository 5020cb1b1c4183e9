/* Refused proposals: a follower names the leader, and a text names the limit. Raw proposals: entries of any kind, encoded elsewhere. With
 * CONF_APART, changes apart from their entries. */
#include "kit.h"
#include "message.h"

static uint64_t leader, follower;
static const raftcore_slice none = {NULL, 0};

static void start(uint64_t flags) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        c.flags |= flags;
        c.max_entry_bytes = 1000;
        kit_found(&c, 3);
    }
    leader = kit_elect();
    follower = leader % 3 + 1;
    kit_tick();
}

static void says(const raftcore_node *n, const char *words) {
    char text[256] = "";
    raftcore_error_detail(n, text, sizeof text);
    if (strstr(text, words) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", text, words);
        exit(1);
    }
}

static raftcore_status status_of(const raftcore_node *n) {
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(n, raftcore_get_status(n, &s));
    return s;
}

/* Tries each way to propose, at a node that takes no proposals. The node keeps no token. */
static void each_refused(raftcore_node *n, raftcore_code want, const char *words) {
    raftcore_slice data = {(const uint8_t *)"x", 1};
    raftcore_change change = {4, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    const uint64_t token = 7, refused = status_of(n).proposals_refused;
    static const uint8_t add_4[] = {0x10, 0, 0x18, 4};
    raftcore_slice raw = {add_4, sizeof add_4};
    CODE(raftcore_propose(n, &data, 1, token), want);
    says(n, words);
    CODE(raftcore_propose_many(n, &data, &token, 1), want);
    says(n, words);
    CODE(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, none, token), want);
    says(n, words);
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_NORMAL, data, token), want);
    says(n, words);
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, token), want);
    says(n, words);
    CHECK(status_of(n).n_tokens == 0 && status_of(n).proposals_refused == refused + 5);
    CHECK(!(raftcore_has_ready(n) & RAFTCORE_HAS_DROPPED));
}

static void a_follower_names_the_leader(void) {
    char words[64];
    start(0);
    raftcore_node *n = kit[follower].node;
    snprintf(words, sizeof words, "node %" PRIu64 " leads in term %" PRIu64, leader, status_of(n).term);
    CHECK(status_of(n).leader == leader);
    each_refused(n, RAFTCORE_E_NOT_LEADER, words);
    /* A forwarded proposal of a peer is refused, too. */
    bytes m = message(RAFTCORE_MSG_PROP, follower, leader % 3 + 2, 0);
    put_entry(&m, RAFTCORE_ENTRY_NORMAL, 0, 0, "x", 1);
    CODE(raftcore_step(n, 0, m.at, m.len), RAFTCORE_E_NOT_LEADER);
    says(n, words);

    /* The follower knows no leader. */
    OK(n, raftcore_forget_leader(n));
    each_refused(n, RAFTCORE_E_NO_LEADER, "no leader is known");
    CODE(raftcore_read_index(n, 1), RAFTCORE_E_NO_LEADER);
    CODE(raftcore_transfer(n, leader), RAFTCORE_E_NO_LEADER);
    for (int i = 0; i < 3; i++)
        kit_tick();

    /* The leader, during a transfer. */
    n = kit[leader].node;
    kit_cut[follower] = 1;
    OK(n, raftcore_transfer(n, follower));
    each_refused(n, RAFTCORE_E_NO_LEADER, "is being transferred");
    OK(n, raftcore_abort_transfer(n));
    OK(n, kit_propose(leader, "goes on", 1));
}

static void forwarding(void) {
    start(RAFTCORE_FLAG_FORWARDING);
    raftcore_slice data = {(const uint8_t *)"passed on", 9};
    uint64_t before = kit[leader].applied;
    OK(kit[follower].node, raftcore_propose_entry(kit[follower].node, RAFTCORE_ENTRY_NORMAL, data, 5));
    kit_settle();
    kit_tick();
    CHECK(kit[leader].applied == before + 1 && kit[follower].dropped[5] == 1 && kit[follower].committed[5] == 0);
    kit_check_same();
}

/* Entries above a limit. The text names the limit. */
static void too_large(void) {
    static uint8_t data[700 << 10];
    raftcore_slice large = {data, 1001}, fits = {data, 1000}, two[2] = {fits, large};
    raftcore_change change = {4, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    start(0);
    raftcore_node *n = kit[leader].node;
    CODE(raftcore_propose(n, &large, 1, 1), RAFTCORE_E_TOO_LARGE);
    says(n, "entry of 1001 bytes");
    says(n, "max_entry_bytes");
    CODE(raftcore_propose_many(n, two, NULL, 2), RAFTCORE_E_TOO_LARGE);
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_NORMAL, large, 1), RAFTCORE_E_TOO_LARGE);
    CODE(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, fits, 1), RAFTCORE_E_TOO_LARGE);
    OK(n, raftcore_propose(n, &fits, 1, 1));
    CODE(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_V1, none, 2), RAFTCORE_OK); /* the refused change left nothing behind */

    /* Half of recent_bytes is the lower limit here. */
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    kit_reset();
    kit_found(&c, 1);
    n = kit[1].node;
    OK(n, raftcore_campaign(n));
    kit_settle();
    large.len = sizeof data;
    CODE(raftcore_propose(n, &large, 1, 1), RAFTCORE_E_TOO_LARGE);
    says(n, "half of recent_bytes");
}

/* Raw changes. */
static void raw_changes(void) {
    static const uint8_t v1[] = {0x08, 9, 0x10, RAFTCORE_CHANGE_ADD_LEARNER, 0x18, 4, 0x22, 4, 'h', 'o', 's', 't'};
    static const uint8_t v2[] = {0x12, 4, 0x08, RAFTCORE_CHANGE_REMOVE_NODE, 0x10, 4};
    static const uint8_t unknown[] = {0x10, 77, 0x18, 4};
    raftcore_slice raw = {v1, sizeof v1};
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    start(0);
    raftcore_node *n = kit[leader].node;
    OK(n, raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, 11));
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, 12), RAFTCORE_E_CONF_BUSY);
    kit_settle();
    kit_tick();
    CHECK(kit[leader].committed[11] == 1);
    OK(n, raftcore_get_conf(n, &conf));
    CHECK(conf.n_learners == 1 && conf.learners[0] == 4);
    raw.ptr = v2;
    raw.len = sizeof v2;
    OK(n, raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE_V2, raw, 13));
    kit_settle();
    kit_tick();
    OK(n, raftcore_get_conf(n, &conf));
    CHECK(conf.n_learners == 0 && kit[leader].committed[13] == 1);

    raw.len = 3;
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE_V2, raw, 14), RAFTCORE_E_DECODE);
    raw.ptr = unknown;
    raw.len = sizeof unknown;
    CODE(raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, 14), RAFTCORE_E_UNSUPPORTED);
    CODE(raftcore_propose_entry(n, 3, raw, 14), RAFTCORE_E_ARG);
    CHECK(status_of(n).n_tokens == 0);
}

/* Like etcd's ApplyConfChange: a change at any time, also after its entry was applied, or never. */
static void apart(void) {
    static const uint8_t add_4[] = {0x10, RAFTCORE_CHANGE_ADD_LEARNER, 0x18, 4}, add_5[] = {0x10, RAFTCORE_CHANGE_ADD_NODE, 0x18, 5};
    raftcore_slice raw = {add_4, sizeof add_4};
    raftcore_conf conf = {0};
    raftcore_ready rd = {0};
    uint64_t change_at = 0;
    conf.struct_size = sizeof conf;
    rd.struct_size = sizeof rd;
    for (int flag = 0; flag < 2; flag++) {
        raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
        if (flag)
            c.flags |= RAFTCORE_FLAG_CONF_APART;
        kit_reset();
        kit_found(&c, 1);
        raftcore_node *n = kit[1].node;
        OK(n, raftcore_campaign(n));
        kit_settle();
        CODE(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, &conf), flag ? RAFTCORE_OK : RAFTCORE_E_STATE);
        if (!flag) {
            says(n, "CONF_APART");
            continue;
        }
        CHECK(conf.n_learners == 1 && conf.learners[0] == 4 && conf.index == 0 && conf.bytes.len > 0);
        raw.ptr = add_5;
        OK(n, raftcore_propose_entry(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, 0));
        while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
            for (uint32_t i = 0; i < rd.n_committed; i++)
                if (KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i)->kind != RAFTCORE_ENTRY_NORMAL)
                    change_at = KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i)->index;
            OK(n, raftcore_advance(n, rd.number)); /* neither applied nor skipped */
        }
        CHECK(change_at > 0 && status_of(n).applied == change_at && status_of(n).n_peers == 2);
        OK(n, raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, raw, &conf));
        CHECK(conf.n_voters == 2 && conf.voters[1] == 5 && status_of(n).n_peers == 3);
    }
}

int main(void) {
    a_follower_names_the_leader();
    forwarding();
    too_large();
    raw_changes();
    apart();
    kit_reset();
    return 0;
}
