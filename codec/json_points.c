/* An array of datapoints. */
#include "json_points.h"

#include "json_reader.h"

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
            r = json_reader_append(reader, batch, &point);
        if (r != 0) {
            parser->p = start;
            return r;
        }
        parser->point = start;
        after = true;
    }
    reader->last_offset = json_reader_offset(reader, parser->point);
    reader->state = after ? JSON_AFTER : JSON_POINT;
    return 0;
}

/* Takes a word whole or not at all. */
static int read_null(struct json_points *reader, enum json_state next)
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

static int take(struct json_points *reader, enum json_state next)
{
    reader->parser.p++;
    reader->state = next;
    return 0;
}

/* One step at the next byte that is no white space. */
static int step(struct json_points *reader, struct batch *batch, uint32_t points_max)
{
    struct json_parser *parser = &reader->parser;
    if (reader->state == JSON_START)
        return json_reader_skip_mark(reader);
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    char next = *parser->p;
    bool nulls = !reader->options.import && !reader->options.refuse_null;
    switch (reader->state) {
    case JSON_ARRAY:
        if (next == '[')
            return take(reader, JSON_FIRST);
        if (next == 'n' && nulls)
            return read_null(reader, JSON_TAIL);
        return json_unexpected(parser, "'[', the start of an array of datapoints");
    case JSON_FIRST:
        if (next == ']')
            return take(reader, JSON_TAIL);
        break;
    case JSON_AFTER:
        if (next == ',')
            return take(reader, JSON_POINT);
        if (next == ']')
            return take(reader, JSON_TAIL);
        return json_unexpected(parser, "',' or ']' after a datapoint");
    default:
        break;
    }
    if (next == '{')
        return read_points(reader, batch, points_max);
    if (next == 'n' && nulls)
        return read_null(reader, JSON_AFTER);
    return json_unexpected(parser, "'{', the start of a datapoint");
}

int json_points_read(
    struct json_points *reader, struct batch *batch, uint32_t points_max, struct error *ret_error)
{
    if (reader->state == JSON_FAILED)
        return json_reader_fail(reader, ret_error);
    uint32_t first = batch->count;
    while (batch->count - first < points_max) {
        int r;
        if (reader->state == JSON_TAIL) {
            r = reader->nested ? 0 : json_reader_tail(reader, "nothing but white space after the array");
            if (r == 0)
                return 0;
        } else {
            r = step(reader, batch, points_max - (batch->count - first));
        }
        if (r == JSON_MORE)
            r = json_reader_more(reader, ret_error);
        else if (r < 0 && reader->parser.error == 0)
            return json_reader_full(reader, batch, first, r, ret_error);
        else if (r < 0)
            return json_reader_fail_parse(reader, ret_error);
        if (r < 0)
            return r;
    }
    return 1;
}
