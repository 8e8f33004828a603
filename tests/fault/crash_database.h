/* What scenarios of a database share: doing things to it and noting them in the models, and judging what a
 * crash left. */
#ifndef CONNECTORDB_CRASH_DATABASE_H
#define CONNECTORDB_CRASH_DATABASE_H

#include "crash_scenario.h"

#include "database.h"

/* Makes an empty database at run->database_path (NULL: run->directory) with user alice and her device d. */
void crash_prepare_database(struct crash_run *run);
/* May fail while the disk is full: 0 or -errno. */
int crash_try_open_database(struct crash_run *run);
int crash_try_close_database(struct crash_run *run);
void crash_open_database(struct crash_run *run);
void crash_close_database(struct crash_run *run);

/* What a stream of that path is known as, made when new. */
struct crash_object *crash_object_of(
    struct crash_run *run, const char *user, const char *device, const char *name);
/* Each notes the outcome. They must succeed, unless run->disk_is_full: then what is there afterwards is the
 * outcome. */
struct crash_object *crash_create_stream(
    struct crash_run *run, const char *device_name, const char *name, bool downlink);
/* A new device of alice with the streams s0 (which has a downlink) and s1. Its first one, or NULL when it was
 * refused. */
struct crash_object *crash_create_device(struct crash_run *run, const char *name);
void crash_append_to(struct crash_run *run, const struct crash_object *object);
void crash_delete_stream(struct crash_run *run, struct crash_object *object);
void crash_delete_device(
    struct crash_run *run, const char *name, struct crash_object *const *objects, size_t count);
void crash_switch_downlink(struct crash_run *run, struct crash_object *object, bool downlink);
/* A few points to both, and mostly all into segments. */
void crash_append_and_seal(struct crash_run *run, const struct crash_object *a, const struct crash_object *b);
/* As an import of a folder does it. Users and staging have this name. */
void crash_import_user(struct crash_run *run, const char *name);
/* Takes the series ids of the stream's row. */
void crash_learn_series(struct crash_run *run, struct crash_object *object);
/* A literal where the interface has a char * that nobody writes to. */
char *crash_text(const char *literal);

/* Makes a copy of that name below the directory; when run->disk_fills first while the disk is full at some of
 * the calls: then it is made as a whole, or nothing is left of it, and there is space again. */
void crash_make_copy(struct crash_run *run, const char *name,
    int (*make)(struct crash_run *run, const char *path, struct error *ret_error));
bool crash_is_there(const char *path);
/* A path beside the directory: what is there is not recorded. */
char *crash_beside(const struct crash_run *run, const char *name);
/* Opens the database that exports are imported into; takes the imported users out of it, so that the next
 * ones can come. */
void crash_open_scratch(struct crash_run *run);
void crash_forget_imported(const struct crash_run *run);

/* The open database holds what it must after a crash at `point`. lengths: one for each series of the model;
 * found: one for each object. */
bool crash_check_database(const struct crash_run *run, uint64_t point, struct database *database,
    uint64_t *lengths, struct crash_change *found, struct model_violation *violation);
/* `check` finds nothing in the database that nobody has open. */
bool crash_check_files(const char *directory, struct model_violation *violation);
/* Opens the database, checks it, goes on with it; sometimes once more. */
bool crash_judge_database(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation);

#endif
