/* Counts what a transfer did and reports it a few times a second from a thread of its own. */
#ifndef CONNECTORDB_METER_H
#define CONNECTORDB_METER_H

#include "catalog.h"
#include "error.h"
#include "export.h"

#include <pthread.h>
#include <stdatomic.h>

enum { METER_INTERVAL_MS = 200 };

struct meter {
    const struct transfer_options *options;
    uint64_t points_total, bytes_total, streams_total; /* set before meter_start */
    atomic_uint_fast64_t points, bytes, streams;
    uint64_t begun_ns;
    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t wake;
    char current[PATH_BYTES_MAX + 1];
    bool ending, running;
    pthread_t thread;
};

/* Takes the time and prepares the struct; options: borrowed until meter_stop. */
void meter_init(struct meter *meter, const struct transfer_options *options);
/* Starts reporting, if anybody listens. 0 or what starting a thread returned. */
int meter_start(struct meter *meter, struct error *ret_error);
/* Reports a last time and ends the thread; accepts a meter that was not started. */
void meter_stop(struct meter *meter);
double meter_seconds(const struct meter *meter);

/* Any thread. Points and bytes since the last call. */
void meter_add(struct meter *meter, uint64_t points, uint64_t bytes);
/* Another stream is done. */
void meter_add_stream(struct meter *meter);
/* The path that somebody begins to work on. */
void meter_set_current(struct meter *meter, const char *user, const char *device, const char *stream);
/* -ECANCELED once the caller of the transfer wants it to end. */
int meter_check_cancelled(const struct meter *meter, struct error *ret_error);

#endif
