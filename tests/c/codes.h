/* What codes.c stands on: the codes that the page lists for each function, a call that is judged by them, and its nodes. */
#ifndef RAFTCORE_TESTS_CODES_H
#define RAFTCORE_TESTS_CODES_H

#include "kit.h"
#include "message.h"

/* ---- the page */

enum { FUNCTIONS = 128, NAME = 48 };

#define CODES(_)                                                                                                                 \
    _(OK) _(NONE) _(IGNORED) _(LAST) _(FETCH_FIRST) _(E_NULL) _(E_HANDLE) _(E_BUSY) _(E_PANIC) _(E_POISONED) _(E_ABI) _(E_ARG)   \
    _(E_STATE) _(E_STALE) _(E_NOMEM) _(E_FULL) _(E_TOO_SMALL) _(E_DECODE) _(E_NO_LEADER) _(E_NO_PEER) _(E_CONF_BUSY) _(E_CONF)   \
    _(E_CORRUPT) _(E_UNSUPPORTED) _(E_NOT_FOR_ME) _(E_IMPLAUSIBLE) _(E_TOO_LARGE) _(E_NOT_LEADER)

#define ONE(name) {RAFTCORE_##name, "RAFTCORE_" #name},
static const struct { raftcore_code code; const char *name; } codes[] = {CODES(ONE)};
enum { N_CODES = sizeof codes / sizeof *codes };

/* Sets of codes, by their places above. */
typedef uint64_t set;

/* What any call on a node may answer (see "Errors" on the page). */
static const raftcore_code any_call[] = {RAFTCORE_E_NULL,     RAFTCORE_E_HANDLE, RAFTCORE_E_BUSY, RAFTCORE_E_PANIC,
                                         RAFTCORE_E_POISONED, RAFTCORE_E_STATE,  RAFTCORE_E_ARG,  RAFTCORE_E_ABI};

static struct function {
    char name[NAME];
    set listed;                 /* in its "Returns" */
    set may;                    /* by reference to another one: "as raftcore_x" */
    set seen;
    char like[4][NAME];         /* "As raftcore_x": all that this one lists */
    int n_like, answers;        /* whether it answers a code at all */
    uint64_t calls;
} functions[FUNCTIONS];
static int n_functions;

static set bit_of(raftcore_code code) {
    for (int i = 0; i < N_CODES; i++)
        if (codes[i].code == code)
            return (set)1 << i;
    fprintf(stderr, "a code that the page does not name: %d\n", code);
    exit(1);
}

static struct function *find(const char *name, size_t len) {
    for (int i = 0; i < n_functions; i++)
        if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
            return &functions[i];
    return NULL;
}

static size_t word(const char *p, int upper) {
    size_t len = 0;
    while ((upper && p[len] >= 'A' && p[len] <= 'Z') || (!upper && p[len] >= 'a' && p[len] <= 'z') || p[len] == '_')
        len++;
    return len;
}

/* One line of a "Returns". */
static void read_line(struct function *f, const char *line) {
    for (const char *p = line; (p = strstr(p, "RAFTCORE_")) != NULL; p += 9) {
        size_t len = word(p, 1);
        for (int i = 0; i < N_CODES; i++)
            if (strlen(codes[i].name) == len && memcmp(codes[i].name, p, len) == 0)
                f->listed |= (set)1 << i;
    }
    int all = strstr(line, "As raftcore_") != NULL || strstr(line, "As in raftcore_") != NULL;
    for (const char *p = line; (p = strstr(p, "raftcore_")) != NULL; p += 9) {
        size_t len = word(p, 0);
        if (!all && (p < line + 6 || (memcmp(p - 3, "as ", 3) != 0 && memcmp(p - 6, "as in ", 6) != 0)))
            continue;
        CHECK(f->n_like < 4 && len < NAME);
        memcpy(f->like[f->n_like], p, len);
        f->like[f->n_like][len] = 0;
        f->n_like += all;
        if (!all && find(p, len) != NULL)
            f->may |= find(p, len)->listed;
        memset(f->like[f->n_like], 0, NAME);
    }
}

static void read_page(const char *path) {
    FILE *page = fopen(path, "r");
    char line[1024];
    struct function f;
    int in_comment = 0, in_returns = 0, declared = 0;
    CHECK(page != NULL);
    memset(&f, 0, sizeof f);
    while (fgets(line, sizeof line, page) != NULL) {
        if (strncmp(line, "/**", 3) == 0) {
            memset(&f, 0, sizeof f);
            in_comment = 1;
            in_returns = declared = 0;
        } else if (in_comment && strncmp(line, " */", 3) == 0) {
            in_comment = 0;
        } else if (in_comment) {
            in_returns = strncmp(line, " * Returns", 10) == 0 || (in_returns && strncmp(line, " *  ", 4) == 0);
            if (in_returns)
                read_line(&f, line);
        } else if (strncmp(line, "RAFTCORE_API", 12) == 0) {
            declared = 1;
            f.answers = strstr(line, "raftcore_code") != NULL;
        } else if (declared && strncmp(line, "raftcore_", 9) == 0) {
            size_t len = word(line, 0);
            CHECK(line[len] == '(' && len < NAME && n_functions < FUNCTIONS);
            memcpy(f.name, line, len);
            functions[n_functions++] = f;
            declared = 0;
        }
    }
    fclose(page);
    for (int pass = 0; pass < 4; pass++) /* "As" may name one that says "As" itself */
        for (int i = 0; i < n_functions; i++)
            for (int j = 0; j < functions[i].n_like; j++) {
                const struct function *other = find(functions[i].like[j], strlen(functions[i].like[j]));
                CHECK(other != NULL);
                functions[i].listed |= other->listed;
                functions[i].may |= other->may;
            }
    CHECK(n_functions > 65 && find("raftcore_propose_entry", 22)->listed & bit_of(RAFTCORE_E_CONF_BUSY));
}

/* ---- a call */

enum { OWN_TEXT, NODE_TEXT, NO_PLANT, PLANTS };

static char planted[256], said[PLANTS][256];
static int has_said[PLANTS];

static raftcore_node *copy_of(raftcore_node *n) {
    raftcore_node *clone = NULL;
    return raftcore_try_clone(n, &clone) == RAFTCORE_OK ? clone : NULL;
}

/* An earlier failure, whose text is known. There are two places where texts are kept: each has its turn. */
static void plant(raftcore_node *n, int which) {
    planted[0] = 0;
    if (which == OWN_TEXT)
        CODE(raftcore_supply_none(n, 1, 77), RAFTCORE_E_ARG);
    else if (which == NODE_TEXT)
        CHECK(raftcore_set_window(n, 1, 65537, 0) < 0);
    if (which != NO_PLANT)
        CHECK(raftcore_error_detail(n, planted, sizeof planted) > 0);
}

static void judge(const char *call, raftcore_code code, raftcore_code want, const raftcore_node *n, int which, int line) {
    struct function *f = find(call, word(call, 0));
    CHECK(f != NULL);
    f->calls++;
    f->seen |= bit_of(code);
    if (code != want) {
        char text[256] = "";
        raftcore_error_detail(n, text, sizeof text);
        fprintf(stderr, "%s:%d: %s\n    is %d (%s) %s\n    not %d (%s)\n", __FILE__, line, call, code, raftcore_strerror(code), text, want,
                raftcore_strerror(want));
        exit(1);
    }
    if (n == NULL || code >= 0)
        return;
    has_said[which] = 1;
    raftcore_error_detail(n, said[which], sizeof said[which]);
    /* A call may well fail for what the planted one did: it is not booted; or be that one. */
    int same_cause = (code == RAFTCORE_E_STATE && strstr(planted, "not booted") != NULL) || strstr(call, "raftcore_supply_none") == call;
    for (int i = 0; i <= which; i++)
        if ((planted[0] && strstr(said[which], planted) != NULL && !same_cause) ||
            (has_said[i] && strcmp(said[i], said[which]) != 0)) {
            fprintf(stderr, "%s:%d: %s\n    fails with \"%s\"\n    after a failure with \"%s\"; else with \"%s\"\n", __FILE__, line, call,
                    said[which], planted, said[i]);
            exit(1);
        }
    for (const char *p = said[which]; *p != 0; p++)
        CHECK(*p >= ' ' && *p <= '~');
    CHECK(strstr(said[which], "raftcore_") == NULL && strstr(said[which], "RAFTCORE_E_") == NULL);
}

/* Calls on `n`: on two copies of it after a failure each, then on itself. */
#define T(want, call)                                                                                                            \
    do {                                                                                                                         \
        raftcore_node *real_ = n;                                                                                                \
        memset(has_said, 0, sizeof has_said);                                                                                    \
        for (int which_ = 0; which_ < PLANTS; which_++) {                                                                        \
            if (which_ < NO_PLANT && (n = copy_of(real_)) == NULL) { /* in the middle of its boot */                             \
                n = real_;                                                                                                       \
                continue;                                                                                                        \
            }                                                                                                                    \
            plant(n, n == real_ && copies_failed(real_) ? OWN_TEXT : which_);                                                    \
            judge(#call, (call), want, n, which_, __LINE__);                                                                     \
            if (n != real_)                                                                                                      \
                CODE(raftcore_free(n), RAFTCORE_OK);                                                                             \
            n = real_;                                                                                                           \
        }                                                                                                                        \
    } while (0)
/* Calls that need no node. */
#define N(want, call) judge(#call, (call), want, NULL, 0, __LINE__)

static int copies_failed(raftcore_node *n) {
    raftcore_node *clone = copy_of(n);
    if (clone == NULL)
        return 1;
    CODE(raftcore_free(clone), RAFTCORE_OK);
    return 0;
}

/* ---- nodes */

static const uint64_t ids[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
static const raftcore_slice none = {NULL, 0};
static uint8_t payload[64 << 10];
static raftcore_slice data = {payload, 100};

static raftcore_config config(uint32_t storage) {
    raftcore_config c = kit_config(1, storage);
    c.block_bytes = 4 << 10;
    c.recent_bytes = 16 << 10;
    c.max_entry_bytes = 2000;
    c.max_snapshot_bytes = 16;
    return c;
}

static raftcore_conf conf_of(uint32_t voters, uint32_t learners) {
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.voters = ids;
    conf.n_voters = voters;
    conf.learners = ids + voters;
    conf.n_learners = learners;
    return conf;
}

static raftcore_node *made(const raftcore_config *c) {
    raftcore_node *n = NULL;
    CODE(raftcore_new(c, &n), RAFTCORE_OK);
    return n;
}

static raftcore_node *founder(const raftcore_config *c, uint32_t voters, uint32_t learners) {
    raftcore_node *n = made(c);
    raftcore_conf conf = conf_of(voters, learners);
    raftcore_stored stored = kit_founder(&conf);
    OK(n, raftcore_boot(n, &stored));
    return n;
}

static raftcore_ready ready(raftcore_node *n) {
    raftcore_ready rd = {0};
    rd.struct_size = sizeof rd;
    OK(n, raftcore_get_ready(n, &rd));
    return rd;
}

/* All work of a node in SYNC; changes are applied. */
static void work(raftcore_node *n) {
    raftcore_ready rd = {0};
    raftcore_conf conf = conf_of(0, 0);
    rd.struct_size = sizeof rd;
    while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
        for (uint32_t i = 0; i < rd.n_committed; i++) {
            const raftcore_entry *e = KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i);
            if (e->kind != RAFTCORE_ENTRY_NORMAL)
                OK(n, raftcore_apply_conf(n, e, &conf));
        }
        OK(n, raftcore_advance(n, rd.number));
    }
}

static raftcore_node *lone(const raftcore_config *c, uint32_t learners) {
    raftcore_node *n = founder(c, 1, learners);
    OK(n, raftcore_campaign(n));
    if (c->storage == RAFTCORE_STORAGE_SYNC)
        work(n);
    return n;
}

/* Node 1 of three, led by 2 in term 5. */
static raftcore_node *follower(const raftcore_config *c) {
    raftcore_node *n = founder(c, 3, 0);
    bytes beat = message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 5);
    OK(n, raftcore_step(n, 2, beat.at, beat.len));
    work(n);
    return n;
}

/* Node 1 leads three in term 1; the others say nothing more. */
static raftcore_node *leader(const raftcore_config *c) {
    raftcore_node *n = founder(c, 3, 0);
    bytes pre = message(RAFTCORE_MSG_PRE_VOTE_RESP, 1, 2, 1), vote = message(RAFTCORE_MSG_VOTE_RESP, 1, 2, 1);
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(n, raftcore_campaign(n));
    work(n);
    OK(n, raftcore_step(n, 2, pre.at, pre.len));
    work(n);
    OK(n, raftcore_step(n, 2, vote.at, vote.len));
    work(n);
    OK(n, raftcore_get_status(n, &s));
    CHECK(s.role == RAFTCORE_ROLE_LEADER);
    return n;
}

static void answer(raftcore_node *n, uint64_t from, uint64_t index) {
    bytes m = message(RAFTCORE_MSG_APP_RESP, 1, from, 1);
    put_number(&m, M_INDEX, index);
    OK(n, raftcore_step(n, from, m.at, m.len));
}

static void end(raftcore_node *n) {
    N(RAFTCORE_OK, raftcore_free(n));
    N(RAFTCORE_E_HANDLE, raftcore_free(n));
}

static raftcore_input input(void) {
    raftcore_input in = {0};
    in.struct_size = sizeof in;
    return in;
}

#endif
