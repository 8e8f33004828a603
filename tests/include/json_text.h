/* What the tests of JSON text <-> datapoints share: texts that come in chunks, and one comparison of a text
 * with the points or the error it must give. Helpers fail the running test when they cannot do their work. */
#ifndef CONNECTORDB_JSON_TEXT_H
#define CONNECTORDB_JSON_TEXT_H

#include "test.h"

#include "json_points.h"

/* A text that is handed out in chunks. */
struct text_source {
    const char *text;
    size_t size;
    size_t chunk;               /* largest; 0 = as much as is asked for */
    struct test_random *random; /* chunks of 1..chunk */
    int fails;                  /* -errno at the text's end */
};

/* All of the text, in one piece; it is borrowed. */
struct text_source text_of(const char *text);
/* For json_points_open; the context is a struct text_source. */
long text_source_read(void *context, void *buffer, size_t size, struct error *ret_error);

/* Reads the whole text into the batch, points_max at a time; returns the last answer. */
int read_text(struct text_source source, bool import, uint32_t points_max, struct batch *batch,
    struct error *ret_error);
/* The batch as text without brackets, malloc'ed: free it. */
char *print_batch(const struct batch *batch);
/* Whatever the chunks, the text must give the same answer `expected`, the same message of an error and the
 * same points; message and printed may be NULL. */
void check_text(const char *text, bool import, int expected, const char *message, const char *printed);

#endif
