/* The gzip coding of bodies (RFC 1952, RFC 9110 8.4.1.3), by zlib. Knows no sockets. A struct is used by one
 * thread at a time. */
#ifndef CONNECTORDB_HTTP_GZIP_H
#define CONNECTORDB_HTTP_GZIP_H

#include "error.h"
#include "http_head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GZIP_ROOM = 18, /* before and behind a piece of output, for the caller's use */
};

/* ---- decoding ---- */

struct http_gunzip; /* about 60 KiB */

/* Fills a buffer with coded bytes: the count, 0 at the end, -errno with *ret_error. */
typedef long (*http_gzip_source)(void *context, void *buffer, size_t size, struct error *ret_error);

/* NULL: out of memory. */
struct http_gunzip *http_gunzip_open(void);
/* Decodes up to size bytes: the count, 0 at the end of both the coded bytes and the source; -EBADMSG with the
 * offset in the coded bytes: they are not gzip, damaged, end early, or are followed by others; the source's
 * own error. At most `size` bytes are decoded at once, however small their code. */
long http_gunzip_read(struct http_gunzip *gunzip, void *buffer, size_t size, http_gzip_source source,
    void *context, struct error *ret_error);
void http_gunzip_close(struct http_gunzip *gunzip); /* accepts NULL */

/* ---- encoding ---- */

struct http_gzip; /* about 190 KiB, of which 64 KiB are a buffer for output */

/* Takes a piece of output, which has GZIP_ROOM bytes before and behind it. 0 or -errno. */
typedef int (*http_gzip_target)(void *context, uint8_t *data, size_t size);

/* NULL: out of memory. */
struct http_gzip *http_gzip_open(void);
/* Encodes data; hands output on when there is enough of it, and all that there is when `last`. 0, or the
 * target's error. */
int http_gzip_write(
    struct http_gzip *gzip, const void *data, size_t size, bool last, http_gzip_target target, void *context);
/* Encodes data as a whole into to[0..capacity). The size, or 0 when it does not fit or there is no memory. */
size_t http_gzip_whole(const void *data, size_t size, void *to, size_t capacity);
void http_gzip_close(struct http_gzip *gzip); /* accepts NULL */

/* Whether a request asks for gzip: Accept-Encoding with its q-values, gzip not behind identity. */
bool http_gzip_is_wanted(const struct http_head *head);

#endif
