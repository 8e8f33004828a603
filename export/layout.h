/* The names of an export folder: the only place that knows them.
 *
 *   DIR/connectordb.json  DIR/U/user.json  DIR/U/D/device.json  DIR/U/D/S/{stream,data,downlink}.json
 *
 * and of its CSV, which is for other programs: DIR/U/D/S/stream.json  DIR/U/D/S/{data,downlink}.csv */
#ifndef CONNECTORDB_LAYOUT_H
#define CONNECTORDB_LAYOUT_H

#include "error.h"

#include <limits.h>

enum {
    LAYOUT_VERSION = 2,             /* what we write */
    LAYOUT_VERSION_PYTHON = 1,      /* what the Python client writes: without passwords */
    LAYOUT_DESCRIPTION_MODE = 0700, /* of descriptions and directories, as ConnectorDB 0.3 */
    LAYOUT_DATA_MODE = 0666,        /* less the umask */
};

extern const char LAYOUT_FOLDER[]; /* connectordb.json */
extern const char
    LAYOUT_FOLDER_NEW[]; /* what it is called until it is on disk; hidden, so that import ignores it */
extern const char LAYOUT_USER[];         /* user.json */
extern const char LAYOUT_DEVICE[];       /* device.json */
extern const char LAYOUT_STREAM[];       /* stream.json */
extern const char LAYOUT_DATA[];         /* data.json */
extern const char LAYOUT_DOWNLINK[];     /* downlink.json */
extern const char LAYOUT_DATA_CSV[];     /* data.csv */
extern const char LAYOUT_DOWNLINK_CSV[]; /* downlink.csv */

/* "directory/user/device/stream/file" without the parts that are NULL. 0 or -ENAMETOOLONG. */
int layout_path(char path[PATH_MAX], const char *directory, const char *user, const char *device,
    const char *stream, const char *file, struct error *ret_error);

#endif
