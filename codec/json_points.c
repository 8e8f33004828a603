#include "json_points.h"

#include "check.h"
#include "json_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES_FIRST = 16 << 10 }; /* a small text needs no more */

enum state {
    STATE_START, /* before the first byte */
    STATE_ARRAY, /* before the array */
    STATE_FIRST, /* after '[': a datapoint or ']' */
    STATE_POINT, /* after ',': a datapoint */
    STATE_AFTER, /* after a datapoint: ',' or ']' */
    STATE_TAIL,  /* after the array: nothing but white space */
    STATE_FAILED,
};

struct json_points {
    struct json_points_options options;
    json_source source;
    void *context;

    struct json_parser parser;
    enum state state;
    enum json_limit limit; /* which one the batch met last */
    struct error failure;  /* what a failed reader answers */

    char *window;
    size_t capacity;        /* of the window, padding not counted */
    uint64_t window_offset; /* of window[0] in the text */
    uint64_t window_line;   /* line feeds before window[0] */

    uint64_t last_offset; /* where the point appended last starts */
    uint64_t last_line;   /* its line, known when it left the window */
};

int json_points_open(const struct json_points_options *options, json_source source, void *context,
    struct json_points **ret_reader)
{
    struct json_points *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    reader->window = calloc(1, WINDOW_BYTES_FIRST + JSON_PADDING);
    if (!reader->window) {
        free(reader);
        return -ENOMEM;
    }
    reader->options = *options;
    reader->source = source;
    reader->context = context;
    reader->capacity = WINDOW_BYTES_FIRST;
    reader->parser.p = reader->parser.end = reader->window;
    *ret_reader = reader;
    return 0;
}

void json_points_close(struct json_points *reader)
{
    if (!reader)
        return;
    buffer_free(&reader->parser.value);
    buffer_free(&reader->parser.text);
    buffer_free(&reader->parser.members);
    free(reader->window);
    free(reader);
}

static uint64_t count_lines(const char *from, const char *to)
{
    uint64_t lines = 0;
    while ((from = memchr(from, '\n', (size_t)(to - from)))) {
        lines++;
        from++;
    }
    return lines;
}

static uint64_t line_at(const struct json_points *reader, const char *at)
{
    return reader->window_line + count_lines(reader->window, at) + 1;
}

static uint64_t offset_at(const struct json_points *reader, const char *at)
{
    return reader->window_offset + (uint64_t)(at - reader->window);
}

uint64_t json_points_offset(const struct json_points *reader)
{
    return offset_at(reader, reader->parser.p);
}

uint64_t json_points_line(const struct json_points *reader)
{
    if (reader->last_offset < reader->window_offset)
        return reader->last_line;
    return line_at(reader, reader->window + (reader->last_offset - reader->window_offset));
}

/* Keeps the failure: every later read answers with it. */
static int fail(struct json_points *reader, struct error *ret_error)
{
    reader->state = STATE_FAILED;
    if (ret_error)
        *ret_error = reader->failure;
    return -reader->failure.code;
}

static int fail_parse(struct json_points *reader, struct error *ret_error)
{
    const struct json_parser *parser = &reader->parser;
    (void)error_set(&reader->failure, -parser->error, "JSON, line %llu, byte %llu: %s",
        (unsigned long long)line_at(reader, parser->error_at),
        (unsigned long long)offset_at(reader, parser->error_at), parser->error_message);
    return fail(reader, ret_error);
}

/* Drops the bytes before parser->p from the window. */
static void drop_consumed(struct json_points *reader)
{
    struct json_parser *parser = &reader->parser;
    size_t consumed = (size_t)(parser->p - reader->window);
    size_t left = (size_t)(parser->end - parser->p);
    if (reader->last_offset >= reader->window_offset)
        reader->last_line = json_points_line(reader);
    reader->window_line += count_lines(reader->window, parser->p);
    reader->window_offset += consumed;
    memmove(reader->window, parser->p, left);
    parser->p = reader->window;
    parser->end = reader->window + left;
}

static size_t point_bytes_max(const struct json_points *reader)
{
    return reader->options.import ? JSON_POINT_IMPORT_BYTES_MAX : JSON_POINT_BYTES_MAX;
}

/* Makes the window large enough to hold twice what is left in it, within the limit of one datapoint. */
static int grow_window(struct json_points *reader, size_t size, bool was_full)
{
    struct json_parser *parser = &reader->parser;
    size_t capacity = reader->capacity;
    if (was_full && capacity < JSON_WINDOW_BYTES)
        capacity = JSON_WINDOW_BYTES;
    if (2 * size > capacity && capacity < point_bytes_max(reader))
        capacity *= 2;
    if (size == capacity)
        return json_fail(
            parser, parser->p, E2BIG, "a datapoint is longer than %zu bytes", point_bytes_max(reader));
    if (capacity == reader->capacity)
        return 0;
    char *window = realloc(reader->window, capacity + JSON_PADDING);
    if (!window)
        return json_fail(parser, parser->p, ENOMEM, "out of memory for a datapoint of over %zu bytes", size);
    reader->window = window;
    reader->capacity = capacity;
    parser->p = window;
    parser->end = window + size;
    return 0;
}

/* Reads until the window holds at least twice what is left in it now, so that a long datapoint, parsed again
 * each time, costs no more than a few times its length; or until the text ends. */
static int read_more(struct json_points *reader, struct error *ret_error)
{
    struct json_parser *parser = &reader->parser;
    bool was_full = parser->end == reader->window + reader->capacity;
    drop_consumed(reader);
    size_t size = (size_t)(parser->end - parser->p);
    if (grow_window(reader, size, was_full) < 0)
        return fail_parse(reader, ret_error);
    size_t wanted = 2 * size < reader->capacity ? 2 * size : reader->capacity;
    do {
        long got =
            reader->source(reader->context, reader->window + size, reader->capacity - size, &reader->failure);
        if (got < 0) {
            if (reader->failure.code == 0)
                (void)error_set(&reader->failure, (int)-got, "reading JSON failed");
            return fail(reader, ret_error);
        }
        CHECK((size_t)got <= reader->capacity - size);
        parser->final = got == 0;
        size += (size_t)got;
    } while (!parser->final && size < wanted);
    parser->end = reader->window + size;
    memset(reader->window + size, 0, JSON_PADDING);
    return 0;
}

/* Appends a parsed point whole or not at all. */
static int append_point(struct json_points *reader, struct batch *batch, const struct json_point *point)
{
    int r = batch_push_point(batch, point->has_time ? &point->time : NULL, &point->value);
    if (r == -E2BIG)
        reader->limit = batch->count == BATCH_POINTS_MAX ? JSON_LIMIT_POINTS : JSON_LIMIT_BYTES;
    if (r < 0 || point->sender_size == 0)
        return r;
    r = batch_set_last_sender(batch, point->sender, point->sender_size);
    if (r == -E2BIG)
        reader->limit = JSON_LIMIT_SENDERS;
    if (r < 0)
        batch_pop(batch);
    return r;
}

/* At the opening brace of a datapoint: as many points as are of the common shape, else this one. */
static int read_points(struct json_points *reader, struct batch *batch, uint32_t points_max)
{
    struct json_parser *parser = &reader->parser;
    bool after = true;
    if (batch->count == batch->capacity)
        (void)batch_reserve(batch, 1); /* a failure comes back when the point is appended */
    uint32_t count = json_points_fast(parser, batch, points_max, !reader->options.import, &after);
    if (count == 0) {
        const char *start = parser->p;
        struct json_point point;
        int r = json_point(parser, reader->options.import, &point);
        if (r == 0)
            r = append_point(reader, batch, &point);
        if (r != 0) {
            parser->p = start;
            return r;
        }
        parser->point = start;
        after = true;
    }
    reader->last_offset = offset_at(reader, parser->point);
    reader->state = after ? STATE_AFTER : STATE_POINT;
    return 0;
}

/* Takes a word whole or not at all. */
static int read_null(struct json_points *reader, enum state next)
{
    struct json_parser *parser = &reader->parser;
    const char *start = parser->p;
    int r = json_literal(parser, "null");
    if (r == 0)
        reader->state = next;
    else
        parser->p = start;
    return r;
}

static int take(struct json_points *reader, enum state next)
{
    reader->parser.p++;
    reader->state = next;
    return 0;
}

/* Some programs of Windows begin every text with a byte order mark. */
static int skip_byte_order_mark(struct json_points *reader)
{
    struct json_parser *parser = &reader->parser;
    if (!parser->final && parser->end - parser->p < 3)
        return JSON_MORE;
    if (json_is_byte_order_mark(parser->p))
        parser->p += 3;
    reader->state = STATE_ARRAY;
    return 0;
}

/* One step at the next byte that is no white space. */
static int step(struct json_points *reader, struct batch *batch, uint32_t points_max)
{
    struct json_parser *parser = &reader->parser;
    if (reader->state == STATE_START)
        return skip_byte_order_mark(reader);
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    char next = *parser->p;
    bool nulls = !reader->options.import && !reader->options.refuse_null;
    switch (reader->state) {
    case STATE_ARRAY:
        if (next == '[')
            return take(reader, STATE_FIRST);
        if (next == 'n' && nulls)
            return read_null(reader, STATE_TAIL);
        return json_unexpected(parser, "'[', the start of an array of datapoints");
    case STATE_FIRST:
        if (next == ']')
            return take(reader, STATE_TAIL);
        break;
    case STATE_AFTER:
        if (next == ',')
            return take(reader, STATE_POINT);
        if (next == ']')
            return take(reader, STATE_TAIL);
        return json_unexpected(parser, "',' or ']' after a datapoint");
    default:
        break;
    }
    if (next == '{')
        return read_points(reader, batch, points_max);
    if (next == 'n' && nulls)
        return read_null(reader, STATE_AFTER);
    return json_unexpected(parser, "'{', the start of a datapoint");
}

/* After the array. 0 = the text is over, JSON_MORE, or a failure. */
static int step_tail(struct json_points *reader)
{
    struct json_parser *parser = &reader->parser;
    while (parser->p < parser->end && strchr(" \n\r\t", *parser->p) && *parser->p)
        parser->p++;
    if (parser->p < parser->end)
        return json_unexpected(parser, "nothing but white space after the array");
    return parser->final ? 0 : JSON_MORE;
}

/* The batch refused the point at parser->p. With points before it that is the caller's turn to empty the
 * batch. */
static int batch_full(const struct json_points *reader, const struct batch *batch, uint32_t first,
    int refusal, struct error *ret_error)
{
    if (refusal == -E2BIG && batch->count > first)
        return 1;
    unsigned long long line = line_at(reader, reader->parser.p), offset = json_points_offset(reader);
    if (refusal == -ENOMEM)
        return error_set(
            ret_error, ENOMEM, "JSON, line %llu, byte %llu: out of memory for a datapoint", line, offset);
    if (reader->limit == JSON_LIMIT_BYTES && batch->count == 0)
        return error_set(ret_error, E2BIG,
            "JSON, line %llu, byte %llu: the value of the datapoint takes more than %d MiB, the most that "
            "one can hold",
            line, offset, BATCH_BYTES_MAX >> 20);
    return error_set(ret_error, E2BIG, "JSON, line %llu, byte %llu: the batch is full", line, offset);
}

enum json_limit json_points_limit(const struct json_points *reader)
{
    return reader->limit;
}

int json_points_read(
    struct json_points *reader, struct batch *batch, uint32_t points_max, struct error *ret_error)
{
    if (reader->state == STATE_FAILED)
        return fail(reader, ret_error);
    uint32_t first = batch->count;
    while (batch->count - first < points_max) {
        int r;
        if (reader->state == STATE_TAIL) {
            r = step_tail(reader);
            if (r == 0)
                return 0;
        } else {
            r = step(reader, batch, points_max - (batch->count - first));
        }
        if (r == JSON_MORE)
            r = read_more(reader, ret_error);
        else if (r < 0 && reader->parser.error == 0)
            return batch_full(reader, batch, first, r, ret_error);
        else if (r < 0)
            return fail_parse(reader, ret_error);
        if (r < 0)
            return r;
    }
    return 1;
}
