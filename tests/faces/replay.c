/* The C face: does what a schedule says through include/raftcore.h, and writes what came back: see README.md.
 *
 *   replay SCHEDULE OUT ABI_OUT */
#include "replay.h"

/* ---- calls */

static size_t lines;

static raftcore_code without_node(const char *call) {
    if (strcmp(call, "config_init") == 0 || strcmp(call, "config_preset") == 0) {
        raftcore_config c;
        raftcore_code code = raftcore_config_init(&c, sizeof c);
        if (code == 0 && call[7] == 'p')
            code = raftcore_config_preset(&c, small());
        put_config(&c);
        return code;
    }
    if (strcmp(call, "config_error") == 0) {
        raftcore_config c = config();
        char why[256] = "";
        raftcore_config_error(&c, why, sizeof why);
        put(why);
        return 0;
    }
    if (strcmp(call, "footprint") == 0) {
        raftcore_config c = config();
        size_t size = 0;
        raftcore_code code = raftcore_footprint(&c, &size);
        fprintf(abi, "%zu footprint %zu\n", lines, size);
        return code;
    }
    if (strcmp(call, "frame_limit") == 0) {
        raftcore_config c = config();
        uint64_t limit = 0;
        raftcore_code code = raftcore_frame_limit(&c, &limit);
        put_num(limit);
        return code;
    }
    if (strcmp(call, "frame_next") == 0) {
        uint64_t limit = num();
        raftcore_slice stream = bytes();
        raftcore_frame f = {0};
        raftcore_code code;
        f.struct_size = sizeof f;
        code = raftcore_frame_next(stream.ptr, stream.len, limit, &f);
        if (code == 0) {
            put_num(f.group);
            put_bytes(f.msg);
            put_num(f.bytes);
        }
        return code;
    }
    if (strcmp(call, "conf_encode") == 0) {
        uint8_t room_for_conf[1024];
        raftcore_conf c = conf();
        size_t need = 0;
        raftcore_code code = raftcore_conf_encode(&c, room_for_conf, sizeof room_for_conf, &need);
        if (code == 0)
            put_bytes((raftcore_slice){room_for_conf, need});
        return code;
    }
    if (strcmp(call, "version_string") == 0)
        return fprintf(abi, "%zu %s\n", lines, raftcore_version_string()) < 0;
    if (strcmp(call, "abi_version") == 0)
        return fprintf(abi, "%zu %" PRIu32 "\n", lines, raftcore_abi_version()) < 0;
    if (strcmp(call, "features") == 0)
        return fprintf(abi, "%zu %" PRIu64 "\n", lines, (uint64_t)raftcore_features()) < 0;
    if (strcmp(call, "strerror") == 0) {
        put(raftcore_strerror((raftcore_code)strtol(word(), NULL, 10)));
        return 0;
    }
    if (strcmp(call, "event_text") == 0) {
        put(raftcore_event_text(small()));
        return 0;
    }
    if (strcmp(call, "reason_text") == 0) {
        put(raftcore_reason_text(small()));
        return 0;
    }
    if (strcmp(call, "hello_read") == 0) {
        raftcore_slice frame = bytes();
        raftcore_hello_info h = {0};
        raftcore_code code;
        h.struct_size = sizeof h;
        code = raftcore_hello_read(frame.ptr, frame.len, &h);
        if (code == 0) {
            put_num(h.version);
            put_num(h.features);
            put_num(h.group);
            put_num(h.id);
        }
        return code;
    }
    if (strcmp(call, "snapshot_split") == 0) {
        raftcore_slice msg = bytes(), data = {0};
        uint64_t index = 0, term = 0;
        raftcore_code code = raftcore_snapshot_split(msg.ptr, msg.len, &data, &index, &term);
        if (code == 0) {
            put_num(index);
            put_num(term);
            put_bytes(data);
        }
        return code;
    }
    if (strcmp(call, "tick_many") == 0) {
        raftcore_node *many[PLACES];
        uint32_t found[PLACES], ticks = small();
        size_t n = count(), n_found;
        for (size_t i = 0; i < n; i++)
            many[i] = nodes[num()];
        n_found = raftcore_tick_many(many, n, ticks, found, PLACES);
        put_num(n_found);
        for (size_t i = 0; i < n_found; i++)
            put_num(found[i]);
        for (size_t i = 0; i < n; i++) {
            char digest[20];
            snprintf(digest, sizeof digest, " %016" PRIx64, raftcore_digest(many[i], 1));
            put(digest);
        }
        return 0;
    }
    fprintf(stderr, "no such call: %s\n", call);
    exit(2);
}

/* Writes the entries of the messages, which are there with RAFTCORE_FLAG_DECODED_MSGS. */
static void put_decoded(const raftcore_ready *rd) {
    uint32_t any = 0;
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = AT(raftcore_msg, rd->msgs, rd->msg_stride, i);
        put_entries(m->entries, m->n_entries, m->entry_stride);
        any |= m->n_entries;
    }
    if (any != 0)
        fprintf(abi, "%zu decoded %s\n", lines, text);
    text_len = 0;
}

static void put_stepped(uint64_t consumed, uint32_t rejected, raftcore_code first) {
    char code[16];
    put_num(consumed);
    put_num(rejected);
    snprintf(code, sizeof code, " %" PRId32, first);
    put(code);
}

/* A ready as bytes: the next one, one again, or the one of a turn. */
enum flat_call { NEXT, VIEW, TURN };

static raftcore_code flat(raftcore_node *n, enum flat_call call, uint64_t number, raftcore_input *in) {
    static uint8_t *buf;
    static size_t cap;
    size_t need = 0;
    raftcore_code code = RAFTCORE_E_TOO_SMALL;
    raftcore_input again = {0};
    again.struct_size = sizeof again;
    for (int i = 0; i < 3 && code == RAFTCORE_E_TOO_SMALL; i++) {
        if (call == NEXT)
            code = raftcore_ready_flat(n, buf, cap, &need);
        else if (call == VIEW)
            code = raftcore_view_flat(n, number, buf, cap, &need);
        else /* with too little room all but the ready is done */
            code = raftcore_turn_flat(n, i == 0 ? in : &again, buf, cap, &need);
        if (code == RAFTCORE_E_TOO_SMALL) {
            cap = 2 * need;
            buf = realloc(buf, cap);
            if (buf == NULL)
                exit(2);
        }
    }
    if (call == TURN && code >= 0)
        put_stepped(in->consumed, in->rejected, in->first);
    if (code == RAFTCORE_OK || code == RAFTCORE_LAST) {
        if (call == NEXT) {
            raftcore_slice all = {buf, need};
            put_bytes(all);
            fprintf(abi, "%zu %s\n", lines, text);
            text_len = 0;
        }
        put_flat(buf);
    }
    return code;
}

static raftcore_code turn(raftcore_node *n, int is_flat) {
    raftcore_input in = {0};
    raftcore_ready rd = {0};
    raftcore_code code;
    in.struct_size = sizeof in;
    rd.struct_size = sizeof rd;
    in.ticks = small();
    in.done = num();
    in.persisted = num();
    in.applied = num();
    in.released = num();
    in.peer = num();
    in.frames = bytes();
    if (is_flat)
        return flat(n, TURN, 0, &in);
    code = raftcore_turn(n, &in, &rd);
    if (code >= 0)
        put_stepped(in.consumed, in.rejected, in.first);
    if (code == RAFTCORE_OK || code == RAFTCORE_LAST)
        put_ready(&rd);
    return code;
}

static size_t runs(raftcore_run *list) {
    size_t many = count();
    for (size_t i = 0; i < many; i++) {
        list[i].first = num();
        list[i].term = num();
    }
    return many;
}

static raftcore_code with_lists(const char *call, raftcore_node *n) {
    static raftcore_entry list[LIST];
    static raftcore_slice parts[LIST];
    static uint64_t tokens[LIST];
    static raftcore_run terms[LIST];
    static raftcore_change changes[LIST];
    if (strcmp(call, "boot_terms") == 0) {
        size_t many = runs(terms);
        return raftcore_boot_terms(n, terms, many, num());
    }
    if (strcmp(call, "boot") == 0) {
        raftcore_stored s = {0};
        raftcore_conf c;
        s.struct_size = sizeof s;
        s.term = num();
        s.vote = num();
        s.commit = num();
        s.applied = num();
        s.before_first = num();
        s.before_first_term = num();
        s.last = num();
        c = conf();
        s.conf = &c;
        s.n_runs = runs(terms);
        s.runs = terms;
        s.n_entries = entries(list);
        s.entries = list;
        return raftcore_boot(n, &s);
    }
    if (strcmp(call, "boot_entries") == 0) {
        size_t many = entries(list);
        return raftcore_boot_entries(n, list, many);
    }
    if (strcmp(call, "supply_entries") == 0) {
        uint64_t id = num();
        size_t many = entries(list);
        return raftcore_supply_entries(n, id, list, many);
    }
    if (strcmp(call, "propose") == 0) {
        size_t many = count();
        for (size_t i = 0; i < many; i++)
            parts[i] = bytes();
        return raftcore_propose(n, parts, many, num());
    }
    if (strcmp(call, "propose_many") == 0) {
        size_t many = count();
        for (size_t i = 0; i < many; i++) {
            parts[i] = bytes();
            tokens[i] = num();
        }
        return raftcore_propose_many(n, parts, tokens, many);
    }
    if (strcmp(call, "propose_in_term") == 0) {
        uint64_t term = num();
        size_t many = count();
        for (size_t i = 0; i < many; i++)
            parts[i] = bytes();
        return raftcore_propose_in_term(n, term, parts, many, num());
    }
    if (strcmp(call, "propose_conf") == 0 || strcmp(call, "propose_conf_at") == 0) {
        int bound = call[12] != 0;
        uint64_t index = bound ? num() : 0;
        size_t many = count();
        uint32_t transition;
        raftcore_slice context;
        for (size_t i = 0; i < many; i++) {
            changes[i].kind = small();
            changes[i].id = num();
        }
        transition = small();
        context = bytes();
        return bound ? raftcore_propose_conf_at(n, index, changes, many, transition, context, num())
                     : raftcore_propose_conf(n, changes, many, transition, context, num());
    }
    if (strcmp(call, "get_peers") == 0) {
        raftcore_peer peers[64];
        size_t many = 0;
        raftcore_code code = raftcore_get_peers(n, peers, 64, &many);
        if (code == 0)
            put_peers(peers, many);
        return code;
    }
    fprintf(stderr, "no such call: %s\n", call);
    exit(2);
}

/* Calls that take numbers and give none. */
static int with_numbers(const char *call, raftcore_node *n, raftcore_code *code) {
#define CALL(name, ...)                                                                                                          \
    if (strcmp(call, #name) == 0) {                                                                                              \
        *code = raftcore_##name(n, __VA_ARGS__);                                                                                 \
        return 1;                                                                                                                \
    }
#define BARE(name)                                                                                                               \
    if (strcmp(call, #name) == 0) {                                                                                              \
        *code = raftcore_##name(n);                                                                                              \
        return 1;                                                                                                                \
    }
    uint64_t a, b, c;
    CALL(boot_done, num())
    CALL(tick, small())
    CALL(read_index, num())
    CALL(transfer, num())
    CALL(advance, num())
    CALL(persisted, num())
    CALL(applied, num())
    CALL(release, num())
    CALL(compacted, num())
    CALL(report_unreachable, num())
    CALL(set_electable, small())
    CALL(set_priority, (int32_t)strtol(word(), NULL, 10))
    CALL(set_commit_broadcast, small())
    CALL(set_election_timeout, small())
    BARE(campaign)
    BARE(abort_transfer)
    BARE(forget_leader)
    BARE(has_ready)
    BARE(request_snapshot)
    BARE(ping)
    BARE(trim)
    if (strcmp(call, "boot_state") == 0 || strcmp(call, "set_window") == 0) {
        a = num(), b = num(), c = num();
        *code = call[0] == 'b' ? raftcore_boot_state(n, a, b, c) : raftcore_set_window(n, a, (uint32_t)b, c);
        return 1;
    }
    if (strcmp(call, "set_commit_group") == 0 || strcmp(call, "promote_when_caught_up") == 0 || strcmp(call, "set_flags") == 0) {
        a = num(), b = num();
        *code = call[0] == 'p'   ? raftcore_promote_when_caught_up(n, a, (uint32_t)b)
                : call[4] == 'c' ? raftcore_set_commit_group(n, a, b)
                                 : raftcore_set_flags(n, a, b);
        return 1;
    }
    if (strcmp(call, "report_snapshot") == 0 || strcmp(call, "supply_none") == 0) {
        a = num(), b = num();
        *code = call[0] == 'r' ? raftcore_report_snapshot(n, a, (uint32_t)b) : raftcore_supply_none(n, a, (uint32_t)b);
        return 1;
    }
    return 0;
}

static raftcore_code with_node(const char *call, raftcore_node *n) {
    raftcore_code code;
    if (with_numbers(call, n, &code))
        return code;
    if (strcmp(call, "boot_conf") == 0) {
        raftcore_conf c = conf();
        uint64_t before = num();
        return raftcore_boot_conf(n, &c, before, num());
    }
    if (strcmp(call, "step") == 0) {
        uint64_t peer = num();
        raftcore_slice m = bytes();
        return raftcore_step(n, peer, m.ptr, m.len);
    }
    if (strcmp(call, "step_local") == 0) {
        raftcore_slice m = bytes();
        return raftcore_step_local(n, m.ptr, m.len);
    }
    if (strcmp(call, "step_frames") == 0) {
        uint64_t peer = num();
        raftcore_slice m = bytes();
        size_t consumed = 0;
        uint32_t rejected = 0;
        raftcore_code first = 0;
        code = raftcore_step_frames(n, peer, m.ptr, m.len, &consumed, &rejected, &first);
        if (code == 0)
            put_stepped(consumed, rejected, first);
        return code;
    }
    if (strcmp(call, "get_ready") == 0) {
        raftcore_ready rd = {0};
        rd.struct_size = sizeof rd;
        code = raftcore_get_ready(n, &rd);
        if (code == 0) {
            put_decoded(&rd);
            put_ready(&rd);
        }
        return code;
    }
    if (strcmp(call, "ready_flat") == 0)
        return flat(n, NEXT, 0, NULL);
    if (strcmp(call, "next_fetch") == 0) {
        raftcore_fetch f = {0};
        f.struct_size = sizeof f;
        code = raftcore_next_fetch(n, &f);
        if (code == 0) {
            const uint64_t numbers[] = {f.kind, f.id, f.peer, f.first, f.last, f.max_bytes};
            for (int i = 0; i < 6; i++)
                put_num(numbers[i]);
        }
        return code;
    }
    if (strcmp(call, "supply_snapshot") == 0) {
        uint64_t id = num(), index = num();
        raftcore_conf c = conf();
        return raftcore_supply_snapshot(n, id, index, &c, bytes());
    }
    if (strcmp(call, "turn") == 0 || strcmp(call, "turn_flat") == 0)
        return turn(n, call[4] != 0);
    if (strcmp(call, "view") == 0) {
        raftcore_ready rd = {0};
        rd.struct_size = sizeof rd;
        code = raftcore_view(n, num(), &rd);
        if (code == 0)
            put_ready(&rd);
        return code;
    }
    if (strcmp(call, "view_flat") == 0)
        return flat(n, VIEW, num(), NULL);
    if (strcmp(call, "propose_entry") == 0) {
        uint32_t kind = small();
        raftcore_slice data = bytes();
        return raftcore_propose_entry(n, kind, data, num());
    }
    if (strcmp(call, "propose_with_context") == 0) {
        uint32_t kind = small();
        raftcore_slice context = bytes(), data = bytes();
        return raftcore_propose_with_context(n, kind, context, data, num());
    }
    if (strcmp(call, "hello_check") == 0) {
        raftcore_slice frame = bytes();
        return raftcore_hello_check(n, frame.ptr, frame.len);
    }
    if (strcmp(call, "apply_conf") == 0 || strcmp(call, "apply_change") == 0 || strcmp(call, "skip_conf") == 0 ||
        strcmp(call, "get_conf") == 0) {
        raftcore_conf c = {0};
        c.struct_size = sizeof c;
        if (strcmp(call, "apply_conf") == 0) {
            raftcore_entry e = entry();
            code = raftcore_apply_conf(n, &e, &c);
        } else if (call[0] == 'a') {
            uint32_t kind = small();
            raftcore_slice data = bytes();
            code = raftcore_apply_change(n, kind, data, &c);
        } else if (call[0] == 's') {
            code = raftcore_skip_conf(n, num(), &c);
        } else {
            code = raftcore_get_conf(n, &c);
        }
        if (code == 0)
            put_conf(&c);
        return code;
    }
    if (strcmp(call, "ticks_until_due") == 0) {
        uint32_t ticks = 0;
        code = raftcore_ticks_until_due(n, &ticks);
        put_num(ticks);
        return code;
    }
    if (strcmp(call, "hello") == 0) {
        uint8_t frame[256];
        size_t len = 0;
        code = raftcore_hello(n, frame, sizeof frame, &len);
        put_bytes((raftcore_slice){frame, len});
        return code;
    }
    if (strcmp(call, "get_status") == 0) {
        raftcore_status s = {0};
        s.struct_size = sizeof s;
        code = raftcore_get_status(n, &s);
        if (code == 0)
            put_status(&s);
        return code;
    }
    if (strcmp(call, "next_event") == 0) {
        raftcore_event e = {0};
        code = raftcore_next_event(n, &e);
        if (code == 0) {
            const uint64_t numbers[] = {e.kind, e.reason, e.peer, e.term, e.index, e.a, e.b};
            for (int i = 0; i < 7; i++)
                put_num(numbers[i]);
        }
        return code;
    }
    return with_lists(call, n);
}

static raftcore_code life(const char *call, uint64_t at) {
    raftcore_code code;
    if (strcmp(call, "new") == 0) {
        raftcore_config c = config();
        return raftcore_new(&c, &nodes[at]);
    }
    if (strcmp(call, "free") == 0) {
        code = raftcore_free(nodes[at]);
        nodes[at] = NULL;
        return code;
    } else {
        raftcore_node **twin = &nodes[num()];
        code = raftcore_try_clone(nodes[at], twin);
        if (code == 0) {
            char digests[40];
            snprintf(digests, sizeof digests, "%016" PRIx64 " %016" PRIx64, raftcore_digest(*twin, 0), raftcore_digest(*twin, 1));
            put(digests);
        }
        return code;
    }
}

static void run(void) {
    char detail[256] = "";
    const char *call = word(), *place = word();
    raftcore_node *n = NULL;
    raftcore_code code;
    text_len = 0;
    put("");
    stored = 0;
    if (place[0] == '-') {
        code = without_node(call);
    } else {
        uint64_t at = strtoull(place, NULL, 10);
        int is_life = strcmp(call, "new") == 0 || strcmp(call, "free") == 0 || strcmp(call, "try_clone") == 0;
        code = is_life ? life(call, at) : with_node(call, nodes[at]);
        n = nodes[at];
    }
    if (code < 0) {
        text_len = 0;
        if (n != NULL)
            raftcore_error_detail(n, detail, sizeof detail);
        put(detail);
    }
    fprintf(out, "%s %" PRId32 " ", call, code);
    if (n == NULL)
        fprintf(out, "- -");
    else
        fprintf(out, "%016" PRIx64 " %016" PRIx64, raftcore_digest(n, 0), raftcore_digest(n, 1));
    fprintf(out, "%s%s\n", text_len > 0 ? " " : "", text);
    if (line[0] != 0) {
        fprintf(stderr, "line %zu: words are left over\n", lines);
        exit(2);
    }
}

int main(int argc, char **argv) {
    char *whole = NULL;
    size_t cap = 0, store_cap = 0;
    FILE *schedule = argc == 4 ? fopen(argv[1], "r") : NULL;
    if (schedule == NULL || (out = fopen(argv[2], "w")) == NULL || (abi = fopen(argv[3], "w")) == NULL) {
        fprintf(stderr, "replay SCHEDULE OUT ABI_OUT\n");
        return 2;
    }
    for (ssize_t len; (len = getline(&whole, &cap, schedule)) > 0; lines++) {
        whole[strcspn(whole, "\n")] = 0;
        if (lines == 0) {
            if (strncmp(whole, "raftcore schedule 1 ", 20) != 0)
                return 2;
            continue;
        }
        if ((size_t)len > store_cap) {
            store_cap = 2 * (size_t)len;
            free(store);
            store = malloc(store_cap);
            if (store == NULL)
                return 2;
        }
        line = whole;
        run();
    }
    free(whole);
    free(store);
    free(text);
    fclose(schedule);
    return fclose(out) | fclose(abi);
}
