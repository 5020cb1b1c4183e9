/*
 * host_tls.c: members by rh_open over TLS, behind proxies that delay, cut and change bytes; a new
 * authority without a restart; members that may not take part.
 *
 * The openssl program makes the certificates. Without TLS in the library the test says so and ends; where
 * CI=true is set, it fails.
 */
#define _GNU_SOURCE
#include "host_kit.h"

#ifndef RH_TLS

int main(void)
{
    const char *ci = getenv("CI");

    printf("host_tls: skipped: the library was built without TLS (apt-get install libssl-dev pkg-config)\n");
    return ci && strcmp(ci, "true") == 0;
}

#else

#include <netinet/in.h>

#include "certs.h"

enum { MEMBERS = 3, ADDS = 150 };

/* ---- a proxy in front of each member ---- */

struct proxy {
    int listener;
    char at[32], target[32];
};

struct pump {
    int from, to;
    struct random random;
};

static _Atomic bool faults, flips;      /* delays and cuts; changed bytes */
static _Atomic uint64_t cut, flipped;
static _Atomic uint32_t epoch;          /* connections of older epochs are cut */

/* Passes bytes on in one direction, until a side ends or a fault strikes. */
static void *pump(void *arg)
{
    struct pump p = *(struct pump *)arg;
    uint8_t bytes[16384];
    uint32_t born = epoch;
    ssize_t n;

    free(arg);
    while ((n = recv(p.from, bytes, sizeof bytes, 0)) > 0 && born == epoch) {
        uint64_t dice = random_below(&p.random, 1000);
        if (faults && dice < 100)
            usleep((unsigned)random_below(&p.random, 20000));
        if (faults && dice >= 990 && ++cut)
            break;
        if (flips && dice >= 985 && ++flipped)
            bytes[random_below(&p.random, (uint64_t)n)] ^= (uint8_t)(1 << random_below(&p.random, 8));
        if (send(p.to, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    shutdown(p.from, SHUT_RDWR);
    shutdown(p.to, SHUT_RDWR);
    close(p.from);
    return NULL;
}

static int dial(const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static void start_pump(int from, int to, uint64_t seed)
{
    struct pump *p = must(malloc(sizeof *p));
    pthread_t thread;

    *p = (struct pump){dup(from), dup(to), {seed}};
    CHECK(p->from >= 0 && p->to >= 0 && pthread_create(&thread, NULL, pump, p) == 0);
    pthread_detach(thread);
}

static void *accept_all(void *arg)
{
    struct proxy *p = arg;

    for (uint64_t seed = 1;; seed++) {
        int from = accept(p->listener, NULL, NULL), to = from >= 0 ? dial(p->target) : -1;
        if (to >= 0) {
            start_pump(from, to, seed * 2 + (uint64_t)(uintptr_t)p);
            start_pump(to, from, seed * 2 + 1 + (uint64_t)(uintptr_t)p);
        }
        if (to >= 0)
            close(to);
        if (from >= 0)
            close(from);
    }
    return NULL;
}

/* The member listens at one address, and the others reach it at the proxy's. */
static void put_behind(struct member *m, struct proxy *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;

    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(p->listener, (struct sockaddr *)&at, len) == 0 && listen(p->listener, 64) == 0);
    CHECK(getsockname(p->listener, (struct sockaddr *)&at, &len) == 0);
    snprintf(p->at, sizeof p->at, "127.0.0.1:%d", ntohs(at.sin_port));
    snprintf(p->target, sizeof p->target, "%s", m->peer);
    m->o.listen = p->target;
    m->o.peer = p->at;
    CHECK(pthread_create(&thread, NULL, accept_all, p) == 0);
    pthread_detach(thread);
}

/* ---- members ---- */

static struct member m[MEMBERS + 1];
static struct proxy proxies[MEMBERS];
static char files[MEMBERS + 1][3][500];
static uint64_t sum, maybe;

/* Files of their own for a member: ca.pem, own.pem, own.key. */
static void take_files(size_t i, const char *ca, const char *cert)
{
    shell("mkdir -p m%zu && cp %s m%zu/ca.pem && cp %s.pem m%zu/own.pem && cp %s.key m%zu/own.key", i, ca, i, cert, i, cert,
          i);
}

static void set_files(size_t i)
{
    static const char *const names[3] = {"ca.pem", "own.pem", "own.key"};

    for (int k = 0; k < 3; k++)
        snprintf(files[i][k], sizeof files[i][k], "%s/m%zu/%s", certs, i, names[k]);
    m[i].o.tls_ca = files[i][0];
    m[i].o.tls_cert = files[i][1];
    m[i].o.tls_key = files[i][2];
}

static void add_many(int n)
{
    for (int i = 0; i < n; i++) {
        struct answer a = add(&m[(size_t)i % MEMBERS], 1, 1 + (size_t)i * 37 % 3000);
        sum += a.what == RH_DONE;
        maybe += a.what == RH_UNKNOWN;
    }
}

static void all_have(void)
{
    struct answer a;

    for (size_t i = 0; i < MEMBERS; i++) {
        UNTIL((a = ask_read(&m[i])).what == RH_READABLE);
        if (m[i].sum < sum || m[i].sum > sum + maybe)
            DIE("member %zu has %llu, %llu was acknowledged, %llu is unknown", i + 1, (unsigned long long)m[i].sum,
                (unsigned long long)sum, (unsigned long long)maybe);
    }
}

static void start_group(const char *root)
{
    char name[32];

    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof name, "m%zu", i + 1);
        member_init(&m[i], root, name, i + 1);
        put_behind(&m[i], &proxies[i]);
        snprintf(name, sizeof name, "n%zu", i + 1);
        take_files(i, "ca.pem", name);
        set_files(i);
    }
    m[0].o.found = true;
    member_open(&m[0]);
    UNTIL(leads(&m[0]));
    for (size_t i = 1; i < MEMBERS; i++) {
        m[i].o.join = proxies[0].at;
        member_open(&m[i]);
        UNTIL(member_status(&m[i]).voter);
    }
}

/* ---- the tests ---- */

static void bad_links(void)
{
    faults = true;
    add_many(ADDS);
    flips = true;
    add_many(ADDS);
    faults = flips = false;
    all_have();
    CHECK(cut > 2 && flipped > 0 && sum > ADDS);
    printf("  %d additions: %llu done, %llu unknown; %llu cuts, %llu bytes changed\n", 2 * ADDS, (unsigned long long)sum,
           (unsigned long long)maybe, (unsigned long long)cut, (unsigned long long)flipped);
}

static void reload_all(void)
{
    struct rh_words why = {""};

    for (size_t i = 0; i < MEMBERS; i++)
        CHECK_OK(rh_reload_tls(m[i].h, &why), &why);
    epoch++;                            /* new connections */
    add_many(30);
    all_have();
}

/* Files that cannot be used are refused, with words, and the certificate in use stays. */
static void bad_files(void)
{
    struct rh_words why = {""};

    shell("echo nothing > m0/own.pem");
    CHECK(rh_reload_tls(m[0].h, &why) == RH_E_NET && strstr(why.text, "own.pem"));
    shell("rm m0/own.pem");
    CHECK(rh_reload_tls(m[0].h, &why) == RH_E_NET && strstr(why.text, "own.pem"));
    take_files(0, "ca.pem", "n2");      /* another member's */
    CHECK(rh_reload_tls(m[0].h, &why) == RH_E_NET && strstr(why.text, "does not hold urn:raftcore:1:1"));
    shell("cp n1.pem m0/own.pem");
    CHECK(rh_reload_tls(m[0].h, &why) == RH_E_NET && strstr(why.text, "own.key"));
    take_files(0, "ca.pem", "n1");
    epoch++;
    add_many(30);
    all_have();
}

/* A new authority, while the group works: trust both, change certificates, trust the new one. */
static void new_authority(void)
{
    shell("cat ca.pem new.pem > both.pem");
    for (size_t i = 0; i < MEMBERS; i++)
        take_files(i, "both.pem", (const char *const[]){"n1", "n2", "n3"}[i]);
    reload_all();
    for (size_t i = 0; i < MEMBERS; i++)
        take_files(i, "both.pem", (const char *const[]){"new1", "new2", "new3"}[i]);
    reload_all();
    for (size_t i = 0; i < MEMBERS; i++)
        take_files(i, "new.pem", (const char *const[]){"new1", "new2", "new3"}[i]);
    reload_all();
}

/* Starts node 4 with the files. Returns the code; 0: the node runs, outside. */
static int stranger(const char *root, const char *name, const char *ca, const char *cert, struct rh_words *why)
{
    member_init(&m[3], root, name, 4);
    take_files(3, ca, cert);
    set_files(3);
    m[3].o.join = proxies[0].at;
    return member_try(&m[3], why);
}

static void strangers(const char *root)
{
    struct rh_words why = {""};

    CHECK(member_close(&m[0]) == RH_OK);        /* each cause is told once: begin anew */
    m[0].len = m[0].said[0] = 0;
    m[0].o.found = false;
    member_open(&m[0]);
    all_have();
    CHECK(stranger(root, "s1", "new.pem", "new2", &why) == RH_E_NET && strstr(why.text, "does not hold urn:raftcore:1:4"));
    CHECK(stranger(root, "s2", "new.pem", "group2", &why) == RH_E_NET && strstr(why.text, "urn:raftcore:1:4"));
    CHECK(stranger(root, "s3", "both.pem", "n4", &why) == RH_OK);      /* of the old authority */
    UNTIL(has_said(&m[0], "certificate"));
    UNTIL(has_said(&m[3], "refuses this node: TLS: "));
    CHECK(!member_status(&m[3]).member);
    CHECK(member_close(&m[3]) == RH_OK);
    member_init(&m[3], root, "plain", 4);
    m[3].o.join = proxies[0].at;
    member_open(&m[3]);                 /* without TLS */
    CHECK(rh_reload_tls(m[3].h, &why) == RH_E_STATE);
    UNTIL(has_said(&m[0], "TLS") || has_said(&m[0], "tls"));
    CHECK(!member_status(&m[3]).member);
    CHECK(member_close(&m[3]) == RH_OK);
    CHECK(stranger(root, "s4", "new.pem", "new4", &why) == RH_OK);
    UNTIL(member_status(&m[3]).voter);
    CHECK(member_close(&m[3]) == RH_OK);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-tls";
    char folder[400], name[16], urn[64];

    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(folder, sizeof folder, "%s/certs", root);
    CHECK(mkdir(folder, 0700) == 0);
    certs = folder;
    make_ca("ca");
    make_ca("new");
    for (int i = 1; i <= 4; i++) {
        snprintf(urn, sizeof urn, "URI:urn:raftcore:1:%d", i);
        snprintf(name, sizeof name, "n%d", i);
        make_cert(name, "ca", urn);
        snprintf(name, sizeof name, "new%d", i);
        make_cert(name, "new", urn);
    }
    make_cert("group2", "new", "URI:urn:raftcore:2:4");
    start_group(root);
    bad_links();
    bad_files();
    new_authority();
    strangers(root);
    for (size_t i = 0; i < MEMBERS; i++)
        CHECK(member_close(&m[i]) == RH_OK);
    return 0;
}

#endif
