#include "tls_peer.h"

#include "certificate.h"
#include "http_peer.h"
#include "test.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <unistd.h>

enum { REPLY_BYTES_MAX = 24 << 20 };

/* ---- certificates ---- */

void tls_make_key(const char *path, const char *password)
{
    assert_true(certificate_make_key(path, password));
}

void tls_make_certificate(const char *name, const char *certificate_path, const char *key_path)
{
    assert_true(certificate_make(name, certificate_path, key_path));
}

/* ---- a client ---- */

struct ssl_st *tls_dial(uint16_t port, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    if (version > 0) {
        SSL_CTX_set_security_level(context, 0); /* old versions need it */
        assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    }
    SSL *connection = SSL_new(context);
    SSL_CTX_free(context);
    assert_non_null(connection);
    assert_int_equal(SSL_set_fd(connection, peer_dial(port, 0)), 1);
    if (SSL_connect(connection) == 1)
        return connection;
    tls_hang_up(connection);
    return NULL;
}

void tls_server_name(struct ssl_st *connection, char ret_name[64])
{
    X509 *certificate = SSL_get1_peer_certificate(connection);
    assert_non_null(certificate);
    assert_true(
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, ret_name, 64) > 0);
    X509_free(certificate);
}

void tls_say(struct ssl_st *connection, const void *data, size_t size)
{
    size_t sent = 0;
    if (size > 0)
        (void)SSL_write_ex(connection, data, size, &sent); /* the server may have closed: the answer tells */
}

char *tls_hear_all(struct ssl_st *connection, size_t *ret_size, int *ret_clean)
{
    char *data = malloc(REPLY_BYTES_MAX + 1);
    size_t used = 0, count;
    assert_non_null(data);
    while (
        used < REPLY_BYTES_MAX && SSL_read_ex(connection, data + used, REPLY_BYTES_MAX - used, &count) == 1)
        used += count;
    data[used] = '\0';
    if (ret_size)
        *ret_size = used;
    if (ret_clean)
        *ret_clean = (SSL_get_shutdown(connection) & SSL_RECEIVED_SHUTDOWN) != 0;
    tls_hang_up(connection);
    return data;
}

void tls_hear(struct ssl_st *connection, char *to, size_t size)
{
    size_t used = 0, count;
    while (used < size) {
        assert_int_equal(SSL_read_ex(connection, to + used, size - used, &count), 1);
        used += count;
    }
}

void tls_hang_up(struct ssl_st *connection)
{
    int file = SSL_get_fd(connection);
    SSL_free(connection);
    ERR_clear_error();
    (void)close(file);
}

char *tls_ask(uint16_t port, const char *request, size_t *ret_size)
{
    SSL *connection = tls_dial(port, 0);
    assert_non_null(connection);
    tls_say(connection, request, strlen(request));
    return tls_hear_all(connection, ret_size, NULL);
}
