#include "fields.h"

#include "check.h"
#include "rules.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIELD(type_, member, name_, ...)                                                                \
    {                                                                                                        \
        .name = name_, .type = FIELD_TEXT, .offset = offsetof(struct type_, member),                         \
        .bytes_max = TEXT_BYTES_MAX, __VA_ARGS__                                                             \
    }
#define FLAG_FIELD(type_, member, name_, ...)                                                                \
    {                                                                                                        \
        .name = name_, .label = name_, .type = FIELD_FLAG, .offset = offsetof(struct type_, member),         \
        __VA_ARGS__                                                                                          \
    }
#define ID_FIELD(type_, member, ...)                                                                         \
    {                                                                                                        \
        .name = #member, .label = #member, .type = FIELD_ID, .offset = offsetof(struct type_, member),       \
        __VA_ARGS__                                                                                          \
    }

static const struct field user_fields[] = {
    TEXT_FIELD(user, name, "name", .label = "the name", .flags = FIELD_FIXED, .check = name_rule,
        .check_new = user_name_rule),
    TEXT_FIELD(user, nickname, "nickname", .label = "the nickname"),
    TEXT_FIELD(user, email, "email", .label = "the email address", .check_new = email_rule),
    TEXT_FIELD(user, description, "description", .label = "the description"),
    TEXT_FIELD(user, icon, "icon", .label = "the icon", .check_new = icon_rule),
    TEXT_FIELD(user, role, "role", .label = "the role", .check = role_rule),
    FLAG_FIELD(user, is_public, "public", .default_flag = false),
    TEXT_FIELD(user, password, "password", .label = "the password", .flags = FIELD_INTERNAL | FIELD_SECRET),
    TEXT_FIELD(user, password_salt, "password_salt", .label = "the password salt", .flags = FIELD_INTERNAL),
    TEXT_FIELD(
        user, password_scheme, "password_scheme", .label = "the password scheme", .flags = FIELD_INTERNAL),
    ID_FIELD(user, id, .flags = FIELD_ROWID | FIELD_FIXED),
};

static const struct field device_fields[] = {
    TEXT_FIELD(device, name, "name", .label = "the name", .flags = FIELD_FIXED, .check = name_rule),
    TEXT_FIELD(device, nickname, "nickname", .label = "the nickname"),
    TEXT_FIELD(device, description, "description", .label = "the description"),
    TEXT_FIELD(device, icon, "icon", .label = "the icon", .check_new = icon_rule),
    TEXT_FIELD(device, apikey, "apikey", .label = "the API key"),
    FLAG_FIELD(device, enabled, "enabled", .default_flag = true),
    FLAG_FIELD(device, is_public, "public", .default_flag = false),
    TEXT_FIELD(device, role, "role", .label = "the role", .check = role_rule),
    FLAG_FIELD(device, visible, "visible", .default_flag = true),
    FLAG_FIELD(device, user_editable, "user_editable", .default_flag = true),
    ID_FIELD(device, id, .flags = FIELD_ROWID | FIELD_FIXED),
    ID_FIELD(device, user_id, .flags = FIELD_FIXED),
};

static const struct field stream_fields[] = {
    TEXT_FIELD(stream, name, "name", .label = "the name", .flags = FIELD_FIXED, .check = name_rule),
    TEXT_FIELD(stream, nickname, "nickname", .label = "the nickname"),
    TEXT_FIELD(stream, description, "description", .label = "the description"),
    TEXT_FIELD(stream, icon, "icon", .label = "the icon", .check_new = icon_rule),
    TEXT_FIELD(stream, schema, "schema", .label = "the schema"),
    TEXT_FIELD(stream, datatype, "datatype", .label = "the datatype"),
    FLAG_FIELD(stream, ephemeral, "ephemeral", .default_flag = false),
    FLAG_FIELD(stream, downlink, "downlink", .default_flag = false),
    ID_FIELD(stream, id, .flags = FIELD_ROWID | FIELD_FIXED),
    ID_FIELD(stream, device_id, .flags = FIELD_FIXED),
    ID_FIELD(stream, series_id, .flags = FIELD_FIXED),
    ID_FIELD(stream, downlink_series_id, .flags = FIELD_NULLABLE),
};

#define KIND(name_, table_, alias_)                                                                          \
    {                                                                                                        \
        .name = #name_, .table = table_, .alias = alias_, .fields = name_##_fields,                          \
        .count = sizeof(name_##_fields) / sizeof(name_##_fields[0]), .object_bytes = sizeof(struct name_)    \
    }

const struct object_kind USER_KIND = KIND(user, "users", "");
const struct object_kind DEVICE_KIND = KIND(device, "devices", "d.");
const struct object_kind STREAM_KIND = KIND(stream, "streams", "s.");

static_assert(sizeof(user_fields) / sizeof(user_fields[0]) <= FIELDS_MAX, "");
static_assert(sizeof(device_fields) / sizeof(device_fields[0]) <= FIELDS_MAX, "");
static_assert(sizeof(stream_fields) / sizeof(stream_fields[0]) <= FIELDS_MAX, "");

/* ---- in order of name ---- */

struct by_name {
    const struct object_kind *kind;
    const struct field *fields[FIELDS_MAX];
    size_t count;
};

static struct by_name sorted[] = {{.kind = &USER_KIND}, {.kind = &DEVICE_KIND}, {.kind = &STREAM_KIND}};
static pthread_once_t sorted_once = PTHREAD_ONCE_INIT;

enum { KINDS = sizeof(sorted) / sizeof(sorted[0]) };

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct field *const *)a)->name, (*(const struct field *const *)b)->name);
}

static void sort_all(void)
{
    for (struct by_name *each = sorted; each < sorted + KINDS; each++) {
        for (size_t i = 0; i < each->kind->count; i++) {
            const struct field *field = &each->kind->fields[i];
            if (field->type != FIELD_ID && !(field->flags & FIELD_INTERNAL))
                each->fields[each->count++] = field;
        }
        qsort(each->fields, each->count, sizeof(each->fields[0]), compare_names);
    }
}

const struct field *const *fields_by_name(const struct object_kind *kind, size_t *ret_count)
{
    (void)pthread_once(&sorted_once, sort_all);
    struct by_name *found = sorted;
    while (found < sorted + KINDS - 1 && found->kind != kind)
        found++;
    CHECK(found->kind == kind);
    *ret_count = found->count;
    return found->fields;
}

/* ---- objects ---- */

void fields_free(const struct object_kind *kind, void *object)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (kind->fields[i].type == FIELD_TEXT)
            free(*field_text(&kind->fields[i], object));
    }
    memset(object, 0, kind->object_bytes);
}

static int field_check(const struct object_kind *kind, const struct field *field, const void *object,
    bool is_new, struct error *ret_error)
{
    if (field->type != FIELD_TEXT)
        return 0;
    const char *value = field_get_text(field, object);
    int r = text_check(value, field->bytes_max, field->label, ret_error);
    if (r == 0 && field->check)
        r = field->check(kind, value, ret_error);
    if (r == 0 && is_new && field->check_new)
        r = field->check_new(kind, value, ret_error);
    return r;
}

int fields_check(const struct object_kind *kind, const void *object, bool is_new, struct error *ret_error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < kind->count; i++)
        r = field_check(kind, &kind->fields[i], object, is_new, ret_error);
    return r;
}

int fields_check_changes(
    const struct object_kind *kind, const void *object, uint32_t fields, struct error *ret_error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if ((fields & field_bit(kind, field)) && !(field->flags & FIELD_FIXED))
            r = field_check(kind, field, object, true, ret_error);
    }
    return r;
}

void user_free(struct user *user)
{
    fields_free(&USER_KIND, user);
}

void device_free(struct device *device)
{
    fields_free(&DEVICE_KIND, device);
}

void stream_free(struct stream *stream)
{
    fields_free(&STREAM_KIND, stream);
}
