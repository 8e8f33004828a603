#include "test.h"

#include "id_map.h"

/* The map against a plain array, through growth and many removals. */
static void behaves_like_an_array(void **state)
{
    (void)state;
    enum { IDS = 2000, STEPS = 60000 };
    static int values[IDS];
    static bool present[IDS];
    struct id_map map = {0};
    struct test_random random = {7};
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        uint64_t id = test_random_below(&random, IDS);
        void *expected = present[id] ? &values[id] : NULL;
        assert_ptr_equal(id_map_get(&map, id), expected);
        if (test_random_below(&random, 2)) {
            assert_int_equal(id_map_put(&map, id, &values[id]), 0);
            count += !present[id];
            present[id] = true;
        } else {
            assert_ptr_equal(id_map_remove(&map, id), expected);
            count -= present[id];
            present[id] = false;
        }
        assert_int_equal(map.count, count);
    }
    size_t visited = 0;
    for (size_t i = 0; i < map.capacity; i++) {
        if (map.entries[i].value) {
            visited++;
            assert_true(present[map.entries[i].id]);
        }
    }
    assert_int_equal(visited, count);
    id_map_free(&map);
}

static void an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct id_map map = {0};
    assert_null(id_map_get(&map, 0));
    assert_null(id_map_remove(&map, 5));
    id_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_an_array),
        cmocka_unit_test(an_empty_map_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
