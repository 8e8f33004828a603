/* The LOCK of a database directory: an open file description lock on the file of that name. Closing another
 * descriptor of the file does not release it, and asking for it does not take it. Private.
 *
 * The file holds one record of fixed size about the process that holds the lock, for those who find it held:
 *
 *   PID START NAMESPACE BOOT ROLE, separated by blanks, padded with blanks, ended by a line feed
 *
 * PID is right-aligned in 10 columns; 0 = nobody. START: start time of the process in clock ticks since the
 * boot. NAMESPACE: inode number of its PID namespace. BOOT: the kernel's boot id. ROLE: the command that it
 * runs. 0 and "-": not known. A process that is killed leaves its record behind: only the lock says that the
 * database is in use, and only a process that matches PID, START, NAMESPACE and BOOT is the holder. Earlier
 * versions wrote the PID and a line feed alone, and read no more than that. */
#ifndef CONNECTORDB_DATABASE_LOCK_H
#define CONNECTORDB_DATABASE_LOCK_H

#include "database.h"
#include "error.h"
#include "process.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
    LOCK_RECORD_BYTES = 128, /* fixed, so that replacing the record needs no space on the disk */
    LOCK_WAIT_MS_MAX = 5000,
    LOCK_PAUSE_MS = 10,
};

/* A killed process keeps its locks until the kernel has freed its memory, which takes a while when that was
 * much: how often to pause for a holder that is gone or ending. */
struct lock_patience {
    unsigned pauses_max;
    void (*pause)(void *context);
    void *context;
};
/* LOCK_WAIT_MS_MAX in all. */
extern const struct lock_patience lock_patience_default;

/* Takes the lock and writes the record. role: the command, at most DATABASE_ROLE_BYTES - 1 bytes, NULL = not
 * known. 0; -EBUSY at once when a live process, or one that is not recorded, holds it; -ETIMEDOUT when its
 * holder is gone or ending and the lock was still held after the pauses (a child of the holder may have
 * inherited it). Never breaks a lock. */
int lock_take(const char *path, const char *role, const struct lock_patience *patience, int *ret_lock,
    struct error *ret_error);
/* Takes it for reading, together with others who read, and changes nothing. *ret_lock = -1: there is no LOCK,
 * and so nobody who could write now. */
int lock_share(
    const char *path, const struct lock_patience *patience, int *ret_lock, struct error *ret_error);
/* Whether this process may take it for writing (and make it, if there is none). */
bool database_lock_is_writable(const char *path);
/* The same without taking it or changing the file. */
int lock_await(const char *path, const struct lock_patience *patience, struct error *ret_error);

/* The record of a process; NULL: nobody. */
void lock_record(const struct process_identity *identity, const char *role, char to[LOCK_RECORD_BYTES + 1]);

#endif
