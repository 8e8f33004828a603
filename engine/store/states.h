/* Where each series ends, which an insert must know. The states of series with points in journals are in
 * memory; the others are read from the segments when one is needed, and dropped when their journal has become
 * a segment.
 *
 * * No lock of their own: they belong to recovery, then to commit.c and its lock. */
#ifndef CONNECTORDB_STATES_H
#define CONNECTORDB_STATES_H

#include "files.h"
#include "id_map.h"

struct series_state {
    uint64_t length; /* reserved, perhaps not durable yet */
    double time_last;
    uint64_t logical_bytes;
    uint64_t journal_id; /* of the last reservation; 0 = none */
    bool deleted;
    bool frozen; /* takes no points for now; stays in memory */
};

struct states; /* series id -> state */

struct states *states_new(void);         /* NULL = no memory */
void states_free(struct states *states); /* accepts NULL */
/* The state, valid until it is removed or evicted; NULL = it is not in memory. */
struct series_state *states_find(const struct states *states, uint64_t series_id);
/* 0 or -ENOMEM. */
int states_put(struct states *states, uint64_t series_id, const struct series_state *state);
/* Removes a state that was only looked at: it holds no reservation, is not frozen and can be read again. */
void states_remove_unused(struct states *states, uint64_t series_id);
/* Removes the states of these series whose last reservation is in this journal or an older one. A frozen one
 * stays, without a reservation. */
void states_evict(struct states *states, const uint64_t *series_ids, size_t count, uint64_t journal_id);
/* Counts the evictions: a state that was read from the segments before one may miss the points of that
 * journal. */
uint64_t states_generation(const struct states *states);
/* Reads a state from the segments. Any thread. 0 or -errno. */
int states_load(
    struct files *files, uint64_t series_id, struct series_state *ret_state, struct error *ret_error);

#endif
