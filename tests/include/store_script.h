/* A store's scripted life for the fault tests: it notes what was attempted and what was acknowledged when,
 * and judges what a store holds after a failure: acknowledged things are there, batches and loads are whole
 * or absent, nothing else is there. */
#ifndef CONNECTORDB_STORE_SCRIPT_H
#define CONNECTORDB_STORE_SCRIPT_H

#include "store_model.h"

#include "io.h"

enum attempt_kind { ATTEMPT_APPEND, ATTEMPT_DELETE, ATTEMPT_BULK };
enum attempt_outcome {
    OUTCOME_UNKNOWN,      /* may be there or not, but whole */
    OUTCOME_ACKNOWLEDGED, /* is there */
    OUTCOME_REFUSED,      /* is not there: the store said that nothing was written */
};

struct attempt {
    enum attempt_kind kind;
    enum attempt_outcome outcome;
    uint64_t series_id; /* ATTEMPT_BULK: the first of bulk_count series */
    uint64_t bulk_count;
    struct points points;    /* appended, or loaded into each series of a bulk */
    uint64_t started, ended; /* script->mark before and after */
};

struct script {
    /* set by the caller */
    struct io *io;                /* every call to the system passes through it; NULL = the default one */
    char *directory;              /* empty */
    struct store_options options; /* io is filled in */
    struct test_random random;
    uint64_t append_count;
    /* Power loss may cost what was appended last (fsync is not always): what is left of each series is its
     * beginning, in whole batches. Deletions and loads are durable all the same. */
    bool lossy;
    uint64_t (*mark)(void *context); /* a clock of the caller, e.g. the recorded calls; NULL = always 0 */
    /* Makes the device healthy, when the store refused something for want of space; NULL = it always was. */
    void (*heal)(void *context);
    void *context;
    /* the result */
    bool created, opened;
    uint64_t created_at; /* mark after store_create */
    bool died;           /* the journal is dead, the script ended there */
    struct attempt *attempts;
    size_t attempt_count;
    /* working */
    struct store *store;
    double time;
    uint64_t next_bulk_id;
};

enum {
    SCRIPT_SERIES = 5,          /* 1 .. 5 are appended to; the last one is deleted halfway */
    SCRIPT_BULK_FIRST_ID = 100, /* and up are loaded */
};

/* Creates, opens, appends, deletes, loads, seals, merges, reopens and closes, until something fails for good.
 * Any result that store.h does not allow aborts. */
void script_run(struct script *script);
/* What the store holds is what the script's attempts allow at the time `at` (UINT64_MAX: after all of it). */
void script_judge(const struct script *script, struct store *store, uint64_t at, const char *what);
/* Opens the directory without faults, judges, sees that it takes further points, closes and checks it. */
void script_judge_directory(
    const struct script *script, const char *directory, uint64_t at, const char *what);
/* Frees the attempts. */
void store_script_free(struct script *script);

#endif
