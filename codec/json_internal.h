/* The parts of the JSON reader: a window of text is parsed point by point; what is cut off by the window's
 * end is parsed again when more text is there. */
#ifndef CONNECTORDB_JSON_INTERNAL_H
#define CONNECTORDB_JSON_INTERNAL_H

#include "batch.h"
#include "batch_internal.h"
#include "buffer.h"
#include "number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    JSON_MORE = 1,     /* a parse function's answer: the window ends too early */
    JSON_PADDING = 64, /* zero bytes after the window's text; no token goes on with one */
    JSON_MESSAGE_MAX = 160,
};

/* One member of an object that is being parsed. */
struct json_member {
    uint32_t key;      /* where its key starts in parser->value; it ends where the value starts */
    uint32_t value;    /* where its value starts; it ends at the next member's key */
    uint32_t hash;     /* of the key */
    uint32_t position; /* among the object's members */
};

struct json_parser {
    const char *p;     /* the next byte */
    const char *end;   /* of the window's text */
    bool final;        /* the text ends there too */
    const char *point; /* where the point appended last starts */

    struct buffer value;   /* msgpack of the value being parsed */
    struct buffer text;    /* a string with escapes, decoded */
    struct buffer members; /* struct json_member of the objects being parsed, inner ones last */
    struct buffer *stream; /* where the value of a datapoint's "s" goes; NULL: "s" is an unknown key */

    int error; /* -errno of a failure */
    const char *error_at;
    char error_message[JSON_MESSAGE_MAX];
};

/* A string in the window or in parser->text; valid until the next one is parsed. */
struct json_string {
    const char *text;
    size_t size;
};

struct json_point {
    bool known;   /* has a key that datapoints have: t, d or o */
    bool unknown; /* has another key */
    bool has_time;
    struct number time;
    struct point_value value; /* msgpack points into parser->value */
    uint8_t sender_size;
    char sender[SENDER_BYTES_MAX];
};

/* All parse functions return 0, JSON_MORE (nothing is spoiled; parse again from where it started) or -errno
 * with the error fields set. They move parser->p. */

/* Records a failure at `at` and returns -code. */
int json_fail(struct json_parser *parser, const char *at, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));
/* The window ends at parser->p: JSON_MORE, or the failure that the text ends there. */
int json_end(struct json_parser *parser) __attribute__((cold));
/* Fails with "expected `what`, found ..."; JSON_MORE while what is found is not known. */
int json_unexpected(struct json_parser *parser, const char *what) __attribute__((cold));

/* Skips white space; JSON_MORE or a failure when nothing else follows. */
int json_skip_space(struct json_parser *parser);
/* A UTF-8 byte order mark stands at p; the window is padded, so that looking is safe. */
static inline bool json_is_byte_order_mark(const char *p)
{
    return memcmp(p, "\xef\xbb\xbf", 3) == 0;
}
/* After white space: takes the character or fails. */
int json_expect(struct json_parser *parser, char character, const char *what);
/* Takes the literal (true, false or null) or fails. */
int json_literal(struct json_parser *parser, const char *literal);
int json_number(struct json_parser *parser, struct number *ret_number);
/* At the opening quote. */
int json_parse_string(struct json_parser *parser, struct json_string *ret_string);
/* Appends any value to parser->value. `depth` containers are open around it. */
int json_value(struct json_parser *parser, unsigned depth);
/* Removes all but the last value of each key among the members from `first` on; returns how many are left, or
 * -ENOMEM. */
long json_unify_members(struct json_parser *parser, size_t first);

/* The value of a datapoint; msgpack is put into parser->value. */
int json_point_value(struct json_parser *parser, struct point_value *value);
/* At the opening brace of a datapoint. */
int json_point(struct json_parser *parser, bool import, struct json_point *ret_point);

/* Appends points of the shape that matters most, {"t":NUMBER,"d":VALUE}, as long as they come one after the
 * other and fit the batch's numbers and form as they are. parser->p is at an opening brace; afterwards it is
 * at one again and *ret_after is false, or after a point and it is true. Returns how many points were
 * appended. */
uint32_t json_points_fast(struct json_parser *parser, struct batch *batch, uint32_t points_max,
    bool zero_is_missing, bool *ret_after);

#endif
