/* The functions that the printed loop of RAFTCORE_STORAGE_ASYNC calls. Queues stand for the other threads. */
enum { STORAGE = RAFTCORE_STORAGE_ASYNC };

static void push(struct queue *queue, const raftcore_ready *rd) {
    if (queue->count == QUEUE)
        fail("%smore than %" PRIu64 " readies are outstanding", "", QUEUE, 0);
    queue->at[queue->count++] = *rd; /* the memory behind a ready stays valid until the release */
}

static raftcore_ready pop(struct queue *queue) {
    raftcore_ready first = queue->at[0];
    memmove(queue->at, queue->at + 1, --queue->count * sizeof first);
    return first;
}

static void send_some(const raftcore_ready *rd, uint64_t after) {
    for EACH(raftcore_msg, m, rd, msgs, n_msgs, msg_stride)
        if ((m->flags & RAFTCORE_MF_AFTER) == after)
            send_message(m);
}

static void send_now(const raftcore_ready *rd) {
    send_some(rd, 0);
}

static void apply_changes(raftcore_node *n, const raftcore_ready *rd) {
    for EACH(raftcore_entry, e, rd, committed, n_committed, entry_stride) {
        raftcore_conf conf = {.struct_size = sizeof conf};
        if (e->kind == RAFTCORE_ENTRY_NORMAL)
            continue;
        checked(raftcore_apply_conf(n, e, &conf), "apply_conf");
        me->changed[me->n_changed].index = e->index;
        set_bytes(&me->changed[me->n_changed++].conf, conf.bytes.ptr, conf.bytes.len);
    }
}

static void to_disk(const raftcore_ready *rd) {
    push(&me->disk, rd);
}

static void to_apply(const raftcore_ready *rd) {
    push(&me->apply, rd);
    answers += rd->n_reads;
}

static void send_after(uint64_t k) {
    while (me->disk.count > 0 && me->disk.at[0].number <= k) {
        raftcore_ready rd = pop(&me->disk);
        send_some(&rd, RAFTCORE_MF_AFTER);
    }
}

#include "loop.c"

/* The disk writes all waiting readies; the state machine takes one. Returns 0 if there was nothing to do. */
static int other_threads(void) {
    int any = me->disk.count > 0 || me->apply.count > 0;
    if (me->disk.count > 0) {
        for (uint32_t i = 0; i < me->disk.count; i++) {
            if (me->disk.at[i].flags & RAFTCORE_RF_SNAPSHOT && me->apply.at[0].number < me->disk.at[i].number)
                break; /* the state machine finishes first */
            store(&me->disk.at[i]);
            me->durable = me->disk.at[i].number;
        }
        on_durable(me->node, me->durable);
    }
    if (me->apply.count > 0) {
        raftcore_ready rd = pop(&me->apply);
        for EACH(raftcore_entry, e, &rd, committed, n_committed, entry_stride) {
            if (e->kind != RAFTCORE_ENTRY_NORMAL)
                for (uint32_t i = 0; i < me->n_changed; i++)
                    if (me->changed[i].index == e->index)
                        set_bytes(&me->conf, me->changed[i].conf.ptr, me->changed[i].conf.len);
            apply_entry(e);
        }
        me->done = rd.number;
        if (rd.committed_last > 0)
            on_applied(me->node, rd.committed_last);
    }
    if (any)
        on_released(me->node, me->done < me->durable ? me->done : me->durable);
    return any;
}
