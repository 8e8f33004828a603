/* A store's scripted life for the tests of failing I/O. Its operations are noted in a model (store_model.h),
 * which then judges what the store holds: while it runs, and when it is opened again. */
#ifndef CONNECTORDB_STORE_SCRIPT_H
#define CONNECTORDB_STORE_SCRIPT_H

#include "store_helpers.h"
#include "store_model.h"

#include "io.h"

struct store_script {
    /* set by the caller */
    struct io *io;                /* every call to the system passes through it; NULL = the default one */
    char *directory;              /* empty */
    struct store_options options; /* io is filled in */
    struct test_random random;
    uint64_t append_count;
    /* Makes the device healthy, when the store refused something for want of space; NULL = it always was. */
    void (*heal)(void *context);
    void *context;
    /* the result */
    bool created, opened;
    bool died; /* the journal is dead, the script ended there */
    struct store_model model;
    /* working */
    struct store *store;
    uint64_t now;
    uint64_t next_load_id;
};

enum {
    SCRIPT_SERIES = 5,          /* 1 .. 5 are appended to; the last one is deleted halfway */
    SCRIPT_LOAD_FIRST_ID = 100, /* and up are loaded */
};

/* Creates, opens, appends (to one series, or to several at once), deletes, loads, seals, merges, reopens and
 * closes, until something fails for good. Any result that store.h does not allow aborts. */
void store_script_run(struct store_script *script);
/* Opens the directory without faults, judges it after all of the script, sees that it takes further points,
 * closes and checks it. */
void store_script_judge_directory(const struct store_script *script, const char *directory, const char *what);
/* Frees the model. */
void store_script_free(struct store_script *script);

#endif
