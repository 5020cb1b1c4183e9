/*
 * script.c: random work on a log, with batches as a host makes them: entries at the end or over
 * the uncommitted end, hard state, memberships, snapshots.
 */
#include "script.h"

#include <stdlib.h>
#include <string.h>

#include "disk.h"

enum { MAX_ENTRIES = 5, MAX_DATA = 9000 };

typedef unsigned long long ull;

uint64_t check_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t check_below(uint64_t *state, uint64_t limit)
{
    return check_random(state) % limit;
}

void script_begin(struct script *s, const struct rh_check_store *store, const char *dir, uint64_t seed)
{
    *s = (struct script){.store = store, .dir = dir, .random = seed, .next_number = 1, .max_data = MAX_DATA};
    s->after[0] = said_copy(&(struct said){0});
}

void script_end(struct script *s)
{
    if (s->open)
        script_close(s);
    for (size_t i = 0; i <= s->appended; i++)
        said_free(&s->after[i]);
}

int script_open(struct script *s)
{
    int code = s->store->open(s->store->context, s->dir, &s->log, &s->why);

    s->open = code == RH_OK;
    if (code != RH_OK && s->store->closed)
        s->store->closed(s->store->context);
    return code;
}

int script_close(struct script *s)
{
    int code = s->log.ops->close(s->log.self, &s->why);

    s->open = false;
    if (s->store->closed)
        s->store->closed(s->store->context);
    if (code == RH_OK) {
        s->synced = s->appended;
        disk_note(NOTE_SYNCED, s->synced);
    }
    return code;
}

/* ---- batches ---- */

struct made {
    struct rh_batch batch;
    struct rh_snapshot snapshot;
    raftcore_entry entries[MAX_ENTRIES];
    struct rh_conf confs[2];
    uint8_t data[MAX_ENTRIES][MAX_DATA];
    uint8_t conf[3][40];
    size_t max_data;
};

static raftcore_slice random_bytes(uint64_t *r, uint8_t *to, size_t len)
{
    /* Few values, so that misplaced bytes often look right; and copies of the log's magic. */
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)check_below(r, 3);
    if (len > 60 && check_below(r, 4) == 0)
        memcpy(to + check_below(r, len - 4), "rhL1", 4);
    return (raftcore_slice){to, len};
}

static size_t random_length(uint64_t *r, size_t most)
{
    size_t len = 0;

    switch (check_below(r, 40)) {
    case 0: len = check_below(r, MAX_DATA); break;
    case 1: case 2: len = check_below(r, 1200); break;
    case 3: break;
    default: len = check_below(r, 80);
    }
    return len < most ? len : most;
}

static void add_entries(struct made *m, uint64_t *r, uint64_t first, uint64_t term)
{
    m->batch.entries = m->entries;
    m->batch.entry_stride = sizeof *m->entries;
    m->batch.n_entries = 1 + (uint32_t)check_below(r, MAX_ENTRIES);
    for (uint32_t i = 0; i < m->batch.n_entries; i++) {
        term += check_below(r, 10) == 0;
        m->entries[i] = (raftcore_entry){.index = first + i, .term = term, .kind = (uint32_t)check_below(r, 3),
                                         .data = random_bytes(r, m->data[i], random_length(r, m->max_data))};
    }
}

/* Returns the membership as of an index: there is a single one. */
static raftcore_slice conf_of(struct made *m, uint64_t index, int i)
{
    uint64_t r = index;

    return random_bytes(&r, m->conf[i], 1 + check_below(&r, sizeof m->conf[i]));
}

static void add_snapshot(struct made *m, uint64_t *r, uint64_t index, uint64_t term, bool replaces)
{
    m->snapshot = (struct rh_snapshot){.index = index,
                                       .term = term,
                                       .bytes = check_random(r),
                                       .checksum = (uint32_t)check_random(r),
                                       .conf = conf_of(m, index, 2)};
    m->batch.snapshot = &m->snapshot;
    m->batch.replaces = replaces;
}

static uint64_t term_of(const struct said *s, uint64_t index)
{
    return index == s->before ? s->before_term : s->entries[index - s->before - 1].term;
}

static uint64_t newest_conf(const struct said *s)
{
    return s->n_confs > 0 ? s->confs[s->n_confs - 1].index : 0;
}

/* Adds entries at the end, or over the uncommitted end; or a leader's snapshot; or nothing. */
static void change_log(struct made *m, const struct said *now, uint64_t *r)
{
    uint64_t end_term = now->last > 0 ? term_of(now, now->last) : 1;

    switch (now->last == 0 ? 0 : check_below(r, 24)) {
    case 0:
        add_snapshot(m, r, now->last + 1 + check_below(r, 5), end_term + check_below(r, 2), true);
        if (check_below(r, 2))
            add_entries(m, r, m->snapshot.index + 1, m->snapshot.term);
        break;
    case 1: case 2: case 3:
        if (now->last > now->commit && now->commit > now->before)
            add_entries(m, r, now->commit + 1 + check_below(r, now->last - now->commit),
                        now->term + 1 > end_term ? now->term + 1 : end_term + 1);
        break;
    case 4: case 5:
        break;
    default:
        add_entries(m, r, now->last + 1, end_term);
    }
}

/* Adds hard state, a membership, an own snapshot. */
static void change_rest(struct made *m, const struct said *now, uint64_t *r)
{
    struct rh_batch *b = &m->batch;
    uint64_t last = b->n_entries ? m->entries[b->n_entries - 1].index : b->replaces ? m->snapshot.index : now->last;
    uint64_t commit = b->replaces ? m->snapshot.index : now->commit;
    uint64_t term = b->n_entries ? m->entries[b->n_entries - 1].term : b->replaces ? m->snapshot.term : 0;

    if (check_below(r, 5) < 2 || b->replaces || (now->last > 0 && now->commit == 0)) {
        b->has_state = true;
        b->term = now->term > term ? now->term : term;
        b->term += check_below(r, 8) == 0;
        b->vote = check_below(r, 4);
        b->commit = commit + check_below(r, last - commit + 1);
    }
    if (b->replaces || now->last == 0)
        return;
    if (check_below(r, 12) == 0 && now->commit >= newest_conf(now) && now->commit > now->snapshot_index &&
        now->commit > now->before) {
        uint64_t index = newest_conf(now) + check_below(r, now->commit - newest_conf(now) + 1);
        m->confs[0] = (struct rh_conf){index, conf_of(m, index, 0)};
        b->confs = m->confs;
        b->n_confs = m->confs[0].index > 0;
    } else if (check_below(r, 12) == 0 && b->n_entries == 0 && now->commit > now->before &&
               now->commit >= now->snapshot_index) {
        add_snapshot(m, r, now->commit, term_of(now, now->commit), false);
    }
}

int script_append(struct script *s)
{
    struct made *m = calloc(1, sizeof *m);
    const struct said *now = &s->after[s->appended];

    CHECK_TRUE(m && s->appended < SCRIPT_BATCHES);
    m->max_data = s->max_data;
    change_log(m, now, &s->random);
    change_rest(m, now, &s->random);
    if (check_below(&s->random, 8) > 0)
        m->batch.number = s->next_number++;
    struct said then = said_copy(now);
    said_append(&then, &m->batch);
    disk_note(NOTE_APPENDED, s->appended + 1);
    int code = s->log.ops->append(s->log.self, &m->batch, &s->why);
    if (code == RH_OK) {
        s->after[++s->appended] = then;
        s->number[s->appended] = m->batch.number;
    } else {
        said_free(&then);
    }
    memset(m->data, 0xee, sizeof m->data);      /* the batch was borrowed for the call only */
    memset(m->conf, 0xee, sizeof m->conf);
    free(m);
    return code;
}

/* ---- other steps ---- */

int script_sync(struct script *s)
{
    uint64_t number = UINT64_MAX, highest = 0;
    int code = s->log.ops->sync(s->log.self, &number, &s->why);

    for (size_t i = 1; i <= s->appended; i++)
        highest = s->number[i] > highest ? s->number[i] : highest;
    if (code < 0)
        return code;
    /* Appends and syncs come by turns here, so a sync covers all appends. */
    CHECK_TRUE(number == highest);
    s->synced = s->appended;
    s->shortened_synced = s->shortened;
    disk_note(NOTE_SYNCED, s->synced);
    return RH_OK;
}

static int compact(struct script *s)
{
    const struct said *now = &s->after[s->appended];
    uint64_t upto = check_below(&s->random, now->commit + 1), before = 0;
    uint64_t hold = check_below(&s->random, 3) ? UINT64_MAX : check_below(&s->random, now->commit + 1);
    struct rh_boot was, is;

    CHECK_TRUE(s->log.ops->boot(s->log.self, &was, &s->why) == RH_OK);

    s->upto = upto > s->upto ? upto : s->upto;
    disk_note(NOTE_UPTO, s->upto);
    int code = s->log.ops->compact(s->log.self, upto, hold, &before, &s->why);
    if (code != RH_OK)
        return code;
    if (before < was.before || (before > was.before && (before > upto || before > hold)))
        check_broken("compact(%llu, hold %llu) gave up entries up to %llu", (ull)upto, (ull)hold, (ull)before);
    CHECK_TRUE(s->log.ops->boot(s->log.self, &is, &s->why) == RH_OK && is.before == before);
    s->shortened = s->shortened || before > was.before;
    return RH_OK;
}

static int look(struct script *s)
{
    struct said does;
    int code = said_read(&s->log, &does, &s->why);

    if (code != RH_OK)
        return code;
    const char *what = said_differs(&s->after[s->appended], &does, s->upto);
    if (what)
        check_broken("after %zu batches the log does not say what was appended: %s differs", s->appended, what);
    said_free(&does);
    return RH_OK;
}

/* Syncs twice, as an idle host does. */
static int sync_and_rest(struct script *s)
{
    int code = script_sync(s);

    return code == RH_OK ? script_sync(s) : code;
}

static int restart(struct script *s)
{
    int code = script_close(s);

    if (code == RH_OK)
        code = script_open(s);
    for (size_t i = 0; i <= s->appended; i++)
        s->number[i] = 0;               /* each handle counts anew */
    s->next_number = 1;
    return code == RH_OK ? look(s) : code;
}

int script_step(struct script *s, bool may_restart)
{
    switch (check_below(&s->random, 40)) {
    case 0: return may_restart ? restart(s) : RH_OK;
    case 1: case 2: return look(s);
    case 3: case 4: case 5: case 6: return compact(s);
    case 7: case 8: case 9: case 10: case 11: return script_sync(s);
    case 12: case 13: case 14: return sync_and_rest(s);
    default: return s->appended < SCRIPT_BATCHES ? script_append(s) : RH_OK;
    }
}

size_t script_check(struct script *s, const struct rh_log *log, size_t low, size_t high, uint64_t upto)
{
    struct said does;
    const char *what = NULL, *nearest = "everything";
    int code = said_read(log, &does, &s->why);

    if (code != RH_OK)
        check_broken("the log boots and can't be read: %d: %s", code, s->why.text);
    for (size_t k = high + 1; k-- > low;) {
        what = said_differs(&s->after[k], &does, upto);
        if (!what) {
            said_free(&does);
            return k;
        }
        if (does.last == s->after[k].last)
            nearest = what;
    }
    check_broken(
        "after a crash the log says what it said after none of the batches %zu (synced) to %zu (appended): it is of term %llu, "
        "commit %llu, behind %llu to %llu; where the end is right, %s differs",
        low, high, (ull)does.term, (ull)does.commit, (ull)does.before, (ull)does.last, nearest);
}
