/* `connectordb stream DB ls` and `usage`: the streams, with their times and with what they take. */
#ifndef CONNECTORDB_STREAM_LIST_H
#define CONNECTORDB_STREAM_LIST_H

#include <stdbool.h>

enum stream_list_by { STREAM_LIST_BY_STREAM, STREAM_LIST_BY_DEVICE, STREAM_LIST_BY_USER };

/* Prints them to standard output; returns the exit code. path: only what is at or below it, "" = all. */
int stream_list(const char *database, const char *path, bool json);
/* The same by size, the largest first, with the sum at the end. */
int stream_usage(const char *database, const char *path, enum stream_list_by by, bool json);

#endif
