/* Scenarios of databases that are made beside: new ones and backups. Each is there as a whole, or is refused.
 */
#include "crash_database.h"

#include "configuration.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- noting ---- */

static struct crash_copy *begin_copy(struct crash_run *run, const char *name)
{
    REQUIRE(run->copy_count < CRASH_COPIES_MAX, "too many copies");
    struct crash_copy *copy = &run->copies[run->copy_count++];
    *copy = (struct crash_copy){.begun = crash_log_mark(&run->log), .ended = NEVER, .objects = run->objects};
    (void)snprintf(copy->name, sizeof(copy->name), "%s", name);
    return copy;
}

bool crash_is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* How many names in the directory begin so. */
static unsigned count_files(const char *directory, const char *name)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    unsigned count = 0;
    REQUIRE(entries, "%s: %s", directory, strerror(errno));
    while ((entry = readdir(entries)))
        count += strncmp(entry->d_name, name, strlen(name)) == 0;
    (void)closedir(entries);
    return count;
}

void crash_make_copy(struct crash_run *run, const char *name,
    int (*make)(struct crash_run *run, const char *path, struct error *ret_error))
{
    enum { CALLS_OF_A_COPY = 60 };
    struct error error = {0};
    struct crash_copy *copy = begin_copy(run, name);
    char *path = test_path(run->directory, "%s", name);
    int r = -ENOSPC;
    if (run->disk_fills) {
        crash_log_fail(&run->log, (struct crash_failures){.from = 1 + crash_below(run, CALLS_OF_A_COPY),
                                      .count = 1 + crash_below(run, 3),
                                      .kinds = CRASH_CALLS_OF_SPACE});
        r = make(run, path, &error);
        crash_log_fail(&run->log, (struct crash_failures){0});
        REQUIRE(r == 0 || r == -ENOSPC || r == -EIO, "%s: %d: %s", name, r, error.message);
        REQUIRE(r == 0 || count_files(run->directory, name) == 0, "%s: %s, and something is left", name,
            error.message);
    }
    if (r < 0)
        r = make(run, path, &error);
    REQUIRE(r == 0, "%s: %s", name, error.message);
    copy->ended = crash_log_mark(&run->log);
    free(path);
}

/* What is looked at in one state of so many: the rest of it is not new in most states. */
enum { CHECK_EVERY = 2, CREATE_AGAIN_EVERY = 4, OLD_COPY_EVERY = 4, OLD_AFTER_CALLS = 100 };

/* ---- opening ---- */

/* False: it is refused without saying that it is none. *ret_database: NULL = it is refused. */
static bool open_copy(const char *path, struct database **ret_database, struct model_violation *violation)
{
    struct error error = {0};
    struct store_options options = {
        .no_threads = true, .io = crash_plain_io(), .journal_bytes = CRASH_JOURNAL_BYTES};
    *ret_database = NULL;
    int r = database_open(path, &options, ret_database, &error);
    return r == 0 || r == -ENOENT || r == -EINVAL ||
           model_violated(violation, "%s is refused without saying that it is none: %s", path, error.message);
}

/* good: what was found in it before. */
static bool close_copy(
    const char *path, struct database *database, bool good, struct model_violation *violation)
{
    struct error error = {0};
    if (database_close(database, &error) < 0 && good)
        good = model_violated(violation, "%s does not close: %s", path, error.message);
    return good;
}

/* ---- new databases ---- */

static int create_database(const char *path, const char *administrator, struct error *ret_error)
{
    const struct user user = {.name = crash_text(administrator),
        .email = crash_text("root@localhost"),
        .role = crash_text("admin")};
    return database_create_with_user(
        path, configuration_default_text(), administrator ? &user : NULL, "secret", ret_error);
}

static const char *administrator_of(const struct crash_copy *copy)
{
    return strcmp(copy->name, "bare") == 0 ? NULL : "boss";
}

static void prepare_nothing(struct crash_run *run)
{
    (void)run;
}

static int make_with_administrator(struct crash_run *run, const char *path, struct error *ret_error)
{
    return create_database(path, administrator_of(&run->copies[run->copy_count - 1]), ret_error);
}

static void play_create(struct crash_run *run)
{
    static const char *const names[] = {"new", "bare"};
    for (unsigned i = 0; i < 2; i++) {
        crash_make_copy(run, names[i], make_with_administrator);
        run->database_path = test_path(run->directory, "%s", names[i]);
        crash_open_database(run);
        crash_close_database(run);
        free(run->database_path);
        run->database_path = NULL;
    }
}

static void play_crowded_create(struct crash_run *run)
{
    run->disk_fills = true;
    play_create(run);
}

static bool check_administrator(const struct crash_copy *copy, struct database *database,
    struct test_random *random, struct model_violation *violation)
{
    enum { PASSWORD_EVERY = 32 };
    struct user user = {0};
    struct device device = {0};
    struct identity identity;
    struct error error = {0};
    uint64_t users, devices, streams;
    const char *name = administrator_of(copy);
    if (catalog_counts(database->catalog, &users, &devices, &streams, &error) < 0)
        return model_violated(violation, "%s: %s", copy->name, error.message);
    if (users != (name != NULL) || devices != 2 * users || streams != 0)
        return model_violated(violation, "%s opens with %llu users, %llu devices and %llu streams",
            copy->name, (unsigned long long)users, (unsigned long long)devices, (unsigned long long)streams);
    if (!name)
        return true;
    int r = catalog_user_by_name(database->catalog, name, &user, &error);
    if (r == 0)
        r = catalog_device_by_name(database->catalog, name, "user", &device, &error);
    if (r == 0 && test_random_below(random, PASSWORD_EVERY) == 0)
        r = catalog_identity_by_password(database->catalog, name, "secret", &identity, &error);
    bool good =
        r < 0 ? model_violated(violation, "%s opens without its administrator: %s", copy->name, error.message)
              : strcmp(user.role, "admin") == 0 ||
                    model_violated(violation, "the administrator is a %s", user.role);
    user_free(&user);
    device_free(&device);
    return good;
}

/* What opens is whole; what does not is said. ret_opened: whether it does. */
static bool check_created(const struct crash_copy *copy, const char *path, struct test_random *random,
    bool *ret_opened, struct model_violation *violation)
{
    struct database *database;
    bool good = open_copy(path, &database, violation);
    *ret_opened = database != NULL;
    if (!database)
        return good;
    good = check_administrator(copy, database, random, violation);
    good = close_copy(path, database, good, violation);
    return good && (test_random_below(random, CHECK_EVERY) > 0 || crash_check_files(path, violation));
}

/* Whatever NAME.creating-... is left: no half database that opens. */
static bool check_leftovers(const struct crash_copy *copy, const char *directory,
    bool (*check)(const void *context, const struct crash_copy *copy, const char *path,
        struct model_violation *violation),
    const void *context, struct model_violation *violation)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    char prefix[64];
    bool good = true;
    REQUIRE(entries, "%s: %s", directory, strerror(errno));
    (void)snprintf(prefix, sizeof(prefix), "%s.creating-", copy->name);
    while (good && (entry = readdir(entries))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        char *path = test_path(directory, "%s", entry->d_name);
        good = check(context, copy, path, violation);
        free(path);
    }
    (void)closedir(entries);
    return good;
}

static bool check_created_leftover(
    const void *context, const struct crash_copy *copy, const char *path, struct model_violation *violation)
{
    struct test_random random = *(const struct test_random *)context;
    bool opened;
    return check_created(copy, path, &random, &opened, violation);
}

/* A database that is not there can be made, whatever is left beside it. */
static bool create_again(const struct crash_copy *copy, const char *path, struct test_random *random,
    struct model_violation *violation)
{
    struct error error = {0};
    bool opened;
    struct crash_copy bare = *copy;
    (void)snprintf(bare.name, sizeof(bare.name), "bare"); /* a password takes long to hash */
    if (create_database(path, administrator_of(&bare), &error) < 0)
        return model_violated(violation, "%s cannot be created again: %s", copy->name, error.message);
    return check_created(&bare, path, random, &opened, violation) &&
           (opened || model_violated(violation, "%s was created again and does not open", copy->name));
}

static bool judge_create(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    bool good = true;
    for (size_t i = 0; good && i < run->copy_count; i++) {
        const struct crash_copy *copy = &run->copies[i];
        char *path = test_path(directory, "%s", copy->name);
        bool there = crash_is_there(path), opened = false;
        good = check_leftovers(copy, directory, check_created_leftover, random, violation) &&
               check_created(copy, path, random, &opened, violation);
        if (good && there && !opened)
            good = model_violated(violation, "%s is there and no database", copy->name);
        if (good && !opened && copy->ended <= point)
            good = model_violated(violation, "%s was created and is not there", copy->name);
        if (good && !opened && test_random_below(random, CREATE_AGAIN_EVERY) == 0)
            good = create_again(copy, path, random, violation);
        free(path);
    }
    return good;
}

/* ---- backups ---- */

static void prepare_backup(struct crash_run *run)
{
    run->database_path = test_path(run->directory, "db");
    crash_prepare_database(run);
}

static int make_backup(struct crash_run *run, const char *path, struct error *ret_error)
{
    return database_backup(run->database, path, NULL, NULL, NULL, ret_error);
}

static void back_up(struct crash_run *run, const char *name)
{
    crash_make_copy(run, name, make_backup);
}

/* The original goes on and loses what the copies share with it. */
static void play_backup(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *a = crash_create_stream(run, "user", "a", true),
                        *b = crash_create_stream(run, "d", "b", false);
    crash_append_and_seal(run, a, b);
    crash_append_and_seal(run, a, b);
    back_up(run, "first");
    crash_append_and_seal(run, a, b);
    crash_switch_downlink(run, a, false);
    crash_append_to(run, b);
    back_up(run, "second");
    crash_delete_stream(run, b);
    crash_import_user(run, "bob");
    struct crash_object *c = crash_create_stream(run, "d", "c", false);
    crash_append_and_seal(run, a, c);
    REQUIRE(store_merge(run->store, NULL) == 0, "merge");
    back_up(run, "third");
    crash_append_and_seal(run, a, c);
    crash_close_database(run);
}

static void play_crowded_backup(struct crash_run *run)
{
    run->disk_fills = true;
    play_backup(run);
}

static void back_up_twice(struct crash_run *run)
{
    back_up(run, "first");
    back_up(run, "second");
}

/* Backups while three threads insert and the background's own seal and merge. */
static void play_hot_backup(struct crash_run *run)
{
    uint64_t series[CRASH_THREADS_SERIES];
    crash_open_database(run);
    for (unsigned i = 0; i < CRASH_THREADS_SERIES; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%u", i);
        series[i] = crash_create_stream(run, "d", name, false)->series_id;
    }
    crash_append_in_threads(run, series, back_up_twice);
    REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    crash_append_in_threads(run, series, NULL);
    crash_close_database(run);
}

/* As check_created: what opens holds what was there when the backup was begun, or, with threads, at a moment
 * until it was made. */
static bool check_backup(const struct crash_run *run, const struct crash_copy *copy, const char *path,
    bool check, bool *ret_opened, struct model_violation *violation)
{
    struct database *database;
    struct crash_change found[CRASH_OBJECTS_MAX];
    bool good = open_copy(path, &database, violation);
    *ret_opened = database != NULL;
    if (!database)
        return good;
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    good = run->scenario->threads
               ? store_model_judge_between(&run->model, copy->begun, copy->ended, database->store, violation)
               : crash_check_database(run, copy->begun, database, lengths, found, violation);
    free(lengths);
    good = close_copy(path, database, good, violation);
    return good && (!check || crash_check_files(path, violation));
}

static bool check_backup_leftover(
    const void *context, const struct crash_copy *copy, const char *path, struct model_violation *violation)
{
    bool opened;
    return check_backup(context, copy, path, true, &opened, violation);
}

static bool judge_backup(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    char *original = test_path(directory, "db");
    bool good = true;
    for (size_t i = 0; good && i < run->copy_count; i++) {
        const struct crash_copy *copy = &run->copies[i];
        char *path = test_path(directory, "%s", copy->name);
        bool there = crash_is_there(path), opened = false,
             check = test_random_below(random, CHECK_EVERY) == 0;
        bool is_old = copy->ended != NEVER && copy->ended + OLD_AFTER_CALLS < point;
        bool look = there && (!is_old || test_random_below(random, OLD_COPY_EVERY) == 0);
        good = check_leftovers(copy, directory, check_backup_leftover, run, violation) &&
               (!look || check_backup(run, copy, path, check, &opened, violation));
        if (good && look && !opened)
            good = model_violated(violation, "%s is there and no database", copy->name);
        if (good && !there && copy->ended <= point)
            good = model_violated(violation, "%s was made and is not there", copy->name);
        free(path);
    }
    good = good && crash_judge_database(run, point, original, random,
                       violation); /* last: it changes files that backups share */
    free(original);
    return good;
}

enum { TEXTS_SHORT = 40, TEXTS_LONG = 1800 };

const struct crash_scenario crash_copy_scenarios[] = {
    {"create", TEXTS_SHORT, false, prepare_nothing, play_create, judge_create, NULL, false},
    {"fullcreate", TEXTS_SHORT, false, prepare_nothing, play_crowded_create, judge_create, NULL, false},
    {"backup", TEXTS_SHORT, false, prepare_backup, play_backup, judge_backup, NULL, false},
    {"fullbackup", TEXTS_SHORT, false, prepare_backup, play_crowded_backup, judge_backup, NULL, false},
    {"hotbackup", TEXTS_LONG, true, prepare_backup, play_hot_backup, judge_backup, NULL, false},
};
const size_t crash_copy_scenario_count = sizeof(crash_copy_scenarios) / sizeof(crash_copy_scenarios[0]);
