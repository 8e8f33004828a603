#include "file_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { EVENT_BYTES = 4096 };

struct file_watch {
    char *paths[FILE_WATCH_PATHS_MAX];
    int directories[FILE_WATCH_PATHS_MAX]; /* inotify's numbers for their directories */
    size_t count;
    uint32_t settle_ms;
    void (*changed)(void *context);
    void *context;
    int changes, stop; /* inotify and eventfd */
    bool running;
    pthread_t thread;
};

static bool is_watched(const struct file_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    for (size_t i = 0; event->len > 0 && i < watch->count; i++) {
        if (watch->directories[i] == event->wd && strcmp(strrchr(watch->paths[i], '/') + 1, event->name) == 0)
            return true;
    }
    return false;
}

/* Whether one of the events that have come is about one of the files. */
static bool take_events(const struct file_watch *watch)
{
    _Alignas(struct inotify_event) char bytes[EVENT_BYTES];
    ssize_t size = read(watch->changes, bytes, sizeof(bytes));
    bool found = false;
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        found |= is_watched(watch, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return found;
}

static void *run(void *context)
{
    struct file_watch *watch = context;
    bool changed = false;
    for (;;) {
        struct pollfd waits[] = {
            {.fd = watch->stop, .events = POLLIN}, {.fd = watch->changes, .events = POLLIN}};
        int came = poll(waits, 2, changed ? (int)watch->settle_ms : -1);
        if ((came < 0 && errno != EINTR) || waits[0].revents)
            break;
        if (came > 0 && (waits[1].revents & POLLIN)) {
            changed |= take_events(watch);
        } else if (came == 0) {
            changed = false;
            watch->changed(watch->context);
        }
    }
    return NULL;
}

static int watch_directory(struct file_watch *watch, size_t i)
{
    char *path = watch->paths[i];
    char *slash = strrchr(path, '/');
    *slash = '\0';
    watch->directories[i] = inotify_add_watch(
        watch->changes, slash == path ? "/" : path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE);
    int code = errno;
    *slash = '/';
    return watch->directories[i] < 0 ? -code : 0;
}

int file_watch_start(const char *const *paths, size_t count, uint32_t settle_ms,
    void (*changed)(void *context), void *context, struct file_watch **ret_watch)
{
    struct file_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->settle_ms = settle_ms;
    watch->changed = changed;
    watch->context = context;
    watch->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch->stop = eventfd(0, EFD_CLOEXEC);
    int r = watch->changes < 0 || watch->stop < 0 ? -errno : 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        watch->paths[i] = strdup(paths[i]);
        watch->count++;
        r = watch->paths[i] ? watch_directory(watch, i) : -ENOMEM;
    }
    if (r == 0)
        r = -pthread_create(&watch->thread, NULL, run, watch);
    watch->running = r == 0;
    if (r < 0) {
        file_watch_stop(watch);
        return r;
    }
    *ret_watch = watch;
    return 0;
}

void file_watch_stop(struct file_watch *watch)
{
    if (!watch)
        return;
    if (watch->running) {
        (void)eventfd_write(watch->stop, 1);
        (void)pthread_join(watch->thread, NULL);
    }
    if (watch->changes >= 0)
        (void)close(watch->changes);
    if (watch->stop >= 0)
        (void)close(watch->stop);
    for (size_t i = 0; i < watch->count; i++)
        free(watch->paths[i]);
    free(watch);
}
