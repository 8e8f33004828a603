#include "value.h"

#include "batch.h"
#include "check.h"
#include "msgpack_head.h"
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DESCRIBED_BYTES_MAX = 120, NUMBER_STRING_MAX = 512 };

/* ---- reading msgpack ---- */

static struct msgpack_head read_head(const uint8_t *at, const uint8_t *end)
{
    struct msgpack_head head = {0};
    CHECK(msgpack_read_head(at, end, &head)); /* written by our own code */
    return head;
}

static const uint8_t *skip(const uint8_t *at, const uint8_t *end)
{
    for (uint64_t left = 1; left > 0; left--) {
        struct msgpack_head head = read_head(at, end);
        at += head.size;
        if (head.type == MSGPACK_STRING)
            at += head.length;
        else if (head.type == MSGPACK_ARRAY)
            left += head.length;
        else if (head.type == MSGPACK_MAP)
            left += 2 * (uint64_t)head.length;
    }
    return at;
}

/* The value at `at`, and where it ends. */
static struct value read_value(const uint8_t *at, const uint8_t *end, bool stored, const uint8_t **ret_end)
{
    struct msgpack_head head = read_head(at, end);
    *ret_end = at + head.size;
    switch (head.type) {
    case MSGPACK_NULL:
        return value_null();
    case MSGPACK_FALSE:
    case MSGPACK_TRUE:
        return value_boolean(head.type == MSGPACK_TRUE);
    case MSGPACK_NUMBER:
        if (!stored && head.number.kind == NUMBER_DECIMAL && head.number.exponent == 0)
            return value_integer(head.number.integer);
        return value_double(number_double(&head.number));
    case MSGPACK_STRING:
        *ret_end += head.length;
        return value_string((const char *)at + head.size, head.length);
    default:
        *ret_end = skip(at, end);
        return (struct value){.kind = head.type == MSGPACK_ARRAY ? VALUE_ARRAY : VALUE_OBJECT,
            .stored = stored,
            .size = (uint32_t)(*ret_end - at),
            .packed = at};
    }
}

struct value value_of_batch(const struct batch *batch, uint32_t i)
{
    const uint8_t *end;
    if (batch->form == VALUES_NUMBERS)
        return value_double(numbers_double(&batch->numbers, i));
    if (batch->form == VALUES_BOOLEANS)
        return value_boolean(batch->booleans[i] != 0);
    return read_value(batch->msgpack.data + batch_msgpack_offset(batch, i),
        batch->msgpack.data + batch->msgpack_ends[i], true, &end);
}

uint32_t value_length(const struct value *container)
{
    return read_head(container->packed, container->packed + container->size).length;
}

void value_iterate(const struct value *container, struct value_iterator *iterator)
{
    const uint8_t *end = container->packed + container->size;
    struct msgpack_head head = read_head(container->packed, end);
    *iterator = (struct value_iterator){.at = container->packed + head.size,
        .end = end,
        .left = head.length,
        .object = container->kind == VALUE_OBJECT,
        .stored = container->stored};
}

bool value_iterator_next(struct value_iterator *iterator, struct value *ret_key, struct value *ret_value)
{
    if (iterator->left == 0)
        return false;
    iterator->left--;
    if (iterator->object)
        *ret_key = read_value(iterator->at, iterator->end, iterator->stored, &iterator->at);
    *ret_value = read_value(iterator->at, iterator->end, iterator->stored, &iterator->at);
    return true;
}

bool value_member(const struct value *object, const char *key, size_t size, struct value *ret_value)
{
    struct value_iterator iterator;
    struct value name;
    value_iterate(object, &iterator);
    while (value_iterator_next(&iterator, &name, ret_value))
        if (name.size == size && memcmp(name.text, key, size) == 0)
            return true;
    return false;
}

/* ---- text of numbers ---- */

/* The shortest digits that read back to the double; d.ddde±XX if the decimal exponent is < -4 or >= 6. */
static size_t print_double(double real, char to[NUMBER_TEXT_MAX + 8])
{
    char text[NUMBER_TEXT_MAX + 1], digits[NUMBER_TEXT_MAX + 1];
    if (isnan(real))
        return (size_t)sprintf(to, "NaN");
    if (isinf(real))
        return (size_t)sprintf(to, real > 0 ? "+Inf" : "-Inf");
    double magnitude = fabs(real);
    size_t size = number_print_double(text, magnitude);
    text[size] = '\0';
    int count = 0, exponent = 0, point = -1;
    for (const char *at = text; *at; at++) {
        if (*at == 'e') {
            exponent += atoi(at + 1);
            break;
        }
        if (*at == '.')
            point = count;
        else if (count > 0 || *at != '0')
            digits[count++] = *at;
        else if (point >= 0)
            exponent--; /* zeros between the point and the first digit */
    }
    exponent += (point >= 0 ? point : count) - 1;
    if (magnitude == 0 || (exponent >= -4 && exponent < 6))
        return (size_t)sprintf(to, "%s%s", signbit(real) ? "-" : "", text);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return (size_t)snprintf(to, NUMBER_TEXT_MAX + 8, "%s%c%s%se%c%02d", signbit(real) ? "-" : "", digits[0],
        count > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
}

/* ---- text to numbers ---- */

/* White space of Unicode (White_Space=yes) that begins at text: its bytes, or 0. */
size_t unicode_space(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    if (size >= 1 && (at[0] == ' ' || (at[0] >= '\t' && at[0] <= '\r')))
        return 1;
    if (size >= 2 && at[0] == 0xc2 && (at[1] == 0x85 || at[1] == 0xa0))
        return 2;
    if (size < 3 || (at[0] & 0xf0) != 0xe0)
        return 0;
    unsigned code = (unsigned)(at[0] & 0x0f) << 12 | (unsigned)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
    return code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
                   code == 0x202f || code == 0x205f || code == 0x3000
               ? 3
               : 0;
}

/* Digits, an optional point among them; returns how many digits. */
static size_t skip_digits(const char **text, const char *digits)
{
    size_t whole = strspn(*text, digits), fraction = 0;
    *text += whole;
    if (**text == '.') {
        fraction = strspn(++*text, digits);
        *text += fraction;
    }
    return whole + fraction;
}

static bool skip_exponent(const char **text)
{
    ++*text;
    if (**text == '+' || **text == '-')
        ++*text;
    size_t digits = strspn(*text, "0123456789");
    *text += digits;
    return digits > 0;
}

/* Optional sign, then decimals with an optional point and exponent, hexadecimals with a binary exponent, or
 * inf, infinity, nan in any case. */
static bool is_number_text(const char *text)
{
    if (*text == '+' || *text == '-')
        text++;
    if (strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0 || strcasecmp(text, "nan") == 0)
        return true;
    if (text[0] == '0' && (text[1] | 0x20) == 'x') {
        text += 2;
        return skip_digits(&text, "0123456789abcdefABCDEF") > 0 && (*text | 0x20) == 'p' &&
               skip_exponent(&text) && *text == '\0';
    }
    if (skip_digits(&text, "0123456789") == 0)
        return false;
    return *text == '\0' || ((*text | 0x20) == 'e' && skip_exponent(&text) && *text == '\0');
}

/* Drops underscores between digits, as the original's numbers may have them. */
static void drop_underscores(char *text)
{
    char *to = text;
    for (char *at = text; *at; at++)
        if (!(*at == '_' && at > text && isdigit((unsigned char)at[-1]) && isdigit((unsigned char)at[1])))
            *to++ = *at;
    *to = '\0';
}

static bool string_to_double(const struct value *string, double *ret_double)
{
    const char *text = string->text;
    size_t size = string->size, space;
    while ((space = unicode_space(text, size)) > 0) {
        text += space;
        size -= space;
    }
    for (size_t width = 1; width <= 3 && size >= width; width++) {
        if (unicode_space(text + size - width, width) == width) {
            size -= width;
            width = 0;
        }
    }
    char copy[NUMBER_STRING_MAX + 1];
    if (size == 0 || size > NUMBER_STRING_MAX || memchr(text, '\0', size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    drop_underscores(copy);
    if (!is_number_text(copy))
        return false;
    double real = strtod(copy, NULL);
    if (isinf(real) && !strpbrk(copy, "iI"))
        return false; /* 1e400 */
    *ret_double = real;
    return true;
}

/* ---- conversions ---- */

static bool is_text(const struct value *value, const char *text)
{
    return value->size == strlen(text) && memcmp(value->text, text, value->size) == 0;
}

bool value_is_numeric(const struct value *value, double *ret_double)
{
    switch (value->kind) {
    case VALUE_NULL:
        *ret_double = 0;
        return true;
    case VALUE_BOOLEAN:
        *ret_double = value->boolean;
        return true;
    case VALUE_INTEGER:
        *ret_double = (double)value->integer;
        return true;
    case VALUE_DOUBLE:
        *ret_double = value->real;
        return true;
    case VALUE_STRING:
        if (is_text(value, "true") || is_text(value, "false")) {
            *ret_double = value->size == 4;
            return true;
        }
        return string_to_double(value, ret_double);
    default:
        return false;
    }
}

static int cannot_convert(const struct value *value, const char *type, struct error *ret_error)
{
    char text[DESCRIBED_BYTES_MAX];
    value_describe(value, text, sizeof(text));
    return error_set(ret_error, EINVAL, "could not convert %s to %s", text, type);
}

int value_to_double(const struct value *value, double *ret_double, struct error *ret_error)
{
    if (value->kind == VALUE_DOUBLE) {
        *ret_double = value->real;
        return 0;
    }
    return value_is_numeric(value, ret_double) ? 0 : cannot_convert(value, "a number", ret_error);
}

int value_to_integer(const struct value *value, int64_t *ret_integer, struct error *ret_error)
{
    double real;
    if (value->kind == VALUE_INTEGER) {
        *ret_integer = value->integer;
        return 0;
    }
    if (!value_is_numeric(value, &real) || floor(real) != real || fabs(real) > 9007199254740992.0)
        return cannot_convert(value, "an integer", ret_error);
    *ret_integer = (int64_t)real;
    return 0;
}

int value_to_boolean(const struct value *value, bool *ret_boolean, struct error *ret_error)
{
    double real;
    switch (value->kind) {
    case VALUE_NULL:
        *ret_boolean = false;
        return 0;
    case VALUE_BOOLEAN:
        *ret_boolean = value->boolean;
        return 0;
    case VALUE_INTEGER:
        *ret_boolean = value->integer > 0;
        return 0;
    case VALUE_DOUBLE:
        *ret_boolean = value->real > 0;
        return 0;
    case VALUE_STRING:
        if (value->size == 0) {
            *ret_boolean = false;
            return 0;
        }
        if (!value_is_numeric(value, &real))
            return cannot_convert(value, "a boolean", ret_error);
        *ret_boolean = real > 0;
        return 0;
    default:
        return cannot_convert(value, "a boolean", ret_error);
    }
}

int value_to_string(
    const struct value *value, struct arena *arena, struct value *ret_string, struct error *ret_error)
{
    char text[NUMBER_TEXT_MAX + 8];
    size_t size;
    switch (value->kind) {
    case VALUE_NULL:
        *ret_string = value_string("", 0);
        return 0;
    case VALUE_BOOLEAN:
        *ret_string = value->boolean ? value_string("true", 4) : value_string("false", 5);
        return 0;
    case VALUE_STRING:
        *ret_string = *value;
        return 0;
    case VALUE_INTEGER:
        size = (size_t)sprintf(text, "%lld", (long long)value->integer);
        break;
    case VALUE_DOUBLE:
        size = print_double(value->real, text);
        break;
    default:
        return cannot_convert(value, "a string", ret_error);
    }
    char *copy = arena_alloc(arena, size, ret_error);
    if (!copy)
        return -ret_error->code;
    memcpy(copy, text, size);
    *ret_string = value_string(copy, size);
    return 0;
}

/* ---- messages ---- */

void value_describe(const struct value *value, char *to, size_t size)
{
    char text[NUMBER_TEXT_MAX + 8] = "null";
    size_t text_size = 4;
    if (value->kind == VALUE_BOOLEAN) {
        text_size = (size_t)sprintf(text, value->boolean ? "true" : "false");
    } else if (value->kind == VALUE_INTEGER) {
        text_size = (size_t)sprintf(text, "%lld", (long long)value->integer);
    } else if (value->kind == VALUE_DOUBLE) {
        text_size = print_double(value->real, text);
    } else if (value->kind == VALUE_STRING) {
        (void)snprintf(to, size, "'%.*s%s'", value->size > 80 ? 80 : (int)value->size, value->text,
            value->size > 80 ? "..." : "");
        return;
    } else if (value->kind != VALUE_NULL) {
        (void)snprintf(
            to, size, value->kind == VALUE_ARRAY ? "an array of %u" : "an object of %u", value_length(value));
        return;
    }
    (void)snprintf(to, size, "%.*s", (int)text_size, text);
}

/* ---- equality ---- */

static bool containers_equal(const struct value *a, const struct value *b);

static bool identical(const struct value *a, const struct value *b)
{
    double x = 0, y = 0;
    bool numbers = (a->kind == VALUE_INTEGER || a->kind == VALUE_DOUBLE) &&
                   (b->kind == VALUE_INTEGER || b->kind == VALUE_DOUBLE);
    if (numbers)
        return value_is_numeric(a, &x) && value_is_numeric(b, &y) && x == y;
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_BOOLEAN)
        return a->boolean == b->boolean;
    if (a->kind == VALUE_STRING)
        return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
    return a->kind == VALUE_NULL || containers_equal(a, b);
}

static bool containers_equal(const struct value *a, const struct value *b)
{
    struct value_iterator i, j;
    struct value key, value, other_key, other;
    if (value_length(a) != value_length(b))
        return false;
    value_iterate(a, &i);
    value_iterate(b, &j);
    while (value_iterator_next(&i, &key, &value)) {
        if (a->kind == VALUE_OBJECT ? !value_member(b, key.text, key.size, &other)
                                    : !value_iterator_next(&j, &other_key, &other))
            return false;
        if (!identical(&value, &other))
            return false;
    }
    return true;
}

bool value_equals(const struct value *a, const struct value *b)
{
    double x, y;
    if (a->kind == VALUE_DOUBLE && b->kind == VALUE_DOUBLE)
        return a->real == b->real;
    if (identical(a, b))
        return true;
    if (a->kind == VALUE_NULL || b->kind == VALUE_NULL || (a->kind == b->kind && a->kind != VALUE_STRING))
        return false;
    if (!value_is_numeric(a, &x) || !value_is_numeric(b, &y))
        return false;
    bool strings = a->kind == VALUE_STRING && b->kind == VALUE_STRING;
    return x == y || (strings && isnan(x) && isnan(y));
}

/* ---- access ---- */

static int not_found(const struct value *value, const struct value *key, struct error *ret_error)
{
    char name[DESCRIBED_BYTES_MAX], text[DESCRIBED_BYTES_MAX];
    value_describe(key, name, sizeof(name));
    value_describe(value, text, sizeof(text));
    return error_set(ret_error, EINVAL, "could not find %s in %s", name, text);
}

static int access_element(
    const struct value *value, const struct value *key, struct value *ret_value, struct error *ret_error)
{
    int64_t index, length = value->kind == VALUE_STRING ? (int64_t)value->size : (int64_t)value_length(value);
    if (value_to_integer(key, &index, NULL) < 0)
        return not_found(value, key, ret_error);
    if (index < 0)
        index += length;
    if (index < 0 || index >= length)
        return not_found(value, key, ret_error);
    if (value->kind == VALUE_STRING) {
        *ret_value = value_integer((uint8_t)value->text[index]);
        return 0;
    }
    struct value_iterator iterator;
    struct value unused;
    value_iterate(value, &iterator);
    while (value_iterator_next(&iterator, &unused, ret_value) && index-- > 0)
        continue;
    return 0;
}

int value_access(const struct value *value, const struct value *key, struct arena *arena,
    struct value *ret_value, struct error *ret_error)
{
    struct value name;
    if (value->kind == VALUE_ARRAY || value->kind == VALUE_STRING)
        return access_element(value, key, ret_value, ret_error);
    if (value->kind != VALUE_OBJECT || value_to_string(key, arena, &name, ret_error) < 0 ||
        !value_member(value, name.text, name.size, ret_value))
        return not_found(value, key, ret_error);
    return 0;
}

/* ---- writing msgpack ---- */

static int pack_head(struct buffer *to, uint8_t small, uint32_t small_max, uint8_t wide, uint32_t length)
{
    uint8_t head[5];
    if (length <= small_max) {
        head[0] = (uint8_t)(small | length);
        return buffer_append(to, head, 1);
    }
    if (wide == 0xdb && length <= UINT8_MAX) { /* str 8 */
        head[0] = 0xd9;
        head[1] = (uint8_t)length;
        return buffer_append(to, head, 2);
    }
    if (length <= UINT16_MAX) {
        head[0] = (uint8_t)(wide - 1);
        head[1] = (uint8_t)(length >> 8);
        head[2] = (uint8_t)length;
        return buffer_append(to, head, 3);
    }
    head[0] = wide;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    return buffer_append(to, head, 5);
}

static int pack_double(struct buffer *to, double real, bool canonical)
{
    struct number number = {.kind = NUMBER_DOUBLE, .real = real};
    uint8_t bytes[9] = {0xc0};
    if (!isfinite(real)) /* JSON has none */
        return buffer_append(to, bytes, 1);
    if (canonical)
        number_from_double(real, &number);
    return buffer_append(to, bytes, number_pack(&number, bytes));
}

static int pack(const struct value *value, struct buffer *to, bool canonical);

static int pack_container(const struct value *value, struct buffer *to, bool canonical)
{
    struct value_iterator iterator;
    struct value key, member;
    bool object = value->kind == VALUE_OBJECT;
    uint32_t length = value_length(value);
    value_iterate(value, &iterator);
    int r = object ? pack_head(to, 0x80, 15, 0xdf, length) : pack_head(to, 0x90, 15, 0xdd, length);
    while (r == 0 && value_iterator_next(&iterator, &key, &member)) {
        if (object)
            r = pack(&key, to, canonical);
        if (r == 0)
            r = pack(&member, to, canonical);
    }
    return r;
}

static int pack(const struct value *value, struct buffer *to, bool canonical)
{
    static const uint8_t SIMPLE[] = {0xc0, 0xc2, 0xc3};
    struct number number;
    uint8_t bytes[9];
    int r;
    switch (value->kind) {
    case VALUE_NULL:
        return buffer_append(to, &SIMPLE[0], 1);
    case VALUE_BOOLEAN:
        return buffer_append(to, &SIMPLE[value->boolean ? 2 : 1], 1);
    case VALUE_INTEGER:
        number = (struct number){.kind = NUMBER_DECIMAL, .integer = value->integer};
        return buffer_append(to, bytes, number_pack(&number, bytes));
    case VALUE_DOUBLE:
        return pack_double(to, value->real, canonical);
    case VALUE_STRING:
        r = pack_head(to, 0xa0, 31, 0xdb, value->size);
        return r < 0 ? r : buffer_append(to, value->text, value->size);
    default:
        /* A container as it is stored is canonical; one that a script has built holds its numbers as float64.
         */
        return value->stored == canonical ? buffer_append(to, value->packed, value->size)
                                          : pack_container(value, to, canonical);
    }
}

int value_pack(const struct value *value, struct buffer *to)
{
    return pack(value, to, true);
}

/* ---- building ---- */

/* The header has its widest form: the number of members is not known when it begins. */
enum { HEADER_BYTES = 5 };

void builder_begin(struct value_builder *builder)
{
    static const uint8_t HEADER[HEADER_BYTES] = {0xdf};
    builder->bytes.size = 0;
    builder->count = 0;
    builder->result = buffer_append(&builder->bytes, HEADER, sizeof(HEADER));
}

void builder_key(struct value_builder *builder, const char *key, size_t size)
{
    struct value name = value_string(key, size);
    if (builder->result == 0)
        builder->result = pack(&name, &builder->bytes, false);
    builder->count++;
}

void builder_value(struct value_builder *builder, const struct value *value)
{
    if (builder->result == 0)
        builder->result = pack(value, &builder->bytes, false);
}

int builder_end(
    struct value_builder *builder, struct arena *arena, struct value *ret_object, struct error *ret_error)
{
    if (builder->result < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    uint8_t *copy = arena_alloc(arena, builder->bytes.size, ret_error);
    if (!copy)
        return -ret_error->code;
    memcpy(copy, builder->bytes.data, builder->bytes.size);
    for (int i = 0; i < 4; i++)
        copy[1 + i] = (uint8_t)(builder->count >> (24 - 8 * i));
    *ret_object = (struct value){.kind = VALUE_OBJECT, .size = (uint32_t)builder->bytes.size, .packed = copy};
    return 0;
}

void builder_free(struct value_builder *builder)
{
    buffer_free(&builder->bytes);
}
