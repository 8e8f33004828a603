/* The log of the program: one line a call, with the time in ISO 8601 (UTC) and the level. If standard error
 * leads to systemd's journal (JOURNAL_STREAM), which notes the time itself, a line there begins with the
 * priority instead, as "<6>" (sd-daemon(3)). Used by cli/ and server/ only; libraries return errors
 * instead. Never pass keys, passwords or hashes. */
#ifndef CONNECTORDB_LOG_H
#define CONNECTORDB_LOG_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_DEBUG = 0,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

enum { LOG_LINE_BYTES_MAX = 2048 }; /* a longer line is cut */

/* "debug", "info", "warn", "error" -> *ret_level. False when it is none of them. */
bool log_level_parse(const char *name, enum log_level *ret_level);

/* Appends from now on to `file` (created with mode 0600), or writes to standard error when it is NULL or "".
 * May be called again: the earlier file is closed. Before the first call lines from LOG_INFO on go to
 * standard error. 0 or -errno, then the log goes where it went before. */
int log_open(const char *file, enum log_level level, struct error *ret_error);
/* Lines below the level are no longer written. Any thread. */
void log_set_level(enum log_level level);
/* Closes the file; later lines go to standard error. */
void log_close(void);

/* Whether a line of this level would be written: to spare the work of making one. Any thread. */
bool log_enabled(enum log_level level);

/* How many lines of this level there were, also those that were not written. Any thread. */
uint64_t log_count(enum log_level level);

/* Each writes one line with one write(2); control characters and bytes that are not UTF-8 are shown as \xNN,
 * so that a line stays one line and does nothing to a terminal. Any thread. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
