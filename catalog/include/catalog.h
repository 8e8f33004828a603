/* The catalog: users, devices, streams, API keys and passwords, in one SQLite file (WAL, synchronous=FULL,
 * one writing connection, a small pool of reading ones). The only layer that knows SQLite.
 *
 * It knows nothing of datapoints; database.h keeps catalog and store in step. Any thread may call any
 * function. Functions return 0 or a negative errno with *ret_error set: -ENOENT not found, -EEXIST already
 * exists, -EINVAL bad value (the message names the field), -EBADMSG the file is damaged, -EIO. Messages never
 * carry SQL, server paths or library texts. */
#ifndef CONNECTORDB_CATALOG_H
#define CONNECTORDB_CATALOG_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NAME_BYTES_MAX = 29, /* ^[a-zA-Z][a-zA-Z0-9_-]*$ */
    PATH_BYTES_MAX = 3 * NAME_BYTES_MAX + 2,
    TEXT_BYTES_MAX = 1 << 20, /* description, icon, schema, ... */
    SCHEMA_DIGEST_BYTES = 16,
};

struct catalog;
struct catalog_snapshot; /* a read transaction: one moment of the catalog */

/* Strings are NULL-free UTF-8, never NULL in a loaded object ("" when empty), owned by the object. */
struct user {
    int64_t id;
    char *name, *nickname, *email, *description, *icon, *role;
    bool is_public;
    char *password, *password_salt, *password_scheme; /* hash; catalog/password.h has the schemes */
};

struct device {
    int64_t id, user_id;
    char *name, *nickname, *description, *icon, *apikey, *role;
    bool enabled, is_public, visible, user_editable;
};

struct stream {
    int64_t id, device_id;
    char *name, *nickname, *description, *icon, *schema, *datatype;
    bool ephemeral, downlink;
    uint64_t series_id;
    uint64_t downlink_series_id; /* 0 unless downlink */
};

void user_free(struct user *user); /* frees the strings, zeroes the struct */
/* The same for a device and a stream. */
void device_free(struct device *device);
void stream_free(struct stream *stream);

/* ---- life ---- */
/* Makes the file (it must not exist) and syncs it and its directory. */
int catalog_create(const char *path, struct error *ret_error);
/* Opens it and runs an integrity check (quick_check and our own invariants). -EBADMSG when it fails: the
 * caller must then not touch any data. */
int catalog_open(const char *path, struct catalog **ret_catalog, struct error *ret_error);
/* Opens it for reading only, and changes nothing: for files that cannot be written, or shall not. Nobody may
 * write to them meanwhile. A log (catalog.sqlite-wal) that a killed process left is read, too, by way of a
 * copy of both files in $TMPDIR that is removed by catalog_close. Functions that write fail with -EROFS.
 * Errors as above. */
int catalog_open_for_reading(const char *path, struct catalog **ret_catalog, struct error *ret_error);
void catalog_close(struct catalog *catalog); /* accepts NULL */
/* Integrity check of a file nobody has open; findings to `found`; returns their number or -errno. Modifies
 * nothing. */
int catalog_check(const char *path, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error);
/* Repairs a damaged catalog that no process has open, if its tables are sound: rebuilds the indexes in a
 * copy, which replaces the catalog only when it passes a thorough check. What was there before is
 * kept as `keep_as` (and keep_as-wal); both must not exist. -EBADMSG: it cannot be mended, what is wrong went
 * to `line`; then, as on every failure, nothing was changed unless the message says so. */
int catalog_repair(const char *path, const char *keep_as, void (*line)(void *context, const char *text),
    void *context, struct error *ret_error);

/* ---- names and rules ---- */
/* Whether the text may be the name of a user, device or stream. Pure, any thread, as all of these. */
bool name_valid(const char *name);
bool user_name_allowed(const char *name); /* not one of the reserved names */
const char *user_names_reserved(void);    /* those, for messages: "support, www, ... and root" */
/* Returns whether the text may be an email address, or an icon. */
bool email_valid(const char *email);
bool icon_valid(const char *icon);
/* Validates the text as a JSON Schema document (object) and returns it without insignificant white space
 * (malloc'ed); empty gives "{}". -EINVAL. */
int schema_normalize(const char *text, char **ret_schema, struct error *ret_error);
/* Returns whether every value conforms to a normalized schema: {}, and true, which 0.3 accepted as well. */
bool schema_text_accepts_all(const char *schema);
/* Tells schemas apart: the first bytes of the SHA-256 of a normalized schema. -ENOMEM. */
int schema_digest(const char *schema, uint8_t ret_digest[SCHEMA_DIGEST_BYTES]);

/* Hashes the password as a new user's (scheme "bcrypt-hmac-sha256", cost 10) into password, password_salt and
 * password_scheme of *user, freeing what they held: for imports of folders that carry no hash. Blocks ~50 ms.
 */
int user_set_password(struct user *user, const char *password, struct error *ret_error);
/* Whether an import may bring the user's password hash: a scheme that is known, and no bcrypt cost that would
 * block a login for long. catalog_import_begin checks it too. -EINVAL. */
int user_check_password_hash(const struct user *user, struct error *ret_error);

/* ---- writing: each call is one durable transaction ---- */
/* Makes the user with its devices `user` and `meta`. password: clear text, hashed here as by
 * user_set_password. -EBUSY as by catalog_identity_by_password. Only name, nickname, email, description,
 * icon, role, is_public of *user are read; role NULL or "" = "user". */
int catalog_create_user(struct catalog *catalog, const struct user *user, const char *password,
    int64_t *ret_id, struct error *ret_error);
/* Makes a device; an empty apikey becomes a new random UUID. -ENOTUNIQ: another device has the API key.
 * *ret_id may be NULL, as below. */
int catalog_create_device(
    struct catalog *catalog, const struct device *device, int64_t *ret_id, struct error *ret_error);
/* The same with streams below it, as catalog_create_stream makes them (their device_id is ignored): all of it
 * or nothing. */
int catalog_create_device_with_streams(struct catalog *catalog, const struct device *device,
    const struct stream *streams, size_t stream_count, int64_t *ret_id, struct error *ret_error);
/* Makes a stream with a new series id, and one for its downlink if set (series ids in *stream are ignored).
 */
int catalog_create_stream(
    struct catalog *catalog, const struct stream *stream, int64_t *ret_id, struct error *ret_error);

/* Objects with what is below them, for one transaction: all of it or nothing. Texts are borrowed; owners' ids
 * are ignored below the top. */
struct new_device {
    struct device device;
    struct stream *streams;
    size_t stream_count;
};
struct new_user {
    struct user user;
    const char *password;       /* in clear text */
    struct new_device *devices; /* beside `user` and `meta`, which may not be among them */
    size_t device_count;
    struct stream *streams; /* of the device `user` */
    size_t stream_count;
};
/* The most there may be; 0 = no limit. `user` and `meta` do not count as devices. */
struct catalog_limits {
    uint64_t users;                    /* of the catalog */
    uint64_t devices, private_devices; /* of the user */
    uint64_t streams;                  /* of a device */
};
/* Makes the user as catalog_create_user does, with its log (catalog_add_logs) and all of the rest.
 * -EOVERFLOW: a limit would be exceeded; the message says which. Other errors as of the functions above.
 * limits may be NULL. */
int catalog_create_user_tree(struct catalog *catalog, const struct new_user *user,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error);
/* A device of device.user_id, as catalog_create_device_with_streams makes it. -EOVERFLOW as above. */
int catalog_create_device_tree(struct catalog *catalog, const struct new_device *device,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error);
/* catalog_create_stream within limits. -EOVERFLOW as above. */
int catalog_create_stream_within(struct catalog *catalog, const struct stream *stream,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error);

/* Change the fields of an object whose bits are set (field_bit in fields.h) to the values in *changes, and
 * check them as those of a new one; fields that an update does not change are left out. The object is read
 * and written in one transaction, so that concurrent changes of other fields are not lost. *ret_...: as it is
 * stored now; to be freed. -ENOENT, -EINVAL, -EEXIST, -ENOTUNIQ as in creating it.
 *
 * The password's bit: changes->password is clear text and must not be empty (-EINVAL); blocks for a hash. */
int catalog_change_user(struct catalog *catalog, int64_t id, const struct user *changes, uint32_t fields,
    struct user *ret_user, struct error *ret_error);
/* An empty API key becomes a new random one. -EPERM: meta cannot be changed. -EINVAL for a public device of a
 * private user. -EOVERFLOW: it would be one private device too many. limits may be NULL. */
int catalog_change_device(struct catalog *catalog, int64_t id, const struct device *changes, uint32_t fields,
    const struct catalog_limits *limits, struct device *ret_device, struct error *ret_error);
/* A change of downlink gives or takes the downlink series (*ret_dropped_series: the one taken, else 0).
 * ret_stream may be NULL. */
int catalog_change_stream(struct catalog *catalog, int64_t id, const struct stream *changes, uint32_t fields,
    struct stream *ret_stream, uint64_t *ret_dropped_series, struct error *ret_error);

/* Makes the stream `log` of every device `meta` that has none: the log of what is created, changed and
 * deleted for its user. One transaction, also when there is nothing to do. *ret_added may be NULL. A log that
 * is deleted is made anew, empty, at once. */
int catalog_add_logs(struct catalog *catalog, uint64_t *ret_added, struct error *ret_error);

/* Each deletes the object with all below it. *ret_series: malloc'ed ids of the series that have no row any
 * more (the caller tombstones them in the store afterwards), *ret_count of them. Devices user and meta:
 * -EPERM. */
int catalog_delete_user(struct catalog *catalog, int64_t user_id, uint64_t **ret_series, size_t *ret_count,
    struct error *ret_error);
int catalog_delete_device(struct catalog *catalog, int64_t device_id, uint64_t **ret_series,
    size_t *ret_count, struct error *ret_error);
int catalog_delete_stream(struct catalog *catalog, int64_t stream_id, uint64_t **ret_series,
    size_t *ret_count, struct error *ret_error);
/* Replaces the stored password of a user, hashed anew. */
int catalog_set_password(
    struct catalog *catalog, int64_t user_id, const char *password, struct error *ret_error);

/* Has the stream name another series (of `catalog_reserve_series`) in place of `series_id`, its own or, if
 * `downlink`, that of its downlink. -ENOENT: the stream is gone or does not name that series any more.
 * -EINPROGRESS: the commit failed in a way that leaves open which of the two the next open will find; this
 * catalog goes on with the old one. Every other failure has changed nothing. */
int catalog_replace_series(struct catalog *catalog, int64_t stream_id, bool downlink, uint64_t series_id,
    uint64_t new_series_id, struct error *ret_error);

/* Takes `count` series ids for an import out of the sequence, durable; they are never given out again. */
int catalog_reserve_series(
    struct catalog *catalog, uint64_t count, uint64_t *ret_first, struct error *ret_error);

/* One user with everything below it, written in one transaction: the moment when an import becomes visible.
 * Order of calls: begin, then import_device (each followed by its import_streams), then commit or rollback.
 * Ids are given here; series ids of streams are the caller's. The writing connection is held from begin to
 * the end. Hashes, salts and keys are stored as they are given (a meta device's key is dropped). Devices
 * `user` and `meta` are made with their defaults if they were not imported. */
struct catalog_import;
/* Begins the import of this user. The texts are borrowed until the end of the import. 0; -EEXIST; -EINVAL;
 * -errno. Blocks for other writers. */
int catalog_import_begin(struct catalog *catalog, const struct user *user, struct catalog_import **ret_import,
    struct error *ret_error);
/* Adds a device to the user; adds a stream to the device that was added last. 0; -EEXIST, -ENOTUNIQ, -EINVAL
 * as of the creating functions; -errno. After a failure only rollback is allowed. */
int catalog_import_device(
    struct catalog_import *import, const struct device *device, struct error *ret_error);
int catalog_import_stream(
    struct catalog_import *import, const struct stream *stream, struct error *ret_error);
int catalog_import_commit(
    struct catalog_import *import, struct error *ret_error); /* frees it, also on failure */
void catalog_import_rollback(struct catalog_import *import); /* frees it; accepts NULL */

/* ---- reading ---- */
/* Each reads one object by its names or its id into *ret, which is to be freed. 0; -ENOENT; -errno. Any
 * thread. Blocks on the file at most. */
int catalog_user_by_name(
    struct catalog *catalog, const char *name, struct user *ret_user, struct error *ret_error);
int catalog_device_by_name(struct catalog *catalog, const char *user, const char *device,
    struct device *ret_device, struct error *ret_error);
int catalog_stream_by_name(struct catalog *catalog, const char *user, const char *device, const char *stream,
    struct stream *ret_stream, struct error *ret_error);
int catalog_user_by_id(struct catalog *catalog, int64_t id, struct user *ret_user, struct error *ret_error);
int catalog_device_by_id(
    struct catalog *catalog, int64_t id, struct device *ret_device, struct error *ret_error);

/* Lists in pages, in order of name: the objects that follow the name `after` ("" = from the first), at most
 * CATALOG_PAGE_ROWS and fewer when their texts are long. Returns how many, 0 = there are no more; free each.
 * No transaction outlives a call, so that a reader may take his time between pages; what is changed meanwhile
 * is in the later ones. */
enum { CATALOG_PAGE_ROWS = 64, CATALOG_PAGE_BYTES = 64 << 10 };
int catalog_users_page(
    struct catalog *catalog, const char *after, struct user rows[CATALOG_PAGE_ROWS], struct error *ret_error);
int catalog_devices_page(struct catalog *catalog, int64_t user_id, const char *after,
    struct device rows[CATALOG_PAGE_ROWS], struct error *ret_error);
int catalog_streams_page(struct catalog *catalog, int64_t device_id, const char *after,
    struct stream rows[CATALOG_PAGE_ROWS], struct error *ret_error);

/* A snapshot of the whole catalog for long readers (export, backup): while it is open the write-ahead log
 * cannot be written back and grows with every change. catalog_pause_writes stops commits (and waits for a
 * running one) until catalog_resume_writes: a caller that takes a snapshot of catalog and store together
 * calls it around both. */
void catalog_pause_writes(struct catalog *catalog);
void catalog_resume_writes(struct catalog *catalog);
/* Takes a snapshot. 0 or -errno. Close it with catalog_snapshot_close. */
int catalog_snapshot_open(
    struct catalog *catalog, struct catalog_snapshot **ret_snapshot, struct error *ret_error);
void catalog_snapshot_close(struct catalog_snapshot *snapshot); /* accepts NULL */
/* Writes the snapshot as a catalog of its own to `path` (-EEXIST when it exists), synced. Commits go on
 * meanwhile. On failure nothing is left. */
int catalog_snapshot_backup(struct catalog_snapshot *snapshot, const char *path, struct error *ret_error);
/* Visits in order of name. The object is borrowed for the call; a non-zero return ends the walk and is
 * returned. */
int catalog_each_user(struct catalog_snapshot *snapshot, int (*visit)(void *context, const struct user *user),
    void *context, struct error *ret_error);
int catalog_each_device(struct catalog_snapshot *snapshot, int64_t user_id,
    int (*visit)(void *context, const struct device *device), void *context, struct error *ret_error);
int catalog_each_stream(struct catalog_snapshot *snapshot, int64_t device_id,
    int (*visit)(void *context, const struct stream *stream), void *context, struct error *ret_error);
/* All series ids that rows name (streams and downlinks), ascending, malloc'ed. */
int catalog_series(
    struct catalog *catalog, uint64_t **ret_series, size_t *ret_count, struct error *ret_error);
/* Counts all users, devices and streams. 0 or -errno. Any thread. */
int catalog_counts(struct catalog *catalog, uint64_t *ret_users, uint64_t *ret_devices, uint64_t *ret_streams,
    struct error *ret_error);

/* ---- the request path: bounded caches, emptied by every write that could change them ---- */
/* Who is asking: a device acting for its user. */
struct identity {
    int64_t user_id, device_id;
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1];
    char user_role[NAME_BYTES_MAX + 1], device_role[NAME_BYTES_MAX + 1];
};
/* Where a path leads. */
struct stream_place {
    int64_t user_id, device_id, stream_id;
    uint64_t series_id, downlink_series_id;
    bool downlink, ephemeral, device_public;
    bool schema_empty;                          /* schema_text_accepts_all */
    uint8_t schema_digest[SCHEMA_DIGEST_BYTES]; /* zeroes when the schema is empty */
};
/* An empty key never matches. -ENOENT. */
int catalog_identity_by_key(
    struct catalog *catalog, const char *apikey, struct identity *ret_identity, struct error *ret_error);
/* User name or email (without case) and password -> identity of the user's device `user`. Hashes of 0.3
 * ("bcrypt", "SHA512") are verified as 0.3 did; SHA512 and bcrypt below cost 10 are replaced by hashes of
 * today. A password that was right is remembered (keyed hash in memory, a few minutes, bounded) so that it is
 * not hashed again. -EACCES wrong password, -ENOENT no such user; both take the same processor time. -EBUSY:
 * too many threads wait for a hash, or catalog_stop_hashing was called; nothing was judged. Blocks for a
 * hash, ~50 ms (about a second for an imported one of cost 14), and for those before it: a few are computed
 * at a time. */
int catalog_identity_by_password(struct catalog *catalog, const char *name, const char *password,
    struct identity *ret_identity, struct error *ret_error);
/* The same two out of memory alone, in less than a microsecond: true if the key or the password was right a
 * short time ago and still is. False says nothing. No guess is judged by it: a wrong one is never found. */
bool catalog_identity_remembered_key(
    struct catalog *catalog, const char *apikey, struct identity *ret_identity);
bool catalog_identity_remembered_password(
    struct catalog *catalog, const char *name, const char *password, struct identity *ret_identity);
/* Callers that wait for a hash, and later ones, get -EBUSY. Hashes under way are finished. For a server that
 * stops; a catalog that is opened again hashes again. Any thread. */
void catalog_stop_hashing(struct catalog *catalog);
/* Looks up where user/device/stream leads. 0; -ENOENT; -errno. Any thread; a path that is in the cache takes
 * less than a microsecond. */
int catalog_stream_place(struct catalog *catalog, const char *user, const char *device, const char *stream,
    struct stream_place *ret_place, struct error *ret_error);

#endif
