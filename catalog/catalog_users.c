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

/* The user with both its devices, in the running transaction. */
static int insert_whole_user(struct catalog *catalog, const struct user *user, int64_t *ret_id, struct error *ret_error)
{
    char key[UUID_TEXT_BYTES]; /* random, and not the salt as in 0.3 */
    int r = uuid_generate(key, ret_error);
    if (r == 0)
        r = insert_user(catalog, user, ret_id, ret_error);
    if (r == 0)
        r = insert_user_device(catalog, *ret_id, key, ret_error);
    if (r == 0)
        r = insert_meta_device(catalog, *ret_id, ret_error);
    return r;
}

static int hash_in_turn(struct catalog *catalog, const char *password, struct password_hash *ret_hash,
    struct error *ret_error)
{
    int r = hash_slots_take(&catalog->hashing, ret_error);
    if (r < 0)
        return r;
    r = password_hash(password, ret_hash, ret_error);
    hash_slots_give(&catalog->hashing);
    return r;
}

int catalog_create_user(struct catalog *catalog, const struct user *user, const char *password, int64_t *ret_id,
    struct error *ret_error)
{
    int r = fields_check(&USER_KIND, user, true, ret_error);
    if (r < 0)
        return r;
    struct password_hash hash;
    r = hash_in_turn(catalog, password, &hash, ret_error); /* before the gate: it takes long */
    if (r < 0)
        return r;
    struct user made = *user;
    char role[] = "user", scheme[] = PASSWORD_SCHEME_NEW;
    if (!made.role || made.role[0] == '\0')
        made.role = role;
    made.password = hash.hash;
    made.password_salt = hash.salt;
    made.password_scheme = scheme;
    r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    int64_t id = 0;
    r = insert_whole_user(catalog, &made, &id, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r < 0)
        return r;
    forget_logins(catalog, user->name, user->email);
    if (ret_id)
        *ret_id = id;
    return 0;
}

int user_check_password_hash(const struct user *user, struct error *ret_error)
{
    return password_import_check(user->password_scheme ? user->password_scheme : "", user->password ? user->password : "",
        ret_error);
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

/* Runs UPDATE ... RETURNING 1 in a transaction of its own: 1 = changed, 0 = no such row. guard: the hash that must still be there, or
 * NULL. */
static int store_password(struct catalog *catalog, enum statement id, int64_t user_id, const struct password_hash *hash,
    const char *guard, struct error *ret_error)
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

int catalog_set_password(struct catalog *catalog, int64_t user_id, const char *password, struct error *ret_error)
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
    int r = store_password(catalog, STATEMENT_USER_UPGRADE_PASSWORD, user->id, hash, user->password, ret_error);
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

int catalog_user_by_name(struct catalog *catalog, const char *name, struct user *ret_user, struct error *ret_error)
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
