/* Several streams in one text. */
#include "json_streams.h"

#include "json_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum place {
    BEFORE,       /* the text */
    FIRST_MEMBER, /* after '{': a path or '}' */
    MEMBER,       /* after ',': a path */
    IN_ARRAY,     /* of a member */
    AFTER_ARRAY,  /* ',' or '}' */
    LINES,        /* before a line or the end of the text */
    AT_LINE,      /* the line that was parsed belongs to the next stream */
    IN_LINES,     /* it belongs to the current one and waits to be appended */
    BEHIND,       /* the end: nothing but white space */
};

struct json_streams {
    struct json_points *reader;
    enum place place;
    struct buffer path;     /* of the current stream */
    struct buffer next;     /* of the line that was parsed last */
    struct json_point line; /* the datapoint of that line; its value is in the parser */
};

int json_streams_open(json_source source, void *context, struct json_streams **ret_reader)
{
    static const struct json_points_options OPTIONS = {.import = false, .refuse_null = true};
    struct json_streams *streams = calloc(1, sizeof(*streams));
    if (!streams)
        return -ENOMEM;
    int r = json_points_open(&OPTIONS, source, context, &streams->reader);
    if (r < 0) {
        free(streams);
        return r;
    }
    streams->reader->nested = true;
    *ret_reader = streams;
    return 0;
}

void json_streams_close(struct json_streams *streams)
{
    if (!streams)
        return;
    json_points_close(streams->reader);
    buffer_free(&streams->path);
    buffer_free(&streams->next);
    free(streams);
}

enum json_limit json_streams_limit(const struct json_streams *streams)
{
    return json_points_limit(streams->reader);
}

/* ---- steps: 0, JSON_MORE with parser->p where it was, or a failure of the parser ---- */

static int key_is_path(struct json_parser *parser, bool *ret_path)
{
    struct json_string key;
    parser->p++;
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    *ret_path = true;
    if (*parser->p == '}')
        return 0;
    if (*parser->p != '"')
        return json_unexpected(parser, "the path of a stream in double quotes");
    r = json_parse_string(parser, &key);
    if (r == 0)
        *ret_path = memchr(key.text, '/', key.size) != NULL;
    return r;
}

/* At the start of the text: which shape it has. */
static int find_shape(struct json_streams *streams)
{
    struct json_parser *parser = &streams->reader->parser;
    bool path;
    int r = 0;
    if (streams->reader->state == JSON_START)
        r = json_reader_skip_mark(streams->reader);
    if (r == 0)
        r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p != '{')
        return json_unexpected(
            parser, "'{', the start of an object of streams or of a line with a datapoint");
    const char *start = parser->p;
    r = key_is_path(parser, &path);
    parser->p = r == 0 && path ? start + 1 : start;
    if (r == 0)
        streams->place = path ? FIRST_MEMBER : LINES;
    return r;
}

static int take_path(struct json_streams *streams, const struct json_string *path, const char *start)
{
    struct json_parser *parser = &streams->reader->parser;
    if (path->size > JSON_STREAM_BYTES_MAX)
        return json_fail(
            parser, start, E2BIG, "the path of a stream is longer than %d bytes", JSON_STREAM_BYTES_MAX);
    streams->path.size = 0;
    if (buffer_append(&streams->path, path->text, path->size) < 0)
        return json_fail(parser, start, ENOMEM, "out of memory for the path of a stream");
    return 0;
}

/* A path and its colon, whole or not at all. */
static int member(struct json_streams *streams)
{
    struct json_parser *parser = &streams->reader->parser;
    const char *start = parser->p;
    struct json_string path;
    if (*start != '"')
        return json_unexpected(parser, "the path of a stream in double quotes");
    int r = json_parse_string(parser, &path);
    if (r == 0)
        r = take_path(streams, &path, start);
    if (r == 0)
        r = json_expect(parser, ':', "':' after the path of a stream");
    if (r != 0) {
        parser->p = start;
        return r;
    }
    streams->reader->state = JSON_ARRAY;
    streams->place = IN_ARRAY;
    return 0;
}

static int member_or_end(struct json_streams *streams)
{
    struct json_parser *parser = &streams->reader->parser;
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (streams->place == MEMBER)
        return member(streams);
    if (*parser->p == '}')
        streams->place = BEHIND;
    else if (streams->place == FIRST_MEMBER)
        return member(streams);
    else if (*parser->p == ',')
        streams->place = MEMBER;
    else
        return json_unexpected(parser, "',' or '}' after the datapoints of a stream");
    parser->p++;
    return 0;
}

/* A line, whole or not at all. */
static int line(struct json_streams *streams)
{
    struct json_parser *parser = &streams->reader->parser;
    const char *start = parser->p;
    if (*start != '{')
        return json_unexpected(parser, "'{', the start of a line with a datapoint");
    streams->next.size = 0;
    parser->stream = &streams->next;
    int r = json_point(parser, false, &streams->line);
    parser->stream = NULL;
    if (r == 0 && streams->next.size == 0)
        r = json_fail(parser, start, EBADMSG, "a datapoint without \"s\", the path of its stream");
    if (r != 0)
        parser->p = start;
    return r;
}

static int line_or_end(struct json_streams *streams)
{
    struct json_parser *parser = &streams->reader->parser;
    while (parser->p < parser->end && *parser->p && strchr(" \n\r\t", *parser->p))
        parser->p++;
    if (parser->p == parser->end && !parser->final)
        return JSON_MORE;
    bool end = parser->p == parser->end;
    int r = end ? 0 : line(streams);
    if (r == 0)
        streams->place = end ? BEHIND : AT_LINE;
    return r;
}

static int step(struct json_streams *streams)
{
    switch (streams->place) {
    case BEFORE:
        return find_shape(streams);
    case LINES:
        return line_or_end(streams);
    default:
        return member_or_end(streams);
    }
}

/* Goes on to the next array or line. 1 = its datapoints follow, 0 = the text is over, <0 = error. */
static int advance(struct json_streams *streams, struct error *ret_error)
{
    struct json_points *reader = streams->reader;
    while (streams->place != IN_ARRAY && streams->place != AT_LINE) {
        bool behind = streams->place == BEHIND;
        int r = behind ? json_reader_tail(reader, "nothing but white space after the object") : step(streams);
        if (r == 0 && behind)
            return 0;
        if (r == JSON_MORE)
            r = json_reader_more(reader, ret_error);
        else if (r < 0)
            r = json_reader_fail_parse(reader, ret_error);
        if (r < 0)
            return r;
    }
    return 1;
}

/* ---- reading ---- */

int json_streams_next(
    struct json_streams *streams, const char **ret_path, size_t *ret_size, struct error *ret_error)
{
    if (streams->reader->state == JSON_FAILED)
        return json_reader_fail(streams->reader, ret_error);
    int r = advance(streams, ret_error);
    if (r <= 0)
        return r;
    if (streams->place == AT_LINE) {
        struct buffer path = streams->path;
        streams->path = streams->next;
        streams->next = path;
        streams->place = IN_LINES;
    }
    *ret_path = (const char *)streams->path.data;
    *ret_size = streams->path.size;
    return 1;
}

static bool same_stream(const struct json_streams *streams)
{
    return streams->path.size == streams->next.size &&
           memcmp(streams->path.data, streams->next.data, streams->path.size) == 0;
}

static int read_lines(
    struct json_streams *streams, struct batch *batch, uint32_t points_max, struct error *ret_error)
{
    uint32_t first = batch->count;
    while (batch->count - first < points_max) {
        int r = json_reader_append(streams->reader, batch, &streams->line);
        if (r < 0)
            return json_reader_full(streams->reader, batch, first, r, ret_error);
        streams->place = LINES;
        r = advance(streams, ret_error);
        if (r <= 0)
            return r;
        if (!same_stream(streams))
            return 0;
        streams->place = IN_LINES;
    }
    return 1;
}

int json_streams_read(
    struct json_streams *streams, struct batch *batch, uint32_t points_max, struct error *ret_error)
{
    if (streams->reader->state == JSON_FAILED)
        return json_reader_fail(streams->reader, ret_error);
    if (streams->place == IN_LINES)
        return read_lines(streams, batch, points_max, ret_error);
    if (streams->place != IN_ARRAY)
        return 0;
    int r = json_points_read(streams->reader, batch, points_max, ret_error);
    if (r == 0)
        streams->place = AFTER_ARRAY;
    return r;
}
