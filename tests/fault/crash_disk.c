#include "crash_disk.h"

#include "buffer.h"
#include "checksum.h"
#include "store_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NO_FILE = -1, SECTOR_SMALL = 512, SECTOR_LARGE = 4096 };

struct file {
    struct buffer durable;
    uint64_t *pending; /* entries of the log: writes, truncations, truncating opens */
    size_t pending_count, pending_capacity;
};

/* One name of the tree. */
struct name {
    char *path;
    int64_t file; /* NO_FILE: a directory */
};

struct tree {
    struct name *names;
    size_t count, capacity;
};

struct name_change {
    uint64_t entry;
    int64_t file; /* that a create makes */
    bool durable;
};

struct crash_disk {
    const struct crash_log *log;
    uint64_t position; /* entries executed */
    struct file *files;
    size_t file_count, file_capacity;
    struct tree now;    /* as a process sees it */
    struct tree opened; /* which file a path was opened as last: for calls on descriptors */
    struct tree base;   /* what of the names is durable up to the first change that is not */
    struct name_change *changes;
    size_t change_count, change_capacity;
};

/* ---- trees ---- */

static struct name *tree_find(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(tree->names[i].path, path) == 0)
            return &tree->names[i];
    }
    return NULL;
}

static void tree_remove(struct tree *tree, const char *path)
{
    struct name *name = tree_find(tree, path);
    if (!name)
        return;
    free(name->path);
    *name = tree->names[--tree->count];
}

static void tree_put(struct tree *tree, const char *path, int64_t file)
{
    struct name *name = tree_find(tree, path);
    if (name) {
        name->file = file;
        return;
    }
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity ? tree->capacity * 2 : 32;
        tree->names = realloc(tree->names, tree->capacity * sizeof(*tree->names));
        REQUIRE(tree->names, "no memory");
    }
    tree->names[tree->count] = (struct name){strdup(path), file};
    REQUIRE(tree->names[tree->count].path, "no memory");
    tree->count++;
}

static void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        free(tree->names[i].path);
    free(tree->names);
    *tree = (struct tree){0};
}

static void tree_copy(struct tree *to, const struct tree *from)
{
    *to = (struct tree){0};
    for (size_t i = 0; i < from->count; i++)
        tree_put(to, from->names[i].path, from->names[i].file);
}

/* The directory that a path is in, "" = the root. */
static void parent_of(const char *path, char ret_parent[TEST_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    REQUIRE(size < TEST_PATH_BYTES, "%s is too long", path);
    memcpy(ret_parent, path, size);
    ret_parent[size] = '\0';
}

static bool parent_is_there(const struct tree *tree, const char *path)
{
    char parent[TEST_PATH_BYTES];
    parent_of(path, parent);
    return !*parent || tree_find(tree, parent);
}

static void tree_apply(struct tree *tree, const struct crash_disk *disk, const struct name_change *change)
{
    const struct crash_entry *entry = &disk->log->entries[change->entry];
    const struct name *from;
    int64_t file;
    switch (entry->kind) {
    case CRASH_OPEN:
    case CRASH_MAKE_DIRECTORY:
        if (parent_is_there(tree, entry->path))
            tree_put(tree, entry->path, change->file);
        break;
    case CRASH_RENAME:
        from = tree_find(tree, entry->path);
        if (!from || !parent_is_there(tree, entry->path2))
            break;
        file = from->file;
        REQUIRE(file != NO_FILE, "renaming directory %s is not simulated", entry->path);
        tree_remove(tree, entry->path);
        tree_put(tree, entry->path2, file);
        break;
    default:
        tree_remove(tree, entry->path);
    }
}

/* ---- executing ---- */

struct crash_disk *crash_disk_new(const struct crash_log *log)
{
    struct crash_disk *disk = calloc(1, sizeof(*disk));
    REQUIRE(disk, "no memory");
    disk->log = log;
    return disk;
}

void crash_disk_free(struct crash_disk *disk)
{
    if (!disk)
        return;
    for (size_t i = 0; i < disk->file_count; i++) {
        buffer_free(&disk->files[i].durable);
        free(disk->files[i].pending);
    }
    free(disk->files);
    free(disk->changes);
    tree_free(&disk->now);
    tree_free(&disk->opened);
    tree_free(&disk->base);
    free(disk);
}

static int64_t new_file(struct crash_disk *disk)
{
    if (disk->file_count == disk->file_capacity) {
        disk->file_capacity = disk->file_capacity ? disk->file_capacity * 2 : 64;
        disk->files = realloc(disk->files, disk->file_capacity * sizeof(*disk->files));
        REQUIRE(disk->files, "no memory");
    }
    disk->files[disk->file_count] = (struct file){0};
    return (int64_t)disk->file_count++;
}

static void add_change(struct crash_disk *disk, int64_t file)
{
    if (disk->change_count == disk->change_capacity) {
        disk->change_capacity = disk->change_capacity ? disk->change_capacity * 2 : 64;
        disk->changes = realloc(disk->changes, disk->change_capacity * sizeof(*disk->changes));
        REQUIRE(disk->changes, "no memory");
    }
    struct name_change change = {disk->position, file, false};
    disk->changes[disk->change_count++] = change;
    tree_apply(&disk->now, disk, &change);
}

static void add_pending(struct crash_disk *disk, struct file *file)
{
    if (file->pending_count == file->pending_capacity) {
        file->pending_capacity = file->pending_capacity ? file->pending_capacity * 2 : 8;
        file->pending = realloc(file->pending, file->pending_capacity * sizeof(*file->pending));
        REQUIRE(file->pending, "no memory");
    }
    file->pending[file->pending_count++] = disk->position;
}

static void open_file(struct crash_disk *disk, const struct crash_entry *entry)
{
    const struct name *there = tree_find(&disk->now, entry->path);
    if (!there && (entry->offset & O_CREAT)) {
        add_change(disk, new_file(disk));
        there = tree_find(&disk->now, entry->path);
    } else if (there && (entry->offset & O_TRUNC)) {
        add_pending(disk, &disk->files[there->file]);
    }
    if (there)
        tree_put(&disk->opened, entry->path, there->file);
}

static struct file *opened_file(struct crash_disk *disk, const char *path)
{
    const struct name *opened = tree_find(&disk->opened, path);
    REQUIRE(opened && opened->file != NO_FILE, "%s is used but was not opened", path);
    return &disk->files[opened->file];
}

static void resize(struct buffer *image, uint64_t size)
{
    if (size > image->size) {
        REQUIRE(buffer_reserve(image, size - image->size) == 0, "no memory");
        memset(image->data + image->size, 0, size - image->size);
    }
    image->size = size;
}

static void apply_whole(struct buffer *image, const struct crash_entry *entry)
{
    if (entry->kind == CRASH_OPEN) {
        image->size = 0;
    } else if (entry->kind == CRASH_TRUNCATE) {
        resize(image, entry->offset);
    } else {
        if (entry->offset + entry->size > image->size)
            resize(image, entry->offset + entry->size);
        memcpy(image->data + entry->offset, entry->data, entry->size);
    }
}

static void sync_file(struct crash_disk *disk, const struct crash_entry *entry)
{
    struct file *file = opened_file(disk, entry->path);
    size_t synced = 0;
    while (synced < file->pending_count && file->pending[synced] < entry->offset)
        apply_whole(&file->durable, &disk->log->entries[file->pending[synced++]]);
    memmove(file->pending, file->pending + synced, (file->pending_count - synced) * sizeof(*file->pending));
    file->pending_count -= synced;
}

/* The one or two directories that an entry changes. */
static void directories_of(const struct crash_entry *entry, char ret_first[TEST_PATH_BYTES], char ret_second[TEST_PATH_BYTES])
{
    parent_of(entry->path, ret_first);
    parent_of(entry->path2 ? entry->path2 : entry->path, ret_second);
}

/* Backwards: a rename that became durable takes along what was before it in its other directory. */
static void sync_directory(struct crash_disk *disk, const struct crash_entry *sync)
{
    struct tree durable = {0};
    char first[TEST_PATH_BYTES], second[TEST_PATH_BYTES];
    tree_put(&durable, sync->path, NO_FILE);
    for (size_t i = disk->change_count; i-- > 0;) {
        struct name_change *change = &disk->changes[i];
        directories_of(&disk->log->entries[change->entry], first, second);
        if (change->entry < sync->offset && (change->durable || tree_find(&durable, first) || tree_find(&durable, second))) {
            change->durable = true;
            tree_put(&durable, first, NO_FILE);
            tree_put(&durable, second, NO_FILE);
        }
    }
    tree_free(&durable);
    size_t settled = 0;
    while (settled < disk->change_count && disk->changes[settled].durable)
        tree_apply(&disk->base, disk, &disk->changes[settled++]);
    memmove(disk->changes, disk->changes + settled, (disk->change_count - settled) * sizeof(*disk->changes));
    disk->change_count -= settled;
}

void crash_disk_step(struct crash_disk *disk)
{
    const struct crash_entry *entry = &disk->log->entries[disk->position];
    switch (entry->kind) {
    case CRASH_OPEN:
        open_file(disk, entry);
        break;
    case CRASH_WRITE:
    case CRASH_TRUNCATE:
        add_pending(disk, opened_file(disk, entry->path));
        break;
    case CRASH_SYNC:
        sync_file(disk, entry);
        break;
    case CRASH_SYNC_DIRECTORY:
        sync_directory(disk, entry);
        break;
    case CRASH_MARK:
        break;
    default:
        add_change(disk, NO_FILE);
    }
    disk->position++;
}

/* ---- loading ---- */

static void load_file(struct crash_disk *disk, const char *path, const void *data, size_t size)
{
    int64_t number = new_file(disk);
    REQUIRE(size == 0 || buffer_append(&disk->files[number].durable, data, size) == 0, "no memory");
    tree_put(&disk->now, path, number);
    tree_put(&disk->base, path, number);
}

static void load_directory(struct crash_disk *disk, const char *path)
{
    tree_put(&disk->now, path, NO_FILE);
    tree_put(&disk->base, path, NO_FILE);
}

static void load_below(struct crash_disk *disk, const char *root, const char *below)
{
    char *directory = test_path(root, "%s", below);
    DIR *entries = opendir(directory);
    REQUIRE(entries, "%s: %s", directory, strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(entries))) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = *below ? test_path(below, "%s", entry->d_name) : strdup(entry->d_name);
        char *full = test_path(root, "%s", path);
        REQUIRE(lstat(full, &status) == 0, "%s: %s", full, strerror(errno));
        if (S_ISDIR(status.st_mode)) {
            load_directory(disk, path);
            load_below(disk, root, path);
        } else {
            size_t size;
            char *data = test_file_read(full, &size);
            load_file(disk, path, data, size);
            free(data);
        }
        free(full);
        free(path);
    }
    (void)closedir(entries);
    free(directory);
}

void crash_disk_load(struct crash_disk *disk, const char *directory)
{
    load_below(disk, directory, "");
}

void crash_disk_load_state(struct crash_disk *disk, const struct crash_state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        const struct crash_file *file = &state->files[i];
        if (file->directory)
            load_directory(disk, file->path);
        else
            load_file(disk, file->path, file->data, file->size);
    }
}

/* ---- choosing ---- */

struct choice {
    enum crash_data data;
    enum crash_names names;
    struct test_random *random;
    uint64_t number, special, total; /* of pending writes: this one, the odd one out, all */
};

/* Sectors of the file, each there or not. */
static void apply_torn(struct buffer *image, const struct crash_entry *entry, uint64_t sector, struct test_random *random)
{
    uint64_t end = entry->offset + entry->size;
    for (uint64_t from = entry->offset; from < end;) {
        uint64_t to = (from / sector + 1) * sector;
        if (to > end)
            to = end;
        if (test_random_below(random, 2)) {
            if (to > image->size)
                resize(image, to);
            memcpy(image->data + from, entry->data + (from - entry->offset), to - from);
        }
        from = to;
    }
}

/* The first bytes, up to a sector's end. */
static void apply_first(struct buffer *image, const struct crash_entry *entry, struct test_random *random)
{
    uint64_t end = entry->offset + test_random_below(random, entry->size + 1);
    end -= end % SECTOR_SMALL;
    if (end <= entry->offset)
        return;
    struct crash_entry first = *entry;
    first.size = end - entry->offset;
    apply_whole(image, &first);
}

static void apply_random(struct buffer *image, const struct crash_entry *entry, struct test_random *random)
{
    switch (test_random_below(random, 7)) {
    case 0:
    case 1:
        break;
    case 2:
    case 3:
        apply_whole(image, entry);
        break;
    case 4:
        apply_torn(image, entry, test_random_below(random, 2) ? SECTOR_SMALL : SECTOR_LARGE, random);
        break;
    case 5:
        apply_first(image, entry, random);
        break;
    default: /* the file became longer, its new blocks were not written */
        if (entry->offset + entry->size > image->size)
            resize(image, entry->offset + entry->size);
    }
}

static void apply_pending(struct buffer *image, const struct crash_entry *entry, struct choice *choice)
{
    uint64_t number = choice->number++;
    bool whole = entry->kind != CRASH_WRITE; /* not torn */
    switch (choice->data) {
    case DATA_NONE:
        return;
    case DATA_ALL:
        break;
    case DATA_LAST_ONLY:
        if (number + 1 != choice->total)
            return;
        break;
    case DATA_ALL_BUT_ONE:
        if (number == choice->special)
            return;
        break;
    default:
        if (whole && test_random_below(choice->random, 2))
            return;
        if (!whole && choice->data == DATA_RANDOM)
            apply_random(image, entry, choice->random);
        else if (!whole)
            apply_torn(image, entry, choice->data == DATA_TORN_512 ? SECTOR_SMALL : SECTOR_LARGE, choice->random);
        if (!whole)
            return;
    }
    apply_whole(image, entry);
}

/* Goes through the changes in order; in each directory the first one that did not happen ends them. */
static void choose_names(struct crash_disk *disk, const struct choice *choice, struct tree *tree)
{
    struct tree stopped = {0};
    char first[TEST_PATH_BYTES], second[TEST_PATH_BYTES];
    tree_copy(tree, &disk->base);
    uint64_t odds = 2 + test_random_below(choice->random, 6);
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct name_change *change = &disk->changes[i];
        const struct crash_entry *entry = &disk->log->entries[change->entry];
        directories_of(entry, first, second);
        bool happened = change->durable || choice->names == NAMES_ALL ||
                        (choice->names == NAMES_RANDOM && test_random_below(choice->random, odds) > 0);
        if (!change->durable && (tree_find(&stopped, first) || tree_find(&stopped, second)))
            happened = false;
        if (happened) {
            tree_apply(tree, disk, change);
            continue;
        }
        tree_put(&stopped, first, NO_FILE);
        tree_put(&stopped, second, NO_FILE);
        if (entry->kind == CRASH_MAKE_DIRECTORY)
            tree_put(&stopped, entry->path, NO_FILE);
    }
    tree_free(&stopped);
}

static uint64_t count_pending(const struct crash_disk *disk)
{
    uint64_t count = 0;
    for (size_t i = 0; i < disk->file_count; i++)
        count += disk->files[i].pending_count;
    return count;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct crash_file *)a)->path, ((const struct crash_file *)b)->path);
}

static void hash_state(struct crash_state *state)
{
    qsort(state->files, state->count, sizeof(*state->files), compare_files);
    uint64_t hash = 0;
    for (size_t i = 0; i < state->count; i++) {
        const struct crash_file *file = &state->files[i];
        hash = checksum(file->path, strlen(file->path), hash);
        hash = checksum(file->data ? file->data : (const uint8_t *)"", file->size, hash);
    }
    state->hash = hash;
}

static void choose_file(struct crash_disk *disk, const struct file *file, struct choice *choice, struct crash_file *ret_file)
{
    ret_file->data = file->durable.data;
    ret_file->size = file->durable.size;
    if (file->pending_count == 0)
        return;
    struct buffer image = {0};
    REQUIRE(buffer_reserve(&image, file->durable.size + 1) == 0, "no memory");
    if (file->durable.size > 0)
        memcpy(image.data, file->durable.data, file->durable.size);
    image.size = file->durable.size;
    for (size_t i = 0; i < file->pending_count; i++)
        apply_pending(&image, &disk->log->entries[file->pending[i]], choice);
    ret_file->data = ret_file->owned = image.data;
    ret_file->size = image.size;
}

void crash_disk_choose(struct crash_disk *disk, enum crash_data data, enum crash_names names, struct test_random *random,
    struct crash_state *ret_state)
{
    struct choice choice = {.data = data, .names = names, .random = random, .total = count_pending(disk)};
    choice.special = choice.total > 0 ? test_random_below(random, choice.total) : 0;
    struct tree tree;
    choose_names(disk, &choice, &tree);
    struct crash_state state = {.count = tree.count, .data = data, .names = names, .pending_writes = choice.total};
    state.files = calloc(tree.count + 1, sizeof(*state.files));
    REQUIRE(state.files, "no memory");
    for (size_t i = 0; i < disk->change_count; i++)
        state.pending_names += !disk->changes[i].durable;
    for (size_t i = 0; i < tree.count; i++) {
        struct crash_file *file = &state.files[i];
        file->path = tree.names[i].path;
        tree.names[i].path = NULL;
        file->directory = tree.names[i].file == NO_FILE;
        if (!file->directory)
            choose_file(disk, &disk->files[tree.names[i].file], &choice, file);
    }
    tree_free(&tree);
    hash_state(&state);
    *ret_state = state;
}

void crash_state_free(struct crash_state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        free(state->files[i].path);
        free(state->files[i].owned);
    }
    free(state->files);
    *state = (struct crash_state){0};
}

/* ---- writing ---- */

static bool is_zero(const uint8_t *data, size_t size)
{
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static void write_file(int root, const struct crash_file *file)
{
    int descriptor = openat(root, file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(descriptor >= 0, "%s: %s", file->path, strerror(errno));
    size_t size = file->size; /* what is zero at the end need not be written */
    while (size >= SECTOR_LARGE && is_zero(file->data + size - SECTOR_LARGE, SECTOR_LARGE))
        size -= SECTOR_LARGE;
    REQUIRE(size == 0 || write(descriptor, file->data, size) == (ssize_t)size, "%s: %s", file->path, strerror(errno));
    REQUIRE(size == file->size || ftruncate(descriptor, (off_t)file->size) == 0, "%s: %s", file->path, strerror(errno));
    (void)close(descriptor);
}

/* Sorted by path: a directory comes before what is in it. */
void crash_state_write(const struct crash_state *state, const char *directory)
{
    int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(root >= 0, "%s: %s", directory, strerror(errno));
    for (size_t i = 0; i < state->count; i++) {
        const struct crash_file *file = &state->files[i];
        if (file->directory)
            REQUIRE(mkdirat(root, file->path, 0700) == 0, "%s: %s", file->path, strerror(errno));
        else
            write_file(root, file);
    }
    (void)close(root);
}

const char *crash_data_name(enum crash_data data)
{
    static const char *const names[DATA_COUNT] = {
        "none", "all", "last only", "all but one", "torn at 512", "torn at 4096", "random"};
    return names[data];
}

const char *crash_names_name(enum crash_names names)
{
    static const char *const texts[NAMES_COUNT] = {"none", "all", "some first ones"};
    return texts[names];
}
