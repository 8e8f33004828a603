/* Reading and printing numbers and booleans allocates nothing per point: every call of malloc and its like in
 * this program is counted. */
#include "counted_allocations.h"
#include "batch_equal.h"

#include "json_points.h"

enum {
    BATCH_POINTS = 1000,
    WARM_UP_BATCHES = 5,
    BATCHES = 50,
};

/* An endless array of points of one shape, made on the fly. */
struct endless {
    const char *format;
    size_t piece; /* no more is given at once */
    bool started;
    unsigned index;
    char point[128];
    size_t size;
    size_t taken;
};

static long endless_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    (void)ret_error;
    struct endless *endless = context;
    char *out = buffer;
    size_t written = 0;
    size = size < endless->piece ? size : endless->piece;
    while (written < size) {
        if (endless->taken == endless->size) {
            endless->point[0] = endless->started ? ',' : '[';
            endless->started = true;
            unsigned i = endless->index++;
            endless->size = 1 + (size_t)snprintf(endless->point + 1, sizeof(endless->point) - 1,
                                    endless->format, 1480000000 + i, i % 1000, i % 100);
            endless->taken = 0;
        }
        size_t part = endless->size - endless->taken;
        if (part > size - written)
            part = size - written;
        memcpy(out + written, endless->point + endless->taken, part);
        written += part;
        endless->taken += part;
    }
    return (long)written;
}

static int discard(struct sink *sink, struct error *ret_error)
{
    (void)sink;
    (void)ret_error;
    return 0;
}

static void check_shape(const char *format, size_t piece)
{
    struct endless source = {.format = format, .piece = piece};
    static uint8_t buffer[SINK_RESERVE_MAX];
    struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = discard};
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    const struct json_points_options options = {.import = true};
    assert_int_equal(json_points_open(&options, endless_read, &source, &reader), 0);
    unsigned long before = 0;
    for (unsigned i = 0; i < WARM_UP_BATCHES + BATCHES; i++) {
        if (i == WARM_UP_BATCHES)
            before = allocations;
        batch_clear(&batch);
        assert_int_equal(json_points_read(reader, &batch, BATCH_POINTS, &error), 1);
        assert_int_equal(batch.count, BATCH_POINTS);
        assert_int_equal(json_points_print(&sink, &batch, i == 0), 0);
    }
    unsigned long after = allocations;
    json_points_close(reader);
    batch_free(&batch);
    if (after != before)
        fail_msg("%s in pieces of %zu: %lu allocations for %d points", format, piece, after - before,
            BATCHES * BATCH_POINTS);
}

static void test_no_allocation_per_point(void **state)
{
    (void)state;
    need_the_allocator();
    void *volatile probe = malloc(1);
    assert_true(allocations > 0); /* the counter counts */
    free(probe);
    static const char *const shapes[] = {
        "{\"t\":%u.%03u,\"d\":%u}",
        "{\"t\":%u,\"d\":%u.%02u}",
        "{\"t\": %u.%u, \"d\": -0.%u}",
        "{\"t\":%u,\"d\":0.1234567890123%u%u}", /* no decimals: doubles */
        "{\"t\":%u.%03u,\"d\":true}",
        "{ \"t\" : %u.%03u , \"d\" : false }", /* the general parser */
        "{\"d\":%u.5,\"t\":1%03u}",
        "{\"t\":%u,\"d\":%u,\"o\":\"sender/number%u\"}",
        "{\"t\":%u,\"d\":\"text %u \\u00e9 %u\"}",
        "{\"t\":%u,\"d\":{\"a\":[%u,%u.5],\"b\":null}}",
        "{\"t\":%u,\"d\":{\"a\":{\"b\":1,\"c\":2},\"d\":%u,\"e\":%u,\"f\":{}}}",
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        check_shape(shapes[i], SIZE_MAX);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        check_shape(shapes[i], 50); /* nearly every point is cut somewhere */
}

struct text_source {
    const char *text;
    size_t size;
};

static long text_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    (void)ret_error;
    struct text_source *source = context;
    size_t part = source->size < size ? source->size : size;
    memcpy(buffer, source->text, part);
    source->text += part;
    source->size -= part;
    return (long)part;
}

/* Points of every kind: each form is widened, each buffer grows. */
static char *varied_text(unsigned points)
{
    char *text = malloc(points * 300 + 20000);
    assert_non_null(text);
    char *p = text + sprintf(text, "[");
    for (unsigned i = 0; i < points; i++) {
        p += sprintf(p, "%s{\"t\":%u,\"d\":", i ? "," : "", i);
        if (i < points / 2)
            p += sprintf(p, "%u.5", i);
        else if (i == points - 1)
            p += sprintf(p, "\"%015000d\"", 1);
        else
            p += sprintf(
                p, "{\"k\\n%u\":[%u,[true],\"\\u00e9 text of this point\"],\"k\\n%u\":null}", i, i, i);
        p += sprintf(p, ",\"o\":\"sender%u\"}", i);
    }
    (void)sprintf(p, "]");
    return text;
}

/* Reads the text with the k-th allocation failing. Returns the answer; what was read is a part of what is
 * expected. */
static int read_refused(const char *text, unsigned long k, const struct batch *expected)
{
    struct text_source source = {text, strlen(text)};
    struct json_points *reader = NULL;
    struct batch batch;
    struct batch view;
    struct error error = {0};
    batch_init(&batch);
    allocations = 0;
    refused_at = k;
    int r = json_points_open(&(struct json_points_options){.import = true}, text_read, &source, &reader);
    if (r == 0)
        r = json_points_read(reader, &batch, UINT32_MAX, &error);
    refused_at = 0;
    assert_true(r == 0 || r == -ENOMEM);
    batch_slice(expected, 0, batch.count, &view);
    assert_true(batch_equal(&batch, &view));
    if (r == 0)
        assert_int_equal(batch.count, expected->count);
    json_points_close(reader);
    batch_free(&batch);
    return r;
}

static void test_every_allocation_can_fail(void **state)
{
    (void)state;
    need_the_allocator();
    char *text = varied_text(200);
    struct text_source source = {text, strlen(text)};
    struct json_points *reader;
    struct batch expected;
    struct error error = {0};
    batch_init(&expected);
    const struct json_points_options options = {.import = true};
    assert_int_equal(json_points_open(&options, text_read, &source, &reader), 0);
    assert_int_equal(json_points_read(reader, &expected, UINT32_MAX, &error), 0);
    json_points_close(reader);
    assert_int_equal(expected.count, 200);
    unsigned long refused = 0;
    unsigned long k = 0;
    do /* until there was no k-th allocation */
        refused += read_refused(text, ++k, &expected) == -ENOMEM;
    while (allocations >= k);
    print_message("%lu allocations, %lu refusals reported\n", k - 1, refused);
    assert_true(refused >= 20);
    batch_free(&expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation_per_point),
        cmocka_unit_test(test_every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
