/* Cutting a stream: removes the points after a time, and keeps them as an export folder. It mends a stream
 * that got times far ahead (milliseconds by mistake), and so takes no real ones any more. */
#ifndef CONNECTORDB_CUT_H
#define CONNECTORDB_CUT_H

#include "database.h"
#include "error.h"
#include "export.h"

#include <stdbool.h>
#include <stdint.h>

struct cut_options {
    const char *path;                 /* user/device/stream */
    bool downlink;                    /* the downlink's points instead of the stream's own */
    double after;                     /* points with a later time are cut */
    bool dry_run;                     /* only counts */
    const char *directory;            /* the new folder for what is cut; unused with dry_run */
    struct transfer_options transfer; /* of it progress, context and cancel */
};

struct cut_result {
    uint64_t kept, cut;         /* points */
    double kept_last;           /* time of the last point that is kept; 0 = none is */
    double cut_first, cut_last; /* times of what is cut; 0 = nothing is */
};

/* Returns whether the path has the form user/device/stream of valid names. */
bool cut_path_valid(const char *path);

/* Writes the points after the time to the folder, as export_database would (the other data file of a downlink
 * stream is empty), then removes them from the stream, all in one step: after a crash they are there or not,
 * and the folder is complete when they are not. Nothing to cut: 0, nothing was changed and no folder made.
 * Meanwhile the series takes no inserts (store_freeze_series); it can be read, and other streams go on. One
 * cut at a time in a database. A failed or cancelled cut has changed nothing and removes the folder, but:
 * -EINPROGRESS the catalog cannot be written, and whether the stream was cut is known after the next open;
 * until then it takes no inserts, and the folder stays. -ENOENT no such stream, or it was deleted meanwhile;
 * -EINVAL a bad path or time, or a stream without a downlink; -EEXIST the folder exists; -EBUSY another cut
 * runs; -EROFS without dry_run, opened for reading; -ECANCELED. Any thread. */
int cut_stream(struct database *database, const struct cut_options *options, struct cut_result *ret_result,
    struct error *ret_error);

#endif
