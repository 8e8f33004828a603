#include "change_log.h"

#include "batch.h"
#include "log.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { ENTRY_BYTES_MAX = 2 * PATH_BYTES_MAX };

/* ---- the entry: {"cmd":"UpdateDevice","arg":"user/device"} in msgpack ---- */

struct entry {
    uint8_t bytes[ENTRY_BYTES_MAX];
    size_t size;
};

/* At most 255 bytes. */
static void put_text(struct entry *entry, const char *text)
{
    enum { FIXSTR = 0xa0, FIXSTR_BYTES_MAX = 31, STR8 = 0xd9 };
    size_t size = strlen(text);
    if (size <= FIXSTR_BYTES_MAX) {
        entry->bytes[entry->size++] = (uint8_t)(FIXSTR | size);
    } else {
        entry->bytes[entry->size++] = STR8;
        entry->bytes[entry->size++] = (uint8_t)size;
    }
    memcpy(entry->bytes + entry->size, text, size);
    entry->size += size;
}

static void entry_make(struct entry *entry, const char *verb, const char *kind, const char *path)
{
    enum { MAP_OF_TWO = 0x82 };
    char command[32] = "";
    strcat(command, verb);
    strcat(command, kind);
    entry->size = 0;
    entry->bytes[entry->size++] = MAP_OF_TWO;
    put_text(entry, "cmd");
    put_text(entry, command);
    put_text(entry, "arg");
    put_text(entry, path);
}

/* ---- appending ---- */

static int append(
    const struct request *request, uint64_t series_id, const struct entry *entry, struct error *ret_error)
{
    static const char SENDER[] = "ConnectorDB";
    struct batch batch;
    batch_init(&batch);
    int r = batch_push_msgpack(&batch, (double)NAN, entry->bytes, entry->size);
    if (r == 0)
        r = batch_set_senders(&batch, SENDER, sizeof(SENDER) - 1);
    if (r < 0)
        (void)error_set(ret_error, -r, "out of memory");
    else
        r = store_append(
            request->server->database->store, series_id, &batch, STORE_APPEND_RESTAMP, NULL, ret_error);
    batch_free(&batch);
    return r;
}

/* Every user of a running server has a log, except one that was imported without it a moment ago. */
static int find_log(
    struct catalog *catalog, const char *user, struct stream_place *ret_place, struct error *ret_error)
{
    int r = catalog_stream_place(catalog, user, "meta", "log", ret_place, ret_error);
    if (r != -ENOENT)
        return r;
    r = catalog_add_logs(catalog, NULL, ret_error);
    return r < 0 ? r : catalog_stream_place(catalog, user, "meta", "log", ret_place, ret_error);
}

/* A user that is gone has no log any more; a log that was cut since it was looked up has another series, and
 * is looked up again. */
static void log_for(const struct request *request, const char *user, const struct entry *entry)
{
    struct stream_place place = {0};
    struct error error = {0};
    int r = find_log(request->server->database->catalog, user, &place, &error);
    if (r == 0)
        r = append(request, place.series_id, entry, &error);
    uint64_t series_id = place.series_id;
    if (r == -ENOENT && find_log(request->server->database->catalog, user, &place, &error) == 0 &&
        place.series_id != series_id)
        r = append(request, place.series_id, entry, &error);
    if (r < 0 && r != -ENOENT)
        log_warn("the log of changes of user %s lacks an entry: %s", user, error.message);
}

/* The stream that an entry about its own deletion would go to: it is empty again. */
static bool is_log_of(const struct request *request, const char *user)
{
    return request->stream && strcmp(request->user, user) == 0 && strcmp(request->device, "meta") == 0 &&
           strcmp(request->stream, "log") == 0;
}

/* The user of the path was deleted, and its log as well. */
static bool is_gone(const struct request *request, const char *verb)
{
    return !request->device && strcmp(verb, "Delete") == 0;
}

void change_log(const struct request *request, const char *verb, const char *kind)
{
    char path[PATH_BYTES_MAX + 1];
    struct entry entry;
    bool own = strcmp(request->user, request->login.identity.user) == 0;
    entry_make(&entry, verb, kind, request_path(request, path));
    if (!own)
        log_for(request, request->login.identity.user, &entry);
    if (!is_log_of(request, request->user) && !is_gone(request, verb))
        log_for(request, request->user, &entry);
}
