/* Shared by the files of the catalog. Private. */
#ifndef CONNECTORDB_CATALOG_INTERNAL_H
#define CONNECTORDB_CATALOG_INTERNAL_H

#include "cache.h"
#include "catalog.h"
#include "hash_slots.h"
#include "password.h"
#include "password_memory.h"
#include "sql.h"

#include <pthread.h>

enum {
    IDLE_CONNECTIONS_MAX = 8,  /* reading connections kept open while nobody needs them */
    CACHE_ENTRIES = 64 << 10,  /* of each of the two caches */
    CACHED_KEY_BYTES_MAX = 64, /* longer API keys are looked up each time */
    HASHES_AT_ONCE_MAX = 4,    /* password hashes computed at a time, if there are twice as many processors */
    HASHES_WAITING_MAX = 32,   /* threads that wait for one; more are turned away */
    SERIES_RESERVED_MAX = 1 << 30, /* by one call */
};

/* Only the holder of the gate may write. Not a mutex: an import may be begun by one thread and committed by
 * another. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool taken;
};

/* The write-ahead log; used by the holder of the gate. */
struct wal {
    int pages;      /* in use after the last commit */
    int pages_max;  /* no write begins with more */
    int restart_at; /* the number at which the next restart is tried */
};

struct catalog {
    char *path;                /* or a file: URI */
    int open_flags;            /* of connections for reading */
    struct catalog_copy *copy; /* opened for reading, and there is a log: what is read instead; else NULL */
    struct gate gate;
    struct wal wal;
    struct connection *writer; /* used by the holder of the gate; NULL = opened for reading */
    pthread_mutex_t idle_lock;
    struct connection *idle;
    unsigned idle_count;
    struct cache *identities; /* API key -> struct identity */
    struct cache *places;     /* path -> struct stream_place */
    struct password_memory *passwords;
    struct hash_slots hashing;
};

enum { WAL_PAGES_MAX = 64 << 10 }; /* 256 MiB */
/* Has SQLite count the pages of the log for catalog->writer. */
void wal_watch(struct catalog *catalog);
/* Writes the log back and lets it begin anew, as far as readers allow. With the gate. */
void wal_after_commit(struct catalog *catalog);
/* 0; -EBUSY when the log is full and a reader holds it. With the gate. */
int wal_before_write(struct catalog *catalog, struct error *ret_error);

void gate_take(struct gate *gate);
void gate_leave(struct gate *gate);

/* A connection for reading, used by one thread at a time until it is given back. */
int reader_take(struct catalog *catalog, struct connection **ret_reader, struct error *ret_error);
void reader_give(struct catalog *catalog, struct connection *reader); /* accepts NULL */

/* Takes the gate and begins a transaction on catalog->writer. */
int write_begin(struct catalog *catalog, struct error *ret_error);
/* Ends it: commits if result is 0, else rolls back; leaves the gate. Returns result, or why the commit
 * failed. Changes that end cached entries outdate the caches after this. */
int write_end(struct catalog *catalog, int result, struct error *ret_error);

/* A statement with one integer or up to three texts that gives one row or none; -ENOENT none. The caller
 * releases *ret_statement (also on failure, where it may be NULL). */
int select_by_id(struct connection *connection, enum statement id, int64_t value,
    sqlite3_stmt **ret_statement, struct error *ret_error);
int select_by_texts(struct connection *connection, enum statement id, const char *first, const char *second,
    const char *third, sqlite3_stmt **ret_statement, struct error *ret_error);
/* The same on a connection for reading, for one object of a request. The caller releases the row (also on
 * failure). */
struct row {
    struct connection *reader;
    enum statement id;
    sqlite3_stmt *statement;
};
int row_by_id(
    struct catalog *catalog, enum statement id, int64_t value, struct row *ret_row, struct error *ret_error);
int row_by_texts(struct catalog *catalog, enum statement id, const char *first, const char *second,
    const char *third, struct row *ret_row, struct error *ret_error);
void row_release(struct catalog *catalog, struct row *row);

/* Whether the statement gives a row: 1, 0 or -errno. */
int exists_by_id_and_text(struct connection *connection, enum statement id, int64_t value, const char *text,
    struct error *ret_error);
int exists_by_text(
    struct connection *connection, enum statement id, const char *text, struct error *ret_error);

/* Runs a statement that changes rows and has one parameter. Inside a transaction on the writer. */
int write_by_id(struct connection *writer, enum statement id, int64_t value, struct error *ret_error);

/* Inside a transaction on the writer; checked values, names and keys not taken. Rows as they are given. */
int insert_user(struct catalog *catalog, const struct user *user, int64_t *ret_id, struct error *ret_error);
int insert_device(
    struct catalog *catalog, const struct device *device, int64_t *ret_id, struct error *ret_error);
int insert_stream(
    struct catalog *catalog, const struct stream *stream, int64_t *ret_id, struct error *ret_error);
/* A new stream in two steps, so that what is checked and allocated is so before the gate: *ret_new is *stream
 * with the schema as it is stored, which the caller frees; create_stream, inside a transaction, gives it its
 * series and writes the row. */
int prepare_new_stream(const struct stream *stream, struct stream *ret_new, struct error *ret_error);
int create_stream(struct catalog *catalog, struct stream *stream, int64_t *ret_id, struct error *ret_error);
/* A device with its streams, likewise. */
struct prepared_device {
    struct device device;
    char key[UUID_TEXT_BYTES];
    struct stream *streams;
    size_t stream_count;
};
int prepare_new_device(
    const struct new_device *device, struct prepared_device *ret_new, struct error *ret_error);
void prepared_device_free(struct prepared_device *prepared);
int create_device(struct catalog *catalog, struct prepared_device *prepared,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error);
/* The same for many streams; free_prepared_streams frees them. */
int prepare_new_streams(
    const struct stream *streams, size_t count, struct stream **ret_new, struct error *ret_error);
void free_prepared_streams(struct stream *streams, size_t count);
int create_streams(struct catalog *catalog, int64_t device_id, struct stream *streams, size_t count,
    struct error *ret_error);
/* The devices every user has. key: API key of the device `user`. */
int insert_user_device(
    struct catalog *catalog, int64_t user_id, const char *key, int64_t *ret_id, struct error *ret_error);
int insert_meta_device(struct catalog *catalog, int64_t user_id, int64_t *ret_id, struct error *ret_error);
/* The stream `log` of a device `meta`. */
int insert_log(struct catalog *catalog, int64_t device_id, struct error *ret_error);
/* A user's own devices may be public only if it is. */
int check_device_owner(struct catalog *catalog, const struct device *device, struct error *ret_error);
/* -EOVERFLOW when a statement's count for `id` is above the limit. what: "devices of a user". */
int check_limit(struct catalog *catalog, enum statement count, int64_t id, uint64_t limit, const char *what,
    struct error *ret_error);
/* A password's hash, computed when it is this thread's turn. */
int hash_in_turn(
    struct catalog *catalog, const char *password, struct password_hash *ret_hash, struct error *ret_error);
/* The next `count` series ids; *ret_first is the lowest. */
int take_series(struct catalog *catalog, uint64_t count, uint64_t *ret_first, struct error *ret_error);

/* Series ids of the rows of a statement with two series columns, appended to a list that the caller frees. */
struct series_list {
    uint64_t *ids;
    size_t count, capacity;
};
int series_list_add(
    struct series_list *list, uint64_t series_id, struct error *ret_error); /* 0 is no series */
int series_of(struct catalog *catalog, enum statement id, int64_t value, struct series_list *list,
    struct error *ret_error);

/* By name or email address, without case. -ENOENT. */
int user_by_login(struct catalog *catalog, const char *login, struct user *ret_user, struct error *ret_error);
/* Stores a new hash of the user's password, which was right, unless somebody changed it meanwhile. */
int upgrade_password(struct catalog *catalog, const struct user *user, const struct password_hash *hash,
    struct error *ret_error);

/* New users may be whom a remembered login meant: forgets what was remembered of everybody with that name or
 * address. */
void forget_logins(struct catalog *catalog, const char *name, const char *email);

#endif
