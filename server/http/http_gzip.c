#include "http_gzip.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
    INPUT_BYTES = 8 << 10,
    OUTPUT_BYTES = 64 << 10,
    LEVEL = 1,        /* half of what level 6 saves beyond it costs four times the processor's time */
    WINDOW_BITS = 14, /* with MEMORY_LEVEL: 128 KiB for a compressor */
    MEMORY_LEVEL = 7,
    FORMAT_GZIP = 16, /* added to the window's bits */
    LARGEST_WINDOW_BITS = 15,
};

/* ---- decoding ---- */

struct http_gunzip {
    z_stream stream;
    uint64_t offset; /* of stream.next_in in the coded bytes */
    bool ended;
    uint8_t input[INPUT_BYTES];
};

struct http_gunzip *http_gunzip_open(void)
{
    struct http_gunzip *gunzip = calloc(1, sizeof(*gunzip));
    if (gunzip && inflateInit2(&gunzip->stream, LARGEST_WINDOW_BITS + FORMAT_GZIP) == Z_OK)
        return gunzip;
    free(gunzip);
    return NULL;
}

void http_gunzip_close(struct http_gunzip *gunzip)
{
    if (!gunzip)
        return;
    (void)inflateEnd(&gunzip->stream);
    free(gunzip);
}

static long malformed(const struct http_gunzip *gunzip, const char *what, struct error *ret_error)
{
    return error_set(
        ret_error, EBADMSG, "The gzip body %s at byte %llu", what, (unsigned long long)gunzip->offset);
}

/* 1: there is input; 0: the source has ended; -errno. */
static long fill(struct http_gunzip *gunzip, http_gzip_source source, void *context, struct error *ret_error)
{
    if (gunzip->stream.avail_in > 0)
        return 1;
    long count = source(context, gunzip->input, sizeof(gunzip->input), ret_error);
    if (count <= 0)
        return count;
    gunzip->stream.next_in = gunzip->input;
    gunzip->stream.avail_in = (unsigned)count;
    return 1;
}

static long inflate_some(struct http_gunzip *gunzip, size_t size, struct error *ret_error)
{
    z_stream *stream = &gunzip->stream;
    unsigned before = stream->avail_in;
    int r = inflate(stream, Z_NO_FLUSH);
    gunzip->offset += before - stream->avail_in;
    gunzip->ended = r == Z_STREAM_END;
    if (r == Z_MEM_ERROR)
        return error_set(ret_error, ENOMEM, "out of memory for a gzip body");
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        return malformed(gunzip, gunzip->offset < 10 ? "is not gzip" : "is damaged", ret_error);
    return (long)(size - stream->avail_out);
}

long http_gunzip_read(struct http_gunzip *gunzip, void *buffer, size_t size, http_gzip_source source,
    void *context, struct error *ret_error)
{
    if (size > INT32_MAX)
        size = INT32_MAX;
    gunzip->stream.next_out = buffer;
    gunzip->stream.avail_out = (unsigned)size;
    for (;;) {
        long more = fill(gunzip, source, context, ret_error);
        if (more < 0)
            return more;
        if (gunzip->ended)
            return more == 0 ? 0 : malformed(gunzip, "is followed by other data", ret_error);
        if (more == 0)
            return malformed(gunzip, "ends early", ret_error);
        long count = inflate_some(gunzip, size, ret_error);
        if (count != 0)
            return count;
    }
}

/* ---- encoding ---- */

struct http_gzip {
    z_stream stream;
    uint8_t output[GZIP_ROOM + OUTPUT_BYTES + GZIP_ROOM];
};

static bool compressor_open(z_stream *stream)
{
    return deflateInit2(stream, LEVEL, Z_DEFLATED, WINDOW_BITS + FORMAT_GZIP, MEMORY_LEVEL,
               Z_DEFAULT_STRATEGY) == Z_OK;
}

static void output_reset(struct http_gzip *gzip)
{
    gzip->stream.next_out = gzip->output + GZIP_ROOM;
    gzip->stream.avail_out = OUTPUT_BYTES;
}

struct http_gzip *http_gzip_open(void)
{
    struct http_gzip *gzip = malloc(sizeof(*gzip));
    if (!gzip)
        return NULL;
    memset(&gzip->stream, 0, sizeof(gzip->stream));
    if (!compressor_open(&gzip->stream)) {
        free(gzip);
        return NULL;
    }
    output_reset(gzip);
    return gzip;
}

void http_gzip_close(struct http_gzip *gzip)
{
    if (!gzip)
        return;
    (void)deflateEnd(&gzip->stream);
    free(gzip);
}

int http_gzip_write(
    struct http_gzip *gzip, const void *data, size_t size, bool last, http_gzip_target target, void *context)
{
    z_stream *stream = &gzip->stream;
    int done = Z_OK;
    CHECK(size <= UINT32_MAX);
    stream->next_in = (uint8_t *)data;
    stream->avail_in = (unsigned)size;
    while (stream->avail_in > 0 || (last && done != Z_STREAM_END)) {
        done = deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
        CHECK(done == Z_OK || done == Z_STREAM_END || done == Z_BUF_ERROR);
        size_t used = OUTPUT_BYTES - stream->avail_out;
        if (used == 0 || (stream->avail_out > 0 && done != Z_STREAM_END))
            continue;
        int r = target(context, gzip->output + GZIP_ROOM, used);
        if (r < 0)
            return r;
        output_reset(gzip);
    }
    return 0;
}

size_t http_gzip_whole(const void *data, size_t size, void *to, size_t capacity)
{
    z_stream stream = {0};
    CHECK(size <= UINT32_MAX && capacity <= UINT32_MAX);
    if (!compressor_open(&stream))
        return 0;
    stream.next_in = (uint8_t *)data;
    stream.avail_in = (unsigned)size;
    stream.next_out = to;
    stream.avail_out = (unsigned)capacity;
    int done = deflate(&stream, Z_FINISH);
    size_t written = capacity - stream.avail_out;
    (void)deflateEnd(&stream);
    return done == Z_STREAM_END ? written : 0;
}

/* ---- Accept-Encoding (RFC 9110, 12.5.3) ---- */

struct preference {
    int gzip, identity, any; /* in thousandths; -1 = not named */
};

/* One entry, like "gzip;q=0.8". */
static void take_entry(struct preference *preference, const char *entry, size_t length)
{
    static const char BLANKS[] = " \t";
    size_t name = 0;
    while (name < length && entry[name] != ';' && !strchr(BLANKS, entry[name]))
        name++;
    int thousandths = (int)http_weight(entry, length);
    if ((name == 4 && strncasecmp(entry, "gzip", 4) == 0) ||
        (name == 6 && strncasecmp(entry, "x-gzip", 6) == 0))
        preference->gzip = thousandths;
    else if (name == 8 && strncasecmp(entry, "identity", 8) == 0)
        preference->identity = thousandths;
    else if (name == 1 && *entry == '*')
        preference->any = thousandths;
}

bool http_gzip_is_wanted(const struct http_head *head)
{
    struct preference preference = {-1, -1, -1};
    for (unsigned i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, "Accept-Encoding") != 0)
            continue;
        for (const char *at = head->fields[i].value; *at;) {
            at += strspn(at, " \t,");
            size_t length = strcspn(at, ",");
            if (length > 0)
                take_entry(&preference, at, length);
            at += length;
        }
    }
    int gzip = preference.gzip >= 0 ? preference.gzip : preference.any;
    return gzip > 0 && gzip >= preference.identity;
}
