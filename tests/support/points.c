#include "points.h"

#include "bytes.h"

#include <math.h>

static uint64_t seed_used;

_Noreturn void require_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    flockfile(stderr);
    fprintf(stderr, "%s:%d: %s does not hold: ", file, line, condition);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (CONNECTORDB_SEED=%llu)\n", (unsigned long long)seed_used);
    funlockfile(stderr);
    abort();
}

uint64_t test_parameter(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : fallback;
}

uint64_t test_seed(uint64_t fallback)
{
    return seed_used = test_parameter("CONNECTORDB_SEED", fallback);
}

/* ---- points ---- */

void points_free(struct points *points)
{
    free(points->times);
    free(points->value_ends);
    free(points->sender_ends);
    buffer_free(&points->values);
    buffer_free(&points->senders);
    memset(points, 0, sizeof(*points));
}

void points_clear(struct points *points)
{
    points_truncate(points, 0);
}

void points_truncate(struct points *points, uint64_t count)
{
    points->count = count;
    points->values.size = count > 0 ? points->value_ends[count - 1] : 0;
    points->senders.size = count > 0 ? points->sender_ends[count - 1] : 0;
}

static void *grown(void *array, uint64_t count, size_t item)
{
    void *larger = realloc(array, count * item);
    REQUIRE(larger, "no memory for %llu points", (unsigned long long)count);
    return larger;
}

void points_push(struct points *points, double time, const void *value, size_t value_size, const char *sender,
    size_t sender_size)
{
    if (points->count == points->capacity) {
        points->capacity = points->capacity ? points->capacity * 2 : 64;
        points->times = grown(points->times, points->capacity, sizeof(*points->times));
        points->value_ends = grown(points->value_ends, points->capacity, sizeof(*points->value_ends));
        points->sender_ends = grown(points->sender_ends, points->capacity, sizeof(*points->sender_ends));
    }
    REQUIRE(buffer_append(&points->values, value, value_size) == 0, "no memory");
    REQUIRE(sender_size == 0 || buffer_append(&points->senders, sender, sender_size) == 0, "no memory");
    points->times[points->count] = time;
    points->value_ends[points->count] = points->values.size;
    points->sender_ends[points->count] = points->senders.size;
    points->count++;
}

const uint8_t *points_value(const struct points *points, uint64_t i, size_t *ret_size)
{
    uint64_t start = i > 0 ? points->value_ends[i - 1] : 0;
    *ret_size = points->value_ends[i] - start;
    return points->values.data + start;
}

const char *points_sender(const struct points *points, uint64_t i, size_t *ret_size)
{
    uint64_t start = i > 0 ? points->sender_ends[i - 1] : 0;
    *ret_size = points->sender_ends[i] - start;
    return *ret_size > 0 ? (const char *)points->senders.data + start : "";
}

void points_append(struct points *to, const struct points *from, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        size_t value_size, sender_size;
        const uint8_t *value = points_value(from, i, &value_size);
        const char *sender = points_sender(from, i, &sender_size);
        points_push(to, from->times[i], value, value_size, sender, sender_size);
    }
}

uint64_t points_logical_bytes(const struct points *points, uint64_t count)
{
    return count > 0 ? points->value_ends[count - 1] : 0;
}

uint64_t points_index_of_time(const struct points *points, uint64_t count, double time)
{
    uint64_t index = 0;
    while (index < count && points->times[index] <= time)
        index++;
    return index;
}

/* ---- values ---- */

static size_t put_big_endian(uint8_t *to, uint8_t code, uint64_t value, unsigned bytes)
{
    *to++ = code;
    for (unsigned i = bytes; i-- > 0;)
        *to++ = (uint8_t)(value >> (8 * i));
    return bytes + 1;
}

size_t value_of_unsigned(uint8_t *to, uint64_t value)
{
    if (value < 0x80)
        return put_big_endian(to, (uint8_t)value, 0, 0);
    if (value <= UINT8_MAX)
        return put_big_endian(to, 0xcc, value, 1);
    if (value <= UINT16_MAX)
        return put_big_endian(to, 0xcd, value, 2);
    return value <= UINT32_MAX ? put_big_endian(to, 0xce, value, 4) : put_big_endian(to, 0xcf, value, 8);
}

size_t value_of_integer(uint8_t *to, int64_t value)
{
    if (value >= 0)
        return value_of_unsigned(to, (uint64_t)value);
    if (value >= -32)
        return put_big_endian(to, (uint8_t)value, 0, 0);
    if (value >= INT8_MIN)
        return put_big_endian(to, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN)
        return put_big_endian(to, 0xd1, (uint64_t)value, 2);
    return value >= INT32_MIN ? put_big_endian(to, 0xd2, (uint64_t)value, 4)
                              : put_big_endian(to, 0xd3, (uint64_t)value, 8);
}

size_t value_of_double(uint8_t *to, double value)
{
    bool integral = value == floor(value) && double_bits(value) != double_bits(-0.0);
    if (integral && value >= -0x1p63 && value < 0x1p63)
        return value_of_integer(to, (int64_t)value);
    if (integral && value >= 0 && value < 0x1p64)
        return value_of_unsigned(to, (uint64_t)value);
    return put_big_endian(to, 0xcb, double_bits(value), 8);
}

static uint64_t big_endian(const uint8_t *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

/* The integer that value_of_integer or value_of_unsigned wrote; false: none, or over INT64_MAX. */
static bool integer_of_value(const uint8_t *value, size_t size, int64_t *ret_integer)
{
    uint8_t code = value[0];
    if (code < 0x80 || code >= 0xe0) {
        *ret_integer = (int8_t)code;
        return true;
    }
    if (code < 0xcc || code > 0xd3 || (code == 0xcf && value[1] >= 0x80))
        return false;
    unsigned shift = code < 0xd0 ? 0 : (unsigned)(64 - 8 * (size - 1)); /* sign-extends what is signed */
    *ret_integer = (int64_t)(big_endian(value + 1, size - 1) << shift) >> shift;
    return true;
}

static int push_narrow(struct batch *batch, double time, const uint8_t *value, size_t size)
{
    int64_t integer;
    if (integer_of_value(value, size, &integer))
        return batch_push_integer(batch, time, integer);
    if (value[0] == 0xcb)
        return batch_push_double(batch, time, bits_double(big_endian(value + 1, 8)));
    if (value[0] == 0xc2 || value[0] == 0xc3)
        return batch_push_boolean(batch, time, value[0] == 0xc3);
    return batch_push_msgpack(batch, time, value, size);
}

void points_to_batch(
    const struct points *points, uint64_t first, uint64_t count, bool narrow, struct batch *batch)
{
    for (uint64_t i = first; i < first + count; i++) {
        size_t size, sender_size;
        const uint8_t *value = points_value(points, i, &size);
        const char *sender = points_sender(points, i, &sender_size);
        int r = narrow ? push_narrow(batch, points->times[i], value, size)
                       : batch_push_msgpack(batch, points->times[i], value, size);
        REQUIRE(r == 0, "pushing point %llu: %d", (unsigned long long)i, r);
        if (sender_size > 0)
            r = batch_set_last_sender(batch, sender, sender_size);
        REQUIRE(r == 0, "sender of point %llu: %d", (unsigned long long)i, r);
    }
}

void points_from_batch(struct points *points, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t scratch[9];
        size_t size, sender_size;
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        const char *sender = batch_sender(batch, i, &sender_size);
        points_push(points, batch_time(batch, i), value, size, sender, sender_size);
    }
}

void points_check_batch(
    const struct points *points, uint64_t first, const struct batch *batch, const char *what)
{
    REQUIRE(first + batch->count <= points->count, "%s: %u points from %llu, the model has only %llu", what,
        batch->count, (unsigned long long)first, (unsigned long long)points->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t index = first + i;
        uint8_t scratch[9];
        size_t size, sender_size, wanted_size, wanted_sender_size;
        double time = batch_time(batch, i);
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        const char *sender = batch_sender(batch, i, &sender_size);
        const uint8_t *wanted = points_value(points, index, &wanted_size);
        const char *wanted_sender = points_sender(points, index, &wanted_sender_size);
        REQUIRE(double_bits(time) == double_bits(points->times[index]),
            "%s: time of point %llu is %.17g, not %.17g", what, (unsigned long long)index, time,
            points->times[index]);
        REQUIRE(size == wanted_size && memcmp(value, wanted, size) == 0,
            "%s: value of point %llu differs (%zu bytes from 0x%02x, wanted %zu from 0x%02x)", what,
            (unsigned long long)index, size, value[0], wanted_size, wanted[0]);
        REQUIRE(sender_size == wanted_sender_size && memcmp(sender, wanted_sender, sender_size) == 0,
            "%s: sender of point %llu is '%.*s', not '%.*s'", what, (unsigned long long)index,
            (int)sender_size, sender, (int)wanted_sender_size, wanted_sender);
    }
}

/* ---- random points ---- */

static size_t value_of_text(uint8_t *to, size_t size, struct test_random *random, const char *alphabet)
{
    size_t head = size < 32           ? put_big_endian(to, (uint8_t)(0xa0 | size), 0, 0)
                  : size <= UINT8_MAX ? put_big_endian(to, 0xd9, size, 1)
                                      : put_big_endian(to, 0xda, size, 2);
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < size; i++)
        to[head + i] = (uint8_t)alphabet[test_random_below(random, letters)];
    return head + size;
}

static size_t value_of_word(uint8_t *to, struct test_random *random)
{
    static const char *const words[] = {
        "", "on", "off", "walking", "driving", "at home, in the \"small\" room", "é"};
    const char *word = words[test_random_below(random, sizeof(words) / sizeof(words[0]))];
    size_t size = strlen(word);
    to[0] = (uint8_t)(0xa0 | size); /* all are shorter than 32 bytes */
    memcpy(to + 1, word, size);
    return size + 1;
}

static size_t value_of_random_double(uint8_t *to, struct test_random *random)
{
    static const double special[] = {-0.0, 0.0, 1e21, -1e21, 1e300, 5e-324, 0.1, 1.0 / 3, 0x1p53, 0x1p63,
        0x1p64, -0x1p63, 1e22, 123456789.125};
    uint64_t pick = test_random_below(random, 8);
    if (pick == 0)
        return value_of_double(to, special[test_random_below(random, sizeof(special) / sizeof(special[0]))]);
    if (pick < 5)
        return value_of_double(to, test_random_unit(random) * 100 - 50);
    double value = bits_double(test_random_next(random));
    return value_of_double(to, isfinite(value) ? value : 0.5);
}

static size_t value_of_random_integer(uint8_t *to, struct test_random *random)
{
    static const int64_t special[] = {INT64_MIN, INT64_MAX, (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1,
        0, -1, DECIMAL_INTEGER_MAX, DECIMAL_INTEGER_MAX + 1};
    uint64_t pick = test_random_below(random, 64);
    if (pick == 0)
        return value_of_unsigned(to, UINT64_MAX - test_random_below(random, 3));
    if (pick < 8)
        return value_of_integer(to, special[test_random_below(random, sizeof(special) / sizeof(special[0]))]);
    return value_of_integer(to, (int64_t)test_random_next(random) >> test_random_below(random, 64));
}

static size_t value_of_object(uint8_t *to, struct test_random *random)
{
    static const char *const keys[] = {"latitude", "longitude", "accuracy", "n"};
    size_t count = test_random_below(random, 5), size = 1;
    to[0] = (uint8_t)(0x80 | count);
    for (size_t i = 0; i < count; i++) {
        size_t key_size = strlen(keys[i]);
        to[size++] = (uint8_t)(0xa0 | key_size);
        memcpy(to + size, keys[i], key_size);
        size += key_size;
        switch (test_random_below(random, 4)) {
        case 0:
            size += value_of_random_double(to + size, random);
            break;
        case 1:
            size += value_of_word(to + size, random);
            break;
        case 2:
            to[size++] = 0x91; /* an array of one integer */
            size += value_of_random_integer(to + size, random);
            break;
        default:
            to[size++] = 0xc0;
        }
    }
    return size;
}

static size_t random_value(uint8_t *to, enum value_profile profile, struct test_random *random)
{
    switch (profile) {
    case PROFILE_STEPS:
        return value_of_integer(to, (int64_t)test_random_below(random, 10));
    case PROFILE_DECIMALS:
        return value_of_double(to, (double)((int64_t)test_random_below(random, 4000) - 1000) / 100);
    case PROFILE_INTEGERS:
        return value_of_random_integer(to, random);
    case PROFILE_DOUBLES:
        return value_of_random_double(to, random);
    case PROFILE_BOOLEANS:
        to[0] = (uint8_t)(0xc2 + test_random_below(random, 2));
        return 1;
    case PROFILE_WORDS:
        return value_of_word(to, random);
    case PROFILE_TEXTS:
        return value_of_text(
            to, test_random_below(random, 300), random, "abcdefghijklmnopqrstuvwxyz 0123456789");
    case PROFILE_OBJECTS:
        return value_of_object(to, random);
    default:
        if (test_random_below(random, 16) == 0) {
            to[0] = 0xc0;
            return 1;
        }
        return random_value(to, (enum value_profile)test_random_below(random, PROFILE_MIXED), random);
    }
}

void points_push_random(
    struct points *points, enum value_profile profile, double time, bool senders, struct test_random *random)
{
    static const char *const names[] = {"bob/phone", "alice/user", "a/b", "someone-else/with_a-longer-name"};
    uint8_t value[1024];
    size_t size = random_value(value, profile, random);
    const char *sender =
        senders && test_random_below(random, 3) == 0 ? names[test_random_below(random, 4)] : "";
    points_push(points, time, value, size, sender, strlen(sender));
}

double random_time_after(double after, struct test_random *random)
{
    double later;
    switch (test_random_below(random, 8)) {
    case 0:
        return after;
    case 1:
    case 2:
        later = floor(after) + 1;
        break;
    case 3:
    case 4:
        later = (floor(after * 1000) + 1 + (double)test_random_below(random, 2000)) / 1000;
        break;
    case 5:
        later = nextafter(after, INFINITY);
        break;
    default:
        later = after + test_random_unit(random);
    }
    return later < after ? after : later;
}
