/* wire.c: the codec against the golden vectors, cut and changed vectors, and noise. */
#include "wire.h"

#include "bytes.h"
#include "crc32c.h"
#include "raftcore_host.h"
#include "vectors.h"

enum { LIMIT = 1 << 20 };

static char text[1 << 16];

static void book_text(const struct vector *v, char *to, size_t cap)
{
    struct rh_wire_book book;
    struct rh_wire_member m, all[8];
    size_t count = 0, at = 0;
    uint8_t again[1024];
    int code;

    CHECK(rh_wire_book_open((raftcore_slice){v->bytes, v->len}, &book) == RH_WIRE_OK);
    to[0] = 0;
    while ((code = rh_wire_book_next(&book, &m)) == RH_WIRE_OK) {
        at += (size_t)snprintf(to + at, cap - at, "%sid=%llu disk=", at ? " " : "", (unsigned long long)m.id);
        for (int i = 0; i < RH_WIRE_ID; i++)
            at += (size_t)snprintf(to + at, cap - at, "%02x", m.disk[i]);
        at += (size_t)snprintf(to + at, cap - at, " peer_address=\"%.*s\" client_address=\"%.*s\"",
                               (int)m.peer_address.len, (const char *)m.peer_address.ptr, (int)m.client_address.len,
                               (const char *)m.client_address.ptr);
        all[count++] = m;
    }
    CHECK(code == RH_WIRE_MORE);
    CHECK(rh_wire_book_write(all, count, NULL, 0) == v->len);
    CHECK(rh_wire_book_write(all, count, again, sizeof again) == v->len);
    CHECK(memcmp(again, v->bytes, v->len) == 0);
}

/* The library has no face that lists a table, so retries and the bytes that come back show what was read. */
static void check_sessions(const struct vector *v)
{
    struct rh_sessions *s = must(rh_sessions_new(RH_SESSIONS));
    uint8_t *again = must(malloc(v->len)), id[RH_SESSION_BYTES];
    char result[64];
    size_t used = 0;

    for (size_t cut = 0; cut < v->len; cut++) {
        uint8_t *copy = exact_copy(v->bytes, cut);
        CHECK(rh_sessions_read(s, copy, cut, &used) == RH_E_DAMAGED);
        free(copy);
    }
    CHECK(rh_sessions_read(s, v->bytes, v->len, &used) == RH_OK && used == v->len);
    CHECK(rh_sessions_bytes(s) == v->len && rh_sessions_write(s, again) == RH_OK);
    CHECK(memcmp(again, v->bytes, v->len) == 0);
    for (const char *at = v->fields; at && (at = strstr(at, "session=")); at++) {
        struct rh_entry e = {.session = id};
        for (int i = 0; i < RH_SESSION_BYTES; i++)
            CHECK(sscanf(at + 8 + 2 * i, "%2hhx", &id[i]) == 1);
        unsigned long long number;
        int n = sscanf(strchr(at, ' '), " number=%llu result=%63[0-9a-z-]", &number, result);
        CHECK(n >= 1);
        e.number = number;
        CHECK(rh_sessions_seen(s, &e) && e.forgotten == (n == 2 && strcmp(result, "not-kept") == 0));
        CHECK(e.forgotten || e.result.len == (n == 2 ? strlen(result) / 2 : 0));
    }
    rh_sessions_free(s);
    free(again);
}

/* What every member must decide alike: docs/wire.md, section 6. */
static void check_retries(void)
{
    static uint8_t long_result[16 * 1024 + 1];
    struct rh_sessions *s = must(rh_sessions_new(2));
    const uint8_t a[RH_SESSION_BYTES] = {1}, b[RH_SESSION_BYTES] = {2}, c[RH_SESSION_BYTES] = {3};
    struct rh_entry e = {.session = a, .number = 2};

    CHECK(rh_sessions_seen(s, &e) && e.forgotten);      /* not known, and not its first */
    e = (struct rh_entry){.session = a, .number = 1, .result = {long_result, sizeof long_result}};
    CHECK(!rh_sessions_seen(s, &e) && rh_sessions_done(s, &e) == RH_OK);
    e = (struct rh_entry){.session = a, .number = 1};
    CHECK(rh_sessions_seen(s, &e) && e.forgotten);      /* a result that is too long to keep */
    e = (struct rh_entry){.session = a, .number = 2, .result = {long_result, 16 * 1024}};
    CHECK(!rh_sessions_seen(s, &e) && rh_sessions_done(s, &e) == RH_OK);
    e = (struct rh_entry){.session = a, .number = 2};
    CHECK(rh_sessions_seen(s, &e) && !e.forgotten && e.result.len == 16 * 1024);
    e = (struct rh_entry){.session = a, .number = 1};
    CHECK(rh_sessions_seen(s, &e) && e.forgotten && e.result.len == 0);     /* the result is another request's */
    e = (struct rh_entry){.session = b, .number = 1};
    CHECK(rh_sessions_done(s, &e) == RH_OK);
    e = (struct rh_entry){.session = c, .number = 1};
    CHECK(rh_sessions_done(s, &e) == RH_OK);
    e = (struct rh_entry){.session = a, .number = 3};
    CHECK(rh_sessions_seen(s, &e) && e.forgotten);      /* used longest ago */
    rh_sessions_free(s);
}

static void check_frame(const struct vector *v)
{
    struct rh_wire_span span;
    struct rh_wire_frame f;
    uint8_t again[1024];

    CHECK(rh_wire_next(v->bytes, v->len, v->len - 1, &span) == RH_WIRE_E_LONG);
    CHECK(rh_wire_next(v->bytes, v->len, v->len, &span) == RH_WIRE_OK);
    CHECK(span.bytes == v->len && span.group == 7);
    enum rh_wire_whose whose = strcmp(v->kind, "core") == 0 ? RH_WIRE_CORE :
                               strcmp(v->kind, "host") == 0 ? RH_WIRE_HOST : RH_WIRE_CORE_HELLO;
    if (span.whose != whose)
        DIE("%s of kind %s is taken for %d", v->name, v->kind, span.whose);
    if (whose != RH_WIRE_HOST) {
        CHECK(rh_wire_read(v->bytes, v->len, &f) == RH_WIRE_E_MALFORMED);
        return;
    }
    CHECK(rh_wire_read(v->bytes, v->len, &f) == RH_WIRE_OK);
    CHECK(rh_wire_text(&f, text, sizeof text) == strlen(v->fields));
    if (strcmp(text, v->fields) != 0)
        DIE("%s\n  reads  %s\n  says   %s", v->name, text, v->fields);
    if (!v->rewrite)
        return;
    CHECK(rh_wire_write(&f, NULL, 0) == v->len);
    CHECK(rh_wire_write(&f, again, v->len) == v->len);
    CHECK(memcmp(again, v->bytes, v->len) == 0);
    memset(again, 0xee, sizeof again);
    size_t head = rh_wire_write_head(&f, again, sizeof again);
    CHECK(head <= v->len && memcmp(again, v->bytes, head) == 0 && again[head] == 0xee);
    if (f.type == RH_WIRE_CHUNK)
        CHECK(head == RH_WIRE_CHUNK_HEAD && rh_wire_chunk_is_good(&f));
}

static void check_vectors(const struct vectors *all)
{
    bool seen[256] = {false};

    for (size_t i = 0; i < all->count; i++) {
        const struct vector *v = &all->at[i];
        if (strcmp(v->kind, "book") == 0) {
            book_text(v, text, sizeof text);
            CHECK(strcmp(text, v->fields ? v->fields : "") == 0);
        } else if (strcmp(v->kind, "sessions") == 0) {
            check_sessions(v);
        } else if (strcmp(v->kind, "snapshot") != 0) {
            check_frame(v);
            seen[v->bytes[RH_WIRE_HEADER + 1]] |= strcmp(v->kind, "host") == 0;
        }
    }
    for (unsigned type = 0; type < 256; type++)
        CHECK(seen[type] == (rh_wire_name((uint8_t)type) != NULL));
}

/* Reads any bytes. A frame that can be read can be written, and reads as before. */
static void probe(const uint8_t *bytes, size_t len)
{
    struct rh_wire_span span;
    struct rh_wire_frame f, back;
    struct rh_wire_book book;
    struct rh_wire_member m;
    uint8_t *copy = exact_copy(bytes, len);
    static char text_again[1 << 16];

    if (rh_wire_next(copy, len, LIMIT, &span) == RH_WIRE_OK && rh_wire_read(copy, span.bytes, &f) == RH_WIRE_OK) {
        size_t need = rh_wire_write(&f, NULL, 0);
        CHECK(need > 0 && need <= span.bytes);
        uint8_t *again = must(malloc(need));
        CHECK(rh_wire_write(&f, again, need) == need);
        CHECK(rh_wire_read(again, need, &back) == RH_WIRE_OK);
        CHECK(rh_wire_text(&f, text, sizeof text) == rh_wire_text(&back, text_again, sizeof text_again));
        CHECK(strcmp(text, text_again) == 0);
        free(again);
        if (f.type == RH_WIRE_CHUNK)
            (void)rh_wire_chunk_is_good(&f);
    }
    if (rh_wire_book_open((raftcore_slice){copy, len}, &book) == RH_WIRE_OK)
        while (rh_wire_book_next(&book, &m) == RH_WIRE_OK)
            CHECK(m.id != 0);
    free(copy);
}

static uint64_t check_damage(const struct vectors *all)
{
    uint64_t tried = 0;

    for (size_t i = 0; i < all->count; i++) {
        struct vector v = all->at[i];
        struct rh_wire_span span;
        for (size_t cut = 0; cut < v.len; cut++, tried++) {
            uint8_t *copy = exact_copy(v.bytes, cut);
            if (v.kind[0] != 'b' && v.kind[0] != 's') {
                CHECK(rh_wire_next(copy, cut, LIMIT, &span) == RH_WIRE_MORE);
                CHECK(span.bytes == (cut < RH_WIRE_HEADER ? 0 : v.len));
            }
            probe(copy, cut);
            if (cut >= RH_WIRE_HEADER) {        /* the cut frame with a fitting length */
                rh_put_u32(copy, (uint32_t)(cut - RH_WIRE_HEADER));
                probe(copy, cut);
            }
            free(copy);
        }
        for (size_t at = 0; at < v.len; at++) {
            uint8_t good = v.bytes[at];
            for (int value = 0; value < 256; value++, tried++) {
                v.bytes[at] = (uint8_t)value;
                probe(v.bytes, v.len);
            }
            v.bytes[at] = good;
        }
    }
    return tried;
}

/* Changed vectors and random bytes. */
static uint64_t check_noise(const struct vectors *all, double seconds)
{
    struct random r = random_open("wire");
    double end = now_seconds() + seconds;
    uint64_t tried = 0;
    uint8_t bytes[1200];

    for (; tried % 256 != 0 || now_seconds() < end; tried++) {
        size_t len = random_below(&r, 200);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)random_next(&r);
        if (random_below(&r, 8) > 0) {
            const struct vector *v = &all->at[random_below(&r, all->count)];
            len = v->len;
            memcpy(bytes, v->bytes, len);
            for (uint64_t changes = 1 + random_below(&r, 6); changes > 0; changes--)
                bytes[random_below(&r, len)] = (uint8_t)(random_below(&r, 2) ? random_next(&r) : random_below(&r, 4));
            len -= random_below(&r, 3) == 0 ? random_below(&r, len) : 0;
        }
        if (len >= RH_WIRE_HEADER + 4 && random_below(&r, 4) > 0)
            rh_put_u32(bytes, (uint32_t)(len - RH_WIRE_HEADER));
        probe(bytes, len);
    }
    return tried;
}

static void check_limits(void)
{
    static uint8_t long_text[RH_WIRE_WORDS_MAX + 1];
    struct rh_wire_frame f = {.type = RH_WIRE_REJECT, .reject.words = {long_text, sizeof long_text}};

    CHECK(rh_wire_write(&f, NULL, 0) == 0);
    f.reject.words.len--;
    CHECK(rh_wire_write(&f, NULL, 0) == RH_WIRE_HEADER + 4 + 8 + RH_WIRE_WORDS_MAX);
    f.type = 7;
    CHECK(rh_wire_write(&f, NULL, 0) == 0 && rh_wire_name(7) == NULL && rh_wire_text(&f, text, sizeof text) == 0);

    uint8_t later[] = {6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x48, 127, 1, 0, 9, 9};
    CHECK(rh_wire_read(later, sizeof later, &f) == RH_WIRE_SKIP);
    later[13] = 128;
    CHECK(rh_wire_read(later, sizeof later, &f) == RH_WIRE_E_UNKNOWN);
    later[14] = 3;
    CHECK(rh_wire_read(later, sizeof later, &f) == RH_WIRE_E_MALFORMED);

    static const char *const good[] = {"a:1", "10.0.0.1:65535", "[::1]:7000", "host-1.example:80"};
    static const char *const bad[] = {"",      ":1",       "a",     "a:", "a:0",   "a:65536", "a:x",
                                      "a b:1", "::1:7000", "[::1]", "[]", "a:1:2", "a:000001"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(rh_wire_is_address((raftcore_slice){(const uint8_t *)good[i], strlen(good[i])}));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!rh_wire_is_address((raftcore_slice){(const uint8_t *)bad[i], strlen(bad[i])}));
}

static void check_crc(void)
{
    struct random r = {1};
    uint8_t bytes[5000];

    CHECK(rh_crc32c(0, "123456789", 9) == 0xe3069283 && rh_crc32c(0, NULL, 0) == 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(&r);
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&r, 64), len = random_below(&r, i % 10 ? 300 : sizeof bytes - 64);
        size_t split = random_below(&r, len + 1);
        uint32_t whole = rh_crc32c(0, bytes + at, len);
        CHECK(whole == rh_crc32c_table(0, bytes + at, len));
        CHECK(whole == rh_crc32c(rh_crc32c(0, bytes + at, split), bytes + at + split, len - split));
    }
}

int main(int argc, char **argv)
{
    struct vectors all = vectors_load(argc > 2 ? argv[2] : "tests/wire/vectors.txt");

    check_crc();
    check_vectors(&all);
    check_retries();
    check_limits();
    uint64_t damaged = check_damage(&all);
    uint64_t noise = check_noise(&all, (double)(2 * setting("HOST_TIMES", 1)));
    printf("wire: %zu vectors, %llu of them damaged, %llu of noise; CRC-32C by %s\n", all.count,
           (unsigned long long)damaged, (unsigned long long)noise, rh_crc32c_way());
    vectors_free(&all);
    return 0;
}
