/* A refusal: why a request cannot be done, and what its client is told. It is set once, where the meaning is
 * known; the dispatcher answers it. */
#ifndef CONNECTORDB_PROBLEM_H
#define CONNECTORDB_PROBLEM_H

#include "error.h"

#include <stdbool.h>

struct problem {
    int status;       /* of HTTP; 0 = no problem */
    unsigned retry_s; /* Retry-After; 0 = waiting does not help */
    char message[ERROR_MESSAGE_BYTES];
};

/* Both return false: functions that can refuse return true when they are done, and end with `return
 * problem_set(...)`. */
bool problem_set(struct problem *problem, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what is over soon: with Retry-After. */
bool problem_later(struct problem *problem, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "about: " (100 bytes of it at most) in front of the message of a problem that is set. Returns false.
 */
bool problem_about(struct problem *problem, const char *about);

/* A lower layer failed at `what` (for the log). This is about the server and not about the request: 503 while
 * memory, space or a lock is missing, else 500, and the log says why. Refusals of a lower layer (not found,
 * taken, not valid) have been dealt with by the caller, who knows what they mean. */
bool problem_failed(struct problem *problem, const char *what, int code, const struct error *error);

#endif
