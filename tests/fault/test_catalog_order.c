/* Catalog and store stay in step whenever the process dies, and whatever call to the disk fails.
 *
 * Every write, sync and truncation of SQLite (through a VFS of ours) and every call of the store (through the
 * fault io) is a step. Each operation below runs again and again in a process that is killed at its first,
 * second, third, ... step, until it gets through; then the same with a step that fails. Each time the
 * database opens again, and every object is there with all of its data, or neither is. */
#include "store_helpers.h"

#include "database.h"
#include "io_fault.h"

#include <sqlite3.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS = 5, STEPS_MAX = 1000 };

/* How a run ended. */
enum ending {
    EXIT_DONE = 0, /* acknowledged; the step was not reached */
    EXIT_KILLED = 40,
    EXIT_REFUSED,  /* the operation reported a failure */
    EXIT_SURVIVED, /* a step failed, and the operation was acknowledged */
    EXIT_BROKEN,   /* the test itself went wrong */
};

/* ---- steps ---- */

enum mode { COUNT_NOTHING, KILL, FAIL_CATALOG, FAIL_STORE };
static const char *const mode_names[] = {"-", "killed", "catalog fails", "store fails"};
static _Atomic enum mode mode;
static atomic_uint steps_left; /* to the one that kills or fails */

static bool is_the_step(void)
{
    unsigned left = atomic_load(&steps_left);
    while (left > 0 && !atomic_compare_exchange_weak(&steps_left, &left, left - 1))
        continue;
    return left == 1;
}

/* Before a call of the catalog. True: let it fail. */
static bool step(void)
{
    enum mode now = atomic_load(&mode);
    bool hit = (now == KILL || now == FAIL_CATALOG) && is_the_step();
    if (hit && now == KILL)
        _exit(EXIT_KILLED);
    return hit;
}

/* SQLite's functions of a kind of file, with ours in the place of some. */
struct changed_methods {
    sqlite3_io_methods methods; /* first: a file points at it */
    const sqlite3_io_methods *plain;
};

static const sqlite3_io_methods *plain_of(const sqlite3_file *file)
{
    return ((const struct changed_methods *)(const void *)file->pMethods)->plain;
}

static int step_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    return step() ? SQLITE_IOERR_WRITE : plain_of(file)->xWrite(file, data, size, offset);
}

static int step_sync(sqlite3_file *file, int flags)
{
    return step() ? SQLITE_IOERR_FSYNC : plain_of(file)->xSync(file, flags);
}

static int step_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return step() ? SQLITE_IOERR_TRUNCATE : plain_of(file)->xTruncate(file, size);
}

static int (*plain_open)(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags);

/* The file stays SQLite's own; only the table of its functions is replaced. The catalog's file and its WAL
 * have one each. */
static int step_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    static struct changed_methods tables[2];
    int result = plain_open(vfs, name, file, flags, ret_flags);
    if (result != SQLITE_OK)
        return result;
    struct changed_methods *table = &tables[(flags & SQLITE_OPEN_MAIN_DB) != 0];
    assert_true(!table->plain || table->plain == file->pMethods);
    table->plain = file->pMethods;
    table->methods = *file->pMethods;
    table->methods.xWrite = step_write;
    table->methods.xSync = step_sync;
    table->methods.xTruncate = step_truncate;
    file->pMethods = &table->methods;
    return SQLITE_OK;
}

static void install_vfs(void)
{
    static sqlite3_vfs vfs;
    vfs = *sqlite3_vfs_find(NULL);
    plain_open = vfs.xOpen;
    vfs.zName = "steps";
    vfs.xOpen = step_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

/* After a call of the store. */
static struct io *store_io;

static void count_call(void *context, enum io_call call, const char *path, const char *path2,
    const void *data, size_t size, uint64_t offset)
{
    (void)context;
    (void)call;
    (void)path;
    (void)path2;
    (void)data;
    (void)size;
    (void)offset;
    if (atomic_load(&mode) == KILL && is_the_step())
        _exit(EXIT_KILLED);
}

static void arm(enum mode wanted, unsigned count)
{
    struct io_fault_plan plan = {.record = count_call, .calls = UINT_MAX};
    if (wanted == FAIL_STORE) {
        plan.fail_at = count;
        plan.fail_count = 1;
        plan.code = EIO;
    }
    atomic_store(&steps_left, count);
    atomic_store(&mode, wanted);
    io_fault_set(store_io, &plan);
}

static bool step_was_reached(enum mode wanted, unsigned count)
{
    return wanted == FAIL_STORE ? io_fault_calls(store_io) >= count : atomic_load(&steps_left) == 0;
}

/* ---- operations ---- */

struct subject {
    struct database *database;
    struct error error;
};

static int find(struct subject *subject, const char *device, const char *name, struct stream *ret_stream)
{
    return catalog_stream_by_name(
        subject->database->catalog, "alice", device, name, ret_stream, &subject->error);
}

static int append(struct subject *subject, uint64_t series_id)
{
    struct batch batch;
    batch_init(&batch);
    int r = 0;
    for (uint32_t i = 0; i < POINTS && r == 0; i++)
        r = batch_push_integer(&batch, 1 + i, i);
    if (r == 0)
        r = store_append(subject->database->store, series_id, &batch, 0, NULL, &subject->error);
    batch_free(&batch);
    return r;
}

/* A stream with downlink, and points in both. */
static int create_stream(struct subject *subject, const char *device_name, const char *name)
{
    struct catalog *catalog = subject->database->catalog;
    struct device device;
    int r = catalog_device_by_name(catalog, "alice", device_name, &device, &subject->error);
    if (r < 0)
        return r;
    struct stream made = {.device_id = device.id, .name = (char *)(uintptr_t)name, .downlink = true}, stream;
    r = catalog_create_stream(catalog, &made, NULL, &subject->error);
    device_free(&device);
    if (r == 0)
        r = find(subject, device_name, name, &stream);
    if (r < 0)
        return r;
    r = append(subject, stream.series_id);
    if (r == 0)
        r = append(subject, stream.downlink_series_id);
    stream_free(&stream);
    return r;
}

static int run_create(struct subject *subject)
{
    return create_stream(subject, "d", "fresh");
}

static int run_delete_stream(struct subject *subject)
{
    struct stream stream;
    int r = find(subject, "d", "victim", &stream);
    if (r < 0)
        return r;
    r = database_delete_stream(subject->database, stream.id, &subject->error);
    stream_free(&stream);
    return r;
}

static int run_delete_device(struct subject *subject)
{
    struct device device;
    int r = catalog_device_by_name(subject->database->catalog, "alice", "d", &device, &subject->error);
    if (r < 0)
        return r;
    r = database_delete_device(subject->database, device.id, &subject->error);
    device_free(&device);
    return r;
}

static int switch_downlink(struct subject *subject, bool downlink)
{
    struct stream stream;
    int r = find(subject, "d", "victim", &stream);
    if (r < 0)
        return r;
    stream.downlink = downlink;
    r = database_change_stream(subject->database, stream.id, &stream, UINT32_MAX, NULL, &subject->error);
    stream_free(&stream);
    return r;
}

static int run_downlink_off(struct subject *subject)
{
    return switch_downlink(subject, false);
}

/* Off, on, and new data in the new series. */
static int run_downlink_off_on(struct subject *subject)
{
    struct stream stream;
    int r = switch_downlink(subject, false);
    if (r == 0)
        r = switch_downlink(subject, true);
    if (r == 0)
        r = find(subject, "d", "victim", &stream);
    if (r < 0)
        return r;
    r = append(subject, stream.downlink_series_id);
    stream_free(&stream);
    return r;
}

static int load(struct subject *subject, struct store_bulk *bulk, uint64_t first)
{
    struct store_bulk_writer *writer = NULL;
    struct batch batch;
    batch_init(&batch);
    int r = 0;
    for (uint32_t i = 0; i < POINTS && r == 0; i++)
        r = batch_push_integer(&batch, 1 + i, i);
    if (r == 0)
        r = store_bulk_writer_open(bulk, &writer, &subject->error);
    for (uint64_t series = first; series < first + 2 && r == 0; series++) {
        r = store_bulk_series(writer, series, series, &subject->error);
        if (r == 0)
            r = store_bulk_append(writer, &batch, &subject->error);
    }
    if (r == 0)
        r = store_bulk_writer_finish(writer, &subject->error);
    store_bulk_writer_close(writer);
    batch_free(&batch);
    return r < 0 ? r : store_bulk_publish(bulk, &subject->error);
}

static int import_rows(struct subject *subject, uint64_t first)
{
    char name[] = "carol", empty[] = "", hash[] = "x", scheme[] = "bcrypt", device_name[] = "d",
         stream_name[] = "s";
    struct user user = {.name = name, .email = empty, .password = hash, .password_scheme = scheme};
    struct device device = {.name = device_name};
    struct stream stream = {
        .name = stream_name, .series_id = first, .downlink = true, .downlink_series_id = first + 1};
    struct catalog_import *import;
    int r = catalog_import_begin(subject->database->catalog, &user, &import, &subject->error);
    if (r < 0)
        return r;
    r = catalog_import_device(import, &device, &subject->error);
    if (r == 0)
        r = catalog_import_stream(import, &stream, &subject->error);
    if (r == 0)
        return catalog_import_commit(import, &subject->error);
    catalog_import_rollback(import);
    return r;
}

/* As an import of a folder does it: ids, segments, then the rows that make them visible. */
static int run_import(struct subject *subject)
{
    uint64_t first;
    struct store_bulk *bulk;
    int r = catalog_reserve_series(subject->database->catalog, 2, &first, &subject->error);
    if (r == 0)
        r = store_bulk_open(subject->database->store, "carol", false, &bulk, &subject->error);
    if (r < 0)
        return r;
    r = load(subject, bulk, first);
    if (r == 0)
        r = import_rows(subject, first);
    store_bulk_close(bulk, false);
    return r;
}

/* ---- judging ---- */

enum outcome { UNTOUCHED = 1, BETWEEN = 2, FINISHED = 4 };

enum { ABSENT = -1 };

/* What one stream has: points, ABSENT without a row (or without a downlink). */
struct finding {
    int points, downlink_points;
};

static int points_of(struct store_snapshot *snapshot, uint64_t series_id)
{
    struct store_series series;
    struct error error;
    assert_int_equal(store_snapshot_series(snapshot, series_id, &series, &error), 0);
    return (int)series.length;
}

static struct finding look(struct subject *subject, struct store_snapshot *snapshot, const char *user,
    const char *device, const char *name)
{
    struct stream stream;
    struct finding finding = {ABSENT, ABSENT};
    int r = catalog_stream_by_name(subject->database->catalog, user, device, name, &stream, &subject->error);
    if (r == -ENOENT)
        return finding;
    assert_int_equal(r, 0);
    finding.points = points_of(snapshot, stream.series_id);
    if (stream.downlink)
        finding.downlink_points = points_of(snapshot, stream.downlink_series_id);
    stream_free(&stream);
    return finding;
}

static bool is(struct finding finding, int points, int downlink_points)
{
    return finding.points == points && finding.downlink_points == downlink_points;
}

static enum outcome judge_create(struct finding fresh, struct finding victim, struct finding imported)
{
    assert_true(is(victim, POINTS, POINTS) && is(imported, ABSENT, ABSENT));
    if (is(fresh, ABSENT, ABSENT))
        return UNTOUCHED;
    if (is(fresh, POINTS, POINTS))
        return FINISHED;
    assert_true(is(fresh, 0, 0) || is(fresh, POINTS, 0)); /* every append is whole */
    return BETWEEN;
}

static enum outcome judge_delete(struct finding fresh, struct finding victim, struct finding imported)
{
    assert_true(is(fresh, ABSENT, ABSENT) && is(imported, ABSENT, ABSENT));
    assert_true(is(victim, ABSENT, ABSENT) || is(victim, POINTS, POINTS));
    return victim.points == ABSENT ? FINISHED : UNTOUCHED;
}

static enum outcome judge_downlink_off(struct finding fresh, struct finding victim, struct finding imported)
{
    assert_true(is(fresh, ABSENT, ABSENT) && is(imported, ABSENT, ABSENT));
    assert_true(is(victim, POINTS, ABSENT) || is(victim, POINTS, POINTS));
    return victim.downlink_points == ABSENT ? FINISHED : UNTOUCHED;
}

/* The downlink's points are the old ones or the new ones; both are five. Empty is only the new series. */
static enum outcome judge_downlink_off_on(
    struct finding fresh, struct finding victim, struct finding imported)
{
    assert_true(is(fresh, ABSENT, ABSENT) && is(imported, ABSENT, ABSENT));
    assert_int_equal(victim.points, POINTS);
    if (victim.downlink_points == POINTS)
        return UNTOUCHED | FINISHED;
    assert_true(victim.downlink_points == ABSENT || victim.downlink_points == 0);
    return BETWEEN;
}

static enum outcome judge_import(struct finding fresh, struct finding victim, struct finding imported)
{
    assert_true(is(fresh, ABSENT, ABSENT) && is(victim, POINTS, POINTS));
    assert_true(is(imported, ABSENT, ABSENT) || is(imported, POINTS, POINTS));
    return imported.points == ABSENT ? UNTOUCHED : FINISHED;
}

static const struct operation {
    const char *name;
    int (*run)(struct subject *subject);
    enum outcome (*judge)(struct finding fresh, struct finding victim, struct finding imported);
    unsigned steps_least; /* of the catalog and of the store together; fewer would mean that the test counts
                             nothing */
} operations[] = {
    {"create a stream and append", run_create, judge_create, 6},
    {"delete a stream", run_delete_stream, judge_delete, 4},
    {"delete a device", run_delete_device, judge_delete, 4},
    {"switch a downlink off", run_downlink_off, judge_downlink_off, 4},
    {"switch a downlink off and on", run_downlink_off_on, judge_downlink_off_on, 8},
    {"import", run_import, judge_import, 10},
};

/* No series without a row holds points. */
static void check_no_orphans(struct subject *subject, struct store_snapshot *snapshot)
{
    uint64_t *series, last;
    size_t count, place = 0;
    assert_int_equal(catalog_series(subject->database->catalog, &series, &count, &subject->error), 0);
    assert_int_equal(catalog_reserve_series(subject->database->catalog, 1, &last, &subject->error), 0);
    for (uint64_t id = 1; id <= last; id++) {
        if (place < count && series[place] == id)
            place++;
        else
            assert_int_equal(points_of(snapshot, id), 0);
    }
    assert_int_equal(place, count);
    free(series);
}

static void ignore_finding(void *context, const char *message)
{
    print_error("%s: %s\n", (const char *)context, message);
}

static void check_files(const char *directory, const char *what)
{
    struct error error = {0};
    char *catalog = test_path(directory, "catalog.sqlite"), *data = test_path(directory, "data");
    assert_int_equal(catalog_check(catalog, ignore_finding, (void *)(uintptr_t)what, &error), 0);
    assert_int_equal(store_check(data, ignore_finding, (void *)(uintptr_t)what, &error), 0);
    free(catalog);
    free(data);
}

static const struct store_options options = {.journal_bytes = 64 << 10};

/* Opens the database after the failure, judges it, and sees that it still works. */
static enum outcome judge(const char *directory, const struct operation *operation)
{
    struct subject subject = {0};
    if (database_open(directory, &options, &subject.database, &subject.error) < 0)
        fail_msg("%s: %s", operation->name, subject.error.message);
    struct store_snapshot *snapshot;
    assert_int_equal(store_snapshot_open(subject.database->store, &snapshot, &subject.error), 0);
    struct finding kept = look(&subject, snapshot, "alice", "user", "kept");
    assert_true(is(kept, POINTS, POINTS));
    enum outcome outcome = operation->judge(look(&subject, snapshot, "alice", "d", "fresh"),
        look(&subject, snapshot, "alice", "d", "victim"), look(&subject, snapshot, "carol", "d", "s"));
    check_no_orphans(&subject, snapshot);
    store_snapshot_close(snapshot);
    assert_int_equal(create_stream(&subject, "user", "after"), 0);
    assert_int_equal(database_close(subject.database, &subject.error), 0);
    check_files(directory, operation->name);
    return outcome;
}

/* ---- running ---- */

/* Runs the operation in the directory with its step number `count` killing or failing; an exit code. In a
 * child. */
static int run_once(
    const char *directory, const struct operation *operation, enum mode wanted, unsigned count)
{
    struct subject subject = {0};
    struct io *inner;
    const struct io_fault_plan quiet = {0};
    if (io_open_default(&inner, &subject.error) < 0 || io_open_fault(inner, &quiet, &store_io) < 0)
        return EXIT_BROKEN;
    struct store_options with_io = options;
    with_io.io = store_io;
    if (database_open(directory, &with_io, &subject.database, &subject.error) < 0)
        return EXIT_BROKEN;
    arm(wanted, count);
    int r = operation->run(&subject);
    bool reached = step_was_reached(wanted, count);
    arm(COUNT_NOTHING, 0);
    if (wanted == KILL)
        return r < 0 ? EXIT_BROKEN : EXIT_DONE; /* without closing: killed at last */
    if (reached)
        (void)database_close(subject.database, &subject.error); /* a dead journal says so again */
    return r < 0 ? EXIT_REFUSED : reached ? EXIT_SURVIVED : EXIT_DONE;
}

static enum ending run_in_child(
    const char *directory, const struct operation *operation, enum mode wanted, unsigned count)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run_once(directory, operation, wanted, count));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == EXIT_BROKEN)
        fail_msg("%s, step %u: the process ended with status %d", operation->name, count, status);
    return (enum ending)WEXITSTATUS(status);
}

/* User alice with the streams user/kept and d/victim. */
static char *make_template(void)
{
    char *directory = test_directory_create_fast();
    char *path = test_path(directory, "db");
    char alice[] = "alice", empty[] = "", hash[] = "x", scheme[] = "bcrypt", name[] = "d";
    struct user user = {.name = alice, .email = empty, .password = hash, .password_scheme = scheme};
    struct device device = {.name = name};
    struct subject subject = {0};
    struct catalog_import *import;
    if (database_create(path, NULL, &subject.error) < 0 ||
        database_open(path, &options, &subject.database, &subject.error) < 0 ||
        catalog_import_begin(subject.database->catalog, &user, &import, &subject.error) < 0 ||
        catalog_import_device(import, &device, &subject.error) < 0 ||
        catalog_import_commit(import, &subject.error) < 0 || create_stream(&subject, "user", "kept") < 0 ||
        create_stream(&subject, "d", "victim") < 0 || database_close(subject.database, &subject.error) < 0)
        fail_msg("%s", subject.error.message);
    free(path);
    return directory;
}

/* Returns how many steps there were. */
static unsigned try_every_step(const char *template, const struct operation *operation, enum mode wanted)
{
    unsigned seen = 0, count = 0;
    enum ending ended = EXIT_BROKEN;
    while (ended != EXIT_DONE) {
        assert_true(++count < STEPS_MAX);
        char *directory = test_directory_create_fast();
        test_directory_copy(template, directory);
        char *path = test_path(directory, "db");
        ended = run_in_child(path, operation, wanted, count);
        enum outcome outcome = judge(path, operation);
        seen |= outcome;
        if ((ended == EXIT_DONE || ended == EXIT_SURVIVED) && !(outcome & FINISHED))
            fail_msg("%s, %s, step %u: it was acknowledged and is lost", operation->name, mode_names[wanted],
                count);
        free(path);
        test_directory_remove(directory);
    }
    if (wanted != FAIL_STORE) /* the catalog goes first in all but the import */
        assert_true(seen & UNTOUCHED);
    assert_true(seen & FINISHED);
    return count - 1;
}

static void test_killed_at_every_step(void **state)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        unsigned steps = try_every_step(*state, &operations[i], KILL);
        assert_true(steps >= operations[i].steps_least);
        print_message("%s: %u steps\n", operations[i].name, steps);
    }
}

static void test_every_step_of_the_catalog_fails(void **state)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        (void)try_every_step(*state, &operations[i], FAIL_CATALOG);
}

static void test_every_step_of_the_store_fails(void **state)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        (void)try_every_step(*state, &operations[i], FAIL_STORE);
}

/* A database that is killed while it is made is not there; the next attempt makes it. */
static void test_creation_killed_at_every_step_of_the_catalog(void **state)
{
    (void)state;
    enum { STEPS_LEAST = 5 };
    unsigned count = 0;
    for (int status = -1; status != 0;) {
        assert_true(++count < STEPS_MAX);
        char *directory = test_directory_create_fast(), *path = test_path(directory, "db");
        struct error error = {0};
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            atomic_store(&steps_left, count);
            atomic_store(&mode, KILL);
            _exit(database_create(path, NULL, &error) < 0 ? EXIT_BROKEN : EXIT_DONE);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != EXIT_BROKEN);
        if (status != 0) {
            assert_int_equal(access(path, F_OK), -1);
            assert_int_equal(database_create(path, NULL, &error), 0);
        }
        check_files(path, "create");
        free(path);
        test_directory_remove(directory);
    }
    assert_true(count > STEPS_LEAST);
}

static int set_up(void **state)
{
    install_vfs();
    *state = make_template();
    return 0;
}

static int tear_down(void **state)
{
    test_directory_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_every_step),
        cmocka_unit_test(test_every_step_of_the_catalog_fails),
        cmocka_unit_test(test_every_step_of_the_store_fails),
        cmocka_unit_test(test_creation_killed_at_every_step_of_the_catalog),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
