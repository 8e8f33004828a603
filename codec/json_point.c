/* One datapoint of any shape. */
#include "json_internal.h"

#include "digits.h"
#include "json_streams.h"

#include <errno.h>
#include <string.h>

enum { KEY_SHOWN_MAX = 40 }; /* bytes of an unknown key in a message */

static int refuse_key(struct json_parser *parser, const char *at, const struct json_string *key)
{
    int shown = key->size < KEY_SHOWN_MAX ? (int)key->size : KEY_SHOWN_MAX;
    return json_fail(parser, at, EBADMSG, "unknown key \"%.*s\" in a datapoint; only t, d and o are known",
        shown, key->text);
}

/* {"value":3} would be stored as null: most likely its sender means "d". */
static int refuse_without_known_key(struct json_parser *parser, const char *at)
{
    return json_fail(parser, at, EBADMSG,
        "a datapoint without \"t\", \"d\" and \"o\": its other keys are unknown; the value belongs in \"d\"");
}

/* Which key it is: 't', 'd', 'o', in lines 's', or 0 for any other. */
static char known_key(const struct json_parser *parser, const struct json_string *key, bool import)
{
    if (key->size != 1)
        return 0;
    char letter = key->text[0];
    if (!import && letter >= 'A' && letter <= 'Z')
        letter = (char)(letter | 0x20);
    return letter == 't' || letter == 'd' || letter == 'o' || (letter == 's' && parser->stream) ? letter : 0;
}

static int point_time(struct json_parser *parser, bool import, struct json_point *point)
{
    point->has_time = false;
    if (*parser->p == 'n' && !import)
        return json_literal(parser, "null");
    if (*parser->p != '-' && !is_digit(*parser->p))
        return json_unexpected(parser, "a number as \"t\"");
    int r = json_number(parser, &point->time);
    if (r != 0)
        return r;
    point->has_time = import || number_double(&point->time) != 0;
    return 0;
}

int json_point_value(struct json_parser *parser, struct point_value *value)
{
    char first = *parser->p;
    if (first == '-' || is_digit(first)) {
        value->kind = POINT_NUMBER;
        return json_number(parser, &value->number);
    }
    if (first == 't' || first == 'f') {
        value->kind = POINT_BOOLEAN;
        value->boolean = first == 't';
        return json_literal(parser, first == 't' ? "true" : "false");
    }
    parser->value.size = 0;
    value->kind = POINT_MSGPACK;
    int r = json_value(parser, 0);
    value->msgpack = parser->value.data;
    value->size = parser->value.size;
    return r;
}

static int point_sender(struct json_parser *parser, bool import, struct json_point *point)
{
    point->sender_size = 0;
    if (*parser->p == 'n' && !import)
        return json_literal(parser, "null");
    if (*parser->p != '"')
        return json_unexpected(parser, "a string as \"o\"");
    const char *start = parser->p;
    struct json_string sender;
    int r = json_parse_string(parser, &sender);
    if (r != 0)
        return r;
    if (sender.size > SENDER_BYTES_MAX)
        return json_fail(parser, start, E2BIG, "\"o\" is longer than %d bytes", SENDER_BYTES_MAX);
    memcpy(point->sender, sender.text, sender.size);
    point->sender_size = (uint8_t)sender.size;
    return 0;
}

static int point_stream(struct json_parser *parser)
{
    if (*parser->p != '"')
        return json_unexpected(parser, "a string as \"s\"");
    const char *start = parser->p;
    struct json_string stream;
    int r = json_parse_string(parser, &stream);
    if (r != 0)
        return r;
    if (stream.size > JSON_STREAM_BYTES_MAX)
        return json_fail(parser, start, E2BIG, "\"s\" is longer than %d bytes", JSON_STREAM_BYTES_MAX);
    parser->stream->size = 0;
    if (buffer_append(parser->stream, stream.text, stream.size) < 0)
        return json_fail(parser, start, ENOMEM, "out of memory for \"s\"");
    return 0;
}

/* Any value, for nobody; the value of "d" stays at the start of parser->value. */
static int skip_value(struct json_parser *parser)
{
    size_t size = parser->value.size;
    int r = json_value(parser, 0);
    parser->value.size = size;
    return r;
}

static int point_member(struct json_parser *parser, bool import, struct json_point *point)
{
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p != '"')
        return json_unexpected(parser, "a key in double quotes");
    const char *start = parser->p;
    struct json_string string;
    r = json_parse_string(parser, &string);
    if (r != 0)
        return r;
    char key = known_key(parser, &string, import);
    if (!key && import)
        return refuse_key(parser, start, &string);
    if (key != 's')
        *(key ? &point->known : &point->unknown) = true;
    r = json_expect(parser, ':', "':' after a key");
    if (r == 0)
        r = json_skip_space(parser);
    if (r != 0)
        return r;
    switch (key) {
    case 't':
        return point_time(parser, import, point);
    case 'd':
        return json_point_value(parser, &point->value);
    case 'o':
        return point_sender(parser, import, point);
    case 's':
        return point_stream(parser);
    default:
        return skip_value(parser);
    }
}

static int point_members(struct json_parser *parser, bool import, struct json_point *point)
{
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p == '}') {
        parser->p++;
        return 0;
    }
    for (;;) {
        r = point_member(parser, import, point);
        if (r == 0)
            r = json_skip_space(parser);
        if (r != 0)
            return r;
        if (*parser->p != ',' && *parser->p != '}')
            return json_unexpected(parser, "',' or '}'");
        if (*parser->p++ == '}')
            return 0;
    }
}

int json_point(struct json_parser *parser, bool import, struct json_point *ret_point)
{
    static const uint8_t NOTHING[] = {0xc0};
    const char *start = parser->p++;
    ret_point->known = ret_point->unknown = false;
    ret_point->has_time = false;
    ret_point->sender_size = 0;
    ret_point->value =
        (struct point_value){.kind = POINT_MSGPACK, .msgpack = NOTHING, .size = sizeof(NOTHING)};
    parser->value.size = 0;
    int r = point_members(parser, import, ret_point);
    if (r != 0)
        return r;
    if (parser->value.size > 0) /* which may have moved since */
        ret_point->value.msgpack = parser->value.data;
    if (ret_point->unknown && !ret_point->known)
        return refuse_without_known_key(parser, start);
    if (import && !ret_point->has_time)
        return json_fail(parser, start, EBADMSG, "a datapoint without \"t\"");
    return 0;
}
