/* A VFS over SQLite's own that records. */
#include "crash_log.h"
#include "store_helpers.h"

#include <fcntl.h>
#include <sqlite3.h>

enum { SQLITE_FILES_MAX = 64 };

static struct {
    pthread_mutex_t lock;
    struct crash_log *log;
    sqlite3_vfs vfs;
    const sqlite3_vfs *plain;
    struct changed_methods {
        sqlite3_io_methods methods; /* first: a file points at it */
        const sqlite3_io_methods *plain;
    } tables[3]; /* each kind of file has its own */
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
    crash_log_add(shim.log, CRASH_SYNC_DIRECTORY, directory, NULL, NULL, 0, covers);
    free(directory);
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    const char *path = name_of(file)->path;
    if (crash_log_refuses(shim.log, CRASH_WRITE, path))
        return SQLITE_FULL;
    int result = plain_of(file)->xWrite(file, data, size, offset);
    if (result == SQLITE_OK)
        crash_log_add(shim.log, CRASH_WRITE, path, NULL, data, (size_t)size, (uint64_t)offset);
    return result;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    const char *path = name_of(file)->path;
    if (crash_log_refuses(shim.log, CRASH_TRUNCATE, path))
        return SQLITE_IOERR_TRUNCATE;
    int result = plain_of(file)->xTruncate(file, size);
    if (result == SQLITE_OK)
        crash_log_add(shim.log, CRASH_TRUNCATE, path, NULL, NULL, 0, (uint64_t)size);
    return result;
}

static int shim_sync(sqlite3_file *file, int flags)
{
    uint64_t covers = entries_now();
    int result = plain_of(file)->xSync(file, flags);
    struct sqlite_name *name = name_of(file);
    if (result == SQLITE_OK) {
        crash_log_add(shim.log, CRASH_SYNC, name->path, NULL, NULL, 0, covers);
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

static struct changed_methods *table_of(const sqlite3_io_methods *plain)
{
    size_t i = 0;
    while (shim.tables[i].plain && shim.tables[i].plain != plain) {
        i++;
        REQUIRE(i < sizeof(shim.tables) / sizeof(shim.tables[0]), "too many kinds of file");
    }
    struct changed_methods *table = &shim.tables[i];
    if (!table->plain) {
        table->methods = *plain;
        table->methods.xWrite = shim_write;
        table->methods.xTruncate = shim_truncate;
        table->methods.xSync = shim_sync;
        table->methods.xClose = shim_close;
        table->plain = plain;
    }
    return table;
}

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
    bool creates = flags & SQLITE_OPEN_CREATE;
    if (path && creates && crash_log_refuses(shim.log, CRASH_OPEN, path))
        return SQLITE_CANTOPEN;
    int result = shim.plain->xOpen(vfs, path, file, flags, ret_flags);
    if (result != SQLITE_OK || !path)
        return result;
    REQUIRE(pthread_mutex_lock(&shim.lock) == 0, "lock");
    file->pMethods = &table_of(file->pMethods)->methods;
    *name_of(NULL) = (struct sqlite_name){
        file, strdup(path), creates && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))};
    crash_log_add(shim.log, CRASH_OPEN, path, NULL, NULL, 0, creates ? O_CREAT : 0);
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
    if (result == SQLITE_OK && !is_shared_memory(path)) {
        crash_log_add(shim.log, CRASH_UNLINK, path, NULL, NULL, 0, 0);
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

void crash_sqlite_record(struct crash_log *log)
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
