/* One error, captured where it is born. Libraries fill it in and return -errno; cli/ and server/ print it. */
#ifndef CONNECTORDB_ERROR_H
#define CONNECTORDB_ERROR_H

#include <stdbool.h>

enum { ERROR_MESSAGE_BYTES = 512 };

struct error {
    int code;                          /* errno value, positive; 0 while no error was set */
    char message[ERROR_MESSAGE_BYTES]; /* what, where (file, byte offset, line, path) and what to do */
};

/* Sets code and message (printf format; a longer message is cut; control characters are escaped as escape.h says, so that names of
 * files and objects may be arguments) and returns -code, so that a failing
 * function can end with `return error_set(ret_error, EINVAL, "...")`. ret_error may be NULL.
 * An error that is already set is replaced. Any thread. */
int error_set(struct error *ret_error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "text: " (printf format) before the message of an error that is set; returns -code of it.
 * Use it where a caller knows more than the place where the error was born. */
int error_prefix(struct error *ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether an errno (positive) says that a write has no place: the disk is full (ENOSPC), a disk quota is exhausted (EDQUOT), or the
 * file would exceed a size limit (EFBIG; SIGXFSZ must be ignored for it). All three are handled alike: nothing is broken, and the
 * same work succeeds when there is space again. */
bool error_is_no_space(int code);
/* Which of the three it is: "the disk is full", "the disk quota is exhausted", "the file size limit is reached (see ulimit -f)". Static. */
const char *error_no_space_reason(int code);

#endif
