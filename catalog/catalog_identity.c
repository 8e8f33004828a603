/* The request path: who asks, and where a path leads. Hits of the caches touch no SQLite and allocate nothing. */
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

static int identity_read_by_key(struct catalog *catalog, const char *apikey, struct identity *ret_identity,
    struct error *ret_error)
{
    struct row row;
    int r = row_by_texts(catalog, STATEMENT_IDENTITY_BY_KEY, apikey, NULL, NULL, &row, ret_error);
    if (r == 0)
        r = identity_load(row.statement, ret_identity, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "no device has this API key") : r;
}

int catalog_identity_by_key(struct catalog *catalog, const char *apikey, struct identity *ret_identity,
    struct error *ret_error)
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

/* Who a user acts as when it logs in. Cached beside the API keys, under a key that no text can be. */
static int identity_of_user(struct catalog *catalog, int64_t user_id, struct identity *ret_identity,
    struct error *ret_error)
{
    char key[1 + sizeof(user_id)] = {0};
    memcpy(key + 1, &user_id, sizeof(user_id));
    if (cache_get(catalog->identities, key, sizeof(key), ret_identity))
        return 0;
    uint64_t generation = cache_generation(catalog->identities);
    struct row row;
    int r = row_by_id(catalog, STATEMENT_IDENTITY_BY_USER, user_id, &row, ret_error);
    if (r == 0)
        r = identity_load(row.statement, ret_identity, ret_error);
    row_release(catalog, &row);
    if (r == 0)
        cache_put(catalog->identities, key, sizeof(key), generation, ret_identity);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "user not found") : r;
}

/* A bounded number of threads hash at a time; whoever waited may find that another one proved the same password meanwhile. */
static int verify_in_turn(struct catalog *catalog, const struct user *user, const char *password,
    const uint8_t digest[PASSWORD_DIGEST_BYTES], struct error *ret_error)
{
    while (sem_wait(&catalog->hashing) < 0)
        continue; /* interrupted by a signal */
    int64_t remembered;
    int r;
    if (password_memory_find(catalog->passwords, digest, clock_monotonic_ns(), &remembered) && remembered == user->id)
        r = 1;
    else
        r = password_verify(password, user->password_scheme, user->password, user->password_salt, ret_error);
    if (r == 1 && password_outdated(user->password_scheme, user->password)) {
        /* A full disk or a lost race must not turn a right password away: the next login tries again. */
        (void)upgrade_password(catalog, user, password, NULL);
    }
    (void)sem_post(&catalog->hashing);
    return r;
}

/* Finds the user and compares the password with its hash; remembers it when it is right. */
static int login(struct catalog *catalog, const char *name, const char *password,
    const uint8_t digest[PASSWORD_DIGEST_BYTES], int64_t *ret_user_id, struct error *ret_error)
{
    uint64_t generation = password_memory_generation(catalog->passwords); /* before the hash is read */
    struct user user;
    int r = user_by_login(catalog, name, &user, ret_error);
    if (r < 0)
        return r;
    r = verify_in_turn(catalog, &user, password, digest, ret_error);
    if (r == 1) {
        password_memory_remember(catalog->passwords, digest, user.id, generation, clock_monotonic_ns());
        *ret_user_id = user.id;
    } else if (r == 0) {
        r = error_set(ret_error, EACCES, "wrong password");
    }
    user_free(&user);
    return r < 0 ? r : 0;
}

int catalog_identity_by_password(struct catalog *catalog, const char *name, const char *password,
    struct identity *ret_identity, struct error *ret_error)
{
    if (name[0] == '\0' || strnlen(name, LOGIN_BYTES_MAX + 1) > LOGIN_BYTES_MAX)
        return error_set(ret_error, ENOENT, "user not found");
    if (strnlen(password, PASSWORD_BYTES_MAX + 1) > PASSWORD_BYTES_MAX)
        return error_set(ret_error, EACCES, "wrong password");
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    int r = password_memory_digest(catalog->passwords, name, password, digest, ret_error);
    if (r < 0)
        return r;
    int64_t user_id;
    if (!password_memory_find(catalog->passwords, digest, clock_monotonic_ns(), &user_id))
        r = login(catalog, name, password, digest, &user_id, ret_error);
    return r < 0 ? r : identity_of_user(catalog, user_id, ret_identity, ret_error);
}

/* ---- paths ---- */

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
            .schema_empty = sqlite3_column_int(row.statement, 8) != 0,
        };
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "stream '%s/%s/%s' not found", user, device, stream) : r;
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
