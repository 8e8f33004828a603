#include "objects.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int borrow(
    sqlite3_stmt *statement, const struct object_kind *kind, void *object, struct error *ret_error)
{
    memset(object, 0, kind->object_bytes);
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        int column = (int)i;
        if (field->type == FIELD_ID) {
            *field_id(field, object) = sqlite3_column_int64(statement, column); /* 0 for NULL */
        } else if (field->type == FIELD_FLAG) {
            *field_flag(field, object) = sqlite3_column_int(statement, column) != 0;
        } else {
            const unsigned char *text = sqlite3_column_text(statement, column);
            if (!text) /* the columns are NOT NULL */
                return error_set(ret_error, ENOMEM, "out of memory in the catalog");
            *field_text(field, object) = (char *)(uintptr_t)text;
        }
    }
    return 0;
}

/* Replaces borrowed texts by copies. */
static int own(const struct object_kind *kind, void *object, struct error *ret_error)
{
    bool failed = false;
    for (size_t i = 0; i < kind->count; i++) {
        if (kind->fields[i].type != FIELD_TEXT)
            continue;
        char **text = field_text(&kind->fields[i], object);
        *text = failed ? NULL : strdup(*text);
        failed = !*text;
    }
    if (!failed)
        return 0;
    fields_free(kind, object);
    return error_set(ret_error, ENOMEM, "out of memory in the catalog");
}

int user_borrow(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error)
{
    return borrow(statement, &USER_KIND, ret_user, ret_error);
}

int device_borrow(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error)
{
    return borrow(statement, &DEVICE_KIND, ret_device, ret_error);
}

int stream_borrow(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error)
{
    return borrow(statement, &STREAM_KIND, ret_stream, ret_error);
}

int object_load(
    sqlite3_stmt *statement, const struct object_kind *kind, void *ret_object, struct error *ret_error)
{
    union {
        struct user user;
        struct device device;
        struct stream stream;
    } object;
    int r = borrow(statement, kind, &object, ret_error);
    if (r == 0)
        r = own(kind, &object, ret_error);
    if (r == 0)
        memcpy(ret_object, &object, kind->object_bytes);
    return r;
}

int user_load(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error)
{
    return object_load(statement, &USER_KIND, ret_user, ret_error);
}

int device_load(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error)
{
    return object_load(statement, &DEVICE_KIND, ret_device, ret_error);
}

int stream_load(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error)
{
    return object_load(statement, &STREAM_KIND, ret_stream, ret_error);
}

/* Binds the fields without any of these flags to parameters from `parameter` on, in the order of the table.
 */
static void bind(
    sqlite3_stmt *statement, int parameter, const struct object_kind *kind, unsigned but, const void *object)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->flags & but)
            continue;
        if (field->type == FIELD_TEXT)
            statement_bind_text(statement, parameter, field_get_text(field, object));
        else if (field->type == FIELD_FLAG)
            statement_bind_integer(statement, parameter, field_get_flag(field, object));
        else if (field_get_id(field, object) != 0 || !(field->flags & FIELD_NULLABLE)) /* not bound: NULL */
            statement_bind_integer(statement, parameter, field_get_id(field, object));
        parameter++;
    }
}

int insert_object(struct connection *writer, enum statement id, const struct object_kind *kind,
    const void *object, int64_t *ret_id, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(writer, id, &statement, ret_error);
    if (r < 0)
        return r;
    bind(statement, 1, kind, FIELD_ROWID, object);
    r = statement_step(statement, ret_error);
    statement_release(writer, id, statement);
    if (r == 0)
        *ret_id = sqlite3_last_insert_rowid(writer->db);
    return r;
}

static int64_t rowid_of(const struct object_kind *kind, const void *object)
{
    size_t i = 0;
    while (i < kind->count && !(kind->fields[i].flags & FIELD_ROWID))
        i++;
    CHECK(i < kind->count); /* every kind has one */
    return field_get_id(&kind->fields[i], object);
}

int update_object(struct connection *writer, enum statement id, const struct object_kind *kind,
    const void *object, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(writer, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, rowid_of(kind, object));
    bind(statement, 2, kind, FIELD_FIXED, object);
    r = statement_step(statement, ret_error);
    statement_release(writer, id, statement);
    return r;
}
