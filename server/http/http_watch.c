#include "http_watch.h"

#include "check.h"
#include "clock.h"
#include "http_sockets.h"

#include <string.h>
#include <time.h>

void http_watch_init(struct http_watch *watch)
{
    pthread_condattr_t attributes;
    *watch = (struct http_watch){0};
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* ---- the watch's thread ---- */

static void look_at(const struct http_watch *watch, struct http_watched *watched)
{
    (void)pthread_mutex_lock(&watched->lock);
    if (watched->deadline_ns != 0 && !watched->ended && clock_monotonic_ns() >= watched->deadline_ns) {
        http_sockets_end_reading(watch->local_port, watched->remote_address, watched->remote_port);
        watched->ended = true;
    }
    (void)pthread_mutex_unlock(&watched->lock);
}

static struct timespec next_look(const struct http_watch *watch)
{
    uint64_t ns = clock_monotonic_ns() + watch->period_ms * UINT64_C(1000000);
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

static void *keep_watch(void *context)
{
    struct http_watch *watch = context;
    (void)pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        for (struct http_watched *watched = watch->watched; watched; watched = watched->next)
            look_at(watch, watched);
        struct timespec next = next_look(watch);
        (void)pthread_cond_timedwait(&watch->changed, &watch->lock, &next);
    }
    (void)pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int http_watch_start(struct http_watch *watch, uint16_t local_port, uint32_t period_ms, struct error *ret_error)
{
    watch->local_port = local_port;
    watch->period_ms = period_ms;
    int failed = pthread_create(&watch->thread, NULL, keep_watch, watch);
    if (failed)
        return error_set(ret_error, failed, "cannot start a thread: %s", strerror(failed));
    watch->started = true;
    return 0;
}

void http_watch_stop(struct http_watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    CHECK(!watch->watched);
    watch->stopping = true;
    (void)pthread_cond_signal(&watch->changed);
    (void)pthread_mutex_unlock(&watch->lock);
    if (watch->started)
        (void)pthread_join(watch->thread, NULL);
    (void)pthread_mutex_destroy(&watch->lock);
    (void)pthread_cond_destroy(&watch->changed);
}

/* ---- threads that read ---- */

void http_watch_add(struct http_watch *watch, struct http_watched *watched)
{
    *watched = (struct http_watched){0};
    (void)pthread_mutex_init(&watched->lock, NULL);
    (void)pthread_mutex_lock(&watch->lock);
    watched->next = watch->watched;
    watch->watched = watched;
    (void)pthread_mutex_unlock(&watch->lock);
}

void http_watch_remove(struct http_watch *watch, struct http_watched *watched)
{
    (void)pthread_mutex_lock(&watch->lock);
    struct http_watched **link = &watch->watched;
    while (*link != watched)
        link = &(*link)->next;
    *link = watched->next;
    (void)pthread_mutex_unlock(&watch->lock);
    (void)pthread_mutex_destroy(&watched->lock);
}

void http_watched_begin(
    struct http_watched *watched, const char *remote_address, uint16_t remote_port, uint64_t deadline_ns)
{
    (void)pthread_mutex_lock(&watched->lock);
    watched->remote_address = remote_address;
    watched->remote_port = remote_port;
    watched->deadline_ns = deadline_ns;
    watched->ended = false;
    (void)pthread_mutex_unlock(&watched->lock);
}

bool http_watched_end(struct http_watched *watched)
{
    (void)pthread_mutex_lock(&watched->lock);
    watched->deadline_ns = 0;
    bool ended = watched->ended;
    (void)pthread_mutex_unlock(&watched->lock);
    return ended;
}
