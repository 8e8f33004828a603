/* The model of a store: for each series what was attempted, with which outcome and when. From that follows
 * which points must be there, and which may be there, after a crash at any moment.
 *
 * store_model_attempt notes an operation before it is called, store_model_settle its outcome afterwards, and
 * store_model_judge compares a store, opened later, with what follows from them. An attempt that is not
 * settled has an unknown outcome: all of it may be there, or nothing.
 *
 * Moments are numbers that the caller counts up: entries of a log of calls, or steps. An attempt that began
 * at b and ended at e has an unknown outcome at the moments b < m < e, and is known from e on.
 *
 * Points are made by a function of series and index, so that no point can be there that nobody inserted; or
 * they are given with the attempt and kept.
 *
 * Several threads may attempt and settle at a time, each for series of its own; the rest is for one thread.
 */
#ifndef CONNECTORDB_STORE_MODEL_H
#define CONNECTORDB_STORE_MODEL_H

#include "points.h"

#include "store.h"

#include <pthread.h>

/* The moment that never comes: `ended` of an attempt whose outcome is unknown. */
#define NEVER UINT64_MAX
/* After everything that was settled. */
#define NOW (UINT64_MAX - 1)

enum model_operation { MODEL_APPEND, MODEL_LOAD, MODEL_DELETE };
enum model_outcome {
    MODEL_REFUSED, /* nothing of it is there */
    MODEL_DONE,    /* all of it is there */
};

/* An operation's part in one series: points [first, first + count), or the deletion. */
struct model_attempt {
    uint64_t number; /* of the operation */
    enum model_operation operation;
    size_t series_count; /* of the operation; an append or a load is there in all of them or in none */
    uint64_t first, count;
    uint64_t begun, ended;
    enum model_outcome outcome; /* from `ended` on */
};

struct model_series {
    uint64_t id;
    struct model_attempt *attempts; /* one after the other */
    size_t count, capacity;
    struct points points; /* given with the attempts; empty: they follow from the index */
};

struct store_model {
    pthread_mutex_t lock;
    struct model_series *series;
    size_t count, capacity;
    uint64_t attempts;    /* operations so far */
    uint64_t value_bytes; /* of the texts among the made points, about */
    /* Appends are not synced one by one: a crash may lose the last ones, in the order of their beginnings.
     * Deletions and loads are durable all the same. */
    bool lossy;
};

void store_model_init(struct store_model *model, uint64_t value_bytes);
void store_model_free(struct store_model *model);
/* Without points that were given. */
void store_model_copy(struct store_model *to, const struct store_model *from);

/* Notes that the operation is about to be called: on each of the series it appends or loads `count` points
 * after the last (0: deletes it). Returns its number. */
uint64_t store_model_attempt(struct store_model *model, enum model_operation operation,
    const uint64_t *series_ids, size_t series_count, uint64_t count, uint64_t now);
/* The same, of an append or a load to one series, with its points (copied). */
uint64_t store_model_attempt_points(struct store_model *model, enum model_operation operation,
    uint64_t series_id, const struct points *points, uint64_t now);
/* Notes the outcome of the operation. It must be the last one of its series. */
void store_model_settle(struct store_model *model, uint64_t number, enum model_outcome outcome, uint64_t now);

/* NULL: unknown. */
const struct model_series *store_model_series(const struct store_model *model, uint64_t series_id);
/* By the known outcomes: the number of points of a series, 0 when it is deleted; and whether it is. */
uint64_t store_model_length(struct store_model *model, uint64_t series_id);
bool store_model_deleted(struct store_model *model, uint64_t series_id);
/* Pushes the made points [first, first + count) of the series. */
void store_model_points(
    const struct store_model *model, uint64_t series_id, uint64_t first, uint64_t count, struct batch *batch);

/* What a series may hold at a moment. */
struct model_expected {
    uint64_t length; /* by what is known */
    bool deleted;
    const struct model_attempt *open; /* its outcome is unknown; NULL: there is none */
};
struct model_expected store_model_expect(const struct model_series *series, uint64_t at);

/* What does not hold, as text. model_violated returns false, so that it can be passed on. */
struct model_violation {
    char text[1024];
};
bool model_violated(struct model_violation *violation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The store holds what it must at the moment `at`: everything known to be done, operations whole or absent,
 * and nothing else; descriptions of series, times and values agree.
 * ret_lengths  of each series of the model, in its order; may be NULL */
bool store_model_judge(const struct store_model *model, uint64_t at, struct store *store,
    uint64_t *ret_lengths, struct model_violation *violation);
/* The same for a snapshot that was taken at the moment `at`. */
bool store_model_judge_snapshot(const struct store_model *model, uint64_t at, struct store_snapshot *snapshot,
    uint64_t *ret_lengths, struct model_violation *violation);
/* The running store, now: points of appends with an unknown outcome are not to be seen. */
bool store_model_judge_running(
    const struct store_model *model, struct store *store, struct model_violation *violation);
/* The store holds what there was at one moment between these two, whatever went on then: appends only. */
bool store_model_judge_between(const struct store_model *model, uint64_t from, uint64_t to,
    struct store *store, struct model_violation *violation);
/* The store holds exactly these lengths. */
bool store_model_judge_lengths(const struct store_model *model, const uint64_t *lengths, struct store *store,
    struct model_violation *violation);
/* The series `copy_id` of a snapshot holds what this one held at `at`, when no outcome was unknown. */
bool store_model_judge_copy(const struct store_model *model, uint64_t series_id, uint64_t at,
    struct store_snapshot *snapshot, uint64_t copy_id, struct model_violation *violation);
/* The series `copy_id` of a snapshot holds points [from, to) of this one, and nothing else. */
bool store_model_judge_part(const struct store_model *model, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_snapshot *snapshot, uint64_t copy_id, struct model_violation *violation);

/* Settles what is not settled by what was found: lengths of the series, as judged. */
void store_model_settle_found(struct store_model *model, const uint64_t *lengths, uint64_t now);
/* Goes over to a new count of moments, that of what happens after the crash at `at`. What was known by then
 * is known from 1 on; an attempt with an unknown outcome has what was found as its outcome, known from `now`
 * on. Later attempts are forgotten. */
void store_model_restart(struct store_model *model, uint64_t at, const uint64_t *lengths, uint64_t now);

#endif
