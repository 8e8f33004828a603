/* What `connectordb status` and `connectordb stream ls|usage` tell, as lines of JSON: gathered by the server
 * when one runs, else by the command's process. */
#ifndef CONNECTORDB_REPORT_H
#define CONNECTORDB_REPORT_H

#include "database.h"
#include "error.h"
#include "sink.h"

struct server;

/* Borrowed. */
struct report_source {
    struct database *database;
    const char *address;   /* URL of the server; NULL: it has no HTTP, or none runs */
    double started_s;      /* unix time; 0: no server runs */
    struct server *server; /* NULL as address */
};

/* The names of the two reports, in requests too. */
#define REPORT_STATUS "status"
#define REPORT_STREAMS "streams"

/* Prints the report.
 * name    REPORT_STATUS: one object, which docs/COMMANDS.md describes. REPORT_STREAMS: an object for each
 *         stream, {"path", "length", "first", "last", "bytes"}, and one for each downlink with "/downlink"
 *         behind its path, in order of path; first and last are missing when it is empty
 * path    of REPORT_STREAMS: only what is at or below it; "" = all
 * Reads one moment of the database. 0; -ENOENT: there is nothing at the path; -EINVAL: no such report; what
 * the sink returned; -errno. Any thread; takes some microseconds for each stream. */
int report_print(const struct report_source *source, const char *name, const char *path, struct sink *sink,
    struct error *ret_error);

/* Notes that the server has made a backup, for the status; a failure means that it is not told of. */
void report_note_backup(const char *database, const char *folder);

#endif
