/* Free space, asked before a step begins that would otherwise fill the disk and fail. */
#ifndef CONNECTORDB_SPACE_H
#define CONNECTORDB_SPACE_H

#include "error.h"

#include <stdint.h>

/* 0, or -ENOSPC when the file system of `directory` has less than `bytes` free for us. 0 as well when it
 * cannot tell: then the writes do. purpose: who needs the space, for the message. */
int space_check(const char *directory, uint64_t bytes, const char *purpose, struct error *ret_error);

#endif
