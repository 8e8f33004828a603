/* The set of files that make up the store: the manifest on disk, the version in memory that says the same,
 * the ids of files, the deleted series, and the journal kept for recycling. files_apply is the only way to
 * change the set.
 *
 * Any thread, unless a function says otherwise. Two locks, both of files.c: apply_lock is held while a change
 * is written to the disk; `lock` guards what readers take (the current version, published ends, deletions)
 * and is held for a few instructions. */
#ifndef CONNECTORDB_FILES_H
#define CONNECTORDB_FILES_H

#include "manifest.h"
#include "version.h"

struct files;

/* Reads the manifest and opens every file it names: that is the first version. One thread until files_open
 * and recovery are done. 0; -EBADMSG damage, or a file that is not the one the manifest names; -errno. */
int files_open(struct io *io, const char *directory, struct files **ret_files, struct error *ret_error);
void files_close(struct files *files); /* accepts NULL; all journals and versions must have been released */

/* The directory of the store, and the file kept for the next journal. Valid until close. */
const char *files_directory(const struct files *files);
struct recycler *files_recycler(struct files *files);
/* Takes `count` new file ids and returns the first. A crash gives ids back that no manifest accounts for,
 * together with their files: to keep unnamed files over a crash, apply an (empty) edit after taking their
 * ids. */
uint64_t files_take_ids(struct files *files, uint64_t count);
/* The id that will be taken next, and the number of the current manifest. */
uint64_t files_next_id(struct files *files);
uint64_t files_manifest_version(struct files *files); /* counts the changes of the set of files */

/* ---- changing the set ---- */

enum files_outcome {
    FILES_REFUSED,  /* nothing changed, on disk neither */
    FILES_APPLIED,  /* the new manifest is durable and its version is current */
    FILES_IN_DOUBT, /* nothing changed here, but after a power loss either manifest may be found: the files of
                       both stay */
};

struct files_edit {
    struct journal *const *add_journals; /* as the newest */
    struct journal *const *remove_journals;
    struct journal *const *ended_journals; /* wholly on disk up to their published ends: recovery takes damage
                                              below for damage */
    uint32_t add_journal_count, remove_journal_count, ended_journal_count;
    struct segment_file *const *add_segments;    /* in place of the removed ones, else as the newest */
    struct segment_file *const *remove_segments; /* neighbours */
    uint32_t add_segment_count, remove_segment_count;
    const uint64_t *tombstones; /* of removed journals: remembered in the manifest for as long as a file may
                                   hold the series */
    size_t tombstone_count;
    bool forget_tombstones; /* forgets remembered ones of series that no file holds any more */
    bool keep_refused; /* refused: the files to be added stay on disk; else they go when they are released */
};

/* Writes the manifest that the edit leads to and makes it and its version current together, in one step.
 * Files that are named no more become obsolete. Everything that can fail is done before the manifest is
 * written. 0 with FILES_APPLIED, else the error. ret_outcome may be NULL. Blocks for the disk; one caller at
 * a time. */
int files_apply(struct files *files, const struct files_edit *edit, enum files_outcome *ret_outcome,
    struct error *ret_error);

/* ---- reading it ---- */

struct version *files_version(struct files *files); /* the current one, with a reference */

/* One moment of the store. */
struct files_moment {
    struct version *version;
    uint64_t sequence; /* of deletions */
    uint64_t ends[];   /* published end of each journal */
};
struct files_moment *files_moment_take(struct files *files); /* NULL = no memory */
void files_moment_free(struct files_moment *moment);         /* accepts NULL */

/* ---- published ends ---- */

/* Lets readers see everything below file offset `end` from now on. The caller has made it durable, as far as
 * the fsync setting asks. */
void files_publish(struct files *files, struct journal *journal, uint64_t end);
/* The offset that was published last. */
uint64_t files_published_end(struct files *files, const struct journal *journal);

/* ---- deleted series ---- */

/* Returns whether the series is deleted. */
bool files_is_deleted(struct files *files, uint64_t series_id);
/* Whether it was deleted at the moment of this sequence number or before. */
bool files_was_deleted(struct files *files, uint64_t series_id, uint64_t sequence);
/* Gets the memory for marking so many more series, each once. 0 or -ENOMEM. */
int files_reserve_deleted(struct files *files, size_t count);
/* Marks it deleted from now on. 0 or, without a reservation, -ENOMEM. */
int files_mark_deleted(struct files *files, uint64_t series_id);
/* The sequence number of now: the number of deletions. */
uint64_t files_delete_sequence(struct files *files);
/* The series deleted up to this sequence number, malloc'ed, in no order. 0 or -ENOMEM. */
int files_list_deleted(struct files *files, uint64_t sequence, uint64_t **ret_ids, size_t *ret_count);

#endif
