/*
 * net_tls.c: the transport over TLS: who gets in, who does not, and new certificates without a
 * restart.
 *
 * The openssl program makes the certificates. Without the program, or without TLS in the library, the
 * test says so and ends; where CI=true is set, it fails.
 */
#define _GNU_SOURCE
#include "net_proxy.h"
#include "snapshot.h"

#include <sys/stat.h>

#ifndef RH_TLS

int main(void)
{
    const char *ci = getenv("CI");

    printf("net_tls: skipped: the library was built without TLS (apt-get install libssl-dev pkg-config)\n");
    return ci && strcmp(ci, "true") == 0;
}

#else

#include <openssl/ssl.h>
#include <signal.h>

#include "certs.h"

static void make_all(void)
{
    make_ca("ca");
    make_ca("other");
    make_cert("n1", "ca", "URI:urn:raftcore:7:1");
    make_cert("n2", "ca", "URI:urn:raftcore:7:3,DNS:localhost,URI:urn:raftcore:7:2");
    make_cert("n3", "ca", "URI:urn:raftcore:7:3");
    make_cert("nameless", "ca", "DNS:localhost");
    make_cert("nearly", "ca", "URI:urn:raftcore:7:01,URI:urn:raftcore:7:11,URI:urn:raftcore:17:1,DNS:urn:raftcore:7:1");
    make_cert("foreign1", "other", "URI:urn:raftcore:7:1");
    make_cert("foreign2", "other", "URI:urn:raftcore:7:2");
}

struct files {
    char ca[400], cert[400], key[400];
};

static struct rh_net_tcp_options with_files(struct node *n, struct files *f, const char *ca, const char *name)
{
    struct rh_net_tcp_options o = options_of(n);

    snprintf(f->ca, sizeof f->ca, "%s/%s.pem", certs, ca);
    snprintf(f->cert, sizeof f->cert, "%s/%s.pem", certs, name);
    snprintf(f->key, sizeof f->key, "%s/%s.key", certs, name);
    o.tls_ca = f->ca;
    o.tls_cert = f->cert;
    o.tls_key = f->key;
    return o;
}

static struct node *start_tls(uint64_t id, const char *test, const char *ca, const char *name)
{
    struct node *n = node_of(id, test);
    struct files f;
    struct rh_net_tcp_options o = with_files(n, &f, ca, name);

    start_with(n, &o);
    return n;
}

static void test_members(void)
{
    struct node *a = start_tls(1, "tls", "ca", "n1"), *b = start_tls(2, "tls", "ca", "n2");
    static uint8_t data[700000];

    introduce(b, a);
    proxy_open(rh_net_tcp_port(b->net));
    CHECK(set_port(a, 2, proxy.port) == RH_OK);
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK(send_frame(a, 2, i, i % 900) == RH_OK && send_frame(b, 1, i, 0) == RH_OK);
        if (i % 100 == 0)
            turn(0);
    }
    UNTIL_PROXY(b->n_frames == 2000 && a->n_frames == 2000);
    CHECK(a->gaps == 0 && b->gaps == 0 && a->n_log == 0 && b->n_log == 0);
    b->echo = true;
    CHECK(send_request(a, 2, 42, (raftcore_slice){data, sizeof data}) == RH_OK);
    UNTIL_PROXY(a->n_answered == 1);
    CHECK(a->answered.outcome.result.len == sizeof data);

    struct rh_snapshot_writer *w;
    struct rh_snapshot s;
    OK_NET(rh_snapshot_create(&a->dir, 9, 4, (raftcore_slice){data, 2}, (raftcore_slice){data, 0}, 0, &w, &net_why));
    for (int i = 0; i < 12; i++)
        OK_NET(rh_snapshot_write(w, data, sizeof data, &net_why));
    OK_NET(rh_snapshot_finish(w, &s, &net_why));
    proxy.cut_after = 4 << 20;
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(b->n_stored == 1 && a->n_sent == 1);
    CHECK(proxy.cuts >= 2);

    for (int i = 0; i < PROXY_PAIRS; i++)
        if (proxy.pairs[i].used)
            proxy_end(&proxy.pairs[i]);
    send_into_closed(a, 2);
    UNTIL_PROXY(a->n_lost == 1);

    /* A changed byte breaks the connection, and never comes out as a frame. */
    proxy.cut_after = UINT64_MAX;
    proxy.flip_at = 9000;
    CHECK(a->net.ops->peer(a->net.self, 2, "") == RH_OK);
    turn(0);
    CHECK(set_port(a, 2, proxy.port) == RH_OK);
    unsigned before = b->n_frames, lost = a->n_lost;
    b->next_frame = 2000;
    for (uint64_t i = 2000; i < 2040; i++)
        CHECK(send_frame(a, 2, i, 800) == RH_OK);
    UNTIL_PROXY(a->n_lost > lost);
    CHECK(proxy.flips == 1 && b->n_frames < before + 40 && b->gaps == 0);

    /* A byte at a time. */
    proxy.piece = 1;
    b->next_frame = 0;
    before = b->n_frames;
    UNTIL_PROXY(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL_PROXY(b->n_frames > before);
    stop_all();
    proxy_close();
}

/* ---- strangers with OpenSSL ---- */

struct client {
    const char *cert;                   /* NULL: none */
    int version;
    const char *alpn;
    uint64_t id, to;
};

/* Connects as a stranger would, and sends a hello. Returns the code of the REJECT; 0: no REJECT. */
static uint16_t visit(struct node *n, const struct client *how, bool *shook, size_t *got)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    char path[400];
    static uint8_t back[8192];
    uint8_t hello[512];
    size_t len = opening(hello, GROUP, how->id, how->to, RH_WIRE_PEER);
    int fd = dial_port(rh_net_tcp_port(n->net)), done = 0;

    CHECK(x && SSL_CTX_set_max_proto_version(x, how->version));
    if (how->cert) {
        snprintf(path, sizeof path, "%s/%s.pem", certs, how->cert);
        CHECK(SSL_CTX_use_certificate_file(x, path, SSL_FILETYPE_PEM) == 1);
        snprintf(path, sizeof path, "%s/%s.key", certs, how->cert);
        CHECK(SSL_CTX_use_PrivateKey_file(x, path, SSL_FILETYPE_PEM) == 1);
    }
    CHECK(SSL_CTX_set_alpn_protos(x, (const unsigned char *)how->alpn, (unsigned)strlen(how->alpn)) == 0);
    SSL *ssl = SSL_new(x);
    CHECK(ssl && SSL_set_fd(ssl, fd));
    *got = 0;
    bool sent = false;
    for (double end = now_seconds() + 1; now_seconds() < end && done >= 0;) {
        turn(2);
        signal(SIGPIPE, SIG_IGN);       /* for OpenSSL's own sockets; the transport must do without */
        done = SSL_is_init_finished(ssl) ? 1 : SSL_connect(ssl);
        if (done != 1) {
            int e = SSL_get_error(ssl, done);
            done = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
            continue;
        }
        if (!sent)
            sent = SSL_write(ssl, hello, (int)len) == (int)len;
        int r = SSL_read(ssl, back + *got, (int)(sizeof back - *got));
        if (r > 0)
            *got += (size_t)r;
        else if (SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ)
            done = -1;
        signal(SIGPIPE, SIG_DFL);
        if (reject_in(back, *got))
            done = -1;
    }
    signal(SIGPIPE, SIG_DFL);
    *shook = SSL_is_init_finished(ssl);
    CHECK(!SSL_SESSION_has_ticket(SSL_get0_session(ssl)));
    SSL_free(ssl);
    SSL_CTX_free(x);
    close(fd);
    spin(0.02);
    return reject_in(back, *got);
}

static void test_strangers(void)
{
    struct node *n = start_tls(2, "strangers", "ca", "n2");
    struct client good = {.cert = "n1", .version = TLS1_3_VERSION, .alpn = "\x0araftcore/1", .id = 1,
                          .to = 2}, c;
    bool shook;
    size_t got;

    CHECK(visit(n, &good, &shook, &got) == 0 && shook && got > 48 && n->n_hellos == 1);
    for (int i = 0; i < 3; i++) {       /* another member's certificate; one without a member; one that looks like it */
        static const char *const wrong[] = {"n3", "nameless", "nearly"};
        c = good;
        c.cert = wrong[i];
        if (visit(n, &c, &shook, &got) != RH_WIRE_R_CERTIFICATE)
            DIE("certificate %s comes through", wrong[i]);
    }
    CHECK(n->reject_code == RH_WIRE_R_CERTIFICATE && n->n_rejected == 1);
    /* Nothing is answered to: no certificate, another authority's, an older TLS, another protocol, plain TCP. */
    for (int i = 0; i < 5; i++) {
        c = good;
        c.cert = i == 0 ? NULL : i == 1 ? "foreign1" : c.cert;
        c.version = i == 2 ? TLS1_2_VERSION : c.version;
        c.alpn = i == 3 ? "\x02h2" : i == 4 ? "" : c.alpn;
        uint64_t before = totals(n).strangers;
        CHECK(visit(n, &c, &shook, &got) == 0);
        if (got != 0 || totals(n).strangers != before + 1)
            DIE("stranger %d got %zu bytes", i, got);
    }
    CHECK(n->n_hellos == 1 && totals(n).connections == 0);
    CHECK(n->n_log == 1);               /* one cause, one address: one line */

    uint8_t hello[512], back[4096];
    int fd = dial_port(rh_net_tcp_port(n->net));
    size_t len = opening(hello, GROUP, 1, 2, RH_WIRE_PEER);
    CHECK(send(fd, hello, len, MSG_NOSIGNAL) == (ssize_t)len);
    CHECK(drained(fd, back, sizeof back, &got, 2) && n->n_hellos == 1);
    close(fd);
    stop_all();
}

/* A host that dials the wrong host, or an impostor, says nothing to it. */
static void test_dialling(void)
{
    struct node *a = start_tls(1, "dial", "ca", "n1"), *c = start_tls(3, "dial", "ca", "n3");
    struct node *plain = start(2, "dial");

    CHECK(set_port(a, 2, rh_net_tcp_port(c->net)) == RH_OK);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_lost == 1);
    CHECK(logged(a, "does not hold urn:raftcore:7:2") == 1 && c->n_hellos == 0 && a->n_hellos == 0);

    introduce(a, plain);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_lost == 2);
    CHECK(logged(plain, "speaks TLS, and this host plain TCP") == 1);
    CHECK(set_port(plain, 3, rh_net_tcp_port(c->net)) == RH_OK);
    CHECK(send_frame(plain, 3, 0, 0) == RH_OK);
    UNTIL(plain->n_lost == 1);
    CHECK(logged(c, "speaks plain TCP") == 1 && c->n_hellos == 0);
    stop(plain);

    struct node *impostor = start_tls(2, "impostor", "other", "foreign2");
    introduce(a, impostor);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_lost == 3);
    CHECK(impostor->n_hellos == 0 && a->n_hellos == 0);
    stop_all();
}

static void test_reload(void)
{
    struct node *a = start_tls(1, "reload", "ca", "n1");
    struct node *b = node_of(2, "reload");
    struct files f;

    shell("cp n2.pem now.pem; cp n2.key now.key; cp ca.pem trust.pem");
    struct rh_net_tcp_options o = with_files(b, &f, "trust", "now");
    start_with(b, &o);
    introduce(a, b);
    introduce(b, a);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 1);

    /* Files that cannot be used change nothing. */
    shell("cp n3.pem now.pem; cp n3.key now.key");
    CHECK(rh_net_tcp_reload(b->net, &net_why) == RH_E_NET && strstr(net_why.text, "urn:raftcore:7:2"));
    shell("cp n2.pem now.pem");
    CHECK(rh_net_tcp_reload(b->net, &net_why) == RH_E_NET && strstr(net_why.text, "key"));
    shell("rm now.pem");
    CHECK(rh_net_tcp_reload(b->net, &net_why) == RH_E_NET && strstr(net_why.text, "No such file"));
    CHECK(send_frame(a, 2, 1, 0) == RH_OK);
    UNTIL(b->n_frames == 2);

    /* Another authority from now on: open connections stay, new ones need its certificates. */
    shell("cp foreign2.pem now.pem; cp foreign2.key now.key; cat other.pem >trust.pem");
    OK_NET(rh_net_tcp_reload(b->net, &net_why));
    CHECK(send_frame(a, 2, 2, 0) == RH_OK);
    UNTIL(b->n_frames == 3);
    CHECK(a->n_lost == 0);
    CHECK(send_frame(b, 1, 0, 0) == RH_OK);
    UNTIL(b->n_lost == 1);
    CHECK(a->n_frames == 0);

    stop(a);
    a = start_tls(1, "reload", "other", "foreign1");
    introduce(a, b);
    introduce(b, a);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK && send_frame(b, 1, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 4 && a->n_frames == 1);
    struct node *plain = start(3, "reload");
    CHECK(rh_net_tcp_reload(plain->net, &net_why) == RH_E_STATE);
    stop_all();
}

static void test_options(void)
{
    struct node *n = node_of(1, "options");
    struct files f;
    struct rh_net net;
    struct rh_net_tcp_options o = with_files(n, &f, "ca", "n2");

    CHECK(rh_net_tcp_open(&o, &net, &net_why) == RH_E_NET && strstr(net_why.text, "urn:raftcore:7:1"));
    o = with_files(n, &f, "ca", "n1");
    o.tls_key = NULL;
    CHECK(rh_net_tcp_open(&o, &net, &net_why) == RH_E_ARG);
    o = with_files(n, &f, "nothing", "n1");
    CHECK(rh_net_tcp_open(&o, &net, &net_why) == RH_E_NET && strstr(net_why.text, "nothing.pem"));
    stop_all();
}

int main(int argc, char **argv)
{
    static char path[300];
    const char *ci = getenv("CI");

    net_scratch = argc > 1 ? argv[1] : ".";
    if (system("openssl version >/dev/null 2>&1") != 0) {
        printf("net_tls: skipped: no program openssl (apt-get install openssl)\n");
        return ci && strcmp(ci, "true") == 0;
    }
    snprintf(path, sizeof path, "%s/certs", net_scratch);
    certs = path;
    CHECK(mkdir(path, 0777) == 0);
    make_all();
    test_members();
    test_strangers();
    test_dialling();
    test_reload();
    test_options();
    return 0;
}

#endif
