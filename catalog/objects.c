#include "objects.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Members that are text, in the order of the columns; they follow the integer columns. */
static const size_t user_texts[] = {
    offsetof(struct user, name), offsetof(struct user, nickname), offsetof(struct user, email),
    offsetof(struct user, description), offsetof(struct user, icon), offsetof(struct user, role),
    offsetof(struct user, password), offsetof(struct user, password_salt), offsetof(struct user, password_scheme),
};
static const size_t device_texts[] = {
    offsetof(struct device, name), offsetof(struct device, nickname), offsetof(struct device, description),
    offsetof(struct device, icon), offsetof(struct device, apikey), offsetof(struct device, role),
};
static const size_t stream_texts[] = {
    offsetof(struct stream, name), offsetof(struct stream, nickname), offsetof(struct stream, description),
    offsetof(struct stream, icon), offsetof(struct stream, schema), offsetof(struct stream, datatype),
};
enum { USER_TEXT_COLUMN = 2, DEVICE_TEXT_COLUMN = 6, STREAM_TEXT_COLUMN = 6 };

static char **text_at(void *object, size_t offset)
{
    return (char **)((char *)object + offset);
}

static int texts_borrow(sqlite3_stmt *statement, int column, void *object, const size_t *offsets, size_t count,
    struct error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char *text = sqlite3_column_text(statement, column + (int)i);
        if (!text) /* the columns are NOT NULL */
            return error_set(ret_error, ENOMEM, "out of memory in the catalog");
        *text_at(object, offsets[i]) = (char *)(uintptr_t)text;
    }
    return 0;
}

static void texts_free(void *object, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(*text_at(object, offsets[i]));
}

/* Replaces borrowed texts by copies. */
static int texts_own(void *object, const size_t *offsets, size_t count, struct error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        char **text = text_at(object, offsets[i]);
        *text = strdup(*text);
        if (!*text) {
            texts_free(object, offsets, i);
            return error_set(ret_error, ENOMEM, "out of memory in the catalog");
        }
    }
    return 0;
}

int user_borrow(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error)
{
    *ret_user = (struct user){
        .id = sqlite3_column_int64(statement, 0),
        .is_public = sqlite3_column_int(statement, 1) != 0,
    };
    return texts_borrow(statement, USER_TEXT_COLUMN, ret_user, user_texts, COUNT_OF(user_texts), ret_error);
}

int device_borrow(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error)
{
    *ret_device = (struct device){
        .id = sqlite3_column_int64(statement, 0),
        .user_id = sqlite3_column_int64(statement, 1),
        .enabled = sqlite3_column_int(statement, 2) != 0,
        .is_public = sqlite3_column_int(statement, 3) != 0,
        .visible = sqlite3_column_int(statement, 4) != 0,
        .user_editable = sqlite3_column_int(statement, 5) != 0,
    };
    return texts_borrow(statement, DEVICE_TEXT_COLUMN, ret_device, device_texts, COUNT_OF(device_texts), ret_error);
}

int stream_borrow(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error)
{
    *ret_stream = (struct stream){
        .id = sqlite3_column_int64(statement, 0),
        .device_id = sqlite3_column_int64(statement, 1),
        .ephemeral = sqlite3_column_int(statement, 2) != 0,
        .downlink = sqlite3_column_int(statement, 3) != 0,
        .series_id = (uint64_t)sqlite3_column_int64(statement, 4),
        .downlink_series_id = (uint64_t)sqlite3_column_int64(statement, 5),
    };
    return texts_borrow(statement, STREAM_TEXT_COLUMN, ret_stream, stream_texts, COUNT_OF(stream_texts), ret_error);
}

int user_load(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error)
{
    struct user user;
    int r = user_borrow(statement, &user, ret_error);
    if (r == 0)
        r = texts_own(&user, user_texts, COUNT_OF(user_texts), ret_error);
    if (r == 0)
        *ret_user = user;
    return r;
}

int device_load(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error)
{
    struct device device;
    int r = device_borrow(statement, &device, ret_error);
    if (r == 0)
        r = texts_own(&device, device_texts, COUNT_OF(device_texts), ret_error);
    if (r == 0)
        *ret_device = device;
    return r;
}

int stream_load(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error)
{
    struct stream stream;
    int r = stream_borrow(statement, &stream, ret_error);
    if (r == 0)
        r = texts_own(&stream, stream_texts, COUNT_OF(stream_texts), ret_error);
    if (r == 0)
        *ret_stream = stream;
    return r;
}

void user_free(struct user *user)
{
    texts_free(user, user_texts, COUNT_OF(user_texts));
    *user = (struct user){0};
}

void device_free(struct device *device)
{
    texts_free(device, device_texts, COUNT_OF(device_texts));
    *device = (struct device){0};
}

void stream_free(struct stream *stream)
{
    texts_free(stream, stream_texts, COUNT_OF(stream_texts));
    *stream = (struct stream){0};
}
