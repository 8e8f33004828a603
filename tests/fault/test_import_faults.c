/* An import on a failing device: whichever call is the first to fail, a user is there with all points or not
 * at all, and the import succeeds once the device does. */
#include "database.h"
#include "export.h"
#include "io_fault.h"
#include "test.h"

#include <sys/stat.h>

enum { STREAMS = 3, POINTS = 5000, CALLS_MAX = 500 };

struct fixture {
    char *directory, *folder, *database_path, *out;
    struct io *io;
    struct database *database;
};

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path = test_path(folder, "%s", name);
    test_file_write(path, text, strlen(text));
    free(path);
}

static void make_directory(const char *folder, const char *name)
{
    char *path = test_path(folder, "%s", name);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static void make_folder(const char *folder)
{
    make_directory(folder, "");
    make_directory(folder, "ann");
    make_directory(folder, "ann/d");
    write_text(folder, "connectordb.json", "{\"Version\": 2}");
    write_text(folder, "ann/user.json",
        "{\"name\":\"ann\",\"email\":\"ann@b\",\"password\":\"h\",\"password_scheme\":\"SHA512\"}");
    write_text(folder, "ann/d/device.json", "{\"name\":\"d\"}");
    char *text = malloc(POINTS * 32), *to = text;
    assert_non_null(text);
    for (unsigned i = 0; i < POINTS; i++)
        to += sprintf(to, "%c{\"t\":%u,\"d\":\"%u\"}", i ? ',' : '[', i, i);
    strcpy(to, "]");
    for (unsigned i = 0; i < STREAMS; i++) {
        char name[64], description[64];
        snprintf(name, sizeof(name), "ann/d/s%u", i);
        make_directory(folder, name);
        snprintf(name, sizeof(name), "ann/d/s%u/stream.json", i);
        snprintf(description, sizeof(description), "{\"name\":\"s%u\"}", i);
        write_text(folder, name, description);
        snprintf(name, sizeof(name), "ann/d/s%u/data.json", i);
        write_text(folder, name, text);
    }
    free(text);
}

static void open_database(struct fixture *fixture)
{
    struct io *inner;
    struct error error = {0};
    const struct io_fault_plan healthy = {0};
    assert_int_equal(io_open_posix(&inner, &error), 0);
    assert_int_equal(io_open_fault(inner, &healthy, &fixture->io), 0);
    const struct store_options options = {.io = fixture->io, .journal_bytes = 64 << 10};
    if (database_open(fixture->database_path, &options, &fixture->database, &error) < 0)
        fail_msg("open: %s", error.message);
}

/* The device is well again by now: only what happened before can make this fail. */
static void close_database(struct fixture *fixture)
{
    io_fault_set(fixture->io, &(struct io_fault_plan){0});
    (void)database_close(fixture->database, NULL);
    io_close(fixture->io);
    fixture->database = NULL;
}

static int import(struct fixture *fixture, bool restart, struct error *ret_error)
{
    /* One thread: the calls come in the same order each time. */
    const struct transfer_options options = {.threads = 1, .restart = restart};
    struct transfer_result result;
    return import_database(fixture->database, fixture->folder, &options, &result, ret_error);
}

static bool user_exists(struct fixture *fixture)
{
    struct user user;
    int r = catalog_user_by_name(fixture->database->catalog, "ann", &user, NULL);
    if (r == 0)
        user_free(&user);
    return r == 0;
}

/* All points of all streams, by their number. */
static void check_complete(struct fixture *fixture)
{
    struct transfer_result result;
    struct error error = {0};
    if (export_database(
            fixture->database, fixture->out, &(struct transfer_options){.threads = 1}, &result, &error))
        fail_msg("export: %s", error.message);
    assert_int_equal(result.points, STREAMS * POINTS);
    for (unsigned i = 0; i < STREAMS; i++) {
        size_t sizes[2];
        char *paths[] = {test_path(fixture->folder, "ann/d/s%u/data.json", i),
            test_path(fixture->out, "ann/d/s%u/data.json", i)};
        char *texts[] = {test_file_read(paths[0], &sizes[0]), test_file_read(paths[1], &sizes[1])};
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(texts[0], texts[1], sizes[0]);
        for (unsigned k = 0; k < 2; k++) {
            free(paths[k]);
            free(texts[k]);
        }
    }
}

/* Imports while the fail_at-th call and `count` in all fail. Returns how many calls an undisturbed import
 * makes, or 0. */
static uint64_t disturb(uint64_t fail_at, uint64_t count, int code)
{
    struct fixture fixture = {.directory = test_directory_create()};
    struct error error = {0};
    const struct io_fault_plan plan = {
        .fail_at = fail_at, .fail_count = count, .code = code, .calls = UINT32_MAX};
    fixture.folder = test_path(fixture.directory, "in");
    fixture.out = test_path(fixture.directory, "out");
    fixture.database_path = test_path(fixture.directory, "db");
    make_folder(fixture.folder);
    assert_int_equal(database_create(fixture.database_path, NULL, &error), 0);
    open_database(&fixture);
    io_fault_set(fixture.io, &plan);
    int r = import(&fixture, false, &error);
    uint64_t calls = io_fault_calls(fixture.io);
    if (r < 0 && fail_at == 0)
        fail_msg("without a fault: %s", error.message);
    if (r < 0 && !*error.message)
        fail_msg("call %llu: no message", (unsigned long long)fail_at);
    if (r == 0 && !user_exists(&fixture))
        fail_msg("call %llu: success without a user", (unsigned long long)fail_at);
    close_database(&fixture);
    open_database(&fixture);
    if (r == 0 && !user_exists(&fixture))
        fail_msg("call %llu: the user is gone", (unsigned long long)fail_at);
    if (!user_exists(&fixture) && import(&fixture, true, &error) < 0)
        fail_msg("call %llu: cannot import again: %s", (unsigned long long)fail_at, error.message);
    check_complete(&fixture);
    close_database(&fixture);
    free(fixture.folder);
    free(fixture.out);
    free(fixture.database_path);
    test_directory_remove(fixture.directory);
    return calls;
}

static void test_every_call(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        int code;
    } plans[] = {{1, EIO}, {0, ENOSPC}, {1, 0}}; /* once; from there on; a short write */
    uint64_t calls = disturb(0, 0, EIO);
    assert_in_range(calls, 10, CALLS_MAX);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        for (uint64_t k = 1; k <= calls; k++)
            (void)disturb(k, plans[i].count, plans[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
