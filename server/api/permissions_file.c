#include "permissions_file.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { EVENT_BYTES = 4096 };

struct permissions_file {
    char *path;
    _Atomic(struct permissions *) current;
    struct permissions *versions[PERMISSIONS_VERSIONS_MAX]; /* of the thread, but for the first */
    size_t count;
    int changes, stop; /* inotify and eventfd; -1 = not watched */
    pthread_t thread;
};

const struct permissions *permissions_file_current(struct permissions_file *file)
{
    return atomic_load_explicit(&file->current, memory_order_acquire);
}

/* ---- the thread ---- */

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

/* Whether one of the events that have come is about the file. */
static bool has_changed(const struct permissions_file *file)
{
    const char *name = strrchr(file->path, '/') + 1;
    _Alignas(struct inotify_event) char bytes[EVENT_BYTES];
    ssize_t size = read(file->changes, bytes, sizeof(bytes));
    bool found = false;
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        found |= (event->mask & IN_Q_OVERFLOW) || (event->len > 0 && strcmp(event->name, name) == 0);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return found;
}

static void *watch(void *context)
{
    struct permissions_file *file = context;
    for (;;) {
        struct pollfd waits[] = {
            {.fd = file->stop, .events = POLLIN}, {.fd = file->changes, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            break;
        if (waits[0].revents)
            break;
        if ((waits[1].revents & POLLIN) && has_changed(file))
            reload(file);
    }
    return NULL;
}

/* The directory is watched and not the file: editors write a new one and rename it. */
static int watch_directory(struct permissions_file *file)
{
    char *slash = strrchr(file->path, '/');
    *slash = '\0';
    int r = inotify_add_watch(
        file->changes, slash == file->path ? "/" : file->path, IN_CLOSE_WRITE | IN_MOVED_TO);
    int code = errno;
    *slash = '/';
    return r < 0 ? -code : 0;
}

static int start_watching(struct permissions_file *file)
{
    file->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    file->stop = eventfd(0, EFD_CLOEXEC);
    int r = file->changes < 0 || file->stop < 0 ? -errno : watch_directory(file);
    return r < 0 ? r : -pthread_create(&file->thread, NULL, watch, file);
}

static void close_descriptors(struct permissions_file *file)
{
    if (file->changes >= 0)
        (void)close(file->changes);
    if (file->stop >= 0)
        (void)close(file->stop);
    file->changes = file->stop = -1;
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
    file->changes = file->stop = -1;
    int r = permissions_load(path, &file->versions[0], ret_error);
    if (r < 0) {
        permissions_file_close(file);
        return r;
    }
    file->count = 1;
    atomic_init(&file->current, file->versions[0]);
    if (strchr(path, '/') && permissions_watch(file->versions[0])) {
        r = start_watching(file);
        if (r < 0) {
            log_warn("%s is not watched for changes: %s", path, strerror(-r));
            close_descriptors(file);
        }
    }
    *ret_file = file;
    return 0;
}

void permissions_file_close(struct permissions_file *file)
{
    if (!file)
        return;
    if (file->stop >= 0) {
        (void)eventfd_write(file->stop, 1);
        (void)pthread_join(file->thread, NULL);
    }
    close_descriptors(file);
    for (size_t i = 0; i < file->count; i++)
        permissions_free(file->versions[i]);
    free(file->path);
    free(file);
}
