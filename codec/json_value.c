/* Any JSON value -> canonical msgpack at the end of parser->value. */
#include "json_internal.h"

#include "digits.h"
#include "msgpack_value.h"

#include <errno.h>
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_BYTES_MAX = 9,
};

static int pack_write(void *context, const char *bytes, size_t size)
{
    return buffer_append(context, bytes, size);
}

static msgpack_packer packer_of(struct buffer *buffer)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, pack_write);
    return packer;
}

static int out_of_memory(struct json_parser *parser)
{
    return json_fail(parser, parser->p, ENOMEM, "out of memory for a value");
}

static int pack_string(struct json_parser *parser, const struct json_string *string)
{
    msgpack_packer packer = packer_of(&parser->value);
    if (msgpack_pack_str(&packer, string->size) < 0 ||
        msgpack_pack_str_body(&packer, string->text, string->size) < 0)
        return out_of_memory(parser);
    return 0;
}

static int value_string(struct json_parser *parser)
{
    struct json_string string;
    int r = json_parse_string(parser, &string);
    return r != 0 ? r : pack_string(parser, &string);
}

static int value_number(struct json_parser *parser)
{
    struct number number;
    int r = json_number(parser, &number);
    if (r != 0)
        return r;
    if (buffer_reserve(&parser->value, NUMBER_BYTES_MAX) < 0)
        return out_of_memory(parser);
    parser->value.size += number_pack(&number, parser->value.data + parser->value.size);
    return 0;
}

static int value_word(struct json_parser *parser)
{
    static const char *const LITERALS[] = {"null", "true", "false"};
    static int (*const PACK[])(msgpack_packer *) = {msgpack_pack_nil, msgpack_pack_true, msgpack_pack_false};
    unsigned literal = *parser->p == 'n' ? 0 : *parser->p == 't' ? 1 : 2;
    int r = json_literal(parser, LITERALS[literal]);
    if (r != 0)
        return r;
    msgpack_packer packer = packer_of(&parser->value);
    return PACK[literal](&packer) < 0 ? out_of_memory(parser) : 0;
}

/* Puts the header of a container before its content, which starts one byte after `start`. */
static int finish_container(struct json_parser *parser, size_t start, size_t count, bool map)
{
    struct buffer *value = &parser->value;
    uint8_t header[8];
    struct buffer head = {.data = header, .capacity = sizeof(header)};
    msgpack_packer packer = packer_of(&head);
    (void)(map ? msgpack_pack_map(&packer, count) : msgpack_pack_array(&packer, count)); /* fits: 5 bytes */
    if (head.size > 1) {
        if (buffer_reserve(value, head.size - 1) < 0)
            return out_of_memory(parser);
        memmove(value->data + start + head.size, value->data + start + 1, value->size - start - 1);
        value->size += head.size - 1;
    }
    memcpy(value->data + start, header, head.size);
    return 0;
}

/* Opens a container: leaves a byte for its header and takes its opening character. *ret_empty: it closed
 * again. */
static int open_container(struct json_parser *parser, unsigned depth, char closing, bool *ret_empty)
{
    if (depth == VALUE_DEPTH_MAX)
        return json_fail(
            parser, parser->p, E2BIG, "arrays and objects are nested deeper than %d", VALUE_DEPTH_MAX);
    if (buffer_append(&parser->value, "", 1) < 0)
        return out_of_memory(parser);
    parser->p++;
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    *ret_empty = *parser->p == closing;
    parser->p += *ret_empty;
    return 0;
}

/* Takes a ',' or the closing character. */
static int next_or_close(struct json_parser *parser, char closing, bool *ret_closed)
{
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p != ',' && *parser->p != closing)
        return json_unexpected(parser, closing == ']' ? "',' or ']'" : "',' or '}'");
    *ret_closed = *parser->p == closing;
    parser->p++;
    return 0;
}

static int value_array(struct json_parser *parser, unsigned depth)
{
    size_t start = parser->value.size;
    size_t count = 0;
    bool closed;
    int r = open_container(parser, depth, ']', &closed);
    while (r == 0 && !closed) {
        r = json_value(parser, depth + 1);
        count++;
        if (r == 0)
            r = next_or_close(parser, ']', &closed);
    }
    return r != 0 ? r : finish_container(parser, start, count, false);
}

/* Mixes 8 bytes at a time; equal keys must have equal hashes, nothing else is asked. */
static uint32_t key_hash(const char *key, size_t size)
{
    uint64_t hash = size;
    for (; size > 0;) {
        uint64_t word = 0;
        size_t part = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, key, part);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
        key += part;
        size -= part;
    }
    return (uint32_t)hash;
}

/* "key": value, remembered as a member. */
static int object_member(struct json_parser *parser, unsigned depth, uint32_t position)
{
    struct json_member member = {.key = (uint32_t)parser->value.size, .position = position};
    struct json_string key;
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    if (*parser->p != '"')
        return json_unexpected(parser, "a key in double quotes");
    r = json_parse_string(parser, &key);
    if (r == 0)
        r = pack_string(parser, &key);
    if (r != 0)
        return r;
    member.hash = key_hash(key.text, key.size);
    member.value = (uint32_t)parser->value.size;
    if (buffer_append(&parser->members, &member, sizeof(member)) < 0)
        return out_of_memory(parser);
    r = json_expect(parser, ':', "':' after a key");
    return r != 0 ? r : json_value(parser, depth + 1);
}

static int value_object(struct json_parser *parser, unsigned depth)
{
    size_t start = parser->value.size;
    size_t first = parser->members.size;
    uint32_t count = 0;
    bool closed;
    int r = open_container(parser, depth, '}', &closed);
    while (r == 0 && !closed) {
        r = object_member(parser, depth, count++);
        if (r == 0)
            r = next_or_close(parser, '}', &closed);
    }
    if (r != 0)
        return r;
    long left = json_unify_members(parser, first);
    if (left < 0)
        return out_of_memory(parser);
    parser->members.size = first;
    return finish_container(parser, start, (size_t)left, true);
}

int json_value(struct json_parser *parser, unsigned depth)
{
    if (depth == 0)
        parser->members.size = 0; /* a value that was cut off leaves those it had */
    int r = json_skip_space(parser);
    if (r != 0)
        return r;
    switch (*parser->p) {
    case '"':
        return value_string(parser);
    case '{':
        return value_object(parser, depth);
    case '[':
        return value_array(parser, depth);
    case 't':
    case 'f':
    case 'n':
        return value_word(parser);
    default:
        break;
    }
    if (*parser->p == '-' || is_digit(*parser->p))
        return value_number(parser);
    return json_unexpected(parser, "a value");
}
