/* The Atom feed of a stream (RFC 4287): its last datapoints, the oldest first. */
#include "query_parts.h"

#include "json_points.h"
#include "log.h"
#include "msgpack_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ENTRIES_MAX = 500, TIME_BYTES = 32 };

static const char ATOM[] = ".atom";

/* One feed. */
struct feed {
    const struct request *request;
    struct sink *sink;
    char path[PATH_BYTES_MAX + sizeof("/downlink")];
    uint64_t index; /* of the next datapoint */
};

/* ---- XML ---- */

static int print(struct sink *sink, const char *text)
{
    return sink_write(sink, text, strlen(text));
}

/* The replacement of a byte; NULL: the byte is copied. */
static const char *replacement(unsigned char byte)
{
    switch (byte) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#x9;";
    case '\n':
        return "&#xA;";
    case '\r':
        return "&#xD;";
    default:
        return byte < 0x20 ? "\xef\xbf\xbd" : NULL; /* XML has no way to write it */
    }
}

static int print_escaped(struct sink *sink, const char *text, size_t size)
{
    size_t from = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < size; i++) {
        const char *other = replacement((unsigned char)text[i]);
        if (!other)
            continue;
        r = sink_write(sink, text + from, i - from);
        if (r == 0)
            r = print(sink, other);
        from = i + 1;
    }
    return r == 0 ? sink_write(sink, text + from, size - from) : r;
}

/* A time as RFC 3339 has it; one outside of its years is put at their end. */
static void time_text(double time_s, char to[TIME_BYTES])
{
    static const double last_s = 253402300799; /* of the year 9999 */
    time_t seconds = (time_t)fmin(fmax(floor(time_s), 0), last_s);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(to, TIME_BYTES, "%Y-%m-%dT%H:%M:%S+00:00", &parts);
}

/* ---- the feed ---- */

static int print_head(const struct feed *feed)
{
    char text[2048], now[TIME_BYTES];
    const char *site = feed->request->server->auth.site;
    time_text((double)time(NULL), now);
    (void)snprintf(text, sizeof(text),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed "
        "xmlns=\"http://www.w3.org/2005/Atom\"><title>%s</title>"
        "<id>%s/api/v1/feed/%s.atom</id><link href=\"%s/api/v1/feed/%s.atom\" "
        "rel=\"self\"></link><updated>%s</updated>"
        "<author><name>%s</name></author>",
        feed->path, site, feed->path, site, feed->path, now, feed->request->user);
    return print(feed->sink, text);
}

/* A text as it is, any other value as JSON. */
static int print_value(struct sink *sink, const struct batch *batch, uint32_t i)
{
    uint8_t scratch[9];
    size_t size;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    bool fixed = (*value & 0xe0) == 0xa0;
    if (fixed || (*value >= 0xd9 && *value <= 0xdb)) { /* msgpack's strings */
        size_t head = fixed ? 1 : *value == 0xd9 ? 2 : *value == 0xda ? 3 : 5;
        return print_escaped(sink, (const char *)value + head, size - head);
    }
    struct sink text;
    int r = sink_memory_init(&text, SIZE_MAX / 2);
    if (r < 0)
        return r;
    r = msgpack_print_json(&text, value, size);
    if (r == 0)
        r = print_escaped(sink, (const char *)text.buffer, text.used);
    sink_memory_free(&text);
    return r;
}

static int print_entry(struct feed *feed, const struct batch *batch, uint32_t i)
{
    char text[2048], updated[TIME_BYTES], address[256];
    size_t sender_size;
    const char *sender = batch_sender(batch, i, &sender_size);
    unsigned long long number = ++feed->index;
    time_text(batch_time(batch, i), updated);
    (void)snprintf(
        address, sizeof(address), "/api/v1/crud/%s/data?i1=%llu&amp;i2=%llu", feed->path, number - 1, number);
    const char *site = feed->request->server->auth.site;
    (void)snprintf(text, sizeof(text),
        "<entry><title>Datapoint %llu</title><id>%s%s</id><link "
        "href=\"%s%s\"></link><updated>%s</updated><author><name>",
        number, site, address, site, address, updated);
    int r = print(feed->sink, text);
    if (r == 0 && sender_size > 0)
        r = print_escaped(feed->sink, sender, sender_size);
    else if (r == 0) {
        (void)snprintf(text, sizeof(text), "%s/%s", feed->request->user, feed->request->device);
        r = print(feed->sink, text);
    }
    if (r == 0)
        r = print(feed->sink, "</name></author><content>");
    if (r == 0)
        r = print_value(feed->sink, batch, i);
    return r == 0 ? print(feed->sink, "</content></entry>") : r;
}

static int print_feed(struct feed *feed, struct sequence sequence, struct error *ret_error)
{
    const struct batch *batch;
    int r = print_head(feed);
    while (r == 0 && (r = sequence.next(sequence.context, &batch, ret_error)) == 0 && batch &&
           batch->count > 0) {
        for (uint32_t i = 0; r == 0 && i < batch->count; i++)
            r = print_entry(feed, batch, i);
    }
    return r == 0 ? print(feed->sink, "</feed>") : r;
}

static bool send_feed(
    struct request *request, struct feed *feed, struct sequence sequence, struct problem *problem)
{
    struct error error = {0};
    feed->sink = http_answer_open(request->exchange, 200, HTTP_XML);
    int r = print_feed(feed, sequence, &error);
    return query_answered(request, r, &error, problem);
}

bool feed_get(struct request *request, struct problem *problem)
{
    struct feed feed = {.request = request};
    struct query_parts parts = {.request = request};
    struct sequence sequence;
    char name[NAME_BYTES_MAX + sizeof(ATOM)];
    bool downlink = query_flag(&request->query, "downlink");
    size_t length = strlen(request->stream), ending = sizeof(ATOM) - 1;
    if (length >= sizeof(name))
        return request_missing(request, 403, problem);
    memcpy(name, request->stream, length + 1);
    if (length > ending && strcmp(name + length - ending, ATOM) == 0)
        name[length - ending] = '\0';
    if (!name_valid(request->user) || !name_valid(request->device) || !name_valid(name))
        return request_missing(request, 403, problem);
    (void)snprintf(feed.path, sizeof(feed.path), "%s/%s/%s%s", request->user, request->device, name,
        downlink ? "/downlink" : "");
    const struct stream_query query = {
        .stream = feed.path, .transform = query_value(&request->query, "transform"), .last = ENTRIES_MAX};
    bool done = query_parts_stream(&parts, &query, NULL, &sequence, problem);
    feed.index = query_parts_first_index(&parts);
    done = done && send_feed(request, &feed, sequence, problem);
    query_parts_close(&parts);
    return done;
}
