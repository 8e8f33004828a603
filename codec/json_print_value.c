/* msgpack values and strings as JSON text. */
#include "json_points.h"

#include "bytes.h"
#include "check.h"
#include "msgpack_head.h"
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
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
               ((ampersand - ones) & ~ampersand) | ((angle - ones) & ~angle) | ((line - ones) & ~line) |
               ((word - ones * 0x20) & ~word)) &
           ones * 0x80;
}

static bool is_line_separator(const char *p, const char *end)
{
    return end - p >= 3 && (unsigned char)p[0] == 0xe2 && (unsigned char)p[1] == 0x80 &&
           ((unsigned char)p[2] | 1) == 0xa9;
}

/* Prints the character at *p, escaped if it has to be, and moves *p past it. */
static char *print_character(char *out, const char **p, const char *end)
{
    static const char HEX[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)**p;
    if (is_line_separator(*p, end)) {
        memcpy(out, (unsigned char)(*p)[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
        *p += 3;
        return out + 6;
    }
    *p += 1;
    char escape = escape_of(byte);
    if (!escape) {
        *out = (char)byte;
        return out + 1;
    }
    *out++ = '\\';
    *out++ = escape;
    if (escape != 'u')
        return out;
    memcpy(out, (char[]){'0', '0', HEX[byte >> 4], HEX[byte & 15]}, 4);
    return out + 4;
}

/* Prints a piece of a string; the buffer has room for ESCAPE_BYTES_MAX times as much. */
static char *print_piece(char *out, const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word = load_u64(p);
        uint64_t escaped = escaped_bytes(word);
        store_u64(out, word);
        unsigned plain = escaped ? (unsigned)__builtin_ctzll(escaped) / 8 : 8;
        out += plain;
        p += plain;
        if (escaped)
            out = print_character(out, &p, end);
    }
    while (p < end)
        out = print_character(out, &p, end);
    return out;
}

enum {
    ESCAPE_BYTES_MAX = 6,
    PIECE_BYTES = SINK_RESERVE_MAX / ESCAPE_BYTES_MAX - 8, /* so that eight bytes and quotes fit behind */
};

/* Where a piece that starts at text ends: after whole characters. */
static const char *piece_end(const char *text, const char *end)
{
    if (end - text <= PIECE_BYTES)
        return end;
    const char *p = text + PIECE_BYTES;
    for (int i = 1; i < 4 && ((unsigned char)*p & 0xc0) == 0x80; i++)
        p--;
    return p;
}

int json_print_string(struct sink *sink, const char *text, size_t size)
{
    const char *end = text + size;
    bool first = true;
    do {
        const char *stop = piece_end(text, end);
        size_t room = (size_t)(stop - text) * ESCAPE_BYTES_MAX + 8 + 2;
        char *out = (char *)sink_reserve(sink, room);
        if (!out)
            return sink->failed;
        char *p = out;
        *p = '"';
        p = print_piece(p + first, text, stop);
        *p = '"';
        sink_commit(sink, (size_t)(p - out) + (stop == end));
        first = false;
        text = stop;
    } while (text < end);
    return 0;
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

/* Prints the text before the next value of a container. */
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
