/* Reading and printing numbers and booleans allocates nothing per point: every call of malloc and its like in this
 * program is counted. */
#include "test.h"

#include "json_points.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALLOCATOR_IS_TAKEN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_IS_TAKEN
#endif

static unsigned long allocations;

#ifndef ALLOCATOR_IS_TAKEN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
#endif

enum {
    BATCH_POINTS = 1000,
    WARM_UP_BATCHES = 5,
    BATCHES = 50,
};

/* An endless array of points of one shape, made on the fly. */
struct endless {
    const char *format;
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
    while (written < size) {
        if (endless->taken == endless->size) {
            endless->point[0] = endless->started ? ',' : '[';
            endless->started = true;
            unsigned i = endless->index++;
            endless->size = 1 + (size_t)snprintf(endless->point + 1, sizeof(endless->point) - 1, endless->format,
                1480000000 + i, i % 1000, i % 100);
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

static void check_shape(const char *format)
{
    struct endless source = {.format = format};
    static uint8_t buffer[SINK_RESERVE_MAX];
    struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = discard};
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    assert_int_equal(json_points_open(&(struct json_points_options){.import = true}, endless_read, &source, &reader), 0);
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
        fail_msg("%s: %lu allocations for %d points", format, after - before, BATCHES * BATCH_POINTS);
}

static void test_no_allocation_per_point(void **state)
{
    (void)state;
#ifdef ALLOCATOR_IS_TAKEN
    test_skip("a sanitizer has the allocator; build without to count allocations");
#endif
    void *volatile probe = malloc(1);
    assert_true(allocations > 0); /* the counter counts */
    free(probe);
    static const char *const shapes[] = {
        "{\"t\":%u.%03u,\"d\":%u}",
        "{\"t\":%u,\"d\":%u.%02u}",
        "{\"t\": %u.%u, \"d\": -0.%u}",
        "{\"t\":%u,\"d\":0.1234567890123%u%u}", /* no decimals: doubles */
        "{\"t\":%u.%03u,\"d\":true}",
        "{ \"t\" : %u.%03u , \"d\" : false }",  /* the general parser */
        "{\"d\":%u.5,\"t\":1%03u}",
        "{\"t\":%u,\"d\":%u,\"o\":\"sender/number%u\"}",
        "{\"t\":%u,\"d\":\"text %u \\u00e9 %u\"}",
        "{\"t\":%u,\"d\":{\"a\":[%u,%u.5],\"b\":null}}",
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        check_shape(shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_allocation_per_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
