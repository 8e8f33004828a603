/* The catalog's write-ahead log: begins anew when nobody reads from it, and has a limit while somebody does.
 */
#include "catalog_fixture.h"

#include "catalog_internal.h"

#include <errno.h>
#include <sys/stat.h>

enum { TEXT_BYTES = 500000, MIB = 1 << 20 };

static off_t wal_bytes(const struct fixture *f)
{
    char path[4096];
    struct stat found;
    (void)snprintf(path, sizeof(path), "%s-wal", f->path);
    return stat(path, &found) == 0 ? found.st_size : 0;
}

/* Makes and deletes a stream with long texts. 0 or the failure. */
static int change(struct fixture *f, int64_t device, char *text)
{
    static unsigned number; /* one that could not be deleted stays */
    char name[16];
    (void)snprintf(name, sizeof(name), "s%u", number++);
    struct stream stream = {.device_id = device,
        .name = name,
        .nickname = "",
        .description = text,
        .icon = "",
        .schema = "{}",
        .datatype = ""};
    int64_t id;
    int r = catalog_create_stream(f->catalog, &stream, &id, &f->error);
    if (r < 0)
        return r;
    uint64_t *series;
    size_t count;
    r = catalog_delete_stream(f->catalog, id, &series, &count, &f->error);
    if (r == 0)
        free(series);
    return r;
}

static char *long_text(void)
{
    char *text = calloc(1, TEXT_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', TEXT_BYTES);
    return text;
}

static void test_stays_small(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t device = make_device(&f, make_user(&f, "bob", "b@b"), "d");
    char *text = long_text();
    for (int i = 0; i < 40; i++)
        assert_int_equal(change(&f, device, text), 0);
    assert_true(wal_bytes(&f) < 8 * MIB);
    free(text);
    fixture_close(&f);
}

/* It grew as long as there was room on the disk. */
static void test_limit_while_it_is_read(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t device = make_device(&f, make_user(&f, "bob", "b@b"), "d");
    char *text = long_text();
    struct catalog_snapshot *snapshot;
    assert_int_equal(f.catalog->wal.pages_max, WAL_PAGES_MAX);
    f.catalog->wal.pages_max = 9000; /* 35 MiB */
    assert_int_equal(change(&f, device, text), 0);
    assert_int_equal(catalog_snapshot_open(f.catalog, &snapshot, &f.error), 0);
    int r = 0, changes = 0;
    while (r == 0 && changes++ < 1000)
        r = change(&f, device, text);
    assert_int_equal(r, -EBUSY);
    assert_true(wal_bytes(&f) > 16 * MIB && wal_bytes(&f) < 40 * MIB);
    struct user user;
    assert_int_equal(catalog_user_by_name(f.catalog, "bob", &user, &f.error), 0); /* reading goes on */
    user_free(&user);
    catalog_snapshot_close(snapshot);
    /* now the log begins anew, and its file is cut */
    assert_int_equal(change(&f, device, text), 0);
    assert_true(wal_bytes(&f) <= 17 * MIB);
    for (int i = 0; i < 40; i++)
        assert_int_equal(change(&f, device, text), 0);
    assert_true(wal_bytes(&f) <= 17 * MIB);
    free(text);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stays_small),
        cmocka_unit_test(test_limit_while_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
