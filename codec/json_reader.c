/* The window of text of a reader, its failures, and what all shapes of text share. */
#include "json_reader.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES_FIRST = 16 << 10 }; /* a small text needs no more */

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

uint64_t json_points_offset(const struct json_points *reader)
{
    return json_reader_offset(reader, reader->parser.p);
}

uint64_t json_points_line(const struct json_points *reader)
{
    if (reader->last_offset < reader->window_offset)
        return reader->last_line;
    return line_at(reader, reader->window + (reader->last_offset - reader->window_offset));
}

/* Keeps the failure: every later read answers with it. */
int json_reader_fail(struct json_points *reader, struct error *ret_error)
{
    reader->state = JSON_FAILED;
    if (ret_error)
        *ret_error = reader->failure;
    return -reader->failure.code;
}

int json_reader_fail_parse(struct json_points *reader, struct error *ret_error)
{
    const struct json_parser *parser = &reader->parser;
    (void)error_set(&reader->failure, -parser->error, "JSON, line %llu, byte %llu: %s",
        (unsigned long long)line_at(reader, parser->error_at),
        (unsigned long long)json_reader_offset(reader, parser->error_at), parser->error_message);
    return json_reader_fail(reader, ret_error);
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
int json_reader_more(struct json_points *reader, struct error *ret_error)
{
    struct json_parser *parser = &reader->parser;
    bool was_full = parser->end == reader->window + reader->capacity;
    drop_consumed(reader);
    size_t size = (size_t)(parser->end - parser->p);
    if (grow_window(reader, size, was_full) < 0)
        return json_reader_fail_parse(reader, ret_error);
    size_t wanted = 2 * size < reader->capacity ? 2 * size : reader->capacity;
    do {
        long got =
            reader->source(reader->context, reader->window + size, reader->capacity - size, &reader->failure);
        if (got < 0) {
            if (reader->failure.code == 0)
                (void)error_set(&reader->failure, (int)-got, "reading JSON failed");
            return json_reader_fail(reader, ret_error);
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
int json_reader_append(struct json_points *reader, struct batch *batch, const struct json_point *point)
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

int json_reader_skip_mark(struct json_points *reader)
{
    struct json_parser *parser = &reader->parser;
    if (!parser->final && parser->end - parser->p < 3)
        return JSON_MORE;
    if (json_is_byte_order_mark(parser->p))
        parser->p += 3;
    reader->state = JSON_ARRAY;
    return 0;
}

int json_reader_tail(struct json_points *reader, const char *expected)
{
    struct json_parser *parser = &reader->parser;
    while (parser->p < parser->end && strchr(" \n\r\t", *parser->p) && *parser->p)
        parser->p++;
    if (parser->p < parser->end)
        return json_unexpected(parser, expected);
    return parser->final ? 0 : JSON_MORE;
}

int json_reader_full(const struct json_points *reader, const struct batch *batch, uint32_t first, int refusal,
    struct error *ret_error)
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
