/* Snapshots of a host with much data: the data are too large for the core, travel beside the core, and take longer than
 * snapshot_timeout_ticks. The fields of a MsgSnap in a ready. */
#include "kit.h"
#include "message.h"

enum { LARGEST = 16, TIMEOUT = 20 };

static uint64_t leader, asked, held; /* fetches of a snapshot; MsgSnaps held back */
static struct { uint8_t frame[512]; size_t len; uint64_t index; } snap;

static raftcore_conf stored_conf(kit_host *h) {
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.bytes.ptr = h->conf;
    conf.bytes.len = h->conf_len;
    return conf;
}

/* Answers with too much data, then without data. The fetch stays open in between. */
static raftcore_code supply(kit_host *h, const raftcore_fetch *f) {
    static const uint8_t much[LARGEST + 1];
    raftcore_conf conf = stored_conf(h);
    raftcore_slice data = {much, sizeof much}, none = {NULL, 0};
    char text[256] = "";
    asked++;
    CODE(raftcore_supply_snapshot(h->node, f->id, h->applied, &conf, data), RAFTCORE_E_TOO_LARGE);
    CHECK(raftcore_error_detail(h->node, text, sizeof text) > 0);
    CHECK(strstr(text, "17 bytes") != NULL && strstr(text, "max_snapshot_bytes") != NULL && strstr(text, "16") != NULL);
    kit_beside_index = h->applied;
    kit_beside_state = h->state;
    return raftcore_supply_snapshot(h->node, f->id, h->applied, &conf, none);
}

/* Holds the MsgSnap back until the data have arrived. */
static int hold(kit_host *h, const raftcore_msg *m) {
    raftcore_slice data = {(const uint8_t *)"?", 1};
    uint64_t index = 0, term = 0;
    if (m->kind != RAFTCORE_MSG_SNAP) {
        CHECK(m->snapshot_conf.len == 0);
        return 0;
    }
    held++;
    OK(NULL, raftcore_flatten(m, snap.frame, sizeof snap.frame, &snap.len));
    /* index and log_term are those of the snapshot. The configuration shows, too. */
    CHECK(h->id == leader && m->to == 4 && m->index == kit_beside_index && m->log_term == kit_slot(h, m->index)->term);
    size_t ids = kit_conf_ids(h->conf, h->conf_len, h->applied);
    CHECK(m->snapshot_conf.len >= ids && memcmp(m->snapshot_conf.ptr, h->conf, ids) == 0);
    OK(NULL, raftcore_snapshot_split(snap.frame + RAFTCORE_FRAME_HEADER, snap.len - RAFTCORE_FRAME_HEADER, &data, &index, &term));
    CHECK(data.len == 0 && index == m->index && term == m->log_term);
    snap.index = index;
    return 1;
}

static raftcore_peer peer_4(void) {
    raftcore_peer peers[KIT_NODES] = {{0}};
    size_t count = 0;
    OK(kit[leader].node, raftcore_get_peers(kit[leader].node, peers, KIT_NODES, &count));
    CHECK(count == 4 && peers[3].id == 4);
    return peers[3];
}

/* Counts the events of snapshots that ended. Gives the result and the reason of the last event. */
static uint32_t ended(uint64_t *arrived, uint32_t *reason) {
    raftcore_event event;
    uint32_t count = 0;
    while (raftcore_next_event(kit[leader].node, &event) == RAFTCORE_OK)
        if (event.kind == RAFTCORE_EVENT_SNAPSHOT_ENDED) {
            CHECK(event.peer == 4);
            *arrived = event.a;
            *reason = event.reason;
            count++;
        }
    return count;
}

static void ticks(int count) {
    while (count-- > 0)
        kit_tick();
}

static void start(void) {
    raftcore_config c;
    raftcore_change add = {4, RAFTCORE_CHANGE_ADD_NODE, 0};
    raftcore_slice none = {NULL, 0};
    uint64_t arrived;
    uint32_t reason;
    kit_reset();
    asked = held = 0;
    for (uint64_t id = 1; id <= 4; id++) {
        c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        c.max_snapshot_bytes = LARGEST;
        c.snapshot_timeout_ticks = TIMEOUT;
        if (id < 4)
            kit_found(&c, 3);
        else
            kit_join(&c);
    }
    leader = kit_elect();
    kit_supply = supply;
    kit_carry = hold;
    OK(kit[leader].node, kit_propose(leader, "some state", 0));
    kit_settle();
    (void)ended(&arrived, &reason);
    OK(kit[leader].node, raftcore_propose_conf(kit[leader].node, &add, 1, RAFTCORE_TRANSITION_AUTO, none, 0));
    ticks(5);
    CHECK(asked == 1 && held == 1 && peer_4().flow == RAFTCORE_FLOW_SNAPSHOT && peer_4().pending_snapshot == snap.index);
}

/* While the host reports UNDER_WAY, the core fetches no second snapshot. Without reports the wait ends. */
static void under_way(void) {
    uint64_t arrived = 77;
    uint32_t reason = 77;
    start();
    for (int i = 0; i < 30; i++) {
        OK(kit[leader].node, raftcore_report_snapshot(kit[leader].node, 4, RAFTCORE_SNAPSHOT_UNDER_WAY));
        ticks(TIMEOUT - 5);
        CHECK(asked == 1 && held == 1 && ended(&arrived, &reason) == 0 && peer_4().flow == RAFTCORE_FLOW_SNAPSHOT);
    }
    ticks(10); /* and as many as in the last round above */
    CHECK(ended(&arrived, &reason) == 1 && arrived == 0 && reason == RAFTCORE_REASON_SNAPSHOT_TIMEOUT);
    CHECK(asked == 2 && held == 2);

    /* The data have arrived: the receiver steps the message. */
    raftcore_frame frame = {0};
    frame.struct_size = sizeof frame;
    OK(NULL, raftcore_frame_next(snap.frame, snap.len, snap.len, &frame));
    CHECK(frame.bytes == snap.len && frame.group == 0 && frame.msg.len == snap.len - RAFTCORE_FRAME_HEADER);
    OK(kit[4].node, raftcore_step(kit[4].node, leader, frame.msg.ptr, frame.msg.len));
    kit_settle();
    OK(kit[leader].node, raftcore_report_snapshot(kit[leader].node, 4, RAFTCORE_SNAPSHOT_ARRIVED));
    ticks(5);
    CHECK(ended(&arrived, &reason) == 1 && arrived == 1);
    CHECK(kit[4].snapshots == 1 && peer_4().flow == RAFTCORE_FLOW_REPLICATE && peer_4().pending_snapshot == 0);
    kit_check_same();

    /* A report without a snapshot changes nothing. */
    uint64_t digest = raftcore_digest(kit[leader].node, 1);
    for (uint32_t how = RAFTCORE_SNAPSHOT_FAILED; how <= RAFTCORE_SNAPSHOT_UNDER_WAY; how++)
        OK(kit[leader].node, raftcore_report_snapshot(kit[leader].node, 4, how));
    CHECK(raftcore_digest(kit[leader].node, 1) == digest && ended(&arrived, &reason) == 0);
}

/* After a failed snapshot the core fetches a new snapshot at once. */
static void failed(void) {
    uint64_t arrived = 77;
    uint32_t reason = 77;
    start();
    for (uint64_t times = 2; times < 6; times++) {
        OK(kit[leader].node, raftcore_report_snapshot(kit[leader].node, 4, RAFTCORE_SNAPSHOT_FAILED));
        ticks(3);
        CHECK(asked == times && held == times && ended(&arrived, &reason) == 1 && arrived == 0);
    }
}

/* ---- the context of messages */

static uint64_t contexts[RAFTCORE_MSG_FORGET_LEADER + 1];

static int note_context(kit_host *h, const raftcore_msg *m) {
    /* Compares the context with field 12 of the encoded message. */
    static uint8_t frame[KIT_FRAME];
    size_t len = 0;
    raftcore_slice found = {NULL, 0};
    OK(h->node, raftcore_flatten(m, frame, sizeof frame, &len));
    for (const uint8_t *p = frame + RAFTCORE_FRAME_HEADER, *end = frame + len; p < end;) {
        uint64_t number, value;
        raftcore_slice part;
        p = kit_field(p, end, &number, &value, &part);
        if (number == M_CONTEXT)
            found = part;
    }
    CHECK(m->context.len == found.len && (found.len == 0 || memcmp(m->context.ptr, found.ptr, found.len) == 0));
    contexts[m->kind] += found.len > 0;
    return 0;
}

static void context(void) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        kit_found(&c, 3);
    }
    kit_carry = note_context;
    leader = kit_elect();
    ticks(2);
    OK(kit[leader].node, raftcore_read_index(kit[leader].node, 1));
    kit_settle();
    OK(kit[leader].node, raftcore_transfer(kit[leader].node, leader % 3 + 1));
    ticks(5);
    CHECK(contexts[RAFTCORE_MSG_HEARTBEAT] > 0 && contexts[RAFTCORE_MSG_HEARTBEAT_RESP] > 0 && contexts[RAFTCORE_MSG_VOTE] > 0);
    CHECK(contexts[RAFTCORE_MSG_APP] == 0);
}

int main(void) {
    under_way();
    failed();
    context();
    kit_reset();
    return 0;
}
