/* msgpack values and strings as JSON text. */
#include "json_points.h"

#include "bytes.h"
#include "check.h"
#include "msgpack_internal.h"
#include "msgpack_value.h"
#include "number_print.h"

#include <errno.h>
#include <string.h>

/* How an ASCII byte is printed: 0 as it is, 'u' as \u00XX, else as a backslash and this letter. */
static char escape_of(unsigned char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '"':
    case '\\':
        return (char)byte;
    case '<':
    case '>':
    case '&':
        return 'u';
    default:
        return byte < 0x20 ? 'u' : 0;
    }
}

/* Marks the bytes of a word that may have to be escaped: those above, and 0xe2, with which U+2028 starts. The
 * lowest mark is right, ones above it may be too many. */
static uint64_t escaped_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    uint64_t ampersand = word ^ ones * '&';
    uint64_t angle = (word | ones * 2) ^ ones * '>'; /* '<' and '>' differ in one bit */
    uint64_t line = word ^ ones * 0xe2;
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((ampersand - ones) & ~ampersand) |
               ((angle - ones) & ~angle) | ((line - ones) & ~line) | ((word - ones * 0x20) & ~word)) &
        ones * 0x80;
}

/* The length of the run at p that is printed as it is. */
static size_t plain_run(const char *p, const char *end)
{
    const char *start = p;
    while (end - p >= 8) {
        uint64_t escaped = escaped_bytes(load_u64(p));
        if (escaped)
            return (size_t)(p - start) + (size_t)__builtin_ctzll(escaped) / 8;
        p += 8;
    }
    while (p < end && (unsigned char)*p != 0xe2 && !escape_of((unsigned char)*p))
        p++;
    return (size_t)(p - start);
}

static bool is_line_separator(const char *p, const char *end)
{
    return end - p >= 3 && (unsigned char)p[0] == 0xe2 && (unsigned char)p[1] == 0x80 &&
        ((unsigned char)p[2] | 1) == 0xa9;
}

/* Prints the character at *p, one that plain_run stops at, and moves *p past it. */
static int print_escaped(struct sink *sink, const char **p, const char *end)
{
    static const char HEX[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)**p;
    if (is_line_separator(*p, end)) {
        char text[] = "\\u2028";
        text[5] = (unsigned char)(*p)[2] == 0xa8 ? '8' : '9';
        *p += 3;
        return sink_write(sink, text, 6);
    }
    *p += 1;
    char escape = escape_of(byte);
    if (!escape)
        return sink_write(sink, &byte, 1);
    if (escape != 'u')
        return sink_write(sink, (char[]){'\\', escape}, 2);
    return sink_write(sink, (char[]){'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]}, 6);
}

int json_print_string(struct sink *sink, const char *text, size_t size)
{
    const char *end = text + size;
    (void)sink_write(sink, "\"", 1);
    while (text < end) {
        size_t run = plain_run(text, end);
        (void)sink_write(sink, text, run);
        text += run;
        if (text < end)
            (void)print_escaped(sink, &text, end);
    }
    return sink_write(sink, "\"", 1); /* a sink that failed keeps failing */
}

static int print_number(struct sink *sink, const struct number *number)
{
    char *out = (char *)sink_reserve(sink, NUMBER_TEXT_MAX);
    if (!out)
        return sink->failed;
    size_t size;
    if (number->kind == NUMBER_UNSIGNED)
        size = number_print_unsigned(out, number->unsigned_integer);
    else if (number->kind == NUMBER_DECIMAL)
        size = number_print_decimal(out, number->integer, number->exponent);
    else
        size = number_print_double(out, number->real);
    sink_commit(sink, size);
    return 0;
}

static int print_scalar(struct sink *sink, const struct msgpack_head *head, const uint8_t *body)
{
    switch (head->type) {
    case MSGPACK_NUMBER:
        return print_number(sink, &head->number);
    case MSGPACK_STRING:
        return json_print_string(sink, (const char *)body, head->length);
    case MSGPACK_TRUE:
        return sink_write(sink, "true", 4);
    case MSGPACK_FALSE:
        return sink_write(sink, "false", 5);
    default:
        return sink_write(sink, "null", 4);
    }
}

/* A container whose values are being printed. */
struct open_container {
    uint64_t left; /* values still to come, keys included */
    bool map;
    bool started; /* the next value needs a separator before it */
};

/* What stands before the next value of a container. */
static void print_separator(struct sink *sink, struct open_container *container)
{
    bool after_key = container->map && container->left % 2 == 1;
    if (after_key)
        (void)sink_write(sink, ":", 1);
    else if (container->started)
        (void)sink_write(sink, ",", 1);
    container->started = true;
    container->left--;
}

int msgpack_print_json(struct sink *sink, const uint8_t *data, size_t size)
{
    const uint8_t *p = data;
    const uint8_t *end = data + size;
    struct open_container open[VALUE_DEPTH_MAX + 1];
    unsigned depth = 0;
    open[0] = (struct open_container){.left = 1};
    while (!sink->failed) {
        while (open[depth].left == 0) {
            if (depth == 0)
                return 0;
            (void)sink_write(sink, open[depth].map ? "}" : "]", 1);
            depth--;
        }
        struct msgpack_head head;
        CHECK(msgpack_read_head(p, end, &head)); /* it was validated */
        print_separator(sink, &open[depth]);
        p += head.size;
        if (head.type == MSGPACK_ARRAY || head.type == MSGPACK_MAP) {
            bool map = head.type == MSGPACK_MAP;
            CHECK(depth < VALUE_DEPTH_MAX);
            (void)sink_write(sink, map ? "{" : "[", 1);
            open[++depth] = (struct open_container){.left = (uint64_t)head.length << map, .map = map};
            continue;
        }
        (void)print_scalar(sink, &head, p);
        if (head.type == MSGPACK_STRING)
            p += head.length;
    }
    return sink->failed;
}
