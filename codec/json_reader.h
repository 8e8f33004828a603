/* The reader of a text of datapoints: its window of text, its failures, and the steps that all shapes of text
 * share. json_points.c reads an array, json_streams.c several arrays or lines. */
#ifndef CONNECTORDB_JSON_READER_H
#define CONNECTORDB_JSON_READER_H

#include "error.h"
#include "json_internal.h"
#include "json_points.h"

enum json_state {
    JSON_START, /* before the first byte */
    JSON_ARRAY, /* before the array */
    JSON_FIRST, /* after '[': a datapoint or ']' */
    JSON_POINT, /* after ',': a datapoint */
    JSON_AFTER, /* after a datapoint: ',' or ']' */
    JSON_TAIL,  /* after the array: nothing but white space */
    JSON_FAILED,
};

struct json_points {
    struct json_points_options options;
    json_source source;
    void *context;
    bool nested; /* the array is part of a larger text: what follows is up to the caller */

    struct json_parser parser;
    enum json_state state;
    enum json_limit limit; /* which one the batch met last */
    struct error failure;  /* what a failed reader answers */

    char *window;
    size_t capacity;        /* of the window, padding not counted */
    uint64_t window_offset; /* of window[0] in the text */
    uint64_t window_line;   /* line feeds before window[0] */

    uint64_t last_offset; /* where the point appended last starts */
    uint64_t last_line;   /* its line, known when it left the window */
};

/* The byte offset in the text of a place in the window. */
static inline uint64_t json_reader_offset(const struct json_points *reader, const char *at)
{
    return reader->window_offset + (uint64_t)(at - reader->window);
}
/* Records the failure: every later read answers with it. Returns its -errno. */
int json_reader_fail(struct json_points *reader, struct error *ret_error);
/* The same for the parser's failure; adds its line and byte offset. */
int json_reader_fail_parse(struct json_points *reader, struct error *ret_error);
/* Reads more text after JSON_MORE. 0, or <0: the reader has failed. Blocks for the source. */
int json_reader_more(struct json_points *reader, struct error *ret_error);
/* Appends a parsed point whole or not at all: 0, -ENOMEM or -E2BIG (a limit of the batch). */
int json_reader_append(struct json_points *reader, struct batch *batch, const struct json_point *point);
/* What to return after json_reader_append refused the point at parser->p: 1 when the batch has points since
 * `first`, which the caller takes out first, else -errno. */
int json_reader_full(const struct json_points *reader, const struct batch *batch, uint32_t first, int refusal,
    struct error *ret_error);
/* JSON_START -> JSON_ARRAY: skips a byte order mark, with which some programs of Windows begin every text. 0
 * or JSON_MORE. */
int json_reader_skip_mark(struct json_points *reader);
/* After the array or object: 0 = the text is over, JSON_MORE, or a failure of the parser, which
 * `expected` nothing but white space. */
int json_reader_tail(struct json_points *reader, const char *expected);

#endif
