#include "crash_disk.h"

#include "buffer.h"
#include "checksum.h"
#include "store_helpers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOT = 0, NO_NODE = -1, SECTOR_SMALL = 512, SECTOR_LARGE = 4096 };

/* A file or directory, whatever its names. */
struct node {
    bool directory;
    struct buffer durable;
    uint64_t *pending; /* entries of the log: writes, truncations, truncating opens */
    size_t pending_count, pending_capacity;
};

struct name {
    int64_t directory, node;
    const char *text; /* of the disk's names */
};

struct tree {
    struct name *names;
    size_t count, capacity;
};

/* A name appears, vanishes, or moves. */
struct name_change {
    uint64_t entry;
    bool durable;
    struct name put, removed; /* node NO_NODE: none */
};

struct crash_disk {
    const struct crash_log *log;
    uint64_t position; /* entries executed */
    struct node *nodes;
    size_t node_count, node_capacity;
    char **texts; /* every name that there ever was */
    size_t text_count, text_capacity;
    struct tree now;     /* as a process sees it */
    struct tree base;    /* what of the names is durable up to the first change that is not */
    struct name *opened; /* what a path (text, whole) was opened as last: for calls on descriptors */
    size_t opened_count, opened_capacity;
    struct name_change *changes;
    size_t change_count, change_capacity;
};

/* Makes room for one more element. */
#define GROW(array, count, capacity)                                                                         \
    do {                                                                                                     \
        if ((count) == (capacity)) {                                                                         \
            (capacity) = (capacity) ? (capacity)*2 : 64;                                                     \
            (array) = realloc((array), (capacity) * sizeof(*(array)));                                       \
            REQUIRE((array), "no memory");                                                                   \
        }                                                                                                    \
    } while (0)

/* ---- names ---- */

/* Equal texts are one and the same. */
static const char *keep_text(struct crash_disk *disk, const char *text, size_t size)
{
    for (size_t i = 0; i < disk->text_count; i++) {
        if (strncmp(disk->texts[i], text, size) == 0 && disk->texts[i][size] == '\0')
            return disk->texts[i];
    }
    GROW(disk->texts, disk->text_count, disk->text_capacity);
    char *copy = strndup(text, size);
    REQUIRE(copy, "no memory");
    disk->texts[disk->text_count++] = copy;
    return copy;
}

static struct name *tree_find(const struct tree *tree, int64_t directory, const char *text)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->names[i].directory == directory && tree->names[i].text == text)
            return &tree->names[i];
    }
    return NULL;
}

static void tree_put(struct tree *tree, const struct name *name)
{
    struct name *there = tree_find(tree, name->directory, name->text);
    if (!there) {
        GROW(tree->names, tree->count, tree->capacity);
        there = &tree->names[tree->count++];
    }
    *there = *name;
}

static void tree_remove(struct tree *tree, const struct name *name)
{
    struct name *there = tree_find(tree, name->directory, name->text);
    if (there)
        *there = tree->names[--tree->count];
}

static void tree_copy(struct tree *to, const struct tree *from)
{
    *to = (struct tree){.count = from->count, .capacity = from->count + 64};
    to->names = malloc(to->capacity * sizeof(*to->names));
    REQUIRE(to->names, "no memory");
    if (from->count > 0)
        memcpy(to->names, from->names, from->count * sizeof(*to->names));
}

static void tree_apply(struct tree *tree, const struct name_change *change)
{
    if (change->removed.node != NO_NODE)
        tree_remove(tree, &change->removed);
    if (change->put.node != NO_NODE)
        tree_put(tree, &change->put);
}

/* The directory and name that a path means now; node NO_NODE: it is not there. The directory must be. */
static struct name look_up(struct crash_disk *disk, const char *path)
{
    struct name name = {.directory = NO_NODE, .node = ROOT, .text = ""};
    for (const char *from = path, *end; *from; from = *end ? end + 1 : end) {
        end = strchrnul(from, '/');
        REQUIRE(name.node != NO_NODE, "%s is used, its directory is not there", path);
        name.directory = name.node;
        name.text = keep_text(disk, from, (size_t)(end - from));
        const struct name *there = tree_find(&disk->now, name.directory, name.text);
        name.node = there ? there->node : NO_NODE;
    }
    return name;
}

/* ---- life ---- */

static int64_t new_node(struct crash_disk *disk, bool directory)
{
    GROW(disk->nodes, disk->node_count, disk->node_capacity);
    disk->nodes[disk->node_count] = (struct node){.directory = directory};
    return (int64_t)disk->node_count++;
}

struct crash_disk *crash_disk_new(const struct crash_log *log)
{
    struct crash_disk *disk = calloc(1, sizeof(*disk));
    REQUIRE(disk, "no memory");
    disk->log = log;
    (void)new_node(disk, true); /* ROOT */
    return disk;
}

void crash_disk_free(struct crash_disk *disk)
{
    if (!disk)
        return;
    for (size_t i = 0; i < disk->node_count; i++) {
        buffer_free(&disk->nodes[i].durable);
        free(disk->nodes[i].pending);
    }
    for (size_t i = 0; i < disk->text_count; i++)
        free(disk->texts[i]);
    free(disk->nodes);
    free(disk->texts);
    free(disk->now.names);
    free(disk->base.names);
    free(disk->opened);
    free(disk->changes);
    free(disk);
}

/* ---- executing ---- */

static void add_change(struct crash_disk *disk, struct name put, struct name removed)
{
    GROW(disk->changes, disk->change_count, disk->change_capacity);
    struct name_change *change = &disk->changes[disk->change_count++];
    *change = (struct name_change){.entry = disk->position, .put = put, .removed = removed};
    tree_apply(&disk->now, change);
}

static const struct name no_name = {.node = NO_NODE};

static void add_pending(struct crash_disk *disk, struct node *node)
{
    GROW(node->pending, node->pending_count, node->pending_capacity);
    node->pending[node->pending_count++] = disk->position;
}

static struct name *find_opened(const struct crash_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->opened_count; i++) {
        if (strcmp(disk->opened[i].text, path) == 0)
            return &disk->opened[i];
    }
    return NULL;
}

static void open_file(struct crash_disk *disk, const struct crash_entry *entry)
{
    struct name name = look_up(disk, entry->path);
    if (name.node == NO_NODE && (entry->offset & O_CREAT)) {
        name.node = new_node(disk, false);
        add_change(disk, name, no_name);
    } else if (name.node != NO_NODE && (entry->offset & O_TRUNC)) {
        add_pending(disk, &disk->nodes[name.node]);
    }
    if (name.node == NO_NODE)
        return;
    struct name *opened = find_opened(disk, entry->path);
    if (!opened) {
        GROW(disk->opened, disk->opened_count, disk->opened_capacity);
        opened = &disk->opened[disk->opened_count++];
    }
    *opened = (struct name){.node = name.node, .text = entry->path};
}

static struct node *opened_file(struct crash_disk *disk, const char *path)
{
    const struct name *opened = find_opened(disk, path);
    REQUIRE(opened, "%s is used but was not opened", path);
    return &disk->nodes[opened->node];
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

static void sync_node(struct crash_disk *disk, struct node *node, uint64_t covers)
{
    size_t synced = 0;
    while (synced < node->pending_count && node->pending[synced] < covers)
        apply_whole(&node->durable, &disk->log->entries[node->pending[synced++]]);
    if (synced == 0)
        return;
    memmove(node->pending, node->pending + synced, (node->pending_count - synced) * sizeof(*node->pending));
    node->pending_count -= synced;
}

/* Applies the changes that are durable and have no other before them. */
static void settle_names(struct crash_disk *disk)
{
    size_t settled = 0;
    while (settled < disk->change_count && disk->changes[settled].durable)
        tree_apply(&disk->base, &disk->changes[settled++]);
    if (settled == 0)
        return;
    memmove(disk->changes, disk->changes + settled, (disk->change_count - settled) * sizeof(*disk->changes));
    disk->change_count -= settled;
}

static bool *new_flags(const struct crash_disk *disk)
{
    bool *flags = calloc(disk->node_count, sizeof(*flags));
    REQUIRE(flags, "no memory");
    return flags;
}

static bool concerns(const struct name_change *change, const bool *directories)
{
    return (change->put.node != NO_NODE && directories[change->put.directory]) ||
           (change->removed.node != NO_NODE && directories[change->removed.directory]);
}

static void mark_directories(const struct name_change *change, bool *directories)
{
    if (change->put.node != NO_NODE)
        directories[change->put.directory] = true;
    if (change->removed.node != NO_NODE)
        directories[change->removed.directory] = true;
}

/* Backwards: a rename that became durable takes along what was before it in its other directory. */
static void sync_directory(struct crash_disk *disk, const struct crash_entry *sync)
{
    bool *durable = new_flags(disk);
    struct name synced = look_up(disk, sync->path);
    REQUIRE(synced.node != NO_NODE && disk->nodes[synced.node].directory, "%s is no directory", sync->path);
    durable[synced.node] = true;
    for (size_t i = disk->change_count; i-- > 0;) {
        struct name_change *change = &disk->changes[i];
        if (change->entry < sync->offset && (change->durable || concerns(change, durable))) {
            change->durable = true;
            mark_directories(change, durable);
        }
    }
    free(durable);
    settle_names(disk);
}

static void sync_all(struct crash_disk *disk, uint64_t covers)
{
    for (size_t i = 0; i < disk->node_count; i++)
        sync_node(disk, &disk->nodes[i], covers);
    for (size_t i = 0; i < disk->change_count; i++)
        disk->changes[i].durable |= disk->changes[i].entry < covers;
    settle_names(disk);
}

static void change_names(struct crash_disk *disk, const struct crash_entry *entry)
{
    struct name name = look_up(disk, entry->path), other = no_name;
    if (entry->path2) {
        other = look_up(disk, entry->path2);
        REQUIRE(name.node != NO_NODE, "%s is renamed or linked but not there", entry->path);
        other.node = name.node;
    }
    switch (entry->kind) {
    case CRASH_MAKE_DIRECTORY:
        name.node = new_node(disk, true);
        add_change(disk, name, no_name);
        break;
    case CRASH_RENAME:
        add_change(disk, other, name);
        break;
    case CRASH_LINK:
        add_change(disk, other, no_name);
        break;
    default:
        if (name.node != NO_NODE) /* else it was never recorded: shared memory of SQLite */
            add_change(disk, no_name, name);
    }
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
        sync_node(disk, opened_file(disk, entry->path), entry->offset);
        break;
    case CRASH_SYNC_DIRECTORY:
        sync_directory(disk, entry);
        break;
    case CRASH_SYNC_ALL:
        sync_all(disk, entry->offset);
        break;
    case CRASH_MARK:
        break;
    default:
        change_names(disk, entry);
    }
    disk->position++;
}

/* ---- loading ---- */

static int64_t load_name(struct crash_disk *disk, const char *path, bool directory)
{
    struct name name = look_up(disk, path);
    name.node = new_node(disk, directory);
    tree_put(&disk->now, &name);
    tree_put(&disk->base, &name);
    return name.node;
}

static void load_file(struct crash_disk *disk, const char *path, const void *data, size_t size)
{
    int64_t node = load_name(disk, path, false);
    REQUIRE(size == 0 || buffer_append(&disk->nodes[node].durable, data, size) == 0, "no memory");
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
            (void)load_name(disk, path, true);
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

/* Sorted by path: a directory comes before what is in it. */
void crash_disk_load_state(struct crash_disk *disk, const struct crash_state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        const struct crash_file *file = &state->files[i];
        if (file->directory)
            (void)load_name(disk, file->path, true);
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
static void apply_torn(
    struct buffer *image, const struct crash_entry *entry, uint64_t sector, struct test_random *random)
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
            apply_torn(
                image, entry, choice->data == DATA_TORN_512 ? SECTOR_SMALL : SECTOR_LARGE, choice->random);
        if (!whole)
            return;
    }
    apply_whole(image, entry);
}

/* Goes through the changes in order; in each directory the first one that did not happen ends them, unless
 * they are scattered. */
static void choose_names(const struct crash_disk *disk, const struct choice *choice, struct tree *tree)
{
    bool *stopped = new_flags(disk);
    tree_copy(tree, &disk->base);
    uint64_t odds = 2 + test_random_below(choice->random, 6);
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct name_change *change = &disk->changes[i];
        bool happened = change->durable || choice->names == NAMES_ALL ||
                        (choice->names >= NAMES_RANDOM && test_random_below(choice->random, odds) > 0);
        if (!change->durable && choice->names != NAMES_SCATTERED && concerns(change, stopped))
            happened = false;
        if (happened)
            tree_apply(tree, change);
        else
            mark_directories(change, stopped);
    }
    free(stopped);
}

static uint64_t count_pending(const struct crash_disk *disk)
{
    uint64_t count = 0;
    for (size_t i = 0; i < disk->node_count; i++)
        count += disk->nodes[i].pending_count;
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
        hash = checksum(file->path, strlen(file->path), hash + file->directory);
        hash = checksum(file->data ? file->data : (const uint8_t *)"", file->size, hash);
    }
    state->hash = hash;
}

/* What the file holds, whatever its names. */
static void choose_data(const struct crash_disk *disk, const struct node *node, struct choice *choice,
    struct crash_file *ret_file)
{
    ret_file->data = node->durable.data;
    ret_file->size = node->durable.size;
    if (node->pending_count == 0)
        return;
    struct buffer image = {0};
    REQUIRE(buffer_reserve(&image, node->durable.size + 1) == 0, "no memory");
    if (node->durable.size > 0)
        memcpy(image.data, node->durable.data, node->durable.size);
    image.size = node->durable.size;
    for (size_t i = 0; i < node->pending_count; i++)
        apply_pending(&image, &disk->log->entries[node->pending[i]], choice);
    ret_file->data = ret_file->owned = image.data;
    ret_file->size = image.size;
}

/* What is reached from the directory. A second name of a file borrows its data from the first. */
static void add_files(const struct crash_disk *disk, const struct tree *tree, int64_t directory,
    const char *above, struct choice *choice, struct crash_file *by_node, struct crash_state *state)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct name *name = &tree->names[i];
        if (name->directory != directory)
            continue;
        struct crash_file *file = &state->files[state->count++], *same = &by_node[name->node];
        const struct node *node = &disk->nodes[name->node];
        if (!node->directory && !same->path)
            choose_data(disk, node, choice, file);
        else
            *file = (struct crash_file){.data = same->data, .size = same->size, .directory = node->directory};
        file->path = *above ? test_path(above, "%s", name->text) : strdup(name->text);
        REQUIRE(file->path, "no memory");
        *same = *file;
        if (node->directory)
            add_files(disk, tree, name->node, file->path, choice, by_node, state);
    }
}

void crash_disk_choose(struct crash_disk *disk, enum crash_data data, enum crash_names names,
    struct test_random *random, struct crash_state *ret_state)
{
    struct choice choice = {.data = data, .names = names, .random = random, .total = count_pending(disk)};
    choice.special = choice.total > 0 ? test_random_below(random, choice.total) : 0;
    struct tree tree;
    choose_names(disk, &choice, &tree);
    struct crash_state state = {.data = data, .names = names, .pending_writes = choice.total};
    struct crash_file *by_node = calloc(disk->node_count, sizeof(*by_node));
    state.files = calloc(tree.count + 1, sizeof(*state.files));
    REQUIRE(state.files && by_node, "no memory");
    for (size_t i = 0; i < disk->change_count; i++)
        state.pending_names += !disk->changes[i].durable;
    add_files(disk, &tree, ROOT, "", &choice, by_node, &state);
    free(by_node);
    free(tree.names);
    hash_state(&state);
    *ret_state = state;
}

static const struct crash_file *find_file(const struct crash_state *state, const char *path)
{
    for (size_t i = 0; i < state->count; i++) {
        if (strcmp(state->files[i].path, path) == 0)
            return &state->files[i];
    }
    return NULL;
}

void crash_disk_compare(struct crash_disk *disk, const char *directory)
{
    static const char shared_memory[] = "-shm"; /* of SQLite; no file after a power loss */
    struct crash_disk *real = crash_disk_new(NULL);
    struct crash_state now, found;
    struct test_random random = {0};
    crash_disk_load(real, directory);
    crash_disk_choose(disk, DATA_ALL, NAMES_ALL, &random, &now);
    crash_disk_choose(real, DATA_ALL, NAMES_ALL, &random, &found);
    for (size_t i = 0; i < now.count; i++)
        REQUIRE(find_file(&found, now.files[i].path), "%s was removed, and nobody recorded it",
            now.files[i].path);
    for (size_t i = 0; i < found.count; i++) {
        const struct crash_file *is = &found.files[i], *recorded = find_file(&now, is->path);
        size_t length = strlen(is->path), ending = strlen(shared_memory);
        if (length > ending && strcmp(is->path + length - ending, shared_memory) == 0)
            continue;
        REQUIRE(recorded, "%s was made, and nobody recorded it", is->path);
        REQUIRE(
            recorded->size == is->size && (is->size == 0 || memcmp(recorded->data, is->data, is->size) == 0),
            "%s was changed, and nobody recorded it", is->path);
    }
    crash_state_free(&now);
    crash_state_free(&found);
    crash_disk_free(real);
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
    REQUIRE(size == 0 || write(descriptor, file->data, size) == (ssize_t)size, "%s: %s", file->path,
        strerror(errno));
    REQUIRE(size == file->size || ftruncate(descriptor, (off_t)file->size) == 0, "%s: %s", file->path,
        strerror(errno));
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
    static const char *const texts[NAMES_COUNT] = {"none", "all", "some first ones", "some in any order"};
    return texts[names];
}
