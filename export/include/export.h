/* Export folders: the JSON folder format of ConnectorDB 0.3, versions 1 and 2, streamed in constant memory.
 * layout.h (private) is the only place that knows its names. */
#ifndef CONNECTORDB_EXPORT_H
#define CONNECTORDB_EXPORT_H

#include "database.h"
#include "error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The progress of a transfer, for a progress line. Called from one thread at a time, a few times a second and
 * at the end. */
struct progress {
    uint64_t points, points_total; /* total 0 = unknown */
    uint64_t bytes, bytes_total;   /* of data files' text */
    uint64_t streams, streams_total;
    double seconds;
    const char *current; /* path being worked on */
};

struct transfer_options {
    const char *const *filters; /* "user", "user/device", "user/device/stream"; an object is taken when a
                                   filter names it or what is above or below it */
    size_t filter_count;
    unsigned threads; /* 0 = number of processors, at most 8 */
    void (*progress)(void *context, const struct progress *progress); /* may be NULL */
    void *context;
    const atomic_bool
        *cancel; /* set by another thread or a signal handler: stop soon with -ECANCELED; may be NULL */
    bool
        csv; /* export only: CSV for analysis instead of a folder that can be imported, see export_database */
    /* import only */
    bool resume; /* go on after a killed or cancelled import: users that are there already are skipped, series
                    that were finished are kept; what this import finishes is kept when it fails */
    bool restart;   /* throw away what a killed or cancelled import left */
    bool sort;      /* accept unordered data: sort it (stable, by time) */
    bool skip_meta; /* leave meta devices' streams out, as the reference does */
};

struct transfer_result {
    uint64_t users, devices, streams, points, bytes;
    uint64_t users_skipped; /* import with resume: users that were there already */
    double seconds;
};

/* Writes one moment of the database into the new folder `directory` (-EEXIST when it exists): files synced,
 * connectordb.json last. A failed or cancelled export removes what it made. Any thread; inserts go on
 * meanwhile.
 * csv  The datapoints are in data.csv and downlink.csv with the columns t, d and o (points_text.h), beside
 *      stream.json. There is nothing that logs in: no user.json, no device.json. Without connectordb.json
 * import refuses the folder. */
int export_database(struct database *database, const char *directory, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error);

/* Reads a folder into the database. All-or-nothing per user: users that are complete stay when a later one
 * fails. -EEXIST: a user of that name is there (checked for all users before anything is read), or an earlier
 * import of the user was killed or cancelled (the message names --resume and --restart). -EBADMSG: bad file
 * (file, line, byte offset, what); -ENOENT: not an export folder, or a filter that names nothing in it. One
 * import at a time in a database. */
int import_database(struct database *database, const char *directory, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error);

#endif
