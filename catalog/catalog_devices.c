#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int insert_device(
    struct catalog *catalog, const struct device *device, int64_t *ret_id, struct error *ret_error)
{
    struct connection *writer = catalog->writer;
    int r =
        exists_by_id_and_text(writer, STATEMENT_DEVICE_NAME_TAKEN, device->user_id, device->name, ret_error);
    if (r > 0)
        return error_set(ret_error, EEXIST, "device '%s' already exists", device->name);
    if (r == 0)
        r = exists_by_text(writer, STATEMENT_DEVICE_KEY_TAKEN, device->apikey, ret_error);
    if (r > 0)
        return error_set(ret_error, ENOTUNIQ,
            "the API key of device '%s' cannot be used: choose another, or leave it out for a random one",
            device->name);
    if (r == 0)
        r = insert_object(writer, STATEMENT_DEVICE_INSERT, &DEVICE_KIND, device, ret_id, ret_error);
    return r;
}

int insert_user_device(
    struct catalog *catalog, int64_t user_id, const char *key, int64_t *ret_id, struct error *ret_error)
{
    char name[] = "user", role[] = "user", icon[] = "material:person";
    char description[] = "Holds manually inserted data for the user";
    char apikey[UUID_TEXT_BYTES];
    memcpy(apikey, key, sizeof(apikey));
    const struct device device = {.user_id = user_id,
        .name = name,
        .description = description,
        .icon = icon,
        .apikey = apikey,
        .role = role,
        .enabled = true,
        .visible = true,
        .user_editable = true};
    return insert_device(catalog, &device, ret_id, ret_error);
}

int insert_meta_device(struct catalog *catalog, int64_t user_id, int64_t *ret_id, struct error *ret_error)
{
    char name[] = "meta", icon[] = "material:bug_report";
    char description[] = "The meta device holds automatically generated streams";
    const struct device device = {
        .user_id = user_id, .name = name, .description = description, .icon = icon, .enabled = true};
    return insert_device(catalog, &device, ret_id, ret_error);
}

int check_device_owner(struct catalog *catalog, const struct device *device, struct error *ret_error)
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

/* Of the one transaction, beside the check of the owner: whatever fails or is killed, the device is there
 * with all its streams or not at all. */
int create_device(struct catalog *catalog, struct prepared_device *prepared,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    int64_t user_id = prepared->device.user_id;
    int r = check_device_owner(catalog, &prepared->device, ret_error);
    if (r == 0)
        r = insert_device(catalog, &prepared->device, ret_id, ret_error);
    if (r == 0)
        r = create_streams(catalog, *ret_id, prepared->streams, prepared->stream_count, ret_error);
    if (r == 0)
        r = check_limit(
            catalog, STATEMENT_COUNT_DEVICES, user_id, limits->devices, "devices of a user", ret_error);
    if (r == 0 && !prepared->device.is_public)
        r = check_limit(catalog, STATEMENT_COUNT_PRIVATE_DEVICES, user_id, limits->private_devices,
            "private devices of a user", ret_error);
    if (r == 0)
        r = check_limit(
            catalog, STATEMENT_COUNT_STREAMS, *ret_id, limits->streams, "streams of a device", ret_error);
    return r;
}

int prepare_new_device(
    const struct new_device *device, struct prepared_device *ret_new, struct error *ret_error)
{
    int r = fields_check(&DEVICE_KIND, &device->device, true, ret_error);
    if (r == 0)
        r = uuid_generate(ret_new->key, ret_error);
    if (r == 0)
        r = prepare_new_streams(device->streams, device->stream_count, &ret_new->streams, ret_error);
    if (r < 0)
        return r;
    ret_new->stream_count = device->stream_count;
    ret_new->device = device->device;
    if (!ret_new->device.apikey || ret_new->device.apikey[0] == '\0')
        ret_new->device.apikey = ret_new->key;
    return 0;
}

void prepared_device_free(struct prepared_device *prepared)
{
    free_prepared_streams(prepared->streams, prepared->stream_count);
}

int catalog_create_device_tree(struct catalog *catalog, const struct new_device *device,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    static const struct catalog_limits UNLIMITED = {0};
    struct prepared_device prepared = {0};
    int64_t id = 0;
    int r = prepare_new_device(device, &prepared, ret_error);
    if (r < 0)
        return r;
    r = write_begin(catalog, ret_error);
    if (r == 0) {
        r = create_device(catalog, &prepared, limits ? limits : &UNLIMITED, &id, ret_error);
        r = write_end(catalog, r, ret_error);
    }
    if (r == 0 && ret_id)
        *ret_id = id;
    prepared_device_free(&prepared);
    return r;
}

int catalog_create_device_with_streams(struct catalog *catalog, const struct device *device,
    const struct stream *streams, size_t stream_count, int64_t *ret_id, struct error *ret_error)
{
    const struct new_device new_device = {
        .device = *device, .streams = (struct stream *)streams, .stream_count = stream_count};
    return catalog_create_device_tree(catalog, &new_device, NULL, ret_id, ret_error);
}

int catalog_create_device(
    struct catalog *catalog, const struct device *device, int64_t *ret_id, struct error *ret_error)
{
    return catalog_create_device_with_streams(catalog, device, NULL, 0, ret_id, ret_error);
}

int catalog_device_by_id(
    struct catalog *catalog, int64_t id, struct device *ret_device, struct error *ret_error)
{
    struct row row;
    int r = row_by_id(catalog, STATEMENT_DEVICE_BY_ID, id, &row, ret_error);
    if (r == 0)
        r = device_load(row.statement, ret_device, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "device not found") : r;
}

int catalog_device_by_name(struct catalog *catalog, const char *user, const char *device,
    struct device *ret_device, struct error *ret_error)
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
