/* The cache of compiled schemas: found by digest, shared, bounded, and safe while an entry is in use. */
#include "test.h"

#include "json_points.h"
#include "schema_cache.h"

#include <errno.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 2000, TEXTS = 8 };

static struct cached_schema *add(struct schema_cache *cache, const char *text)
{
    struct cached_schema *entry = NULL;
    assert_int_equal(schema_cache_add(cache, text, &entry), 0);
    return entry;
}

static struct cached_schema *find(struct schema_cache *cache, const char *text)
{
    uint8_t digest[SCHEMA_DIGEST_BYTES];
    assert_int_equal(schema_digest(text, digest), 0);
    return schema_cache_find(cache, digest);
}

static bool keeps(struct schema_cache *cache, const char *text)
{
    struct cached_schema *entry = find(cache, text);
    cached_schema_release(entry);
    return entry;
}

/* Whether the number 1 conforms. */
static bool accepts_one(const struct cached_schema *entry)
{
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, 1, 1), 0);
    int r = schema_check(entry->schema, &batch, NULL);
    batch_free(&batch);
    return r == 0;
}

static void test_found_by_text(void **state)
{
    (void)state;
    struct schema_cache cache;
    schema_cache_init(&cache, SCHEMA_CACHE_BYTES);
    assert_null(find(&cache, "{\"type\":\"number\"}"));
    struct cached_schema *number = add(&cache, "{\"type\":\"number\"}"),
                         *string = add(&cache, "{\"type\":\"string\"}");
    assert_true(accepts_one(number));
    assert_false(accepts_one(string));
    assert_ptr_equal(add(&cache, "{\"type\":\"number\"}"), number); /* compiled twice, kept once */
    assert_ptr_equal(find(&cache, "{\"type\":\"string\"}"), string);
    for (int i = 0; i < 2; i++) {
        cached_schema_release(number);
        cached_schema_release(string);
    }
    assert_true(keeps(&cache, "{\"type\":\"number\"}") && keeps(&cache, "{\"type\":\"string\"}"));
    schema_cache_destroy(&cache);
}

static void test_what_does_not_compile_is_kept_with_the_reason(void **state)
{
    (void)state;
    struct schema_cache cache;
    schema_cache_init(&cache, SCHEMA_CACHE_BYTES);
    cached_schema_release(add(&cache, "{\"type\":\"zork\"}"));
    struct cached_schema *entry = find(&cache, "{\"type\":\"zork\"}");
    assert_non_null(entry);
    assert_null(entry->schema);
    assert_int_equal(entry->error.code, EINVAL);
    assert_non_null(strstr(entry->error.message, "type"));
    cached_schema_release(entry);
    schema_cache_destroy(&cache);
}

static void test_the_longest_unused_goes_first(void **state)
{
    (void)state;
    struct schema_cache cache;
    schema_cache_init(&cache, SIZE_MAX);
    struct cached_schema *used = add(&cache, "{\"minimum\":0}");
    cached_schema_release(add(&cache, "{\"minimum\":1}"));
    cached_schema_release(add(&cache, "{\"minimum\":2}"));
    assert_true(keeps(&cache, "{\"minimum\":1}")); /* used again: now minimum 0 is the oldest */
    cache.bytes_max = cache.bytes;
    cached_schema_release(add(&cache, "{\"minimum\":3}"));
    assert_true(cache.bytes <= cache.bytes_max);
    assert_false(keeps(&cache, "{\"minimum\":0}"));
    assert_true(accepts_one(used)); /* whoever uses it still has it */
    cached_schema_release(used);
    assert_true(keeps(&cache, "{\"minimum\":1}") && keeps(&cache, "{\"minimum\":2}") &&
                keeps(&cache, "{\"minimum\":3}"));
    cached_schema_release(add(&cache, "{\"minimum\":4}"));
    assert_false(keeps(&cache, "{\"minimum\":1}"));
    schema_cache_destroy(&cache);
}

static void test_what_is_larger_than_the_cache_is_not_kept(void **state)
{
    (void)state;
    struct schema_cache cache;
    schema_cache_init(&cache, 1);
    struct cached_schema *entry = add(&cache, "{\"type\":\"number\"}");
    assert_true(accepts_one(entry));
    cached_schema_release(entry);
    assert_int_equal(cache.bytes, 0);
    assert_false(keeps(&cache, "{\"type\":\"number\"}"));
    schema_cache_destroy(&cache);
}

static void test_bytes_are_those_of_the_schema(void **state)
{
    (void)state;
    char text[8192] = "{\"enum\":[";
    struct schema_cache cache;
    schema_cache_init(&cache, SCHEMA_CACHE_BYTES);
    for (int i = 0; i < 500; i++)
        sprintf(text + strlen(text), "\"%08d\",", i);
    strcat(text, "0]}");
    struct cached_schema *large = add(&cache, text), *small = add(&cache, "{\"enum\":[0]}");
    struct cached_schema *pattern = add(&cache, "{\"pattern\":\"(abcdefgh){1,400}\"}"),
                         *short_pattern = add(&cache, "{\"pattern\":\"a\"}");
    assert_true(large->bytes > small->bytes + 500 * 8);
    assert_true(pattern->bytes > short_pattern->bytes + 400 * 8);
    assert_int_equal(cache.bytes, large->bytes + small->bytes + pattern->bytes + short_pattern->bytes);
    cached_schema_release(large);
    cached_schema_release(small);
    cached_schema_release(pattern);
    cached_schema_release(short_pattern);
    schema_cache_destroy(&cache);
}

static void *use(void *argument)
{
    struct schema_cache *cache = argument;
    char text[64];
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned minimum = i * 7 % TEXTS;
        (void)snprintf(text, sizeof(text), "{\"minimum\":%u,\"title\":\"%u\"}", minimum, i % 3);
        struct cached_schema *entry = find(cache, text);
        if (!entry)
            entry = add(cache, text);
        if (accepts_one(entry) != (minimum <= 1))
            abort();
        cached_schema_release(entry);
    }
    return NULL;
}

/* With room for few of the schemas, so that they go while others use them. */
static void test_threads(void **state)
{
    (void)state;
    struct schema_cache cache;
    pthread_t threads[THREADS];
    schema_cache_init(&cache, 64 << 10);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &cache), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(cache.bytes > 0 && cache.bytes <= cache.bytes_max);
    schema_cache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_by_text),
        cmocka_unit_test(test_what_does_not_compile_is_kept_with_the_reason),
        cmocka_unit_test(test_the_longest_unused_goes_first),
        cmocka_unit_test(test_what_is_larger_than_the_cache_is_not_kept),
        cmocka_unit_test(test_bytes_are_those_of_the_schema),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
