/*
 * net_tls.c: TLS 1.3 by OpenSSL, built if RH_TLS is defined. Without it, TLS options are refused.
 *
 * Both sides show a certificate. OpenSSL checks the chain against the configured authority; names
 * and addresses of machines are not looked at. The member's id stands in the certificate as a URI.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_parts.h"

#ifndef RH_TLS

int rh_tls_open(const struct rh_net_tcp_options *o, struct rh_tls **out, struct rh_words *why)
{
    (void)o;
    (void)out;
    return rh_fail(why, RH_E_NET, "this library was built without TLS: install libssl-dev and pkg-config, and build"
                   " again");
}

int rh_tls_reload(struct rh_tls *t, struct rh_words *why)
{
    (void)t;
    return rh_fail(why, RH_E_NET, "this library was built without TLS");
}

void rh_tls_free(struct rh_tls *t)
{
    (void)t;
}

bool rh_tls_start(struct rh_conn *c)
{
    (void)c;
    return false;
}

int rh_tls_shake(struct rh_conn *c, struct rh_words *why)
{
    (void)c;
    (void)why;
    return RH_IO_FAILED;
}

ssize_t rh_tls_read(struct rh_conn *c, void *to, size_t len)
{
    (void)c;
    (void)to;
    (void)len;
    return RH_IO_FAILED;
}

ssize_t rh_tls_write(struct rh_conn *c, const void *bytes, size_t len)
{
    (void)c;
    (void)bytes;
    (void)len;
    return RH_IO_FAILED;
}

bool rh_tls_pending(const struct rh_conn *c)
{
    (void)c;
    return false;
}

void rh_tls_end(struct rh_conn *c)
{
    (void)c;
}

bool rh_tls_names(const struct rh_conn *c, uint64_t group, uint64_t id)
{
    (void)c;
    (void)group;
    (void)id;
    return false;
}

#else

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { URI_MAX = 64, RECORD_MAX = 16384, PLAIN = 0x24 };       /* PLAIN: first byte of a plain hello */

static const uint8_t alpn[] = "\x0araftcore/1";
enum { ALPN_LEN = sizeof alpn - 1 };

struct rh_tls {
    SSL_CTX *context;                   /* in use for new connections; open connections hold a reference to theirs */
    BIO_METHOD *bio;
    char *ca, *cert, *key;
    uint64_t group, id;                 /* of this host: its certificate must hold them */
};

/* ---- sockets: as OpenSSL's own, except that a write never raises SIGPIPE ---- */

static int socket_write(BIO *bio, const char *bytes, int len)
{
    const struct rh_conn *c = BIO_get_data(bio);
    ssize_t n = send(c->fd, bytes, (size_t)len, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int socket_read(BIO *bio, char *to, int len)
{
    const struct rh_conn *c = BIO_get_data(bio);
    ssize_t n = recv(c->fd, to, (size_t)len, 0);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)n;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int socket_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_bio(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "raftcore socket");

    if (m && BIO_meth_set_write(m, socket_write) && BIO_meth_set_read(m, socket_read) &&
        BIO_meth_set_ctrl(m, socket_control) && BIO_meth_set_create(m, socket_create))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- ids in certificates ---- */

static bool certificate_names(X509 *certificate, uint64_t group, uint64_t id)
{
    char uri[URI_MAX];
    size_t len = (size_t)snprintf(uri, sizeof uri, "urn:raftcore:%llu:%llu", (ull)group, (ull)id);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *text = name->d.uniformResourceIdentifier;
        found = (size_t)ASN1_STRING_length(text) == len && memcmp(ASN1_STRING_get0_data(text), uri, len) == 0;
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return found;
}

/* ---- authorities, certificate, key ---- */

/* Returns OpenSSL's words for its first error, and clears the others. */
static const char *error_words(char to[200])
{
    unsigned long error = ERR_get_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    if (error && ERR_SYSTEM_ERROR(error))
        snprintf(to, 200, "%s", strerror(ERR_GET_REASON(error)));
    else
        snprintf(to, 200, "%s", reason ? reason : "no reason is known");
    ERR_clear_error();
    return to;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned int in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned int i = 0; i < in_len; i += 1u + in[i]) {
        if (in_len - i >= ALPN_LEN && memcmp(in + i, alpn, ALPN_LEN) == 0) {
            *out = in + i + 1;
            *out_len = ALPN_LEN - 1;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_up(SSL_CTX *x, const struct rh_tls *t, struct rh_words *why)
{
    char words[200];

    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(x, 0);
    SSL_CTX_set_options(x, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_max_early_data(x, 0);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_alpn_select_cb(x, select_alpn, NULL);
    if (!SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) || SSL_CTX_set_alpn_protos(x, alpn, ALPN_LEN) != 0)
        return rh_fail(why, RH_E_NET, "TLS 1.3: %s", error_words(words));
    if (!SSL_CTX_load_verify_locations(x, t->ca, NULL))
        return rh_fail(why, RH_E_NET, "the authorities in %s: %s", t->ca, error_words(words));
    if (SSL_CTX_use_certificate_chain_file(x, t->cert) != 1)
        return rh_fail(why, RH_E_NET, "the certificate in %s: %s", t->cert, error_words(words));
    if (SSL_CTX_use_PrivateKey_file(x, t->key, SSL_FILETYPE_PEM) != 1)
        return rh_fail(why, RH_E_NET, "the key in %s: %s", t->key, error_words(words));
    if (SSL_CTX_check_private_key(x) != 1)
        return rh_fail(why, RH_E_NET, "the key in %s is not that of the certificate in %s", t->key, t->cert);
    return RH_OK;
}

int rh_tls_reload(struct rh_tls *t, struct rh_words *why)
{
    SSL_CTX *x = SSL_CTX_new(TLS_method());

    if (!x)
        return rh_fail(why, RH_E_NOMEM, "no memory for TLS");
    int code = set_up(x, t, why);
    if (code == RH_OK && !certificate_names(SSL_CTX_get0_certificate(x), t->group, t->id))
        code = rh_fail(why, RH_E_NET, "the certificate in %s does not hold urn:raftcore:%llu:%llu", t->cert,
                       (ull)t->group, (ull)t->id);
    if (code != RH_OK) {
        SSL_CTX_free(x);
        return code;
    }
    SSL_CTX_free(t->context);
    t->context = x;
    return RH_OK;
}

int rh_tls_open(const struct rh_net_tcp_options *o, struct rh_tls **out, struct rh_words *why)
{
    struct rh_tls *t = calloc(1, sizeof *t);

    if (!t)
        return rh_fail(why, RH_E_NOMEM, "no memory for TLS");
    t->group = o->self.group;
    t->id = o->self.id;
    t->ca = strdup(o->tls_ca);
    t->cert = strdup(o->tls_cert);
    t->key = strdup(o->tls_key);
    t->bio = make_bio();
    int code = t->ca && t->cert && t->key && t->bio ? rh_tls_reload(t, why)
                                                    : rh_fail(why, RH_E_NOMEM, "no memory for TLS");
    if (code != RH_OK)
        rh_tls_free(t);
    else
        *out = t;
    return code;
}

void rh_tls_free(struct rh_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    BIO_meth_free(t->bio);
    free(t->ca);
    free(t->cert);
    free(t->key);
    free(t);
}

/* ---- connections ---- */

bool rh_tls_start(struct rh_conn *c)
{
    struct rh_tls *t = c->net->tls;
    SSL *ssl = SSL_new(t->context);
    BIO *bio = ssl ? BIO_new(t->bio) : NULL;

    if (!bio) {
        SSL_free(ssl);
        ERR_clear_error();
        return false;
    }
    BIO_set_data(bio, c);
    SSL_set_bio(ssl, bio, bio);
    if (c->dialled)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    c->tls = ssl;
    return true;
}

static int result(struct rh_conn *c, int n)
{
    int error = SSL_get_error(c->tls, n);

    c->tls_wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return RH_IO_WAIT;
    return error == SSL_ERROR_ZERO_RETURN ? RH_IO_END : RH_IO_FAILED;
}

static void explain(const struct rh_conn *c, struct rh_words *why)
{
    char words[200];
    long verified = SSL_get_verify_result(c->tls);

    if (verified != X509_V_OK)
        rh_fail(why, 0, "the other side's certificate: %s", X509_verify_cert_error_string(verified));
    else if (ERR_peek_error() == 0)
        rh_fail(why, 0, "the other side closed the connection during the handshake");
    else
        rh_fail(why, 0, "%s", error_words(words));
    ERR_clear_error();
}

int rh_tls_shake(struct rh_conn *c, struct rh_words *why)
{
    const unsigned char *chosen;
    unsigned int len;
    uint8_t first;

    if (!c->dialled && SSL_in_before(c->tls) && recv(c->fd, &first, 1, MSG_PEEK) == 1 && first == PLAIN) {
        rh_fail(why, 0, "the other side speaks plain TCP");
        return RH_IO_FAILED;
    }
    ERR_clear_error();
    int n = SSL_do_handshake(c->tls);
    if (n == 1) {
        c->tls_wants_write = false;
        SSL_get0_alpn_selected(c->tls, &chosen, &len);
        if (len == ALPN_LEN - 1 && memcmp(chosen, alpn + 1, len) == 0)
            return 1;
        rh_fail(why, 0, "the other side does not speak raftcore/1 (ALPN)");
        return RH_IO_FAILED;
    }
    int code = result(c, n);
    if (code == RH_IO_WAIT)
        return code;
    explain(c, why);
    return RH_IO_FAILED;
}

ssize_t rh_tls_read(struct rh_conn *c, void *to, size_t len)
{
    size_t got = 0;

    ERR_clear_error();
    while (got < len) {                 /* a call returns a record at most */
        size_t most = len - got < INT32_MAX ? len - got : INT32_MAX;
        int n = SSL_read(c->tls, (uint8_t *)to + got, (int)most);
        if (n <= 0) {
            int code = result(c, n);
            if (code == RH_IO_FAILED) {
                char words[200];
                bool told = ERR_peek_error() != 0;
                snprintf(c->tls_words, sizeof c->tls_words, "%s", told ? error_words(words) : "the connection broke");
                errno = EPROTO;
            }
            ERR_clear_error();
            return got > 0 ? (ssize_t)got : code;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

ssize_t rh_tls_write(struct rh_conn *c, const void *bytes, size_t len)
{
    ERR_clear_error();
    int n = SSL_write(c->tls, bytes, len < RECORD_MAX ? (int)len : RECORD_MAX);
    if (n > 0) {
        c->tls_wants_write = false;
        return n;
    }
    int code = result(c, n);
    ERR_clear_error();
    if (code == RH_IO_WAIT)
        return code;
    errno = EPIPE;
    return RH_IO_FAILED;
}

bool rh_tls_pending(const struct rh_conn *c)
{
    return SSL_has_pending(c->tls);
}

void rh_tls_end(struct rh_conn *c)
{
    SSL_free(c->tls);
    c->tls = NULL;
}

bool rh_tls_names(const struct rh_conn *c, uint64_t group, uint64_t id)
{
    X509 *certificate = c->tls ? SSL_get0_peer_certificate(c->tls) : NULL;

    return certificate && certificate_names(certificate, group, id);
}

#endif
