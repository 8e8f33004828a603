/* What the enumeration runs: a workload that is recorded once, and a judge of what a crash left. */
#ifndef CONNECTORDB_CRASH_SCENARIO_H
#define CONNECTORDB_CRASH_SCENARIO_H

#include "crash_catalog_model.h"
#include "crash_log.h"
#include "store_helpers.h"
#include "store_model.h"

enum { CRASH_JOURNAL_BYTES = 64 << 10 };

enum { CRASH_COPIES_MAX = 6 };

/* Something that is made beside: a backup, an export, a repaired database. */
struct crash_copy {
    char name[16];         /* below the directory */
    uint64_t begun, ended; /* what it has is what was there when it was begun; ended: NEVER = it failed */
    struct crash_objects objects;
};

/* A stream of alice's whose end was cut off. */
struct crash_cut {
    char name[16]; /* of the folder, below the directory */
    const struct crash_object *object;
    bool downlink;
    uint64_t series_id; /* before */
    uint64_t length, kept;
    uint64_t begun, ended;
    uint64_t append_begun, append_ended; /* one point more, to the new series */
};

enum { CRASH_CUTS_MAX = 4 };

struct crash_run {
    const struct crash_scenario *scenario;
    struct test_random random;
    const char *directory; /* of the store or database: the root of the log */
    struct crash_log log;
    struct store_model model;
    char *database_path;          /* NULL: the directory itself */
    bool disk_is_full;            /* things may fail, but not be lost */
    bool disk_fills;              /* what is made beside fails at first */
    struct crash_objects objects; /* databases only */
    struct crash_copy copies[CRASH_COPIES_MAX];
    size_t copy_count;
    struct crash_cut cuts[CRASH_CUTS_MAX];
    size_t cut_count;
    struct crash_damage *damage; /* crash_repair.c */
    struct store_options options;
    struct store *store; /* a store's, or the one of the database */
    struct database *database;
    struct database *scratch; /* where exports are imported into; not recorded */
};

struct crash_scenario {
    const char *name;
    uint64_t value_bytes;
    bool threads; /* with background threads and several appenders: two logs of a seed differ */
    /* Makes what is there before recording begins. */
    void (*prepare)(struct crash_run *run);
    /* Lives in run->directory, recording; closes at the end. */
    void (*play)(struct crash_run *run);
    /* Opens what a crash at `point` left in `directory` and goes on with it. */
    bool (*judge)(const struct crash_run *run, uint64_t point, const char *directory,
        struct test_random *random, struct model_violation *violation);
    /* Opens what a crash of `before` at `point` left in run->directory, recording, notes in the new model
     * what is there now, lives on a little and closes. NULL = not done. */
    bool (*revive)(const struct crash_run *before, uint64_t point, struct crash_run *run,
        struct model_violation *violation);
    bool scattered; /* holds also where changes of a directory survive in no order (NAMES_SCATTERED) */
};

extern const struct crash_scenario crash_store_scenarios[];
extern const size_t crash_store_scenario_count;
extern const struct crash_scenario crash_database_scenarios[];
extern const size_t crash_database_scenario_count;
extern const struct crash_scenario crash_copy_scenarios[];
extern const size_t crash_copy_scenario_count;
extern const struct crash_scenario crash_folder_scenarios[];
extern const size_t crash_folder_scenario_count;
extern const struct crash_scenario crash_cut_scenarios[];
extern const size_t crash_cut_scenario_count;
extern const struct crash_scenario crash_repair_scenarios[];
extern const size_t crash_repair_scenario_count;

/* ---- for workloads: each call is noted in the model ---- */
/* Notes the outcome of an attempt, now. */
void crash_settle(struct crash_run *run, uint64_t attempt, bool done);
/* Notes that a load of points into new series is about to be published. Returns the attempt. */
uint64_t crash_begin_load(struct crash_run *run, uint64_t first_id, uint64_t series, uint64_t points);
void crash_append(struct crash_run *run, uint64_t series_id, uint64_t count);
enum { CRASH_THREADS_SERIES = 12 };
/* By several threads, each to its own of the series, while `meanwhile` (may be NULL) is called. */
void crash_append_in_threads(struct crash_run *run, const uint64_t series[CRASH_THREADS_SERIES],
    void (*meanwhile)(struct crash_run *run));
void crash_delete(struct crash_run *run, const uint64_t *series_ids, size_t count);
struct store_bulk;
/* Loads points into new series, through two writers. */
int crash_load(struct crash_run *run, struct store_bulk *bulk, uint64_t first_id, uint64_t series,
    uint64_t points, struct error *ret_error);
/* Lifts the failures; when the journal has died meanwhile, reopens and takes what is there as the outcome. */
void crash_end_failures(struct crash_run *run);
/* All background work that is due; or one piece of it, or none. */
void crash_work(struct crash_run *run);
void crash_maybe_work(struct crash_run *run);
uint64_t crash_below(struct crash_run *run, uint64_t bound);
/* System calls, as the recorder wants them. */
struct io *crash_plain_io(void);
void crash_damage_free(struct crash_damage *damage); /* accepts NULL */
bool crash_check_store(const char *directory, struct model_violation *violation);

#endif
