/* The functions that the printed loops of RAFTCORE_STORAGE_SYNC call. */
enum { STORAGE = RAFTCORE_STORAGE_SYNC };

static void send_all(const raftcore_ready *rd) {
    for EACH(raftcore_msg, m, rd, msgs, n_msgs, msg_stride)
        send_message(m);
}

static void apply(raftcore_node *n, const raftcore_ready *rd) {
    for EACH(raftcore_entry, e, rd, committed, n_committed, entry_stride) {
        raftcore_conf conf = {.struct_size = sizeof conf};
        if (e->kind != RAFTCORE_ENTRY_NORMAL) {
            checked(raftcore_apply_conf(n, e, &conf), "apply_conf");
            set_bytes(&me->conf, conf.bytes.ptr, conf.bytes.len);
        }
        apply_entry(e);
    }
}

static void answer(const raftcore_ready *rd) {
    answers += rd->n_reads;
}

#include "loop.c"

static int other_threads(void) {
    return 0;
}
