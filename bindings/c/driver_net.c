/*
 * driver_net.c: the calls of the transport.
 */
#include <string.h>

#include "driver_parts.h"

static uint16_t on_hello(void *driver, const struct rh_net_hello *hello, struct rh_words *words)
{
    struct rh_driver *d = driver;
    const uint8_t *own = d->dir->owner.founding;
    struct rh_record *r = rh_record_find(d, hello->id);

    if (!rh_is_zero(own, RH_ID_BYTES) && !rh_is_zero(hello->founding, RH_ID_BYTES) &&
        memcmp(own, hello->founding, RH_ID_BYTES) != 0) {
        char here[2 * RH_ID_BYTES + 1], there[2 * RH_ID_BYTES + 1];
        rh_hex(own, RH_ID_BYTES, here);
        rh_hex(hello->founding, RH_ID_BYTES, there);
        rh_fail(words, 0, "node %llu was founded as %s, this group as %s: their logs have nothing in common",
                (ull)hello->id, there, here);
        return RH_WIRE_R_FOUNDING;
    }
    if (r && !r->hint && !rh_is_zero(r->disk, RH_ID_BYTES) && memcmp(r->disk, hello->disk, RH_ID_BYTES) != 0) {
        rh_fail(words, 0, "node %llu has another directory than before: it was emptied, or copied", (ull)hello->id);
        return RH_WIRE_R_DISK;
    }
    if (hello->channel != RH_WIRE_JOINING && d->role == RAFTCORE_ROLE_LEADER && d->ready &&
        !(r && (r->voter || r->learner))) {
        rh_fail(words, 0, "node %llu is no member", (ull)hello->id);
        return RH_WIRE_R_NOT_MEMBER;
    }
    if (r && hello->dialled)
        r->down = false;
    if (hello->channel == RH_WIRE_PEER && !hello->dialled && hello->peer_address.len > 0)
        rh_take_hint(d, hello);
    /* A node that waits to be added takes the founding of the first member that dials. */
    if (d->node && hello->channel != RH_WIRE_JOINING && rh_is_zero(own, RH_ID_BYTES) &&
        !rh_is_zero(hello->founding, RH_ID_BYTES)) {
        struct rh_words why = {""};
        if (rh_dir_set_founding(d->dir, hello->founding, &why) != RH_OK) {
            rh_driver_fail(d, RH_E_IO, "%s", why.text);
            return RH_WIRE_R_SHUTTING_DOWN;
        }
    }
    return d->failed ? RH_WIRE_R_SHUTTING_DOWN : 0;
}

/* Refuses a MsgSnap without its file: the sender makes another attempt. */
static void refuse_snapshot(struct rh_driver *d, uint64_t peer, uint64_t index, uint64_t term)
{
    const struct rh_wire_frame f = {.group = d->o.group,
                                    .type = RH_WIRE_ABORT,
                                    .abort = {.index = index,
                                              .term = term,
                                              .code = RH_WIRE_A_NO_DATA,
                                              .words = rh_text_slice("the file of the snapshot is not here")}};

    rh_driver_say(d, RH_LOG_INFO, "the file of the snapshot of index %llu from node %llu is not here", (ull)index,
                  (ull)peer);
    d->net.ops->answer(d->net.self, 0, &f);
}

static void step(struct rh_driver *d, uint64_t peer, raftcore_slice msg)
{
    raftcore_slice data;
    uint64_t index = 0, term = 0;
    char detail[256];

    if (raftcore_snapshot_split(msg.ptr, msg.len, &data, &index, &term) == RAFTCORE_OK &&
        (data.len > 0 || d->loader.what.index || !rh_arrived(d, index, term))) {
        refuse_snapshot(d, peer, index, term);
        return;
    }
    raftcore_code code = raftcore_step(d->node, peer, msg.ptr, msg.len);
    if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED) {
        rh_core_ok(d, code, "step");
    } else if (code < 0 && code != RAFTCORE_E_NO_PEER) {
        raftcore_error_detail(d->node, detail, sizeof detail);
        rh_driver_say(d, code == RAFTCORE_E_IMPLAUSIBLE ? RH_LOG_ERROR : RH_LOG_DEBUG, "a message of node %llu: %s: %s",
               (ull)peer, raftcore_strerror(code), detail);
    }
}

static void on_frames(void *driver, uint64_t peer, const uint8_t *bytes, size_t len)
{
    struct rh_driver *d = driver;
    raftcore_frame f = {.struct_size = sizeof f};

    while (d->node && !d->failed && raftcore_frame_next(bytes, len, d->frame_limit, &f) == RAFTCORE_OK) {
        step(d, peer, f.msg);
        bytes += f.bytes;
        len -= (size_t)f.bytes;
    }
    d->again = true;
}

static void on_request(void *driver, uint64_t from, uint64_t peer, const struct rh_wire_frame *frame,
                       const struct rh_net_hello *hello)
{
    struct rh_driver *d = driver;

    (void)peer;
    if (!d->node || d->failed)
        return;
    if (frame->type == RH_WIRE_REQUEST)
        rh_take_request(d, from, frame);
    else if (frame->type == RH_WIRE_JOIN)
        rh_take_join(d, from, frame, hello);
    d->again = true;
}

static void on_answered(void *driver, uint64_t peer, const struct rh_wire_frame *frame)
{
    struct rh_driver *d = driver;

    if (frame->type == RH_WIRE_OUTCOME)
        rh_take_outcome(d, peer, frame);
    else if (frame->type == RH_WIRE_JOINED)
        rh_take_joined(d, frame);
    else if (frame->type == RH_WIRE_ABORT && d->node && !d->failed)
        raftcore_report_snapshot(d->node, peer, RAFTCORE_SNAPSHOT_FAILED);
    d->again = true;
}

static void on_lost(void *driver, uint64_t peer, const char *words)
{
    struct rh_driver *d = driver;

    rh_driver_say(d, RH_LOG_DEBUG, "node %llu: %s", (ull)peer, words);
    if (d->failed)
        return;
    struct rh_record *r = rh_record_find(d, peer);
    if (r)
        r->down = true;
    if (d->node)
        raftcore_report_unreachable(d->node, peer);
    rh_lost_peer(d, peer);
    d->again = true;
}

static void on_rejected(void *driver, uint64_t peer, bool by_peer, uint16_t code, const char *words)
{
    struct rh_driver *d = driver;
    bool told = by_peer && (code == RH_WIRE_R_DISK || code == RH_WIRE_R_NOT_MEMBER || code == RH_WIRE_R_FOUNDING);

    rh_driver_say(d, told ? RH_LOG_ERROR : RH_LOG_WARNING, "node %llu %s: %s (%u)", (ull)peer,
           by_peer ? "refuses this node" : "is refused", words, code);
    if (by_peer && code == RH_WIRE_R_DISK)
        rh_driver_fail(d, RH_E_OWNER, "the id belongs to another directory: %s. Start with an empty directory under a new id", words);
}

static void on_sending(void *driver, uint64_t to, enum rh_net_sending how, uint16_t code, const char *words)
{
    struct rh_driver *d = driver;

    if (!d->failed)
        rh_sending(d, to, how, code, words ? words : "");
}

static uint16_t on_offered(void *driver, uint64_t from, const struct rh_snapshot *what)
{
    struct rh_driver *d = driver;

    if (!d->node || d->failed || d->loader.what.index)
        return RH_WIRE_A_BUSY;
    if (what->index <= d->applied)
        return RH_WIRE_A_NOT_NEEDED;
    rh_driver_say(d, RH_LOG_INFO, "node %llu sends the snapshot of index %llu, %llu bytes", (ull)from, (ull)what->index,
           (ull)what->bytes);
    return 0;
}

static void on_stored(void *driver, uint64_t from, const struct rh_snapshot *what)
{
    struct rh_driver *d = driver;

    (void)from;
    struct rh_snapshot *to = &d->arrived[d->n_arrived++ % RH_ARRIVED];
    *to = *what;
    to->conf = (raftcore_slice){0};
}

const struct rh_net_events rh_driver_events = {
    .struct_size = sizeof rh_driver_events,
    .hello = on_hello,
    .frames = on_frames,
    .request = on_request,
    .answered = on_answered,
    .lost = on_lost,
    .rejected = on_rejected,
    .sending = on_sending,
    .offered = on_offered,
    .stored = on_stored,
};
