#include "http_tls.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_SECOND UINT64_C(1000000000)

enum { READ_BYTES = 64 << 10 }; /* from the socket at once: some records */

struct http_tls {
    pthread_mutex_t lock; /* of `context` */
    SSL_CTX *context;
    BIO_METHOD *method;
};

struct http_tls_session {
    struct http_tls_socket socket;
    SSL *ssl;
    bool drained; /* the last read took all that was there */
    bool broken;  /* OpenSSL has reported an error that ends the connection */
};

/* ---- the socket, as OpenSSL sees it ---- */

static int socket_read(BIO *bio, char *buffer, int size)
{
    const struct http_tls_socket *socket = BIO_get_data(bio);
    long count = socket->receive(socket->context, buffer, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (count == -EAGAIN)
        BIO_set_retry_read(bio);
    if (count == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF); /* no error: a close_notify may still be sent */
    return count > 0 ? (int)count : count == 0 ? 0 : -1;
}

static int socket_write(BIO *bio, const char *data, int size)
{
    const struct http_tls_socket *socket = BIO_get_data(bio);
    ssize_t count = send(socket->file, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return count >= 0 ? (int)count : -1;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH; /* all other questions: no */
}

static BIO_METHOD *method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
    if (!method)
        return NULL;
    (void)BIO_meth_set_read(method, socket_read);
    (void)BIO_meth_set_write(method, socket_write);
    (void)BIO_meth_set_ctrl(method, socket_control);
    return method;
}

/* ---- certificates ---- */

static const char *openssl_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "unknown error";
}

/* OpenSSL would report an error of its own for what is wrong with the file itself. */
static int check_file(const char *path, struct error *ret_error)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    (void)close(file);
    return regular ? 0 : error_set(ret_error, EINVAL, "%s: no regular file", path);
}

static int load_certificate(SSL_CTX *context, const char *path, struct error *ret_error)
{
    int r = check_file(path, ret_error);
    ERR_clear_error();
    if (r == 0 && SSL_CTX_use_certificate_chain_file(context, path) != 1)
        r = error_set(ret_error, EINVAL, "%s: no certificate in PEM: %s", path, openssl_reason());
    return r;
}

/* A key that is protected by a password cannot be used: nobody is there to type it. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static bool is_mismatch(unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
}

static int load_key(SSL_CTX *context, const char *certificate, const char *path, struct error *ret_error)
{
    bool asked = false;
    int r = check_file(path, ret_error);
    if (r < 0)
        return r;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    ERR_clear_error();
    bool good = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_check_private_key(context) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (good)
        return 0;
    if (asked)
        return error_set(ret_error, EINVAL,
            "%s: encrypted with a password, which nobody is there to type; openssl pkey -in %s writes it "
            "without",
            path, path);
    if (is_mismatch(ERR_peek_last_error()))
        return error_set(ret_error, EINVAL, "%s: not the key of the certificate in %s", path, certificate);
    return error_set(ret_error, EINVAL, "%s: no private key in PEM: %s", path, openssl_reason());
}

/* HTTP/1.1, or nothing: clients of HTTP/2 offer both. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_protocol, unsigned char *ret_size,
    const unsigned char *offered, unsigned size, void *context)
{
    static const unsigned char OURS[] = "\x08http/1.1";
    (void)ssl;
    (void)context;
    int found = SSL_select_next_proto(
        (unsigned char **)ret_protocol, ret_size, OURS, sizeof(OURS) - 1, offered, size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void context_configure(SSL_CTX *context)
{
    (void)SSL_CTX_set_ciphersuites(context,
        "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"); /* the fastest first */
    /* of TLS 1.2; with forward secrecy and authenticated encryption, as all of 1.3 */
    (void)SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BYTES);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
}

static int context_new(
    const char *certificate, const char *key, SSL_CTX **ret_context, struct error *ret_error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return error_set(ret_error, ENOMEM, "out of memory for TLS");
    context_configure(context);
    int r = load_certificate(context, certificate, ret_error);
    if (r == 0)
        r = load_key(context, certificate, key, ret_error);
    ERR_clear_error();
    if (r < 0) {
        SSL_CTX_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

int http_tls_load(struct http_tls *tls, const char *certificate, const char *key, struct error *ret_error)
{
    SSL_CTX *context = NULL;
    int r = context_new(certificate, key, &context, ret_error);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->context;
    tls->context = context;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old); /* connections that use it hold it */
    return 0;
}

int64_t http_tls_expiry(struct http_tls *tls)
{
    struct tm parts;
    (void)pthread_mutex_lock(&tls->lock);
    const X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    bool known = certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1;
    (void)pthread_mutex_unlock(&tls->lock);
    return known ? (int64_t)timegm(&parts) : 0;
}

int http_tls_open(
    const char *certificate, const char *key, struct http_tls **ret_tls, struct error *ret_error)
{
    struct http_tls *tls = calloc(1, sizeof(*tls));
    if (tls)
        tls->method = method_new();
    if (!tls || !tls->method) {
        free(tls);
        return error_set(ret_error, ENOMEM, "out of memory for TLS");
    }
    (void)pthread_mutex_init(&tls->lock, NULL);
    int r = http_tls_load(tls, certificate, key, ret_error);
    if (r < 0) {
        http_tls_close(tls);
        return r;
    }
    *ret_tls = tls;
    return 0;
}

void http_tls_close(struct http_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* ---- a connection ---- */

static struct http_tls_session *session_new(struct http_tls *tls, const struct http_tls_socket *socket)
{
    struct http_tls_session *session = calloc(1, sizeof(*session));
    BIO *bio = BIO_new(tls->method);
    (void)pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->context);
    (void)pthread_mutex_unlock(&tls->lock);
    if (!session || !bio || !ssl) {
        free(session);
        BIO_free(bio);
        SSL_free(ssl);
        return NULL;
    }
    session->socket = *socket;
    session->ssl = ssl;
    BIO_set_data(bio, &session->socket);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* owns it from now on */
    SSL_set_accept_state(ssl);
    return session;
}

/* What to do after a call that did not succeed: the SSL_ERROR_ to wait for, or SSL_ERROR_SSL. */
static int session_error(struct http_tls_session *session, int result)
{
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_ZERO_RETURN)
        return error;
    session->broken = true;
    return SSL_ERROR_SSL;
}

static bool wait_writable(const struct http_tls_socket *socket, uint64_t timeout_ns)
{
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ns / NS_PER_SECOND), .tv_nsec = (long)(timeout_ns % NS_PER_SECOND)};
    struct pollfd polled = {.fd = socket->file, .events = POLLOUT};
    return ppoll(&polled, 1, &timeout, NULL) > 0;
}

struct http_tls_session *http_tls_accept(
    struct http_tls *tls, const struct http_tls_socket *socket, uint64_t timeout_ns)
{
    uint64_t begun_ns = clock_monotonic_ns();
    struct http_tls_session *session = session_new(tls, socket);
    bool going_on = session != NULL;
    while (going_on) {
        ERR_clear_error();
        int result = SSL_do_handshake(session->ssl);
        if (result == 1)
            return session;
        int error = session_error(session, result);
        uint64_t waited_ns = clock_monotonic_ns() - begun_ns;
        uint64_t left_ns = waited_ns < timeout_ns ? timeout_ns - waited_ns : 0;
        going_on = left_ns > 0 && !socket->stopping(socket->context) &&
                   ((error == SSL_ERROR_WANT_READ && socket->wait(socket->context, left_ns)) ||
                       (error == SSL_ERROR_WANT_WRITE && wait_writable(socket, left_ns)));
    }
    http_tls_free(session);
    return NULL;
}

void http_tls_end(struct http_tls_session *session)
{
    ERR_clear_error();
    if (!session->broken && !(SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN))
        (void)SSL_shutdown(session->ssl);
}

void http_tls_free(struct http_tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    ERR_clear_error();
    free(session);
}

long http_tls_receive(struct http_tls_session *session, void *buffer, size_t size)
{
    size_t count;
    ERR_clear_error();
    int result = SSL_read_ex(session->ssl, buffer, size, &count);
    session->drained = result != 1;
    if (result == 1)
        return (long)count;
    switch (session_error(session, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -ECONNABORTED;
    }
}

bool http_tls_pending(const struct http_tls_session *session)
{
    return !session->drained && SSL_has_pending(session->ssl);
}

long http_tls_send(struct http_tls_session *session, const void *data, size_t size)
{
    size_t count;
    ERR_clear_error();
    int result = SSL_write_ex(session->ssl, data, size, &count);
    if (result == 1)
        return (long)count;
    return session_error(session, result) == SSL_ERROR_WANT_WRITE ? -EAGAIN : -ECONNABORTED;
}
