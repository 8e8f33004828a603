/* Scenarios of repair: a database is damaged, repaired, and the repair crashed. Repaired again it holds what
 * it would hold without the crash, and what it held before is kept. */
#include "crash_database.h"

#include "checksum.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* What repair makes of the damaged database when nothing interrupts it. */
struct crash_damage {
    char *copy; /* of the damaged database */
    bool in_catalog, in_data;
    uint64_t rows, points; /* hashes of what is there afterwards */
};

void crash_damage_free(struct crash_damage *damage)
{
    if (damage)
        free(damage->copy);
    free(damage);
}

/* ---- as `connectordb repair` ---- */

static void be_silent(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static int find_catalog(const char *path, struct error *ret_error)
{
    return catalog_check(path, be_silent, NULL, ret_error);
}

static int find_data(const char *path, struct error *ret_error)
{
    return access(path, F_OK) < 0 ? 1 : store_check(path, be_silent, NULL, ret_error);
}

static int repair_part(const char *path, const char *keep, bool catalog, struct error *ret_error)
{
    struct store_repair_result result;
    int (*find)(const char *path, struct error *ret_error) = catalog ? find_catalog : find_data;
    int found = find(path, ret_error);
    if (found <= 0)
        return found;
    int r = catalog ? catalog_repair(path, keep, be_silent, NULL, ret_error)
                    : store_repair(path, keep, be_silent, NULL, &result, ret_error);
    if (r < 0)
        return r;
    found = find(path, ret_error);
    return found > 0 ? error_set(ret_error, EIO, "%s is damaged again", path) : found < 0 ? found : 1;
}

/* Which of both was repaired: 1 the catalog, 2 the data, 3 both; or -errno. */
static int repair(const char *directory, const char *stamp, struct error *ret_error)
{
    char *catalog = test_path(directory, "catalog.sqlite"),
         *keep_catalog = test_path(directory, "catalog.sqlite.before-%s", stamp);
    char *data = test_path(directory, "data"), *keep_data = test_path(directory, "data.before-%s", stamp);
    int in_catalog = repair_part(catalog, keep_catalog, true, ret_error);
    int in_data = in_catalog < 0 ? 0 : repair_part(data, keep_data, false, ret_error);
    free(catalog);
    free(keep_catalog);
    free(data);
    free(keep_data);
    return in_catalog < 0 ? in_catalog : in_data < 0 ? in_data : in_catalog + 2 * in_data;
}

/* ---- what a database holds ---- */

static uint64_t hash_batch(const struct batch *batch, uint64_t hash)
{
    uint8_t scratch[9];
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t size;
        double time = batch_time(batch, i);
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        hash = checksum(value, size, checksum(&time, sizeof(time), hash));
    }
    return hash;
}

static int hash_series(struct store_snapshot *snapshot, uint64_t id, uint64_t *hash, struct error *ret_error)
{
    struct store_cursor *cursor = NULL;
    const struct batch *batch = NULL;
    int r = store_cursor_open(snapshot, id, 0, UINT64_MAX, false, &cursor, ret_error);
    *hash = checksum(&id, sizeof(id), *hash);
    while (r == 0 && (r = store_cursor_next(cursor, &batch, ret_error)) == 0 && batch)
        *hash = hash_batch(batch, *hash);
    store_cursor_close(cursor);
    return r;
}

static int hash_rows(struct database *database, uint64_t *ret_hash, struct error *ret_error)
{
    uint64_t *rows, counts[3], hash = 0;
    size_t count;
    int r = catalog_counts(database->catalog, &counts[0], &counts[1], &counts[2], ret_error);
    if (r == 0)
        r = catalog_series(database->catalog, &rows, &count, ret_error);
    if (r < 0)
        return r;
    if (count > 0)
        hash = checksum(rows, count * sizeof(*rows), 0);
    free(rows);
    *ret_hash = checksum(counts, sizeof(counts), hash);
    return 0;
}

/* Opens the database for that. */
static int look_into(const struct crash_run *run, const char *directory, uint64_t *ret_rows,
    uint64_t *ret_points, struct error *ret_error)
{
    struct database *database;
    struct store_snapshot *snapshot;
    struct store_options options = {
        .no_threads = true, .io = crash_plain_io(), .journal_bytes = CRASH_JOURNAL_BYTES};
    int r = database_open(directory, &options, &database, ret_error);
    if (r < 0)
        return r;
    *ret_points = 0;
    r = hash_rows(database, ret_rows, ret_error);
    REQUIRE(store_snapshot_open(database->store, &snapshot, NULL) == 0, "snapshot");
    for (size_t i = 0; r == 0 && i < run->model.count; i++)
        r = hash_series(snapshot, run->model.series[i].id, ret_points, ret_error);
    store_snapshot_close(snapshot);
    int closed = database_close(database, r == 0 ? ret_error : NULL);
    return r < 0 ? r : closed;
}

/* ---- damage ---- */

static int64_t integer_of(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    REQUIRE(sqlite3_open(path, &db) == SQLITE_OK &&
                sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK,
        "%s", sql);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW, "%s", sql);
    int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    REQUIRE(sqlite3_close(db) == SQLITE_OK, "close");
    return value;
}

/* Where an index of the devices, which is one leaf, says how many entries it has. */
static size_t entry_count_of_index(const char *path)
{
    int64_t root = integer_of(
        path, "SELECT max(rootpage) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'devices'");
    return (size_t)((root - 1) * integer_of(path, "PRAGMA page_size")) + 4;
}

static void damage_catalog(const char *path, size_t entry_count)
{
    size_t size;
    char *bytes = test_file_read(path, &size);
    REQUIRE(bytes[entry_count] > 0, "no entries");
    bytes[entry_count]--; /* the last one is lost */
    test_file_write(path, bytes, size);
    free(bytes);
}

/* Some file of the data: some of its bytes are others, or its end is gone, or all of it. */
static void damage_data(struct crash_run *run, const char *data)
{
    struct dirent **entries;
    int count = scandir(data, &entries, NULL, alphasort);
    REQUIRE(count > 2, "%s: no files", data);
    const char *name = entries[crash_below(run, (uint64_t)count)]->d_name;
    char *path = test_path(data, "%s", name);
    struct stat status;
    REQUIRE(stat(path, &status) == 0, "%s: %s", path, strerror(errno));
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
        size_t size;
        char *bytes = test_file_read(path, &size);
        size_t offset = crash_below(run, crash_below(run, 2) ? size : size / 4 + 1),
               end = offset + 1 + crash_below(run, 64);
        for (size_t i = offset; i < end && i < size; i++)
            bytes[i] = (char)(bytes[i] ^ (1 + (char)crash_below(run, 100)));
        uint64_t how = crash_below(run, 6);
        test_file_write(path, bytes, how == 0 ? offset : size);
        REQUIRE(how != 1 || unlink(path) == 0, "%s: %s", path, strerror(errno));
        free(bytes);
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    free(path);
}

/* ---- workload ---- */

static void fill_database(struct crash_run *run)
{
    struct crash_object *a = crash_create_stream(run, "user", "a", true),
                        *b = crash_create_stream(run, "d", "b", false);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned n = 0; n < 6; n++) {
            crash_append_to(run, a);
            crash_append_to(run, b);
        }
        crash_work(run);
        if (i < 2)
            REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    }
    crash_switch_downlink(run, a, false);
    crash_append_to(run, crash_create_stream(run, "d", "c", false));
}

/* A database as a kill leaves it (so that there are a journal and a WAL with something in them), or as a
 * close does; then damaged: the catalog, the data, or both. */
static void prepare_repair(struct crash_run *run)
{
    char *beside = strdup(run->directory), *slash = beside ? strrchr(beside, '/') : NULL;
    struct crash_damage *damage = calloc(1, sizeof(*damage));
    struct error error = {0};
    REQUIRE(slash && damage, "no memory");
    *slash = '\0';
    damage->copy = test_path(beside, "damaged");
    char *made = test_path(beside, "made"), *catalog = test_path(run->directory, "catalog.sqlite");
    char *data = test_path(run->directory, "data"), *made_catalog = test_path(made, "catalog.sqlite");
    run->database_path = made;
    crash_prepare_database(run);
    size_t entry_count = entry_count_of_index(made_catalog);
    crash_open_database(run);
    fill_database(run);
    bool killed = crash_below(run, 2);
    if (!killed)
        crash_close_database(run);
    test_directory_copy(made, run->directory);
    if (killed)
        crash_close_database(run);
    char *shared_memory =
        test_path(run->directory, "catalog.sqlite-shm"); /* not recorded, and no file after a power loss */
    (void)unlink(shared_memory);
    uint64_t what = 1 + crash_below(run, 3);
    damage->in_catalog = what & 1;
    damage->in_data = what & 2;
    if (damage->in_catalog)
        damage_catalog(catalog, entry_count);
    while (damage->in_data && find_data(data, &error) == 0)
        damage_data(run, data);
    REQUIRE(mkdir(damage->copy, 0700) == 0, "%s: %s", damage->copy, strerror(errno));
    test_directory_copy(run->directory, damage->copy);
    run->database_path = NULL;
    run->damage = damage;
    free(shared_memory), free(beside), free(made), free(catalog), free(data), free(made_catalog);
}

/* The disk is full at some of the calls: the rest is for the next repair. */
static void fail_to_repair(struct crash_run *run)
{
    enum { CALLS_OF_A_REPAIR = 70 };
    struct error error = {0};
    crash_log_fail(&run->log, (struct crash_failures){.from = 1 + crash_below(run, CALLS_OF_A_REPAIR),
                                  .count = 1 + crash_below(run, 3),
                                  .kinds = CRASH_CALLS_OF_SPACE});
    int r = repair(run->directory, "full", &error);
    crash_log_fail(&run->log, (struct crash_failures){0});
    REQUIRE(r >= 0 || r == -ENOSPC || r == -EIO, "%d: %s", r, error.message);
}

static void play_repair(struct crash_run *run)
{
    struct error error = {0};
    struct crash_copy *copy = &run->copies[run->copy_count++];
    *copy = (struct crash_copy){.begun = crash_log_mark(&run->log), .ended = NEVER};
    if (run->disk_fills)
        fail_to_repair(run);
    int r = repair(run->directory, "workload", &error);
    REQUIRE(r >= 0 && (run->disk_fills || r == run->damage->in_catalog + 2 * run->damage->in_data),
        "repaired %d: %s", r, error.message);
    copy->ended = crash_log_mark(&run->log);
    r = look_into(run, run->directory, &run->damage->rows, &run->damage->points, &error);
    REQUIRE(r == 0, "%s", error.message);
}

static void play_crowded_repair(struct crash_run *run)
{
    run->disk_fills = true;
    play_repair(run);
}

/* ---- judging ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat status;
    if (stat(a, &status) < 0 || stat(b, &status) < 0)
        return false;
    size_t size_a, size_b;
    char *bytes_a = test_file_read(a, &size_a), *bytes_b = test_file_read(b, &size_b);
    bool same = size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0;
    free(bytes_a);
    free(bytes_b);
    return same;
}

/* All files of `from` are in `to`, too, byte for byte. */
static bool has_all_files(const char *from, const char *to)
{
    DIR *entries = opendir(from);
    const struct dirent *entry;
    bool good = true;
    REQUIRE(entries, "%s: %s", from, strerror(errno));
    while (good && (entry = readdir(entries))) {
        struct stat status;
        char *a = test_path(from, "%s", entry->d_name), *b = test_path(to, "%s", entry->d_name);
        REQUIRE(stat(a, &status) == 0, "%s: %s", a, strerror(errno));
        if (!S_ISDIR(status.st_mode))
            good = same_file(a, b);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = has_all_files(a, b);
        free(a);
        free(b);
    }
    (void)closedir(entries);
    return good;
}

/* Some repair kept this whole. */
static bool is_kept(
    const struct crash_damage *damage, const char *directory, const char *name, const char *ending)
{
    static const char *const stamps[] = {"full", "workload", "revived", "judge"};
    bool kept = false;
    char *before = test_path(damage->copy, "%s%s", name, ending);
    struct stat status;
    if (stat(before, &status) < 0)
        kept = true; /* there was none */
    for (size_t i = 0; !kept && i < sizeof(stamps) / sizeof(stamps[0]); i++) {
        char *now = test_path(directory, "%s.before-%s%s", name, stamps[i], ending);
        kept = S_ISDIR(status.st_mode) ? has_all_files(before, now) : same_file(before, now);
        free(now);
    }
    free(before);
    return kept;
}

static bool check_kept(
    const struct crash_damage *damage, const char *directory, struct model_violation *violation)
{
    if (damage->in_catalog && !is_kept(damage, directory, "catalog.sqlite", ""))
        return model_violated(violation, "the damaged catalog is not kept");
    if (damage->in_catalog && !is_kept(damage, directory, "catalog.sqlite", "-wal"))
        return model_violated(violation, "the damaged catalog's log is not kept");
    if (damage->in_data && !is_kept(damage, directory, "data", ""))
        return model_violated(violation, "the damaged data is not kept");
    return true;
}

/* Between the two renames there is no data: whoever opens it is told what to do. */
static bool check_missing(const char *directory, struct model_violation *violation)
{
    struct error error = {0};
    struct database *database;
    char *data = test_path(directory, "data");
    bool missing = access(data, F_OK) < 0;
    free(data);
    if (!missing)
        return true;
    if (database_open(directory, NULL, &database, &error) == 0)
        return model_violated(violation, "opens without data");
    return strstr(error.message, "repair") || model_violated(violation, "is refused: %s", error.message);
}

enum { CHECK_EVERY = 4 }; /* repair has checked it */

static bool judge_repair(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    const struct crash_damage *damage = run->damage;
    struct error error = {0};
    uint64_t rows, points;
    if (!check_missing(directory, violation))
        return false;
    int r = repair(directory, "judge", &error);
    if (r < 0)
        return model_violated(violation, "cannot be repaired: %s", error.message);
    if (r > 0 && run->copies[0].ended <= point)
        return model_violated(violation, "was repaired and is damaged: %d", r);
    if (!check_kept(damage, directory, violation))
        return false;
    if (look_into(run, directory, &rows, &points, &error) < 0)
        return model_violated(violation, "does not open: %s", error.message);
    if (rows != damage->rows || points != damage->points)
        return model_violated(
            violation, "holds other %s than without the crash", rows != damage->rows ? "rows" : "points");
    return test_random_below(random, CHECK_EVERY) > 0 || crash_check_files(directory, violation);
}

/* The repair after the crash is recorded, and crashed. */
static bool revive_repair(
    const struct crash_run *before, uint64_t point, struct crash_run *run, struct model_violation *violation)
{
    struct error error = {0};
    (void)point;
    (void)crash_log_mark(&run->log); /* the first entry: point 1 is before the repair */
    run->copies[0].ended = NEVER;
    run->damage = before->damage;
    int r = repair(run->directory, "revived", &error);
    run->copies[0].ended = crash_log_mark(&run->log);
    return r >= 0 || model_violated(violation, "cannot be repaired: %s", error.message);
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_repair_scenarios[] = {
    {"repair", TEXTS_SHORT, false, prepare_repair, play_repair, judge_repair, NULL, false},
    {"fullrepair", TEXTS_SHORT, false, prepare_repair, play_crowded_repair, judge_repair, NULL, false},
    {"rerepair", TEXTS_SHORT, false, prepare_repair, play_repair, judge_repair, revive_repair, false},
};
const size_t crash_repair_scenario_count = sizeof(crash_repair_scenarios) / sizeof(crash_repair_scenarios[0]);
