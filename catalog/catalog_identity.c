/* The request path: looks up identities and stream paths. Hits of the caches touch no SQLite and allocate
 * nothing. */
#include "catalog_internal.h"
#include "clock.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <string.h>

enum { LOGIN_BYTES_MAX = 1024 }; /* of a user name or email address */

/* Of the current row. Names and roles are bounded by checks of the tables; a longer one is damage. */
static int identity_load(sqlite3_stmt *statement, struct identity *ret_identity, struct error *ret_error)
{
    struct identity identity = {
        .user_id = sqlite3_column_int64(statement, 0),
        .device_id = sqlite3_column_int64(statement, 1),
    };
    char *const texts[] = {identity.user, identity.device, identity.user_role, identity.device_role};
    for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, 2 + i);
        if (!text)
            return error_set(ret_error, ENOMEM, "out of memory in the catalog");
        size_t size = strnlen(text, NAME_BYTES_MAX + 1);
        if (size > NAME_BYTES_MAX)
            return error_set(ret_error, EBADMSG, "the catalog is damaged: a name is too long");
        memcpy(texts[i], text, size + 1);
    }
    *ret_identity = identity;
    return 0;
}

/* ---- API keys ---- */

static int identity_read_by_key(
    struct catalog *catalog, const char *apikey, struct identity *ret_identity, struct error *ret_error)
{
    struct row row;
    int r = row_by_texts(catalog, STATEMENT_IDENTITY_BY_KEY, apikey, NULL, NULL, &row, ret_error);
    if (r == 0)
        r = identity_load(row.statement, ret_identity, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "no device has this API key") : r;
}

bool catalog_identity_remembered_key(
    struct catalog *catalog, const char *apikey, struct identity *ret_identity)
{
    size_t size = strnlen(apikey, CACHED_KEY_BYTES_MAX + 1);
    return size > 0 && size <= CACHED_KEY_BYTES_MAX &&
           cache_get(catalog->identities, apikey, size, ret_identity);
}

int catalog_identity_by_key(
    struct catalog *catalog, const char *apikey, struct identity *ret_identity, struct error *ret_error)
{
    size_t size = strnlen(apikey, TEXT_BYTES_MAX + 1);
    if (size == 0 || size > TEXT_BYTES_MAX)
        return error_set(ret_error, ENOENT, "no device has this API key");
    if (cache_get(catalog->identities, apikey, size, ret_identity))
        return 0;
    uint64_t generation = cache_generation(catalog->identities);
    int r = identity_read_by_key(catalog, apikey, ret_identity, ret_error);
    if (r == 0)
        cache_put(catalog->identities, apikey, size, generation, ret_identity);
    return r;
}

/* ---- passwords ---- */

/* The device that a user acts as after a log-in. Cached beside the API keys, under a key that no text can be.
 */
struct user_key {
    char bytes[1 + sizeof(int64_t)];
};

static struct user_key user_key(int64_t user_id)
{
    struct user_key key = {0};
    memcpy(key.bytes + 1, &user_id, sizeof(user_id));
    return key;
}

static int identity_of_user(
    struct catalog *catalog, int64_t user_id, struct identity *ret_identity, struct error *ret_error)
{
    struct user_key key = user_key(user_id);
    if (cache_get(catalog->identities, &key, sizeof(key), ret_identity))
        return 0;
    uint64_t generation = cache_generation(catalog->identities);
    struct row row;
    int r = row_by_id(catalog, STATEMENT_IDENTITY_BY_USER, user_id, &row, ret_error);
    if (r == 0)
        r = identity_load(row.statement, ret_identity, ret_error);
    row_release(catalog, &row);
    if (r == 0)
        cache_put(catalog->identities, &key, sizeof(key), generation, ret_identity);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "user not found") : r;
}

/* One login that memory does not know. */
struct login {
    const char *password;
    const uint8_t *digest; /* of name and password, for the memory */
    struct user user;      /* valid if user_found */
    bool user_found;
    struct password_hash new_hash; /* replaces the stored one if scheme is not NULL */
};

/* In a hash slot. 1 = right, 0 = wrong or no such user, or -errno. A wrong password takes the same time
 * whatever is stored. */
static int verify(struct catalog *catalog, struct login *login, struct error *ret_error)
{
    const struct user *user = &login->user;
    if (!login->user_found) {
        password_spend_rest(NULL, NULL);
        return 0;
    }
    /* Another thread may have verified the same password while this one waited. */
    int64_t remembered;
    if (password_memory_find(catalog->passwords, login->digest, clock_monotonic_ns(), &remembered) &&
        remembered == user->id)
        return 1;
    int r = password_verify(
        login->password, user->password_scheme, user->password, user->password_salt, ret_error);
    if (r != 1)
        password_spend_rest(user->password_scheme, user->password);
    else if (password_outdated(user->password_scheme, user->password))
        (void)password_upgrade(
            login->password, user->password_scheme, user->password_salt, &login->new_hash, NULL);
    return r;
}

/* Compares the password with the user's hash; remembers it when it is right. */
static int log_in(struct catalog *catalog, const char *name, struct login *login, int64_t *ret_user_id,
    struct error *ret_error)
{
    uint64_t generation = password_memory_generation(catalog->passwords); /* before the hash is read */
    int r = user_by_login(catalog, name, &login->user, ret_error);
    if (r < 0 && r != -ENOENT)
        return r;
    login->user_found = r == 0;
    r = hash_slots_take(&catalog->hashing, ret_error);
    if (r < 0)
        return r;
    r = verify(catalog, login, ret_error);
    hash_slots_give(&catalog->hashing);
    if (r < 0)
        return r;
    if (!login->user_found)
        return error_set(ret_error, ENOENT, "user not found");
    if (r == 0)
        return error_set(ret_error, EACCES, "wrong password");
    /* A full disk or a lost race must not turn a right password away: the next login tries again. */
    if (login->new_hash.scheme)
        (void)upgrade_password(catalog, &login->user, &login->new_hash, NULL);
    password_memory_remember(
        catalog->passwords, login->digest, login->user.id, generation, clock_monotonic_ns());
    *ret_user_id = login->user.id;
    return 0;
}

/* Whether anybody could have this name and this password, before somebody is asked for: what is decided here
 * does not depend on which users there are. */
static int credentials_check(const char *name, const char *password, struct error *ret_error)
{
    if (name[0] == '\0' || strnlen(name, LOGIN_BYTES_MAX + 1) > LOGIN_BYTES_MAX)
        return error_set(ret_error, ENOENT, "user not found");
    if (password[0] == '\0' || strnlen(password, PASSWORD_BYTES_MAX + 1) > PASSWORD_BYTES_MAX)
        return error_set(ret_error, EACCES, "wrong password");
    return 0;
}

bool catalog_identity_remembered_password(
    struct catalog *catalog, const char *name, const char *password, struct identity *ret_identity)
{
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    int64_t user_id;
    if (credentials_check(name, password, NULL) < 0 ||
        password_memory_digest(catalog->passwords, name, password, digest, NULL) < 0 ||
        !password_memory_find(catalog->passwords, digest, clock_monotonic_ns(), &user_id))
        return false;
    struct user_key key = user_key(user_id);
    return cache_get(catalog->identities, &key, sizeof(key), ret_identity);
}

int catalog_identity_by_password(struct catalog *catalog, const char *name, const char *password,
    struct identity *ret_identity, struct error *ret_error)
{
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    int r = credentials_check(name, password, ret_error);
    if (r == 0)
        r = password_memory_digest(catalog->passwords, name, password, digest, ret_error);
    if (r < 0)
        return r;
    int64_t user_id;
    if (!password_memory_find(catalog->passwords, digest, clock_monotonic_ns(), &user_id)) {
        struct login login = {.password = password, .digest = digest};
        r = log_in(catalog, name, &login, &user_id, ret_error);
        if (login.user_found)
            user_free(&login.user);
    }
    return r < 0 ? r : identity_of_user(catalog, user_id, ret_identity, ret_error);
}

void catalog_stop_hashing(struct catalog *catalog)
{
    hash_slots_stop(&catalog->hashing);
}

/* ---- paths ---- */

static int place_take_schema(sqlite3_stmt *statement, struct stream_place *place, struct error *ret_error)
{
    const char *schema = (const char *)sqlite3_column_text(statement, 8);
    if (!schema)
        return error_set(ret_error, ENOMEM, "out of memory for a schema");
    place->schema_empty = schema_text_accepts_all(schema);
    if (!place->schema_empty && schema_digest(schema, place->schema_digest) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a schema");
    return 0;
}

static int place_read(struct catalog *catalog, const char *user, const char *device, const char *stream,
    struct stream_place *ret_place, struct error *ret_error)
{
    if (!name_valid(user) || !name_valid(device) || !name_valid(stream))
        return error_set(ret_error, ENOENT, "stream not found"); /* what is not a name is not repeated */
    struct row row;
    int r = row_by_texts(catalog, STATEMENT_STREAM_PLACE, user, device, stream, &row, ret_error);
    if (r == 0)
        *ret_place = (struct stream_place){
            .user_id = sqlite3_column_int64(row.statement, 0),
            .device_id = sqlite3_column_int64(row.statement, 1),
            .stream_id = sqlite3_column_int64(row.statement, 2),
            .series_id = (uint64_t)sqlite3_column_int64(row.statement, 3),
            .downlink_series_id = (uint64_t)sqlite3_column_int64(row.statement, 4),
            .downlink = sqlite3_column_int(row.statement, 5) != 0,
            .ephemeral = sqlite3_column_int(row.statement, 6) != 0,
            .device_public = sqlite3_column_int(row.statement, 7) != 0,
        };
    if (r == 0)
        r = place_take_schema(row.statement, ret_place, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "stream '%s/%s/%s' not found", user, device, stream)
                        : r;
}

/* user/device/stream; 0 when one of them cannot be a name. */
static size_t join_path(const char *user, const char *device, const char *stream, char path[PATH_BYTES_MAX])
{
    const char *const names[] = {user, device, stream};
    size_t size = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t name_size = strnlen(names[i], NAME_BYTES_MAX + 1);
        if (name_size == 0 || name_size > NAME_BYTES_MAX || memchr(names[i], '/', name_size))
            return 0;
        if (i > 0)
            path[size++] = '/';
        memcpy(path + size, names[i], name_size);
        size += name_size;
    }
    return size;
}

int catalog_stream_place(struct catalog *catalog, const char *user, const char *device, const char *stream,
    struct stream_place *ret_place, struct error *ret_error)
{
    char path[PATH_BYTES_MAX];
    size_t size = join_path(user, device, stream, path);
    if (size == 0)
        return error_set(ret_error, ENOENT, "stream not found");
    if (cache_get(catalog->places, path, size, ret_place))
        return 0;
    uint64_t generation = cache_generation(catalog->places);
    int r = place_read(catalog, user, device, stream, ret_place, ret_error);
    if (r == 0)
        cache_put(catalog->places, path, size, generation, ret_place);
    return r;
}
