/* Which methods a path takes: the routing table, without a server. */
#include "test.h"

#include "routes.h"

static void test_methods(void **state)
{
    static const struct {
        const char *path;
        unsigned methods;
    } CASES[] = {
        {"/api/v1", HTTP_GET},
        {"/api/v1/", HTTP_GET},
        {"//api/./v1//", HTTP_GET},
        {"/api//v1/crud/./u/", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE},
        {"/api/v1/crud/u", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE},
        {"/api/v1/crud/u/d", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE},
        {"/api/v1/crud/u/d/s", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE},
        {"/api/v1/crud/u/d/s/data", HTTP_GET | HTTP_POST | HTTP_PUT},
        {"/api/v1/crud/u/d/data", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE}, /* a stream called data */
        {"/api/v1/meta/version", HTTP_GET},
        {"/", 0},
        {"/api", 0},
        {"/api/v2", 0},
        {"/API/v1", 0},
        {"/api/v1x", 0},
        {"/api/v1/crudx", 0},
        {"/api/v1/cru", 0},
        {"/api/v1/meta", 0},
        {"/api/v1/crud/u/d/s/dat", 0},
        {"/api/v1/crud/u/d/s/data/x", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char text[64];
        struct url_path path;
        strcpy(text, CASES[i].path);
        assert_int_equal(url_split(text, &path), 0);
        if (routes_methods(&path) != CASES[i].methods)
            fail_msg("%s: %#x", CASES[i].path, routes_methods(&path));
    }
}

/* Each route has a name of its own in the metrics. */
static void test_numbers(void **state)
{
    (void)state;
    char name[ROUTE_NAME_BYTES], other[ROUTE_NAME_BYTES];
    assert_string_equal(routes_describe(0, name), "any");
    assert_string_equal(name, "other");
    for (unsigned i = 1; i < routes_count(); i++) {
        const char *method = routes_describe(i, name);
        assert_true(strlen(name) > 3 && strlen(name) < sizeof(name) - 1);
        for (unsigned before = 0; before < i; before++) {
            if (strcmp(routes_describe(before, other), method) == 0)
                assert_string_not_equal(name, other);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_methods), cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
