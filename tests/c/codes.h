/* The codes that include/raftcore.h lists for each function, the codes that came, and the error texts: for codes.c. */
#ifndef CODES_H
#define CODES_H
#include "kit.h"

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

/* The codes of any call: see "Errors" in the header. */
static const raftcore_code any_call[] = {RAFTCORE_E_NULL,     RAFTCORE_E_HANDLE, RAFTCORE_E_BUSY, RAFTCORE_E_PANIC,
                                         RAFTCORE_E_POISONED, RAFTCORE_E_STATE,  RAFTCORE_E_ARG,  RAFTCORE_E_ABI};

static struct function {
    char name[NAME];
    set listed;                 /* in "Returns" */
    set may;                    /* by reference: "as raftcore_x" */
    set seen;
    char like[4][NAME];         /* "As raftcore_x": all codes of raftcore_x */
    int n_like, answers;        /* whether the result is a code */
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
    int all = strstr(line, "As raftcore_") != NULL;
    for (const char *p = line; (p = strstr(p, "raftcore_")) != NULL; p += 9) {
        size_t len = word(p, 0);
        if (!all && (p < line + 3 || memcmp(p - 3, "as ", 3) != 0))
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
    for (int pass = 0; pass < 4; pass++) /* a function after "As" may have an "As", too */
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

/* Makes a call fail, and keeps its text. The library keeps texts in two places: `which` says in which. */
static void plant(raftcore_node *n, int which) {
    planted[0] = 0;
    if (which == OWN_TEXT)
        CODE(raftcore_supply_none(n, 1, 77), RAFTCORE_E_ARG);
    else if (which == NODE_TEXT)
        CHECK(raftcore_set_window(n, 1, 0, 0) < 0);
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
    /* The call may fail for the same cause as the planted call, or be the same call. */
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

/* Makes a call on two copies of `n`, each after a planted failure, then on `n`. */
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
/* Makes a call that needs no node. */
#define N(want, call) judge(#call, (call), want, NULL, 0, __LINE__)

static int copies_failed(raftcore_node *n) {
    raftcore_node *clone = copy_of(n);
    if (clone == NULL)
        return 1;
    CODE(raftcore_free(clone), RAFTCORE_OK);
    return 0;
}

/* ---- the sum */

/* Listed codes that other tests make. */
static const struct { const char *function; raftcore_code code; const char *reason; } elsewhere[] = {
    {"", RAFTCORE_E_NOMEM, "alloc.c lets each heap call fail"},
    {"", RAFTCORE_E_PANIC, "panic.c has a library with a bug in it"},
    {"raftcore_free", RAFTCORE_E_BUSY, "misuse.c has threads"},
};

static int is_elsewhere(const struct function *f, raftcore_code code) {
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (elsewhere[i].code == code && (elsewhere[i].function[0] == 0 || strcmp(elsewhere[i].function, f->name) == 0))
            return 1;
    return 0;
}

/* Compares. Returns how many pairs of a function and a code do not hold. */
static int sum_up(void) {
    set generic = 0;
    int missing = 0, produced = 0;
    for (size_t i = 0; i < sizeof any_call / sizeof *any_call; i++)
        generic |= bit_of(any_call[i]);
    for (int i = 0; i < n_functions; i++) {
        const struct function *f = &functions[i];
        if (f->answers && f->calls == 0 && ++missing)
            printf("%s: not called\n", f->name);
        for (int j = 0; j < N_CODES; j++) {
            set bit = (set)1 << j;
            int seen = (f->seen & bit) != 0, listed = (f->listed & bit) != 0;
            produced += seen;
            if (f->answers && listed && !seen && !is_elsewhere(f, codes[j].code) && ++missing)
                printf("%s: %s is listed, and never came\n", f->name, codes[j].name);
            if (seen && !listed && !((f->may | generic) & bit) && ++missing)
                printf("%s: %s came, and is not listed\n", f->name, codes[j].name);
        }
    }
    printf("%d functions, %d pairs of a function and a code\n", n_functions, produced);
    return missing;
}

#endif
