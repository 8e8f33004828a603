/* A disk that loses power: executes a log entry by entry, and at any moment makes up what a disk may hold
 * then.
 *
 * Data: what was written to a file before a sync of it was issued is there; each later write is kept,
 * dropped, cut short, torn into sectors of which any subset is there, or only lengthens the file. Names:
 * changes of a directory (create, rename, link, unlink, mkdir, rmdir) are there up to the last sync of it; of
 * the later ones any first ones, each directory for itself, but a rename between directories happens in both
 * or in none; or (NAMES_SCATTERED) any of them at all, which is all that POSIX promises. A synced file
 * without a durable name is lost, and so is everything in a directory without one.
 */
#ifndef CONNECTORDB_CRASH_DISK_H
#define CONNECTORDB_CRASH_DISK_H

#include "crash_log.h"
#include "test.h"

/* What becomes of writes that are not synced. */
enum crash_data {
    DATA_NONE,
    DATA_ALL,
    DATA_LAST_ONLY,
    DATA_ALL_BUT_ONE,
    DATA_TORN_512,
    DATA_TORN_4096,
    DATA_RANDOM,
    DATA_COUNT,
};
/* What becomes of changes of names that are not synced. */
enum crash_names { NAMES_NONE, NAMES_ALL, NAMES_RANDOM, NAMES_SCATTERED, NAMES_COUNT };

struct crash_file {
    char *path; /* below the root */
    bool directory;
    const uint8_t *data; /* the state's, or borrowed from the disk */
    size_t size;
    uint8_t *owned;
};

struct crash_state {
    struct crash_file *files;
    size_t count;
    uint64_t hash;                          /* of names and bytes */
    uint64_t pending_writes, pending_names; /* that were not synced */
    enum crash_data data;
    enum crash_names names;
};

struct crash_disk;
/* log: borrowed; may still be empty. */
struct crash_disk *crash_disk_new(const struct crash_log *log);
void crash_disk_free(struct crash_disk *disk); /* accepts NULL */
/* Everything below the directory, or in the state, is there and durable. */
void crash_disk_load(struct crash_disk *disk, const char *directory);
void crash_disk_load_state(struct crash_disk *disk, const struct crash_state *state);
/* Executes the next entry of the log. */
void crash_disk_step(struct crash_disk *disk);
/* What survives now. Valid until the next step; free it. */
void crash_disk_choose(struct crash_disk *disk, enum crash_data data, enum crash_names names,
    struct test_random *random, struct crash_state *ret_state);
/* What a process sees now is what is really in the directory: aborts when a change was not recorded. */
void crash_disk_compare(struct crash_disk *disk, const char *directory);
void crash_state_free(struct crash_state *state);
/* Writes the files into the existing, empty directory. */
void crash_state_write(const struct crash_state *state, const char *directory);
const char *crash_data_name(enum crash_data data);
const char *crash_names_name(enum crash_names names);

#endif
