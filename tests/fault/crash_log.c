#include "crash_log.h"

#include "checksum.h"
#include "store_model.h"

#include <fcntl.h>
#include <sqlite3.h>

void crash_log_init(struct crash_log *log, const char *root)
{
    *log = (struct crash_log){.lock = PTHREAD_MUTEX_INITIALIZER, .root = root};
}

void crash_log_free(struct crash_log *log)
{
    for (uint64_t i = 0; i < log->count; i++) {
        free(log->entries[i].path);
        free(log->entries[i].path2);
        free(log->entries[i].data);
    }
    free(log->entries);
    free(log->calls);
}

/* ---- adding ---- */

static char *below_root(const struct crash_log *log, const char *path)
{
    size_t root = strlen(log->root);
    if (!path)
        return NULL;
    REQUIRE(strncmp(path, log->root, root) == 0, "%s is outside of %s", path, log->root);
    path += root;
    char *copy = strdup(*path == '/' ? path + 1 : path);
    REQUIRE(copy, "no memory");
    return copy;
}

/* log->lock is held. */
static void add_locked(struct crash_log *log, enum crash_kind kind, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 1024;
        log->entries = realloc(log->entries, log->capacity * sizeof(*log->entries));
        REQUIRE(log->entries, "no memory");
    }
    struct crash_entry *entry = &log->entries[log->count++];
    *entry = (struct crash_entry){
        .kind = kind, .path = below_root(log, path), .path2 = below_root(log, path2), .size = size, .offset = offset};
    if (kind == CRASH_WRITE) {
        entry->data = malloc(size);
        REQUIRE(entry->data, "no memory");
        memcpy(entry->data, data, size);
    }
}

static bool is_lie(const struct crash_log *log, enum crash_kind kind, const char *path)
{
    if (kind == CRASH_SYNC_DIRECTORY)
        return log->lying_directories;
    return kind == CRASH_SYNC && log->lying && strstr(path, log->lying);
}

static void add(struct crash_log *log, enum crash_kind kind, const char *path, const void *data, size_t size, uint64_t offset)
{
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    if (!is_lie(log, kind, path))
        add_locked(log, kind, path, NULL, data, size, offset);
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
}

uint64_t crash_log_mark(struct crash_log *log)
{
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    add_locked(log, CRASH_MARK, NULL, NULL, NULL, 0, 0);
    uint64_t count = log->count;
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
    return count;
}

uint64_t crash_log_count(struct crash_log *log)
{
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    uint64_t count = log->count;
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
    return count;
}

uint64_t crash_log_hash(const struct crash_log *log)
{
    uint64_t hash = 0;
    for (uint64_t i = 0; i < log->count; i++) {
        const struct crash_entry *entry = &log->entries[i];
        uint64_t numbers[] = {hash, entry->kind, entry->size, entry->offset};
        hash = checksum(numbers, sizeof(numbers), 0);
        if (entry->path)
            hash = checksum(entry->path, strlen(entry->path), hash);
        if (entry->path2)
            hash = checksum(entry->path2, strlen(entry->path2), hash);
        if (entry->data)
            hash = checksum(entry->data, entry->size, hash);
    }
    return hash;
}

/* ---- the engine's calls ---- */

static const enum crash_kind kind_of_call[] = {
    [IO_CALL_OPEN] = CRASH_OPEN,
    [IO_CALL_WRITE] = CRASH_WRITE,
    [IO_CALL_SYNC] = CRASH_SYNC,
    [IO_CALL_SYNC_DIRECTORY] = CRASH_SYNC_DIRECTORY,
    [IO_CALL_TRUNCATE] = CRASH_TRUNCATE,
    [IO_CALL_RENAME] = CRASH_RENAME,
    [IO_CALL_UNLINK] = CRASH_UNLINK,
    [IO_CALL_MAKE_DIRECTORY] = CRASH_MAKE_DIRECTORY,
};

static void note_call(struct crash_log *log)
{
    if (log->call_count == log->call_capacity) {
        log->call_capacity = log->call_capacity ? log->call_capacity * 2 : 1024;
        log->calls = realloc(log->calls, log->call_capacity * sizeof(*log->calls));
        REQUIRE(log->calls, "no memory");
    }
    log->calls[log->call_count++] = log->count;
}

static void record(void *context, enum io_call call, const char *path, const char *path2, const void *data, size_t size,
    uint64_t offset)
{
    struct crash_log *log = context;
    enum crash_kind kind = kind_of_call[call];
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    if (call == IO_CALL_SYNC || call == IO_CALL_SYNC_DIRECTORY) /* `offset` calls were over when it was issued */
        offset = offset == 0 ? 0 : log->calls[offset - 1] + 1;
    note_call(log);
    if (!is_lie(log, kind, path))
        add_locked(log, kind, path, path2, data, size, offset);
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
}

struct io *crash_log_open_io(struct crash_log *log, struct io_fault_plan plan)
{
    struct io *posix, *io;
    struct error error = {0};
    REQUIRE(io_open_posix(&posix, &error) == 0, "%s", error.message);
    plan.record = record;
    plan.context = log;
    REQUIRE(io_open_fault(posix, &plan, &io) == 0, "no memory");
    log->call_count = 0;
    return io;
}

void crash_log_set_plan(struct crash_log *log, struct io *io, struct io_fault_plan plan)
{
    plan.record = record;
    plan.context = log;
    io_fault_set(io, &plan);
}

/* ---- SQLite's calls ---- */

enum { SQLITE_FILES_MAX = 64 };

static struct {
    pthread_mutex_t lock;
    struct crash_log *log;
    sqlite3_vfs vfs;
    const sqlite3_vfs *plain;
    struct changed_methods {
        sqlite3_io_methods methods; /* first: a file points at it */
        const sqlite3_io_methods *plain;
    } tables[2]; /* the catalog's file and its WAL have one each */
    struct sqlite_name {
        const sqlite3_file *file; /* NULL = free */
        char *path;
        bool sync_directory; /* its first sync also syncs the directory: SQLite does so for a new journal */
    } names[SQLITE_FILES_MAX];
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const sqlite3_io_methods *plain_of(const sqlite3_file *file)
{
    return ((const struct changed_methods *)(const void *)file->pMethods)->plain;
}

static struct sqlite_name *name_of(const sqlite3_file *file)
{
    for (size_t i = 0; i < SQLITE_FILES_MAX; i++) {
        if (shim.names[i].file == file)
            return &shim.names[i];
    }
    REQUIRE(false, "a file of SQLite that nobody opened");
}

static char *directory_of(const char *path)
{
    char *directory = strdup(path), *slash = directory ? strrchr(directory, '/') : NULL;
    REQUIRE(slash, "%s is no absolute path", path);
    *slash = '\0';
    return directory;
}

static uint64_t entries_now(void)
{
    return shim.log ? crash_log_count(shim.log) : 0;
}

static void add_directory_sync(const char *path, uint64_t covers)
{
    char *directory = directory_of(path);
    if (shim.log)
        add(shim.log, CRASH_SYNC_DIRECTORY, directory, NULL, 0, covers);
    free(directory);
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    int result = plain_of(file)->xWrite(file, data, size, offset);
    if (result == SQLITE_OK && shim.log)
        add(shim.log, CRASH_WRITE, name_of(file)->path, data, (size_t)size, (uint64_t)offset);
    return result;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int result = plain_of(file)->xTruncate(file, size);
    if (result == SQLITE_OK && shim.log)
        add(shim.log, CRASH_TRUNCATE, name_of(file)->path, NULL, 0, (uint64_t)size);
    return result;
}

static int shim_sync(sqlite3_file *file, int flags)
{
    uint64_t covers = entries_now();
    int result = plain_of(file)->xSync(file, flags);
    struct sqlite_name *name = name_of(file);
    if (result == SQLITE_OK && shim.log) {
        add(shim.log, CRASH_SYNC, name->path, NULL, 0, covers);
        if (name->sync_directory)
            add_directory_sync(name->path, covers);
        name->sync_directory = false;
    }
    return result;
}

static int shim_close(sqlite3_file *file)
{
    REQUIRE(pthread_mutex_lock(&shim.lock) == 0, "lock");
    struct sqlite_name *name = name_of(file);
    free(name->path);
    *name = (struct sqlite_name){0};
    REQUIRE(pthread_mutex_unlock(&shim.lock) == 0, "lock");
    return plain_of(file)->xClose(file);
}

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
    int result = shim.plain->xOpen(vfs, path, file, flags, ret_flags);
    if (result != SQLITE_OK || !path)
        return result;
    REQUIRE(pthread_mutex_lock(&shim.lock) == 0, "lock");
    struct changed_methods *table = &shim.tables[(flags & SQLITE_OPEN_MAIN_DB) != 0];
    REQUIRE(!table->plain || table->plain == file->pMethods, "a third kind of file");
    table->plain = file->pMethods;
    table->methods = *file->pMethods;
    table->methods.xWrite = shim_write;
    table->methods.xTruncate = shim_truncate;
    table->methods.xSync = shim_sync;
    table->methods.xClose = shim_close;
    file->pMethods = &table->methods;
    *name_of(NULL) = (struct sqlite_name){file, strdup(path), (flags & SQLITE_OPEN_CREATE) && (flags & SQLITE_OPEN_WAL)};
    if (shim.log)
        add(shim.log, CRASH_OPEN, path, NULL, 0, flags & SQLITE_OPEN_CREATE ? O_CREAT : 0);
    REQUIRE(pthread_mutex_unlock(&shim.lock) == 0, "lock");
    return result;
}

static bool is_shared_memory(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, "-shm") == 0;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    int result = shim.plain->xDelete(vfs, path, sync_directory);
    if (result == SQLITE_OK && shim.log && !is_shared_memory(path)) {
        add(shim.log, CRASH_UNLINK, path, NULL, 0, 0);
        if (sync_directory)
            add_directory_sync(path, entries_now());
    }
    return result;
}

/* SQLite's salts: reproducible. */
static int shim_randomness(sqlite3_vfs *vfs, int size, char *bytes)
{
    (void)vfs;
    memset(bytes, 0x5a, (size_t)size);
    return size;
}

void crash_log_record_sqlite(struct crash_log *log)
{
    if (!shim.plain) {
        shim.plain = sqlite3_vfs_find(NULL);
        shim.vfs = *shim.plain;
        shim.vfs.zName = "crash-log";
        shim.vfs.pNext = NULL;
        shim.vfs.xOpen = shim_open;
        shim.vfs.xDelete = shim_delete;
        shim.vfs.xRandomness = shim_randomness;
        REQUIRE(sqlite3_vfs_register(&shim.vfs, 1) == SQLITE_OK, "SQLite refuses the VFS");
    }
    shim.log = log;
    sqlite3_randomness(0, NULL); /* seeds anew */
}
