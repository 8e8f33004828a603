#include "permissions_file.h"

#include "file_watch.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLE_MS = 20 };

struct permissions_file {
    char *path;
    _Atomic(struct permissions *) current;
    pthread_mutex_t lock; /* of reading it again, `versions` and `count` */
    struct permissions *versions[PERMISSIONS_VERSIONS_MAX];
    size_t count;
    struct file_watch *watch; /* NULL = not watched */
};

const struct permissions *permissions_file_current(struct permissions_file *file)
{
    return atomic_load_explicit(&file->current, memory_order_acquire);
}

/* ---- reading it again ---- */

/* The lock is held. */
static void reload(struct permissions_file *file)
{
    struct permissions *permissions;
    struct error error = {0};
    if (file->count == PERMISSIONS_VERSIONS_MAX) {
        log_error("%s has changed too often; restart the server to read it again", file->path);
        return;
    }
    if (permissions_load(file->path, &permissions, &error) < 0) {
        log_error("the permissions stay as they were: %s", error.message);
        return;
    }
    file->versions[file->count++] = permissions;
    atomic_store_explicit(&file->current, permissions, memory_order_release);
    log_info("read the permissions in %s again", file->path);
}

void permissions_file_reload(struct permissions_file *file)
{
    if (!strchr(file->path, '/'))
        return;
    (void)pthread_mutex_lock(&file->lock);
    reload(file);
    (void)pthread_mutex_unlock(&file->lock);
}

static void changed(void *file)
{
    permissions_file_reload(file);
}

/* ---- life ---- */

int permissions_file_open(const char *path, struct permissions_file **ret_file, struct error *ret_error)
{
    struct permissions_file *file = calloc(1, sizeof(*file));
    if (file)
        file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        return error_set(ret_error, ENOMEM, "out of memory for permissions");
    }
    (void)pthread_mutex_init(&file->lock, NULL);
    int r = permissions_load(path, &file->versions[0], ret_error);
    if (r < 0) {
        permissions_file_close(file);
        return r;
    }
    file->count = 1;
    atomic_init(&file->current, file->versions[0]);
    if (strchr(path, '/') && permissions_watch(file->versions[0])) {
        r = file_watch_start((const char *const[]){path}, 1, SETTLE_MS, changed, file, &file->watch);
        if (r < 0)
            log_warn("%s is not watched for changes: %s", path, strerror(-r));
    }
    *ret_file = file;
    return 0;
}

void permissions_file_close(struct permissions_file *file)
{
    if (!file)
        return;
    file_watch_stop(file->watch);
    for (size_t i = 0; i < file->count; i++)
        permissions_free(file->versions[i]);
    (void)pthread_mutex_destroy(&file->lock);
    free(file->path);
    free(file);
}
