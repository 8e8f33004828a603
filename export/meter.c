#include "meter.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void meter_init(struct meter *meter, const struct transfer_options *options)
{
    *meter = (struct meter){
        .options = options, .begun_ns = clock_monotonic_ns(), .lock = PTHREAD_MUTEX_INITIALIZER};
}

double meter_seconds(const struct meter *meter)
{
    return (double)(clock_monotonic_ns() - meter->begun_ns) / 1e9;
}

static void report(struct meter *meter)
{
    char current[sizeof(meter->current)];
    (void)pthread_mutex_lock(&meter->lock);
    memcpy(current, meter->current, sizeof(current));
    (void)pthread_mutex_unlock(&meter->lock);
    const struct progress progress = {
        .points = atomic_load(&meter->points),
        .points_total = meter->points_total,
        .bytes = atomic_load(&meter->bytes),
        .bytes_total = meter->bytes_total,
        .streams = atomic_load(&meter->streams),
        .streams_total = meter->streams_total,
        .seconds = meter_seconds(meter),
        .current = current,
    };
    meter->options->progress(meter->options->context, &progress);
}

static void *run(void *argument)
{
    struct meter *meter = argument;
    (void)pthread_mutex_lock(&meter->lock);
    while (!meter->ending) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += METER_INTERVAL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        int code = 0;
        while (!meter->ending && code == 0)
            code = pthread_cond_timedwait(&meter->wake, &meter->lock, &until);
        if (meter->ending)
            break;
        (void)pthread_mutex_unlock(&meter->lock);
        report(meter);
        (void)pthread_mutex_lock(&meter->lock);
    }
    (void)pthread_mutex_unlock(&meter->lock);
    return NULL;
}

int meter_start(struct meter *meter, struct error *ret_error)
{
    if (!meter->options->progress)
        return 0;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&meter->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int code = pthread_create(&meter->thread, NULL, run, meter);
    if (code)
        return error_set(ret_error, code, "cannot start a thread: %s", strerrordesc_np(code));
    meter->running = true;
    return 0;
}

void meter_stop(struct meter *meter)
{
    if (!meter->running)
        return;
    (void)pthread_mutex_lock(&meter->lock);
    meter->ending = true;
    (void)pthread_cond_signal(&meter->wake);
    (void)pthread_mutex_unlock(&meter->lock);
    (void)pthread_join(meter->thread, NULL);
    meter->running = false;
    report(meter);
    (void)pthread_cond_destroy(&meter->wake);
}

void meter_add(struct meter *meter, uint64_t points, uint64_t bytes)
{
    (void)atomic_fetch_add_explicit(&meter->points, points, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&meter->bytes, bytes, memory_order_relaxed);
}

void meter_add_stream(struct meter *meter)
{
    (void)atomic_fetch_add_explicit(&meter->streams, 1, memory_order_relaxed);
}

void meter_set_current(struct meter *meter, const char *user, const char *device, const char *stream)
{
    (void)pthread_mutex_lock(&meter->lock);
    (void)snprintf(meter->current, sizeof(meter->current), "%s/%s/%s", user, device, stream);
    (void)pthread_mutex_unlock(&meter->lock);
}

int meter_check_cancelled(const struct meter *meter, struct error *ret_error)
{
    const atomic_bool *cancel = meter->options->cancel;
    if (!cancel || !atomic_load_explicit(cancel, memory_order_relaxed))
        return 0;
    return error_set(ret_error, ECANCELED, "cancelled");
}
