/* Power loss and kill -9, simulated: a scripted life of a store is recorded call by call; then a machine that
 * stops after any of the calls is rebuilt in a fresh directory, with what was not synced kept, dropped or
 * torn, and the store that opens there is judged.
 *
 * $CONNECTORDB_STRIDE=1 takes every call, $CONNECTORDB_SEED repeats a run. */
#include "store_script.h"

#include "io_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPENDS = 100, STOPS = 50, SCATTERS_OF_A_RENAME = 3 };

enum survival {
    KEPT,    /* everything that was called: kill -9 */
    DROPPED, /* only what was synced */
    TORN,    /* of the rest each write whole, in part or not at all; of the changes of directories some first
                ones, as    a journaling file system does it */
    SCATTERED, /* likewise, but any changes of directories, in any order: all that POSIX promises */
    SURVIVALS,
};
static const char *const survival_names[] = {"kept", "dropped", "torn", "scattered"};

/* ---- the disk after a prefix of the log ---- */

struct disk_file {
    uint64_t *changes; /* numbers of log entries: writes, truncations and truncating opens */
    uint64_t change_count;
    bool *durable; /* per change: it was synced */
};

struct name_change {
    uint64_t entry;
    int64_t file; /* what is created or renamed; NO_FILE: a directory */
    bool durable; /* its directory was synced */
};

struct disk {
    const struct io_log *log;
    const char *root;
    struct disk_file *files;
    uint64_t file_count;
    struct name_change *names; /* creates, renames, unlinks, new directories, in order */
    uint64_t name_count;
    struct test_random *random;
};

enum { NAMES_MAX = 4096, NO_FILE = -1 };

/* A directory tree as a flat list of paths. */
struct tree {
    struct tree_entry {
        const char *path;
        int64_t file; /* NO_FILE: a directory */
    } entries[NAMES_MAX];
    size_t count;
};

static struct tree_entry *tree_find(struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->entries[i].path, path) == 0)
            return &tree->entries[i];
    return NULL;
}

static void tree_remove(struct tree *tree, const char *path)
{
    struct tree_entry *entry = tree_find(tree, path);
    if (entry)
        *entry = tree->entries[--tree->count];
}

static void tree_put(struct tree *tree, const char *path, int64_t file)
{
    tree_remove(tree, path);
    REQUIRE(tree->count < NAMES_MAX, "too many files");
    tree->entries[tree->count++] = (struct tree_entry){path, file};
}

static void tree_apply(struct tree *tree, const struct disk *disk, const struct name_change *change)
{
    const struct io_log_entry *entry = &disk->log->entries[change->entry];
    switch (entry->call) {
    case IO_CALL_OPEN:
    case IO_CALL_MAKE_DIRECTORY:
        tree_put(tree, entry->path, change->file);
        break;
    case IO_CALL_RENAME:
        tree_remove(tree, entry->path);
        tree_put(tree, entry->path2, change->file);
        break;
    default:
        tree_remove(tree, entry->path);
    }
}

static void add_name_change(struct disk *disk, struct tree *tree, uint64_t entry, int64_t file)
{
    struct name_change change = {entry, file, false};
    REQUIRE(disk->name_count < NAMES_MAX, "too many changes of names");
    disk->names[disk->name_count++] = change;
    tree_apply(tree, disk, &change);
}

static void add_change(struct disk *disk, uint64_t file, uint64_t entry)
{
    struct disk_file *changed = &disk->files[file];
    uint64_t count = changed->change_count + 1;
    changed->changes = realloc(changed->changes, count * sizeof(*changed->changes));
    changed->durable = realloc(changed->durable, count * sizeof(*changed->durable));
    REQUIRE(changed->changes && changed->durable, "no memory");
    changed->changes[count - 1] = entry;
    changed->durable[count - 1] = false;
    changed->change_count = count;
}

static uint64_t new_file(struct disk *disk)
{
    disk->files = realloc(disk->files, (disk->file_count + 1) * sizeof(*disk->files));
    REQUIRE(disk->files, "no memory");
    disk->files[disk->file_count] = (struct disk_file){0};
    return disk->file_count++;
}

static bool in_directory(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return path && strncmp(path, directory, length) == 0 && path[length] == '/' &&
           !strchr(path + length + 1, '/');
}

static void sync_names(struct disk *disk, const struct io_log_entry *sync)
{
    for (uint64_t i = 0; i < disk->name_count; i++) {
        const struct io_log_entry *entry = &disk->log->entries[disk->names[i].entry];
        disk->names[i].durable |=
            disk->names[i].entry < sync->offset &&
            (in_directory(entry->path, sync->path) || in_directory(entry->path2, sync->path));
    }
}

/* opened: which file each path was opened as last, for the calls on descriptors. */
static void run_entry(struct disk *disk, struct tree *tree, struct tree *opened, uint64_t number)
{
    const struct io_log_entry *entry = &disk->log->entries[number];
    struct tree_entry *file = tree_find(opened, entry->path);
    switch (entry->call) {
    case IO_CALL_OPEN: {
        struct tree_entry *there = tree_find(tree, entry->path);
        if (!there && (entry->offset & O_CREAT)) {
            add_name_change(disk, tree, number, (int64_t)new_file(disk));
            there = tree_find(tree, entry->path);
        } else if (there && there->file != NO_FILE && (entry->offset & O_TRUNC)) {
            add_change(disk, (uint64_t)there->file, number);
        }
        if (there)
            tree_put(opened, entry->path, there->file);
        break;
    }
    case IO_CALL_WRITE:
    case IO_CALL_TRUNCATE:
        REQUIRE(file && file->file != NO_FILE, "%s is written but was not opened", entry->path);
        add_change(disk, (uint64_t)file->file, number);
        break;
    case IO_CALL_SYNC:
        REQUIRE(file && file->file != NO_FILE, "%s is synced but was not opened", entry->path);
        for (uint64_t i = 0; i < disk->files[file->file].change_count; i++)
            disk->files[file->file].durable[i] |= disk->files[file->file].changes[i] < entry->offset;
        break;
    case IO_CALL_SYNC_DIRECTORY:
        sync_names(disk, entry);
        break;
    case IO_CALL_RENAME: {
        const struct tree_entry *from = tree_find(tree, entry->path);
        REQUIRE(from && from->file != NO_FILE, "%s is renamed: no file that anybody made", entry->path);
        add_name_change(disk, tree, number, from->file);
        break;
    }
    default:
        add_name_change(disk, tree, number, NO_FILE);
    }
}

static void disk_free(struct disk *disk)
{
    for (uint64_t i = 0; i < disk->file_count; i++) {
        free(disk->files[i].changes);
        free(disk->files[i].durable);
    }
    free(disk->files);
    free(disk->names);
}

/* ---- what survives ---- */

static void apply_change(struct buffer *image, const struct io_log_entry *entry, uint64_t from, uint64_t to)
{
    uint64_t end = entry->call == IO_CALL_WRITE      ? entry->offset + to
                   : entry->call == IO_CALL_TRUNCATE ? entry->offset
                                                     : 0;
    if (end > image->size) {
        REQUIRE(buffer_reserve(image, end - image->size) == 0, "no memory");
        memset(image->data + image->size, 0, end - image->size);
    }
    if (entry->call != IO_CALL_WRITE || end > image->size)
        image->size = end;
    if (entry->call == IO_CALL_WRITE)
        memcpy(image->data + entry->offset + from, entry->data + from, to - from);
}

static void survive(
    struct disk *disk, const struct disk_file *file, enum survival survival, struct buffer *image)
{
    for (uint64_t i = 0; i < file->change_count; i++) {
        const struct io_log_entry *entry = &disk->log->entries[file->changes[i]];
        uint64_t from = 0, to = entry->size;
        if (!file->durable[i] && survival == DROPPED)
            continue;
        if (!file->durable[i] && survival >= TORN) {
            uint64_t fate = test_random_below(disk->random, 4);
            if (fate == 0)
                continue;
            if (entry->call == IO_CALL_WRITE && fate == 1)
                to = test_random_below(disk->random, entry->size + 1);
            if (entry->call == IO_CALL_WRITE && fate == 2)
                from = test_random_below(disk->random, entry->size + 1);
        }
        if (entry->call != IO_CALL_WRITE || from < to)
            apply_change(image, entry, from, to);
    }
}

static char *moved_path(const struct disk *disk, const char *path, const char *target)
{
    size_t root = strlen(disk->root);
    REQUIRE(strncmp(path, disk->root, root) == 0, "%s is outside of the store", path);
    char *moved;
    REQUIRE(asprintf(&moved, "%s%s", target, path + root) > 0, "no memory");
    return moved;
}

/* The names that survive. */
static void survive_names(const struct disk *disk, enum survival survival, struct tree *tree)
{
    uint64_t durable = 0; /* changes up to the last durable one are so with it, where order is kept */
    for (uint64_t i = 0; i < disk->name_count; i++)
        durable = disk->names[i].durable ? i + 1 : durable;
    uint64_t first_ones = durable + test_random_below(disk->random, disk->name_count - durable + 1);
    for (uint64_t i = 0; i < disk->name_count; i++) {
        bool survives = disk->names[i].durable || survival == KEPT || (survival == TORN && i < first_ones) ||
                        (survival == SCATTERED && test_random_below(disk->random, 2));
        if (survives)
            tree_apply(tree, disk, &disk->names[i]);
    }
}

static bool has_directory(struct tree *tree, const char *path, const char *root)
{
    char *directory = strdup(path);
    REQUIRE(directory, "no memory");
    *strrchr(directory, '/') = 0;
    bool there = strcmp(directory, root) == 0 || tree_find(tree, directory);
    free(directory);
    return there;
}

/* Writes the files that survive into the directory `target`. */
static void disk_write(struct disk *disk, enum survival survival, const char *target)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    REQUIRE(tree, "no memory");
    survive_names(disk, survival, tree);
    for (int directories = 1; directories >= 0; directories--) {
        for (size_t i = 0; i < tree->count; i++) {
            const struct tree_entry *entry = &tree->entries[i];
            if ((entry->file == NO_FILE) != directories || !has_directory(tree, entry->path, disk->root))
                continue;
            char *path = moved_path(disk, entry->path, target);
            struct buffer image = {0};
            if (directories) {
                REQUIRE(mkdir(path, 0700) == 0, "%s: %s", path, strerror(errno));
            } else {
                survive(disk, &disk->files[entry->file], survival, &image);
                test_file_write(path, image.data ? image.data : (uint8_t *)"", image.size);
            }
            buffer_free(&image);
            free(path);
        }
    }
    free(tree);
}

/* ---- the test ---- */

struct recorded {
    struct io_log log;
    struct script script;
};

static void record_life(struct recorded *recorded, enum store_fsync fsync, uint64_t seed)
{
    struct io *posix = NULL;
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    struct io *io = io_log_open(&recorded->log, posix);
    recorded->script = (struct script){
        .io = io,
        .directory = test_directory_create_fast(),
        .options = {.journal_bytes = 64 << 10, .fsync = fsync, .fsync_interval_ms = 1, .wait_ms_max = 60000},
        .random = {seed},
        .append_count = APPENDS,
        .mark = io_log_count,
        .context = &recorded->log,
    };
    script_run(&recorded->script);
    assert_true(recorded->script.opened && !recorded->script.died);
    io_close(io);
}

static void forget_life(struct recorded *recorded)
{
    test_directory_remove(recorded->script.directory);
    store_script_free(&recorded->script);
    io_log_free(&recorded->log);
}

/* The machine stops when `stop` calls were made. */
static void judge_stop(struct recorded *recorded, uint64_t stop, enum survival survival, uint64_t seed)
{
    struct test_random random = {seed};
    struct disk disk = {.log = &recorded->log,
        .root = recorded->script.directory,
        .random = &random,
        .names = calloc(NAMES_MAX, sizeof(*disk.names))};
    struct tree *tree = calloc(1, sizeof(*tree)), *opened = calloc(1, sizeof(*opened));
    REQUIRE(disk.names && tree && opened, "no memory");
    for (uint64_t i = 0; i < stop; i++)
        run_entry(&disk, tree, opened, i);
    char *target = test_directory_create_fast();
    disk_write(&disk, survival, target);
    char what[96];
    (void)snprintf(what, sizeof(what), "stopped after call %llu, the rest %s, in %s",
        (unsigned long long)stop, survival_names[survival], target);
    script_judge_directory(&recorded->script, target, stop, what);
    test_directory_remove(target);
    free(tree), free(opened);
    disk_free(&disk);
}

static void judge_stops(enum store_fsync fsync, uint64_t seed)
{
    struct recorded recorded;
    record_life(&recorded, fsync, seed);
    recorded.script.lossy = fsync != STORE_FSYNC_ALWAYS;
    uint64_t first = recorded.script.created_at, last = recorded.log.count;
    uint64_t stride = test_parameter("CONNECTORDB_STRIDE", (last - first + STOPS - 1) / STOPS);
    struct test_random random = {seed};
    for (uint64_t stop = first + test_random_below(&random, stride); stop <= last; stop += stride)
        for (int survival = KEPT; survival < SURVIVALS; survival++)
            judge_stop(&recorded, stop, (enum survival)survival, test_random_next(&random));
    for (uint64_t stop = first; stop < last;
         stop++) /* a manifest that is there before what it names would be */
        for (int i = 0; i < SCATTERS_OF_A_RENAME && recorded.log.entries[stop].call == IO_CALL_RENAME; i++)
            judge_stop(&recorded, stop + 1, SCATTERED, test_random_next(&random));
    forget_life(&recorded);
}

static void test_any_stop_loses_nothing_acknowledged(void **state)
{
    (void)state;
    judge_stops(STORE_FSYNC_ALWAYS, test_seed(1));
}

/* Without a sync per insert power loss may cost the end, but what opens then is still whole and in order. */
static void test_without_sync_only_the_end_is_lost(void **state)
{
    (void)state;
    judge_stops(STORE_FSYNC_NEVER, test_seed(1));
    judge_stops(STORE_FSYNC_INTERVAL, test_seed(1) + 1);
}

/* The judge would see a loss: without any sync, what was acknowledged last is lost with the power. */
static void judge_last(void *argument)
{
    struct recorded *recorded = argument;
    uint64_t last = recorded->script.attempts[recorded->script.attempt_count - 1].ended;
    judge_stop(recorded, last, DROPPED, 1);
}

static void test_the_judge_sees_a_loss(void **state)
{
    (void)state;
    struct recorded recorded;
    record_life(&recorded, STORE_FSYNC_NEVER, 1);
    uint64_t last = recorded.script.attempts[recorded.script.attempt_count - 1].ended;
    judge_stop(&recorded, last, KEPT, 1); /* kill -9 alone loses nothing */
    assert_true(test_aborts(judge_last, &recorded));
    forget_life(&recorded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_stop_loses_nothing_acknowledged),
        cmocka_unit_test(test_without_sync_only_the_end_is_lost),
        cmocka_unit_test(test_the_judge_sees_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
