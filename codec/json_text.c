/* Tokens: white space, literals, numbers, strings. */
#include "json_internal.h"

#include "bytes.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int json_fail(struct json_parser *parser, const char *at, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(parser->error_message, sizeof(parser->error_message), format, arguments);
    va_end(arguments);
    parser->error_at = at;
    parser->error = -code;
    return -code;
}

int json_end(struct json_parser *parser)
{
    if (!parser->final)
        return JSON_MORE;
    return json_fail(parser, parser->end, EBADMSG, "the text ends too early");
}

int json_unexpected(struct json_parser *parser, const char *what)
{
    unsigned char found = (unsigned char)*parser->p;
    if (found >= 0x20 && found < 0x7f)
        return json_fail(parser, parser->p, EBADMSG, "expected %s, found '%c'", what, found);
    if (found == 0xef && parser->end - parser->p < 3 && !parser->final)
        return JSON_MORE; /* what it is shows with its next bytes */
    if (json_is_byte_order_mark(parser->p))
        return json_fail(parser, parser->p, EBADMSG,
            "expected %s, found a UTF-8 byte order mark (bytes ef bb bf), which is allowed only at the start",
            what);
    return json_fail(parser, parser->p, EBADMSG, "expected %s, found byte 0x%02x", what, found);
}

int json_skip_space(struct json_parser *parser)
{
    const char *p = parser->p;
    while (p < parser->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    parser->p = p;
    return p < parser->end ? 0 : json_end(parser);
}

int json_expect(struct json_parser *parser, char character, const char *what)
{
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p != character)
        return json_unexpected(parser, what);
    parser->p++;
    return 0;
}

int json_literal(struct json_parser *parser, const char *literal)
{
    const char *start = parser->p;
    for (const char *p = start; *literal; p++, literal++) {
        if (p == parser->end)
            return json_end(parser);
        if (*p != *literal)
            return json_fail(parser, start, EBADMSG, "expected true, false, null or another value");
        parser->p = p + 1;
    }
    return 0;
}

/* The first byte from p on that no number has in it. */
static const char *number_end(const char *p, const char *end)
{
    while (p < end && *p != '\0' && (strchr("+-.eE", *p) || (*p >= '0' && *p <= '9')))
        p++;
    return p;
}

int json_number(struct json_parser *parser, struct number *ret_number)
{
    bool overflow;
    const char *start = parser->p;
    const char *p = number_parse(start, parser->end, ret_number, &overflow);
    /* At the window's end nobody knows yet whether the number goes on. */
    if ((p == parser->end || (!p && number_end(start, parser->end) == parser->end)) && !parser->final)
        return JSON_MORE;
    if (p) {
        parser->p = p;
        return 0;
    }
    if (overflow)
        return json_fail(parser, start, EBADMSG, "the number is too large for a double");
    return json_fail(parser, start, EBADMSG, "this is not a JSON number");
}

/* Marks the bytes of a word that end a run of plain text: '"', '\\', controls, and all but ASCII. */
static uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    /* the highest bit of x - 1 & ~x is set in the lowest byte of x that is 0, and maybe in ones above it */
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | (word - ones * 0x20) | word) &
           ones * 0x80;
}

/* Skips plain text; stops at '"', '\\' or the end, or fails at what no string may hold. */
static int skip_plain(struct json_parser *parser)
{
    const char *p = parser->p;
    const char *end = parser->end;
    for (;;) {
        while (end - p >= 8) {
            uint64_t special = special_bytes(load_u64(p));
            if (special) {
                p += __builtin_ctzll(special) / 8;
                break;
            }
            p += 8;
        }
        if (p == end)
            break;
        unsigned char byte = (unsigned char)*p;
        if (byte == '"' || byte == '\\')
            break;
        if (byte < 0x20)
            return json_fail(parser, p, EBADMSG, "control character 0x%02x in a string; escape it", byte);
        int length = utf8_sequence((const uint8_t *)p, (const uint8_t *)end);
        if (length < 0 && !parser->final)
            return JSON_MORE;
        if (length <= 0)
            return json_fail(parser, p, EBADMSG, "a string is not valid UTF-8");
        p += length;
    }
    parser->p = p;
    return p < end ? 0 : json_end(parser);
}

/* Four hexadecimal digits at p, or -1. */
static int hex_value(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char digit = p[i];
        int nibble = digit >= '0' && digit <= '9'                     ? digit - '0'
                     : (digit | 0x20) >= 'a' && (digit | 0x20) <= 'f' ? (digit | 0x20) - 'a' + 10
                                                                      : -1;
        if (nibble < 0)
            return -1;
        value = value << 4 | nibble;
    }
    return value;
}

/* A \u escape at parser->p; one that is half of a surrogate pair and stands alone becomes U+FFFD. */
static int parse_unicode(struct json_parser *parser, uint32_t *ret_code_point)
{
    const char *p = parser->p;
    for (int i = 2; i < 6; i++) {
        if (parser->end - p <= i)
            return json_end(parser);
        char copy[4] = {'0', '0', '0', p[i]};
        if (hex_value(copy) < 0)
            return json_fail(parser, p, EBADMSG, "\\u needs four hexadecimal digits");
    }
    uint32_t unit = (uint32_t)hex_value(p + 2);
    parser->p = p + 6;
    *ret_code_point = unit;
    if (unit < 0xd800 || unit > 0xdfff)
        return 0;
    *ret_code_point = 0xfffd;
    if (unit > 0xdbff)
        return 0;
    ptrdiff_t left = parser->end - parser->p;
    if (!parser->final && (left == 0 || (left < 6 && parser->p[0] == '\\')))
        return JSON_MORE;
    if (left < 6 || parser->p[0] != '\\' || parser->p[1] != 'u')
        return 0;
    int second = hex_value(parser->p + 2);
    if (second < 0xdc00 || second > 0xdfff)
        return 0;
    *ret_code_point = 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
    parser->p += 6;
    return 0;
}

/* An escape at parser->p, decoded to the end of parser->text, which has room. */
static int parse_escape(struct json_parser *parser)
{
    if (parser->end - parser->p < 2)
        return json_end(parser);
    static const char LETTERS[] = "\"\\/bfnrt";
    static const char MEANINGS[] = "\"\\/\b\f\n\r\t";
    char letter = parser->p[1];
    const char *found = letter ? strchr(LETTERS, letter) : NULL;
    uint32_t code_point = 0;
    if (letter == 'u') {
        int r = parse_unicode(parser, &code_point);
        if (r != 0)
            return r;
    } else if (found) {
        code_point = (uint32_t)MEANINGS[found - LETTERS];
        parser->p += 2;
    } else {
        return json_fail(parser, parser->p, EBADMSG, "unknown escape in a string");
    }
    parser->text.size += utf8_put(parser->text.data + parser->text.size, code_point);
    return 0;
}

int json_parse_string(struct json_parser *parser, struct json_string *ret_string)
{
    parser->text.size = 0;
    parser->p++;
    for (;;) {
        const char *run = parser->p;
        int r = skip_plain(parser);
        if (r != 0)
            return r;
        size_t size = (size_t)(parser->p - run);
        if (*parser->p == '"' && parser->text.size == 0) {
            *ret_string = (struct json_string){run, size};
            parser->p++;
            return 0;
        }
        if (buffer_reserve(&parser->text, size + UTF8_BYTES_MAX) < 0)
            return json_fail(parser, run, ENOMEM, "out of memory for a string");
        memcpy(parser->text.data + parser->text.size, run, size);
        parser->text.size += size;
        if (*parser->p == '"')
            break;
        r = parse_escape(parser);
        if (r != 0)
            return r;
    }
    *ret_string = (struct json_string){(const char *)parser->text.data, parser->text.size};
    parser->p++;
    return 0;
}
