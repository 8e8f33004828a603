/* An error: code and message. Libraries set it where it occurs and return -errno; only cli/ and server/ print
 * it. */
#ifndef CONNECTORDB_ERROR_H
#define CONNECTORDB_ERROR_H

#include <stdbool.h>

enum { ERROR_MESSAGE_BYTES = 512 };

struct error {
    int code;                          /* errno value, positive; 0 while no error was set */
    char message[ERROR_MESSAGE_BYTES]; /* what, where (file, byte offset, line, path) and what to do */
};

/* Sets code and message and returns -code, so that a function can end with `return error_set(ret_error,
 * EINVAL, "...")`.
 * ret_error  may be NULL; an error that is already set is replaced
 * format     printf format. A message that is too long is truncated. Control characters are escaped
 *            (escape.h), so names of files and objects may be arguments
 * Any thread. */
int error_set(struct error *ret_error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Inserts "TEXT: " (printf format) before the message of an error that is set, and returns its -code. For
 * callers that know more context, such as a path. */
int error_prefix(struct error *ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns whether a positive errno means that there is no space to write: the disk is full (ENOSPC), a quota
 * is exhausted (EDQUOT), or the file would exceed a size limit (EFBIG, with SIGXFSZ ignored). The same
 * operation succeeds when there is space again. */
bool error_is_no_space(int code);
/* Returns which of the three it is: "the disk is full", "the disk quota is exhausted" or "the file size limit
 * is reached (see ulimit -f)". A static string. */
const char *error_no_space_reason(int code);

#endif
