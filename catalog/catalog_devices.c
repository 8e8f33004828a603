#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int insert_device(struct catalog *catalog, const struct device *device, int64_t *ret_id, struct error *ret_error)
{
    struct connection *writer = catalog->writer;
    int r = exists_by_id_and_text(writer, STATEMENT_DEVICE_NAME_TAKEN, device->user_id, device->name, ret_error);
    if (r > 0)
        return error_set(ret_error, EEXIST, "device '%s' already exists", device->name);
    if (r == 0)
        r = exists_by_text(writer, STATEMENT_DEVICE_KEY_TAKEN, device->apikey, ret_error);
    if (r > 0)
        return error_set(ret_error, ENOTUNIQ,
            "the API key of device '%s' cannot be used: choose another, or leave it out for a random one", device->name);
    if (r == 0)
        r = insert_object(writer, STATEMENT_DEVICE_INSERT, &DEVICE_KIND, device, ret_id, ret_error);
    return r;
}

int insert_user_device(struct catalog *catalog, int64_t user_id, const char *key, struct error *ret_error)
{
    char name[] = "user", role[] = "user", icon[] = "material:person";
    char description[] = "Holds manually inserted data for the user";
    char apikey[UUID_TEXT_BYTES];
    memcpy(apikey, key, sizeof(apikey));
    const struct device device = {.user_id = user_id, .name = name, .description = description, .icon = icon,
        .apikey = apikey, .role = role, .enabled = true, .visible = true, .user_editable = true};
    int64_t id;
    return insert_device(catalog, &device, &id, ret_error);
}

int insert_meta_device(struct catalog *catalog, int64_t user_id, struct error *ret_error)
{
    char name[] = "meta", icon[] = "material:bug_report";
    char description[] = "The meta device holds automatically generated streams";
    const struct device device = {.user_id = user_id, .name = name, .description = description, .icon = icon,
        .enabled = true};
    int64_t id;
    return insert_device(catalog, &device, &id, ret_error);
}

/* Of the owner: it exists, and may have such a device. */
static int check_owner(struct catalog *catalog, const struct device *device, struct error *ret_error)
{
    sqlite3_stmt *statement;
    struct user user;
    int r = select_by_id(catalog->writer, STATEMENT_USER_BY_ID, device->user_id, &statement, ret_error);
    if (r == -ENOENT)
        r = error_set(ret_error, ENOENT, "user not found");
    if (r == 0)
        r = user_borrow(statement, &user, ret_error);
    if (r == 0 && device->is_public && !user.is_public)
        r = error_set(ret_error, EINVAL, "a private user cannot have a public device");
    statement_release(catalog->writer, STATEMENT_USER_BY_ID, statement);
    return r;
}

static void free_prepared(struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(streams[i].schema);
    free(streams);
}

static int prepare_streams(const struct stream *streams, size_t count, struct stream **ret_new, struct error *ret_error)
{
    struct stream *prepared = calloc(count > 0 ? count : 1, sizeof(*prepared));
    if (!prepared)
        return error_set(ret_error, ENOMEM, "out of memory for the streams of a device");
    int r = 0;
    size_t done = 0;
    while (r == 0 && done < count) {
        r = prepare_new_stream(&streams[done], &prepared[done], ret_error);
        done += r == 0;
    }
    if (r < 0) {
        free_prepared(prepared, done);
        return r;
    }
    *ret_new = prepared;
    return 0;
}

/* In one transaction: whatever fails or is killed, the device is there with all its streams or not at all. */
static int create_whole_device(struct catalog *catalog, const struct device *device, struct stream *streams,
    size_t stream_count, int64_t *ret_id, struct error *ret_error)
{
    int64_t stream_id;
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    r = check_owner(catalog, device, ret_error);
    if (r == 0)
        r = insert_device(catalog, device, ret_id, ret_error);
    for (size_t i = 0; r == 0 && i < stream_count; i++) {
        streams[i].device_id = *ret_id;
        r = create_stream(catalog, &streams[i], &stream_id, ret_error);
    }
    return write_end(catalog, r, ret_error);
}

int catalog_create_device_with_streams(struct catalog *catalog, const struct device *device, const struct stream *streams,
    size_t stream_count, int64_t *ret_id, struct error *ret_error)
{
    int r = fields_check(&DEVICE_KIND, device, true, ret_error);
    char key[UUID_TEXT_BYTES];
    if (r == 0)
        r = uuid_generate(key, ret_error);
    struct stream *prepared = NULL;
    if (r == 0)
        r = prepare_streams(streams, stream_count, &prepared, ret_error);
    if (r < 0)
        return r;
    struct device made = *device;
    if (!made.apikey || made.apikey[0] == '\0')
        made.apikey = key;
    int64_t id = 0;
    r = create_whole_device(catalog, &made, prepared, stream_count, &id, ret_error);
    if (r == 0 && ret_id)
        *ret_id = id;
    free_prepared(prepared, stream_count);
    return r;
}

int catalog_create_device(struct catalog *catalog, const struct device *device, int64_t *ret_id,
    struct error *ret_error)
{
    return catalog_create_device_with_streams(catalog, device, NULL, 0, ret_id, ret_error);
}

int catalog_device_by_id(struct catalog *catalog, int64_t id, struct device *ret_device, struct error *ret_error)
{
    struct row row;
    int r = row_by_id(catalog, STATEMENT_DEVICE_BY_ID, id, &row, ret_error);
    if (r == 0)
        r = device_load(row.statement, ret_device, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "device not found") : r;
}

int catalog_device_by_name(struct catalog *catalog, const char *user, const char *device, struct device *ret_device,
    struct error *ret_error)
{
    if (!name_valid(user) || !name_valid(device))
        return error_set(ret_error, ENOENT, "device not found");
    struct row row;
    int r = row_by_texts(catalog, STATEMENT_DEVICE_BY_NAME, user, device, NULL, &row, ret_error);
    if (r == 0)
        r = device_load(row.statement, ret_device, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "device '%s/%s' not found", user, device) : r;
}
