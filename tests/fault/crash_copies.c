/* Scenarios of what is made beside: new databases, backups, exports. Each is there as a whole, or is refused. */
#include "crash_database.h"

#include "configuration.h"
#include "export.h"

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

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* ---- new databases ---- */

static int create_database(const char *path, const char *administrator, struct error *ret_error)
{
    const struct user user = {
        .name = crash_text(administrator), .email = crash_text("root@localhost"), .role = crash_text("admin")};
    return database_create_with_user(path, configuration_default_text(), administrator ? &user : NULL, "secret", ret_error);
}

static const char *administrator_of(const struct crash_copy *copy)
{
    return strcmp(copy->name, "bare") == 0 ? NULL : "boss";
}

static void prepare_nothing(struct crash_run *run)
{
    (void)run;
}

static void play_create(struct crash_run *run)
{
    struct error error = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct crash_copy *copy = begin_copy(run, i == 0 ? "new" : "bare");
        char *path = test_path(run->directory, "%s", copy->name);
        REQUIRE(create_database(path, administrator_of(copy), &error) == 0, "%s", error.message);
        copy->ended = crash_log_mark(&run->log);
        run->place = path;
        crash_open_database(run);
        crash_close_database(run);
        run->place = NULL;
        free(path);
    }
}

static bool check_administrator(const struct crash_copy *copy, struct database *database, struct test_random *random,
    struct crash_violation *violation)
{
    enum { PASSWORD_EVERY = 32 };
    struct user user = {0};
    struct device device = {0};
    struct identity identity;
    struct error error = {0};
    uint64_t users, devices, streams;
    const char *name = administrator_of(copy);
    if (catalog_counts(database->catalog, &users, &devices, &streams, &error) < 0)
        return crash_violated(violation, "%s: %s", copy->name, error.message);
    if (users != (name != NULL) || devices != 2 * users || streams != 0)
        return crash_violated(violation, "%s opens with %llu users, %llu devices and %llu streams", copy->name,
            (unsigned long long)users, (unsigned long long)devices, (unsigned long long)streams);
    if (!name)
        return true;
    int r = catalog_user_by_name(database->catalog, name, &user, &error);
    if (r == 0)
        r = catalog_device_by_name(database->catalog, name, "user", &device, &error);
    if (r == 0 && test_random_below(random, PASSWORD_EVERY) == 0)
        r = catalog_identity_by_password(database->catalog, name, "secret", &identity, &error);
    bool good = r < 0 ? crash_violated(violation, "%s opens without its administrator: %s", copy->name, error.message)
                      : strcmp(user.role, "admin") == 0 || crash_violated(violation, "the administrator is a %s", user.role);
    user_free(&user);
    device_free(&device);
    return good;
}

/* What opens is whole; what does not is said. ret_opened: whether it does. */
static bool check_created(const struct crash_copy *copy, const char *path, struct test_random *random, bool *ret_opened,
    struct crash_violation *violation)
{
    struct error error = {0};
    struct database *database;
    struct store_options options = {.no_threads = true, .io = crash_plain_io(), .journal_bytes = CRASH_JOURNAL_BYTES};
    int r = database_open(path, &options, &database, &error);
    *ret_opened = r == 0;
    if (r < 0 && r != -ENOENT && r != -EINVAL)
        return crash_violated(violation, "%s is refused without saying that it is none: %s", path, error.message);
    if (r < 0)
        return true;
    bool good = check_administrator(copy, database, random, violation);
    if (database_close(database, &error) < 0 && good)
        good = crash_violated(violation, "%s does not close: %s", path, error.message);
    return good && crash_check_files(path, violation);
}

/* Whatever NAME.creating-... is left: no half database that opens. */
static bool check_leftovers(const struct crash_copy *copy, const char *directory,
    bool (*check)(const void *context, const struct crash_copy *copy, const char *path, struct crash_violation *violation),
    const void *context, struct crash_violation *violation)
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

static bool check_created_leftover(const void *context, const struct crash_copy *copy, const char *path,
    struct crash_violation *violation)
{
    struct test_random random = *(const struct test_random *)context;
    bool opened;
    return check_created(copy, path, &random, &opened, violation);
}

/* A database that is not there can be made, whatever is left beside it. */
static bool create_again(const struct crash_copy *copy, const char *path, struct test_random *random,
    struct crash_violation *violation)
{
    struct error error = {0};
    bool opened;
    struct crash_copy bare = *copy;
    (void)snprintf(bare.name, sizeof(bare.name), "bare"); /* a password takes long to hash */
    if (create_database(path, administrator_of(&bare), &error) < 0)
        return crash_violated(violation, "%s cannot be created again: %s", copy->name, error.message);
    return check_created(&bare, path, random, &opened, violation) &&
           (opened || crash_violated(violation, "%s was created again and does not open", copy->name));
}

static bool judge_create(const struct crash_run *run, uint64_t point, const char *directory, struct test_random *random,
    struct crash_violation *violation)
{
    bool good = true;
    for (size_t i = 0; good && i < run->copy_count; i++) {
        const struct crash_copy *copy = &run->copies[i];
        char *path = test_path(directory, "%s", copy->name);
        bool there = is_there(path), opened = false;
        good = check_leftovers(copy, directory, check_created_leftover, random, violation) &&
               check_created(copy, path, random, &opened, violation);
        if (good && there && !opened)
            good = crash_violated(violation, "%s is there and no database", copy->name);
        if (good && !opened && copy->ended <= point)
            good = crash_violated(violation, "%s was created and is not there", copy->name);
        if (good && !opened)
            good = create_again(copy, path, random, violation);
        free(path);
    }
    return good;
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_copy_scenarios[] = {
    {"create", TEXTS_SHORT, false, prepare_nothing, play_create, judge_create, NULL},
};
const size_t crash_copy_scenario_count = sizeof(crash_copy_scenarios) / sizeof(crash_copy_scenarios[0]);
