/* Growing intervals between attempts that fail: each is twice the one before, up to a limit. Has no clock:
 * the caller passes the time. */
#ifndef CONNECTORDB_BACKOFF_H
#define CONNECTORDB_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    uint32_t first_ms, most_ms;
    uint32_t wait_ms; /* the current interval; 0 = the last attempt went well */
    uint64_t due_ns;  /* when the next attempt may be made; 0 = at once */
};

/* An attempt was made at `now_ns`. */
void backoff_note(struct backoff *backoff, bool failed, uint64_t now_ns);
/* Lets the next attempt be made at once. The interval goes on growing if it fails. */
void backoff_skip(struct backoff *backoff);
/* Returns whether the next attempt may be made at `now_ns`. */
bool backoff_is_due(const struct backoff *backoff, uint64_t now_ns);

#endif
