#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

int insert_user(struct catalog *catalog, const struct user *user, int64_t *ret_id, struct error *ret_error)
{
    struct connection *writer = catalog->writer;
    int r = exists_by_text(writer, STATEMENT_USER_NAME_TAKEN, user->name, ret_error);
    if (r > 0)
        return error_set(ret_error, EEXIST, "user '%s' already exists", user->name);
    if (r == 0)
        r = exists_by_text(writer, STATEMENT_USER_EMAIL_TAKEN, user->email, ret_error);
    if (r > 0)
        return error_set(ret_error, EEXIST, "a user with this email address already exists");
    if (r == 0)
        r = insert_object(writer, STATEMENT_USER_INSERT, &USER_KIND, user, ret_id, ret_error);
    return r;
}

static int forget_named(struct catalog *catalog, const char *name, const char *email)
{
    struct connection *reader;
    int r = reader_take(catalog, &reader, NULL);
    if (r < 0)
        return r;
    sqlite3_stmt *statement;
    r = statement_get(reader, STATEMENT_USERS_NAMED_LIKE, &statement, NULL);
    if (r == 0) {
        statement_bind_text(statement, 1, name);
        statement_bind_text(statement, 2, email);
        while ((r = statement_step(statement, NULL)) > 0)
            password_memory_forget(catalog->passwords, sqlite3_column_int64(statement, 0));
        statement_release(reader, STATEMENT_USERS_NAMED_LIKE, statement);
    }
    reader_give(catalog, reader);
    return r;
}

void forget_logins(struct catalog *catalog, const char *name, const char *email)
{
    /* The new user is durable by now; whom its names might shadow cannot always be asked. */
    if (forget_named(catalog, name, email) < 0)
        password_memory_forget_all(catalog->passwords);
}

/* Of a new user. */
struct own_devices {
    int64_t user, meta;
};

/* The user with both its devices, in the running transaction. */
static int insert_whole_user(struct catalog *catalog, const struct user *user, int64_t *ret_id,
    struct own_devices *ret_devices, struct error *ret_error)
{
    char key[UUID_TEXT_BYTES]; /* random, and not the salt as in 0.3 */
    int r = uuid_generate(key, ret_error);
    if (r == 0)
        r = insert_user(catalog, user, ret_id, ret_error);
    if (r == 0)
        r = insert_user_device(catalog, *ret_id, key, &ret_devices->user, ret_error);
    if (r == 0)
        r = insert_meta_device(catalog, *ret_id, &ret_devices->meta, ret_error);
    return r;
}

int hash_in_turn(
    struct catalog *catalog, const char *password, struct password_hash *ret_hash, struct error *ret_error)
{
    int r = hash_slots_take(&catalog->hashing, ret_error);
    if (r < 0)
        return r;
    r = password_hash(password, ret_hash, ret_error);
    hash_slots_give(&catalog->hashing);
    return r;
}

/* Everything that is checked, computed and allocated before the gate is taken. */
struct prepared_user {
    struct user user;
    struct password_hash hash;
    struct stream *streams;
    struct prepared_device *devices;
    size_t stream_count, device_count;
};

static void prepared_user_free(struct prepared_user *prepared)
{
    free_prepared_streams(prepared->streams, prepared->stream_count);
    for (size_t i = 0; i < prepared->device_count; i++)
        prepared_device_free(&prepared->devices[i]);
    free(prepared->devices);
}

static int prepare_devices(
    const struct new_user *user, struct prepared_user *prepared, struct error *ret_error)
{
    int r = 0;
    prepared->devices = calloc(user->device_count > 0 ? user->device_count : 1, sizeof(*prepared->devices));
    if (!prepared->devices)
        return error_set(ret_error, ENOMEM, "out of memory for the devices of a user");
    while (r == 0 && prepared->device_count < user->device_count) {
        size_t i = prepared->device_count;
        r = prepare_new_device(&user->devices[i], &prepared->devices[i], ret_error);
        prepared->device_count += r == 0;
    }
    return r;
}

/* To be freed also on failure. */
static int prepare_user(struct catalog *catalog, const struct new_user *user, struct prepared_user *prepared,
    struct error *ret_error)
{
    static char role[] = "user", scheme[] = PASSWORD_SCHEME_NEW;
    int r = fields_check(&USER_KIND, &user->user, true, ret_error);
    if (r == 0)
        r = prepare_new_streams(user->streams, user->stream_count, &prepared->streams, ret_error);
    if (r == 0)
        prepared->stream_count = user->stream_count;
    if (r == 0)
        r = prepare_devices(user, prepared, ret_error);
    if (r == 0)
        r = hash_in_turn(catalog, user->password, &prepared->hash, ret_error);
    if (r < 0)
        return r;
    prepared->user = user->user;
    if (!prepared->user.role || prepared->user.role[0] == '\0')
        prepared->user.role = role;
    prepared->user.password = prepared->hash.hash;
    prepared->user.password_salt = prepared->hash.salt;
    prepared->user.password_scheme = scheme;
    return 0;
}

static int insert_below(struct catalog *catalog, struct prepared_user *prepared, int64_t user_id,
    const struct own_devices *own, const struct catalog_limits *limits, struct error *ret_error)
{
    int64_t id;
    int r = insert_log(catalog, own->meta, ret_error);
    if (r == 0)
        r = create_streams(catalog, own->user, prepared->streams, prepared->stream_count, ret_error);
    if (r == 0)
        r = check_limit(
            catalog, STATEMENT_COUNT_STREAMS, own->user, limits->streams, "streams of a device", ret_error);
    for (size_t i = 0; r == 0 && i < prepared->device_count; i++) {
        prepared->devices[i].device.user_id = user_id;
        r = create_device(catalog, &prepared->devices[i], limits, &id, ret_error);
    }
    return r == 0 ? check_limit(catalog, STATEMENT_COUNT_USERS, 0, limits->users, "users", ret_error) : r;
}

/* with_rest: with the log and what the user shall have beside its two devices. */
static int create_prepared(struct catalog *catalog, struct prepared_user *prepared, bool with_rest,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    static const struct catalog_limits UNLIMITED = {0};
    struct own_devices own;
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    r = insert_whole_user(catalog, &prepared->user, ret_id, &own, ret_error);
    if (r == 0 && with_rest)
        r = insert_below(catalog, prepared, *ret_id, &own, limits ? limits : &UNLIMITED, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r == 0)
        forget_logins(catalog, prepared->user.name, prepared->user.email ? prepared->user.email : "");
    return r;
}

static int create_user(struct catalog *catalog, const struct new_user *user, bool with_rest,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    struct prepared_user prepared = {0};
    int64_t id = 0;
    int r = prepare_user(catalog, user, &prepared, ret_error);
    if (r == 0)
        r = create_prepared(catalog, &prepared, with_rest, limits, &id, ret_error);
    if (r == 0 && ret_id)
        *ret_id = id;
    prepared_user_free(&prepared);
    return r;
}

int catalog_create_user_tree(struct catalog *catalog, const struct new_user *user,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    return create_user(catalog, user, true, limits, ret_id, ret_error);
}

int catalog_create_user(struct catalog *catalog, const struct user *user, const char *password,
    int64_t *ret_id, struct error *ret_error)
{
    const struct new_user new_user = {.user = *user, .password = password};
    return create_user(catalog, &new_user, false, NULL, ret_id, ret_error);
}

int user_check_password_hash(const struct user *user, struct error *ret_error)
{
    return password_import_check(
        user->password_scheme ? user->password_scheme : "", user->password ? user->password : "", ret_error);
}

int user_set_password(struct user *user, const char *password, struct error *ret_error)
{
    struct password_hash hash;
    int r = password_hash(password, &hash, ret_error);
    if (r < 0)
        return r;
    char *text = strdup(hash.hash), *salt = strdup(hash.salt), *scheme = strdup(hash.scheme);
    if (!text || !salt || !scheme) {
        free(text);
        free(salt);
        free(scheme);
        return error_set(ret_error, ENOMEM, "out of memory for a password hash");
    }
    free(user->password);
    free(user->password_salt);
    free(user->password_scheme);
    user->password = text;
    user->password_salt = salt;
    user->password_scheme = scheme;
    return 0;
}

/* Runs UPDATE ... RETURNING 1 in a transaction of its own: 1 = changed, 0 = no such row. guard: the hash that
 * must still be there, or NULL. */
static int store_password(struct catalog *catalog, enum statement id, int64_t user_id,
    const struct password_hash *hash, const char *guard, struct error *ret_error)
{
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    sqlite3_stmt *statement;
    int changed = 0;
    r = statement_get(catalog->writer, id, &statement, ret_error);
    if (r == 0) {
        statement_bind_integer(statement, 1, user_id);
        statement_bind_text(statement, 2, hash->hash);
        statement_bind_text(statement, 3, hash->salt);
        statement_bind_text(statement, 4, hash->scheme);
        if (guard)
            statement_bind_text(statement, 5, guard);
        changed = statement_step(statement, ret_error);
        statement_release(catalog->writer, id, statement);
        r = changed < 0 ? changed : 0;
    }
    r = write_end(catalog, r, ret_error);
    return r < 0 ? r : changed;
}

int catalog_set_password(
    struct catalog *catalog, int64_t user_id, const char *password, struct error *ret_error)
{
    struct password_hash hash;
    int r = hash_in_turn(catalog, password, &hash, ret_error);
    if (r == 0)
        r = store_password(catalog, STATEMENT_USER_SET_PASSWORD, user_id, &hash, NULL, ret_error);
    if (r < 0)
        return r;
    password_memory_forget(catalog->passwords, user_id);
    return r == 0 ? error_set(ret_error, ENOENT, "user not found") : 0;
}

int upgrade_password(struct catalog *catalog, const struct user *user, const struct password_hash *hash,
    struct error *ret_error)
{
    int r =
        store_password(catalog, STATEMENT_USER_UPGRADE_PASSWORD, user->id, hash, user->password, ret_error);
    return r < 0 ? r : 0;
}

/* ---- reading ---- */

int catalog_user_by_id(struct catalog *catalog, int64_t id, struct user *ret_user, struct error *ret_error)
{
    struct row row;
    int r = row_by_id(catalog, STATEMENT_USER_BY_ID, id, &row, ret_error);
    if (r == 0)
        r = user_load(row.statement, ret_user, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "user not found") : r;
}

static int user_by_text(struct catalog *catalog, enum statement id, const char *text, struct user *ret_user,
    struct error *ret_error)
{
    struct row row;
    int r = row_by_texts(catalog, id, text, NULL, NULL, &row, ret_error);
    if (r == 0)
        r = user_load(row.statement, ret_user, ret_error);
    row_release(catalog, &row);
    return r;
}

int catalog_user_by_name(
    struct catalog *catalog, const char *name, struct user *ret_user, struct error *ret_error)
{
    if (!name_valid(name))
        return error_set(ret_error, ENOENT, "user not found");
    int r = user_by_text(catalog, STATEMENT_USER_BY_NAME, name, ret_user, ret_error);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "user '%s' not found", name) : r;
}

int user_by_login(struct catalog *catalog, const char *login, struct user *ret_user, struct error *ret_error)
{
    int r = user_by_text(catalog, STATEMENT_USER_BY_LOGIN, login, ret_user, ret_error);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "user not found") : r;
}
