/* The gzip coding: what is decoded, what is refused and where, and who asks for it. */
#include "test.h"

#include "http_gzip.h"

#include <zlib.h>

enum { PLAIN_BYTES = 300000, CODED_BYTES_MAX = PLAIN_BYTES + 1000 };

static uint8_t plain[PLAIN_BYTES], coded[CODED_BYTES_MAX];
static size_t coded_size;

/* A source that gives pieces of `step` bytes. */
struct pieces {
    const uint8_t *data;
    size_t size, at, step;
};

static long next_piece(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct pieces *pieces = context;
    size_t count = pieces->size - pieces->at;
    (void)ret_error;
    count = count < pieces->step ? count : pieces->step;
    count = count < size ? count : size;
    memcpy(buffer, pieces->data + pieces->at, count);
    pieces->at += count;
    return (long)count;
}

static int make(void **state)
{
    struct test_random random = {7};
    (void)state;
    for (size_t i = 0; i < PLAIN_BYTES; i++)
        plain[i] = (uint8_t)("0123456789,:{}[]"[test_random_below(&random, 16)]);
    coded_size = http_gzip_whole(plain, PLAIN_BYTES, coded, sizeof(coded));
    return coded_size > 0 && coded_size < PLAIN_BYTES ? 0 : -1;
}

/* The sum of what was decoded, or the error. */
static long decode(
    const uint8_t *data, size_t size, size_t step, size_t step_out, uint8_t *to, struct error *error)
{
    struct http_gunzip *gunzip = http_gunzip_open();
    struct pieces pieces = {data, size, 0, step};
    size_t used = 0;
    long count;
    assert_non_null(gunzip);
    while ((count = http_gunzip_read(gunzip, to + used, step_out, next_piece, &pieces, error)) > 0) {
        used += (size_t)count;
        assert_true(used <= PLAIN_BYTES);
    }
    http_gunzip_close(gunzip);
    return count < 0 ? count : (long)used;
}

static void test_any_pieces(void **state)
{
    (void)state;
    static const size_t STEPS[] = {1, 7, 1000, CODED_BYTES_MAX};
    uint8_t *to = malloc(2 * PLAIN_BYTES);
    struct error error = {0};
    assert_non_null(to);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            memset(to, 0, PLAIN_BYTES);
            assert_int_equal(decode(coded, coded_size, STEPS[i],
                                 STEPS[k] < PLAIN_BYTES ? STEPS[k] : PLAIN_BYTES, to, &error),
                PLAIN_BYTES);
            assert_memory_equal(to, plain, PLAIN_BYTES);
        }
    }
    free(to);
}

static void test_what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    uint8_t *to = malloc(2 * PLAIN_BYTES), *wrong = malloc(CODED_BYTES_MAX + 10);
    struct error error = {0};
    assert_non_null(to);
    assert_non_null(wrong);
    memcpy(wrong, coded, coded_size);
    memset(wrong + coded_size, 0, 10);
    const struct {
        size_t size;
        const char *said;
    } cases[] = {{0, "ends early at byte 0"}, {5, "ends early at byte 5"},
        {coded_size / 2, "ends early at byte"}, {coded_size - 1, "ends early at byte"},
        {coded_size + 1, "is followed by other data at byte"},
        {coded_size + 10, "is followed by other data at byte"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(decode(wrong, cases[i].size, 1000, 1000, to, &error), -EBADMSG);
        if (!strstr(error.message, cases[i].said))
            fail_msg("case %zu: %s", i, error.message);
    }
    assert_int_equal(decode((const uint8_t *)"[{\"d\":1}]", 9, 9, 1000, to, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "is not gzip"));
    struct test_random random = {9};
    for (int i = 0; i < 300;
         i++) { /* the checksum finds whatever the format does not; the header's time is free */
        size_t at = test_random_below(&random, coded_size);
        wrong[at] ^= (uint8_t)(1u << test_random_below(&random, 8));
        bool unused = at >= 4 && at < 10;
        assert_int_equal(decode(wrong, coded_size, 5000, 5000, to, &error), unused ? PLAIN_BYTES : -EBADMSG);
        wrong[at] = coded[at];
    }
    memcpy(wrong + coded_size, "\x1f\x8b\x08", 3); /* a second member is refused, too */
    assert_int_equal(decode(wrong, coded_size + 3, 5000, 5000, to, &error), -EBADMSG);
    free(to);
    free(wrong);
}

struct collected {
    uint8_t *data;
    size_t size, pieces;
};

static int collect(void *context, uint8_t *data, size_t size)
{
    struct collected *to = context;
    memset(data - GZIP_ROOM, 0xff, GZIP_ROOM);
    memset(data + size, 0xff, GZIP_ROOM);
    memcpy(to->data + to->size, data, size);
    to->size += size;
    to->pieces++;
    return 0;
}

static int refuse(void *context, uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -EPIPE;
}

static void test_a_stream_in_parts(void **state)
{
    (void)state;
    struct collected all = {.data = malloc(CODED_BYTES_MAX)};
    uint8_t *to = malloc(2 * PLAIN_BYTES);
    struct error error = {0};
    struct http_gzip *gzip = http_gzip_open();
    assert_non_null(gzip);
    for (size_t at = 0; at < PLAIN_BYTES; at += 50000)
        assert_int_equal(
            http_gzip_write(gzip, plain + at, 50000, at + 50000 == PLAIN_BYTES, collect, &all), 0);
    http_gzip_close(gzip);
    assert_true(all.pieces >= 2);
    assert_int_equal(decode(all.data, all.size, 4096, 4096, to, &error), PLAIN_BYTES);
    assert_memory_equal(to, plain, PLAIN_BYTES);
    gzip = http_gzip_open();
    assert_non_null(gzip);
    assert_int_equal(http_gzip_write(gzip, plain, PLAIN_BYTES, true, refuse, NULL), -EPIPE);
    http_gzip_close(gzip);
    gzip = http_gzip_open();
    assert_non_null(gzip);
    all.size = 0;
    assert_int_equal(http_gzip_write(gzip, plain, 0, true, collect, &all), 0); /* nothing is a stream, too */
    http_gzip_close(gzip);
    assert_int_equal(decode(all.data, all.size, 100, 100, to, &error), 0);
    free(all.data);
    free(to);
    uint8_t small[16];
    assert_int_equal(http_gzip_whole(plain, 1000, small, sizeof(small)), 0);
}

static void test_who_asks_for_gzip(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool wanted;
    } cases[] = {
        {NULL, NULL, false},
        {"", NULL, false},
        {"gzip", NULL, true},
        {"GZip", NULL, true},
        {"x-gzip", NULL, true},
        {"gzip, deflate", NULL, true},
        {"gzip, deflate, br, zstd", NULL, true},
        {"deflate,gzip;q=1.0", NULL, true},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", NULL, true},
        {"gzip;q=0", NULL, false},
        {"gzip;q=0.0", NULL, false},
        {"gzip;q=0.000", NULL, false},
        {"gzip;q=0.001", NULL, true},
        {"gzip ; q=0", NULL, false},
        {"gzip;\tQ=0", NULL, false},
        {"*", NULL, true},
        {"*;q=0", NULL, false},
        {"gzip;q=0, *", NULL, false},
        {"identity", NULL, false},
        {"identity, gzip;q=0.5", NULL, false},
        {"identity;q=0.5, gzip;q=0.5", NULL, true},
        {"identity;q=0", NULL, false},
        {"identity;q=0, *", NULL, true},
        {"deflate", "gzip", true},
        {"gzip", "gzip;q=0", false},
        {"gzipped", NULL, false},
        {"agzip", NULL, false},
        {",,, ,gzip,", NULL, true},
        {"gzip;q=", NULL, true},
        {"gzip;q=x", NULL, true},
        {"gzip;q", NULL, true},
        {"gzip;", NULL, true},
        {";q=0", NULL, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_head head = {
            .fields = {{"Accept-Encoding", cases[i].first}, {"accept-encoding", cases[i].second}}};
        head.field_count = cases[i].second ? 2 : cases[i].first ? 1 : 0;
        if (http_gzip_is_wanted(&head) != cases[i].wanted)
            fail_msg("case %zu: %s", i, cases[i].first ? cases[i].first : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces),
        cmocka_unit_test(test_what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(test_a_stream_in_parts),
        cmocka_unit_test(test_who_asks_for_gzip),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
