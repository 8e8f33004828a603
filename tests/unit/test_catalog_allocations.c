/* The request path of the catalog allocates nothing when it is warm, and everything else survives any
 * allocation that fails: every call of malloc and its like in this program is counted, and one of them can be
 * refused. */
#include "catalog_fixture.h"
#include "counted_allocations.h"

#include "configuration_text.h"

static void test_a_warm_request_allocates_nothing(void **state)
{
    (void)state;
    need_the_allocator();
    enum { REQUESTS = 1000 };
    struct fixture f = fixture_open();
    struct device device = {
        .user_id = make_user(&f, "alice", "a@b"), .name = text("d"), .apikey = text("key")};
    int64_t id;
    assert_int_equal(catalog_create_device(f.catalog, &device, &id, &f.error), 0);
    make_stream(&f, id, "s", true);
    unsigned long before = 0;
    for (int i = 0; i < REQUESTS; i++) {
        struct identity identity;
        struct stream_place place;
        if (i == 1)
            before = allocations;
        if (catalog_identity_by_key(f.catalog, "key", &identity, &f.error) < 0 ||
            catalog_stream_place(f.catalog, "alice", "d", "s", &place, &f.error) < 0)
            fail_msg("%s", f.error.message);
    }
    assert_int_equal(allocations, before);
    fixture_close(&f);
}

/* ---- every allocation refused in turn ---- */

typedef int (*operation)(struct fixture *fixture, struct error *ret_error);

static int run_open(struct fixture *fixture, struct error *ret_error)
{
    struct catalog *catalog = NULL;
    int r = catalog_open(fixture->path, &catalog, ret_error);
    catalog_close(catalog);
    return r;
}

static int run_check(struct fixture *fixture, struct error *ret_error)
{
    return catalog_check(fixture->path, print_finding, NULL, ret_error);
}

static int run_create(struct fixture *fixture, struct error *ret_error)
{
    char name[] = "made";
    struct stream stream = {.device_id = 1, .name = name, .downlink = true}, stored;
    int r = catalog_create_stream(fixture->catalog, &stream, NULL, ret_error);
    if (r < 0 && catalog_stream_by_name(fixture->catalog, "alice", "user", name, &stored, NULL) == 0)
        fail_msg("refused, but there");
    return r;
}

static int run_create_device(struct fixture *fixture, struct error *ret_error)
{
    char name[] = "made", first[] = "s", second[] = "t";
    struct device device = {.user_id = 1, .name = name}, stored;
    const struct stream streams[] = {{.name = first, .downlink = true}, {.name = second}};
    int r = catalog_create_device_with_streams(fixture->catalog, &device, streams, 2, NULL, ret_error);
    if (r < 0 && catalog_device_by_name(fixture->catalog, "alice", name, &stored, NULL) == 0)
        fail_msg("refused, but there");
    return r;
}

static int run_delete(struct fixture *fixture, struct error *ret_error)
{
    uint64_t *series = NULL;
    size_t count = 0;
    int r = catalog_delete_user(fixture->catalog, 1, &series, &count, ret_error);
    if (r == 0)
        assert_int_equal(count, 3);
    free(series);
    return r;
}

static int run_import(struct fixture *fixture, struct error *ret_error)
{
    struct user user = imported_user("bob", "b@b");
    struct device device = {.name = text("d")};
    struct catalog_import *import;
    int r = catalog_import_begin(fixture->catalog, &user, &import, ret_error);
    if (r < 0)
        return r;
    r = catalog_import_device(import, &device, ret_error);
    if (r == 0)
        return catalog_import_commit(import, ret_error);
    catalog_import_rollback(import);
    return r;
}

static int run_reads(struct fixture *fixture, struct error *ret_error)
{
    struct stream_place place;
    struct identity identity;
    struct stream stream;
    uint64_t *series;
    size_t count;
    int r = catalog_stream_place(fixture->catalog, "alice", "user", "s", &place, ret_error);
    if (r == 0)
        r = catalog_identity_by_key(fixture->catalog, "key", &identity, ret_error);
    if (r == 0)
        r = catalog_stream_by_name(fixture->catalog, "alice", "user", "s", &stream, ret_error);
    if (r < 0)
        return r;
    stream_free(&stream);
    r = catalog_series(fixture->catalog, &series, &count, ret_error);
    if (r == 0)
        free(series);
    return r;
}

static int count_user(void *context, const struct user *user)
{
    *(int *)context += user->name[0] == 'a';
    return 0;
}

static int run_snapshot(struct fixture *fixture, struct error *ret_error)
{
    struct catalog_snapshot *snapshot;
    int count = 0;
    int r = catalog_snapshot_open(fixture->catalog, &snapshot, ret_error);
    if (r < 0)
        return r;
    r = catalog_each_user(snapshot, count_user, &count, ret_error);
    catalog_snapshot_close(snapshot);
    if (r == 0)
        assert_int_equal(count, 1);
    return r;
}

static int run_configuration(struct fixture *fixture, struct error *ret_error)
{
    (void)fixture;
    struct configuration configuration;
    const char *text_of = configuration_default_text();
    int r = configuration_parse(text_of, strlen(text_of), "x", &configuration, ret_error);
    if (r == 0)
        configuration_free(&configuration);
    return r;
}

/* A catalog with user alice (id 1), a device with the key "key" and two streams under alice/user (device 1).
 */
static struct fixture filled_fixture(void)
{
    struct fixture f = fixture_open();
    struct device device = {
        .user_id = make_user(&f, "alice", "a@b"), .name = text("d"), .apikey = text("key")};
    assert_int_equal(catalog_create_device(f.catalog, &device, NULL, &f.error), 0);
    make_stream(&f, 1, "s", true);
    make_stream(&f, 1, "t", false);
    return f;
}

static void test_no_allocation_is_needed_to_fail(void **state)
{
    (void)state;
    need_the_allocator();
    static const struct {
        const char *name;
        operation run;
        bool catalog_closed;
    } cases[] = {
        {"open", run_open, true},
        {"check", run_check, true},
        {"create a stream", run_create, false},
        {"create a device", run_create_device, false},
        {"delete a user", run_delete, false},
        {"import", run_import, false},
        {"read", run_reads, false},
        {"snapshot", run_snapshot, false},
        {"configuration", run_configuration, false},
    };
    enum { EVERY_UP_TO = 40 }; /* later ones are tried with growing gaps: opening takes thousands */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = filled_fixture();
        int refused = 0;
        for (unsigned long nth = 1;; nth += 1 + nth / EVERY_UP_TO) {
            if (cases[i].catalog_closed) {
                catalog_close(f.catalog);
                f.catalog = NULL;
            } else {
                fixture_reopen(&f); /* nothing is prepared or cached */
            }
            struct error error = {0};
            unsigned long before = allocations;
            refused_at = before + nth;
            int r = cases[i].run(&f, &error);
            bool reached = allocations >= refused_at;
            refused_at = 0;
            refused += r < 0;
            if (r < 0 && error.code != ENOMEM && error.code != EIO && error.code != EINVAL)
                fail_msg("%s, allocation %lu: %d %s", cases[i].name, nth, r, error.message);
            if (!reached) {
                assert_int_equal(r, 0);
                break;
            }
            if (r == 0) { /* SQLite does without some of them */
                fixture_close(&f);
                f = filled_fixture();
            }
        }
        assert_true(refused > 0);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_warm_request_allocates_nothing),
        cmocka_unit_test(test_no_allocation_is_needed_to_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
