/* Boot from stored data. The core refuses forgotten and mixed-up data, with words for the person who forgot them. The core repairs a
 * state that a crash can leave behind. A boot in pieces gives the same answers as raftcore_boot. */
#include "kit.h"

/* A log from 5 to 11: an older leader's end, a change at 7. Applied to 8, committed to 10. */
static const uint8_t add_4[] = {0x08, 0, 0x10, 0, 0x18, 4};
static uint64_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
static raftcore_entry entries[7];
static raftcore_run runs[2] = {{5, 2}, {9, 3}};
static raftcore_conf conf;
static raftcore_stored good;

static void prepare(void) {
    for (uint64_t i = 0; i < 7; i++) {
        raftcore_entry e = {i < 4 ? 2 : 3, 5 + i, RAFTCORE_ENTRY_NORMAL, 0, {(const uint8_t *)"data", 4}, 0, {NULL, 0}};
        entries[i] = e;
    }
    entries[2].kind = RAFTCORE_ENTRY_CONF_CHANGE;
    entries[2].data.ptr = add_4;
    entries[2].data.len = sizeof add_4;
    memset(&conf, 0, sizeof conf);
    conf.struct_size = sizeof conf;
    conf.voters = ids;
    conf.n_voters = 4;
    conf.index = 7;
    good = kit_stored();
    good.term = 3;
    good.vote = 1;
    good.commit = 10;
    good.applied = 8;
    good.before_first = 4;
    good.before_first_term = 1;
    good.last = 11;
    good.conf = &conf;
    good.entries = entries;
    good.n_entries = 7;
}

static raftcore_node *made(void) {
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    raftcore_node *n = NULL;
    CODE(raftcore_new(&c, &n), RAFTCORE_OK);
    return n;
}

/* Boots the node in pieces. */
static raftcore_code in_pieces(raftcore_node *n, const raftcore_stored *s) {
    raftcore_code code = RAFTCORE_OK;
    if (s->term || s->vote || s->commit)
        code = raftcore_boot_state(n, s->term, s->vote, s->commit);
    if (code == RAFTCORE_OK && s->conf)
        code = raftcore_boot_conf(n, s->conf, s->before_first, s->before_first_term);
    if (code == RAFTCORE_OK && (s->conf || s->last || s->before_first || s->n_runs))
        code = raftcore_boot_terms(n, s->runs, s->n_runs, s->last);
    for (size_t i = 0; i < s->n_entries && code == RAFTCORE_OK; i++)
        code = raftcore_boot_entries(n, &s->entries[i], 1);
    return code == RAFTCORE_OK ? raftcore_boot_done(n, s->applied) : code;
}

/* Checks that a text is for people: without names or brackets of Rust. */
static void check_words(const char *text) {
    static const char *const foreign[] = {"{", "}", "::", "Some(", "None", "Ok(", "Err(", "HardState", "EntryId", "raftcore_"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strstr(text, foreign[i]) != NULL) {
            fprintf(stderr, "not for people: %s\n", text);
            exit(1);
        }
    CHECK(text[0] != 0 && strlen(text) < 200);
}

static void refused_at(int line, const raftcore_stored *s, raftcore_code want, const char *words) {
    for (int pieces = 0; pieces < 2; pieces++) {
        char text[256] = "";
        raftcore_node *n = made();
        raftcore_status status = {0};
        status.struct_size = sizeof status;
        raftcore_code code = pieces ? in_pieces(n, s) : raftcore_boot(n, s);
        raftcore_error_detail(n, text, sizeof text);
        if (code != want || strstr(text, words) == NULL) {
            fprintf(stderr, "%s:%d: %s gives %d, \"%s\"\n    not %d, \"%s\"\n", __FILE__, line, pieces ? "pieces" : "boot", code,
                    text, want, words);
            exit(1);
        }
        check_words(text);
        /* The node does not run and cannot boot again. Status and free work. */
        CODE(raftcore_tick(n, 1), RAFTCORE_E_STATE);
        CODE(raftcore_boot(n, &good), RAFTCORE_E_STATE);
        CODE(raftcore_boot_done(n, 8), RAFTCORE_E_STATE);
        OK(n, raftcore_get_status(n, &status));
        CODE(raftcore_free(n), RAFTCORE_OK);
    }
}
#define REFUSED(s, code, words) refused_at(__LINE__, s, code, words)

static raftcore_node *boots(const raftcore_stored *s) {
    raftcore_node *n = made(), *other = made();
    OK(n, raftcore_boot(n, s));
    OK(other, in_pieces(other, s));
    CHECK(raftcore_digest(n, 0) == raftcore_digest(other, 0));
    CODE(raftcore_boot(n, s), RAFTCORE_E_STATE);
    CODE(raftcore_free(other), RAFTCORE_OK);
    return n;
}

static raftcore_status status_of(const raftcore_node *n) {
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(n, raftcore_get_status(n, &s));
    return s;
}

/* Sound data boot, whichever part of the log the host gives. */
static void good_data(void) {
    raftcore_stored s = good;
    raftcore_event event;
    raftcore_ready rd = {0};
    rd.struct_size = sizeof rd;
    for (int part = 0; part < 4; part++) {
        s = good;
        if (part > 0) {
            s.runs = runs;
            s.n_runs = 2;
        }
        if (part > 1) { /* at least the entries above applied */
            s.entries = entries + 2 * (part - 1);
            s.n_entries -= 2 * (size_t)(part - 1);
        }
        raftcore_node *n = boots(&s);
        raftcore_status status = status_of(n);
        CHECK(status.term == 3 && status.vote == 1 && status.commit == 10 && status.applied == 8 && status.durable == 11);
        CHECK(status.first_index == 5 && status.last_index == 11 && status.last_term == 3 && status.n_peers == 4 && status.last_ready == 0);
        OK(n, raftcore_get_ready(n, &rd));
        CHECK(rd.committed_first == 9 && rd.committed_last == 10 && rd.n_committed == 2 && rd.n_entries == 0 && rd.number == 1);
        CODE(raftcore_free(n), RAFTCORE_OK);
    }

    /* A crash lost the commit index, or the term. */
    s = good;
    s.commit = 7;
    raftcore_node *n = boots(&s);
    CHECK(status_of(n).commit == 8);
    OK(n, raftcore_next_event(n, &event));
    CHECK(event.kind == RAFTCORE_EVENT_REPAIRED && event.a == 7 && event.b == 8);
    CODE(raftcore_free(n), RAFTCORE_OK);
    s = good;
    s.term = 2;
    n = boots(&s);
    CHECK(status_of(n).term == 3 && status_of(n).vote == 0);
    OK(n, raftcore_get_ready(n, &rd));
    CHECK((rd.flags & RAFTCORE_RF_HARD_STATE) && rd.term == 3);
    CODE(raftcore_free(n), RAFTCORE_OK);

    /* An empty disk; a disk with a term and nothing else; founders, with and without the index of their configuration. */
    s = kit_stored();
    CODE(raftcore_free(boots(&s)), RAFTCORE_OK);
    s.term = 5;
    s.vote = 2;
    n = boots(&s);
    CHECK(status_of(n).term == 5 && status_of(n).vote == 2 && status_of(n).last_index == 0 && status_of(n).n_peers == 0);
    CODE(raftcore_free(n), RAFTCORE_OK);
    for (conf.index = 0; conf.index < 2; conf.index++) {
        s = kit_founder(&conf);
        n = boots(&s);
        CHECK(status_of(n).term == 0 && status_of(n).commit == 1 && status_of(n).n_peers == 4);
        CODE(raftcore_free(n), RAFTCORE_OK);
    }
    prepare();
}

static void forgotten(void) {
    static const char *const no_conf = "the configuration as of applied is missing";
    raftcore_stored s = good;
    s.conf = NULL;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    /* A disk is not empty if a single number says otherwise. */
    s = kit_stored();
    s.commit = 1;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    s = kit_stored();
    s.applied = 5;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    s = kit_stored();
    s.last = 5;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    s = kit_stored();
    s.before_first = 5;
    s.before_first_term = 1;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    s = kit_stored();
    s.runs = runs;
    s.n_runs = 1;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);
    s = kit_stored();
    s.entries = entries;
    s.n_entries = 1;
    REFUSED(&s, RAFTCORE_E_STATE, no_conf);

    /* Entries end before the log, or are missing. */
    s = good;
    s.last = 12;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the log ends at 12, entries were given up to 11");
    s = good;
    s.n_entries = 6;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the log ends at 11, entries were given up to 10");
    s.n_entries = 0;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the entries from 9 to 11 are missing: applied is 8");
    s.runs = runs;
    s.n_runs = 2;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the entries from 9 to 11 are missing: applied is 8");
    s.entries = entries + 5;
    s.n_entries = 2;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the entries from 9 to 9 are missing: applied is 8");
    s = good;
    s.last = 0;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the log can't end at 0: it begins behind index 4");
    s = good;
    s.last = 10;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the log ends at 10, entries were given up to 11");
    s = good;
    s.applied = 0;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "applied 0 lies before the log, which begins behind index 4");
    s = good;
    s.before_first = 0;
    s.before_first_term = 0;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "entries begin at index 5, where 1 is expected");
    s = good;
    s.before_first_term = 0;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "no log begins behind index 4, term 0");
}

static void mixed_up(void) {
    raftcore_stored s = good;
    s.commit = 12;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "commit 12 is beyond the last entry 11");
    s = good;
    s.applied = 12;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "applied 12 is beyond the last entry 11");
    s = good;
    s.vote = UINT64_MAX;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "vote 18446744073709551615");

    /* The configuration is older or newer than the state. */
    conf.index = 5;
    conf.n_voters = 3;
    REFUSED(&good, RAFTCORE_E_CORRUPT, "the configuration is as of index 5, older than the change at index 7; applied is 8");
    conf.index = 9;
    REFUSED(&good, RAFTCORE_E_CORRUPT, "the configuration is as of index 9, applied is 8: store both in one write");
    /* The bytes carry the index, too. */
    uint8_t bytes[64];
    raftcore_conf old = conf;
    old.index = 5;
    OK(NULL, raftcore_conf_encode(&old, bytes, sizeof bytes, &conf.bytes.len));
    conf.bytes.ptr = bytes;
    conf.index = 7; /* the index in the bytes counts */
    REFUSED(&good, RAFTCORE_E_CORRUPT, "the configuration is as of index 5, older than the change at index 7; applied is 8");
    conf.bytes.ptr = (const uint8_t *)"\xff\xff";
    conf.bytes.len = 2;
    REFUSED(&good, RAFTCORE_E_DECODE, "2 bytes that are no configuration");
    prepare();

    /* Impossible members. */
    uint64_t twice[3] = {1, 2, 1};
    conf.voters = twice;
    conf.n_voters = 3;
    REFUSED(&good, RAFTCORE_E_CONF, "id 1 is named twice");
    twice[2] = 0;
    REFUSED(&good, RAFTCORE_E_CONF, "0 is no node's id");
    conf.voters = ids;
    conf.learners = ids + 1;
    conf.n_learners = 1;
    REFUSED(&good, RAFTCORE_E_CONF, "2 is in Learners and Voters");
    conf.n_learners = 0;
    conf.n_voters = 17;
    REFUSED(&good, RAFTCORE_E_CONF, "passes max_peers (16)");
    prepare();

    /* Entries contradict their places, each other, or the runs. */
    entries[3].index = 99;
    REFUSED(&good, RAFTCORE_E_CORRUPT, "index 99, where 8 is expected");
    prepare();
    entries[3].term = 1;
    REFUSED(&good, RAFTCORE_E_CORRUPT, "the entry at index 8 is of term 1, behind term 2");
    prepare();
    s = good;
    s.before_first_term = 3;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the entry at index 5 is of term 2, behind term 3");
    s = good;
    s.runs = runs;
    s.n_runs = 1;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the entry at index 9 is of term 3, its term run says 2");
    raftcore_run wrong[2] = {{5, 2}, {5, 3}};
    s.runs = wrong;
    s.n_runs = 2;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "term runs must rise");
    wrong[0].first = 6;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the first term run begins at index 6 in term 2");
    wrong[0].first = 5;
    wrong[1].first = 12;
    REFUSED(&s, RAFTCORE_E_CORRUPT, "the log can't end at 11: its last term run begins at 12");

    /* Mistakes of the caller, not of the disk: the node can still boot. */
    s = good;
    s.reserved0 = 1;
    raftcore_node *n = made();
    CODE(raftcore_boot(n, &s), RAFTCORE_E_ARG);
    s = good;
    s.reserved1 = 1;
    CODE(raftcore_boot(n, &s), RAFTCORE_E_ARG);
    entries[3].kind = 9;
    CODE(raftcore_boot(n, &good), RAFTCORE_E_ARG);
    prepare();
    OK(n, raftcore_boot(n, &good)); /* the boot had not begun */
    CODE(raftcore_free(n), RAFTCORE_OK);
}

/* The calls of a boot in pieces come in order, once each. */
static void order(void) {
    char text[256];
    raftcore_node *n = made();
    OK(n, raftcore_boot_state(n, 3, 1, 10));
    CODE(raftcore_boot_state(n, 3, 1, 10), RAFTCORE_E_STATE);
    raftcore_error_detail(n, text, sizeof text);
    CHECK(strstr(text, "boot_state can't follow boot_state") != NULL);
    CODE(raftcore_boot(n, &good), RAFTCORE_E_STATE);
    CODE(raftcore_free(n), RAFTCORE_OK);
    n = made();
    OK(n, raftcore_boot_conf(n, &conf, 4, 1));
    CODE(raftcore_boot_state(n, 3, 1, 10), RAFTCORE_E_STATE);
    CODE(raftcore_free(n), RAFTCORE_OK);
    n = made();
    CODE(raftcore_boot_terms(n, runs, 2, 11), RAFTCORE_E_STATE);
    raftcore_error_detail(n, text, sizeof text);
    CHECK(strstr(text, "configuration") != NULL);
    CODE(raftcore_free(n), RAFTCORE_OK);
}

int main(void) {
    prepare();
    good_data();
    forgotten();
    mixed_up();
    order();
    return 0;
}
