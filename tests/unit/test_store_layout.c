/* The names of a store's files. */
#include "test.h"

#include "store_layout.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool journal, segment;
        uint64_t id;
    } CASES[] = {
        {"journal-1", true, false, 1},
        {"segment-1", false, true, 1},
        {"journal-0", true, false, 0},
        {"journal-18446744073709551615", true, false, UINT64_MAX},
        {"journal-18446744073709551616", false, false, 0},
        {"journal-07", false, false, 0}, /* names another file than journal-7 */
        {"segment-00", false, false, 0},
        {"journal-", false, false, 0},
        {"journal--1", false, false, 0},
        {"journal-+1", false, false, 0},
        {"journal- 1", false, false, 0},
        {"journal-1.tail-4096.2", false, false, 0},
        {"Journal-1", false, false, 0},
        {"journal", false, false, 0},
        {"", false, false, 0},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint64_t id = 0;
        char name[STORE_NAME_BYTES];
        assert_int_equal(store_name_is_journal(CASES[i].name, &id), CASES[i].journal);
        assert_int_equal(store_name_is_segment(CASES[i].name, &id), CASES[i].segment);
        assert_true(id == CASES[i].id);
        if (CASES[i].journal)
            assert_string_equal(store_journal_name(name, id), CASES[i].name);
        if (CASES[i].segment)
            assert_string_equal(store_segment_name(name, id), CASES[i].name);
    }
    assert_true(store_name_is_import("import-u-ann"));
    assert_false(store_name_is_import("important"));
}

static void test_paths(void **state)
{
    (void)state;
    const struct {
        char *path;
        const char *expected;
    } CASES[] = {
        {store_path("d", MANIFEST_NAME), "d/MANIFEST"},
        {store_path("d", RECYCLED_NAME), "d/recycled"},
        {store_journal_path("/a/b", 7), "/a/b/journal-7"},
        {store_segment_path("/a/b", UINT64_MAX), "/a/b/segment-18446744073709551615"},
        {store_import_path("d", "u-ann"), "d/import-u-ann"},
        {store_trash_path("d", "stray", 12), "d/trash/stray.12"},
        {store_trash_tail_path("d", 3, 4096, 12), "d/trash/journal-3.tail-4096.12"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_string_equal(CASES[i].path, CASES[i].expected);
        free(CASES[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
