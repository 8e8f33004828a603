/* What a workload asked of a store and what it was told, and when (as a number of entries of the log): from
 * that follows what the store must hold after a crash at any moment. Points are made by a function of series
 * and index, so that nothing can be there which nobody inserted. */
#ifndef CONNECTORDB_CRASH_MODEL_H
#define CONNECTORDB_CRASH_MODEL_H

#include "crash_log.h"
#include "store_model.h"

#include <pthread.h>

#define NEVER UINT64_MAX

/* Points that were appended or loaded, or (count 0) the series' deletion. */
struct crash_attempt {
    uint64_t first, count;
    uint64_t unit;         /* attempts of one unit (a load, an insert into several series) are there together;
                              0 = on its own */
    uint64_t begun, ended; /* ended: when its outcome was known; NEVER: it was not */
    bool happened;         /* the outcome */
};

struct crash_series {
    uint64_t id;
    struct crash_attempt *attempts; /* one after the other */
    size_t count, capacity;
};

struct crash_model {
    pthread_mutex_t lock;
    struct crash_series *series;
    size_t count, capacity;
    uint64_t value_bytes; /* of the texts, about */
    /* Inserts are not synced one by one: a crash may cost the last ones, in the order of the log; deletions
     * and loads are there. */
    bool lossy;
};

void crash_model_init(struct crash_model *model, uint64_t value_bytes);
void crash_model_free(struct crash_model *model);
void crash_model_copy(struct crash_model *to, const struct crash_model *from);

/* Notes that the attempt begins. Returns a ticket for crash_model_end. count 0 = the deletion. */
uint64_t crash_model_begin(struct crash_model *model, struct crash_log *log, uint64_t series_id,
    uint64_t first, uint64_t count, uint64_t unit);
/* Notes its outcome. ended: crash_log_mark after the call. */
void crash_model_end(
    struct crash_model *model, uint64_t series_id, uint64_t ticket, uint64_t ended, bool happened);
/* The number of points that the series has by all outcomes that are known; 0 when it was deleted. */
uint64_t crash_model_length(struct crash_model *model, uint64_t series_id);
bool crash_model_deleted(struct crash_model *model, uint64_t series_id);

/* Points [first, first + count) of the series. */
void crash_model_points(
    const struct crash_model *model, uint64_t series_id, uint64_t first, uint64_t count, struct batch *batch);

/* What a series may hold after a crash at a point. */
struct crash_expected {
    uint64_t length;
    bool deleted;
    const struct crash_attempt *open; /* begun, outcome not known; NULL = none */
};
struct crash_expected crash_series_expect(const struct crash_series *series, uint64_t point);

/* What does not hold, as text. Returns false so that it can be passed on. */
struct crash_violation {
    char text[1024];
};
bool crash_violated(struct crash_violation *violation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The store holds what it must after a crash at `point`: everything acknowledged, whole batches, nothing
 * else. ret_lengths: one for each series of the model, in its order. */
bool crash_model_check(const struct crash_model *model, uint64_t point, struct store *store,
    uint64_t *ret_lengths, struct crash_violation *violation);
/* A series of another store holds what this one held at `point`, when no attempt was open. */
bool crash_model_check_copy(const struct crash_model *model, uint64_t series_id, uint64_t point,
    struct store_snapshot *snapshot, uint64_t copy_id, struct crash_violation *violation);
/* The series `stored_id` of a snapshot holds points [from, to) of this one, and nothing else. */
bool crash_model_check_part(const struct crash_model *model, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_snapshot *snapshot, uint64_t stored_id, struct crash_violation *violation);
/* The store holds what there was at one moment between these two, whatever went on then: inserts only. */
bool crash_model_check_moment(const struct crash_model *model, uint64_t from, uint64_t to,
    struct store *store, struct crash_violation *violation);
/* The store holds exactly these lengths. */
bool crash_model_check_exactly(const struct crash_model *model, const uint64_t *lengths, struct store *store,
    struct crash_violation *violation);
/* Goes over to a new log, of what happens after the crash at `point`; its first entry is a mark. What was
 * known by then is known from the start; where an attempt was open, what was found is its outcome, known at
 * `at`. Later attempts are forgotten. */
void crash_model_settle(struct crash_model *model, uint64_t point, const uint64_t *lengths, uint64_t at);
/* The outcome of what is still open (a dead journal): what was found. */
void crash_model_resolve(struct crash_model *model, const uint64_t *lengths, uint64_t at);

#endif
