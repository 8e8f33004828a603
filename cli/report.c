#include "report.h"

#include "clock.h"
#include "file.h"
#include "server.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    LARGEST_STREAMS = 5,
    BACKUP_NOTE_BYTES_MAX = 16384,
    DISK_FEW_PERCENT = 10,
};

/* ---- streams ---- */

struct found {
    char path[PATH_BYTES_MAX + 16];
    uint64_t length, bytes;
    double first, last;
};

struct walk {
    struct database_snapshot snapshot;
    const char *path; /* "" or user[/device[/stream]] */
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1];
    bool any;
    int (*visit)(struct walk *walk, const struct found *found);
    struct sink *sink;
    struct found largest[LARGEST_STREAMS]; /* by bytes, descending */
    unsigned largest_count;
    uint64_t points, bytes;
    struct error *error;
};

/* Whether component number `level` of the wanted path is this name, or there is none. */
static bool is_wanted(const struct walk *walk, unsigned level, const char *name)
{
    const char *at = walk->path;
    for (unsigned i = 0; at && *at && i < level; i++) {
        at = strchr(at, '/');
        at = at ? at + 1 : NULL;
    }
    if (!at || !*at)
        return true;
    size_t length = strcspn(at, "/");
    return strlen(name) == length && strncmp(at, name, length) == 0;
}

static int visit_series(struct walk *walk, const struct stream *stream, bool downlink)
{
    uint64_t series_id = downlink ? stream->downlink_series_id : stream->series_id;
    struct store_series series;
    struct found found;
    int r = store_snapshot_series(walk->snapshot.store, series_id, &series, walk->error);
    if (r == 0)
        r = store_snapshot_series_bytes(walk->snapshot.store, series_id, &found.bytes, walk->error);
    if (r < 0)
        return r;
    (void)snprintf(found.path, sizeof(found.path), "%s/%s/%s%s", walk->user, walk->device, stream->name,
        downlink ? "/downlink" : "");
    found.length = series.length;
    found.first = series.time_first;
    found.last = series.time_last;
    walk->points += found.length;
    walk->bytes += found.bytes;
    return walk->visit(walk, &found);
}

static int visit_stream(void *context, const struct stream *stream)
{
    struct walk *walk = context;
    if (!is_wanted(walk, 2, stream->name))
        return 0;
    walk->any = true;
    int r = visit_series(walk, stream, false);
    if (r == 0 && stream->downlink_series_id)
        r = visit_series(walk, stream, true);
    return r;
}

static int visit_device(void *context, const struct device *device)
{
    struct walk *walk = context;
    if (!is_wanted(walk, 1, device->name))
        return 0;
    walk->any |= !strchr(walk->path, '/') || !strchr(strchr(walk->path, '/') + 1, '/');
    (void)snprintf(walk->device, sizeof(walk->device), "%s", device->name);
    return catalog_each_stream(walk->snapshot.catalog, device->id, visit_stream, walk, walk->error);
}

static int visit_user(void *context, const struct user *user)
{
    struct walk *walk = context;
    if (!is_wanted(walk, 0, user->name))
        return 0;
    walk->any |= !strchr(walk->path, '/');
    (void)snprintf(walk->user, sizeof(walk->user), "%s", user->name);
    return catalog_each_device(walk->snapshot.catalog, user->id, visit_device, walk, walk->error);
}

static int walk_streams(struct database *database, struct walk *walk)
{
    int r = database_snapshot_open(database, &walk->snapshot, walk->error);
    if (r == 0)
        r = catalog_each_user(walk->snapshot.catalog, visit_user, walk, walk->error);
    if (r == 0 && *walk->path && !walk->any)
        r = error_set(walk->error, ENOENT, "there is nothing at %.100s", walk->path);
    database_snapshot_close(&walk->snapshot);
    return r;
}

/* ---- lines ---- */

static int print_object(struct sink *sink, json_t *object, struct error *ret_error)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return error_set(ret_error, ENOMEM, "out of memory");
    (void)sink_write(sink, text, strlen(text));
    int r = sink_write(sink, "\n", 1);
    free(text);
    return r < 0 ? error_set(ret_error, sink->error.code, "%s", sink->error.message) : 0;
}

static json_t *pack_found(const struct found *found)
{
    if (found->length == 0)
        return json_pack(
            "{s:s,s:i,s:I}", "path", found->path, "length", 0, "bytes", (json_int_t)found->bytes);
    return json_pack("{s:s,s:I,s:f,s:f,s:I}", "path", found->path, "length", (json_int_t)found->length,
        "first", found->first, "last", found->last, "bytes", (json_int_t)found->bytes);
}

static int print_found(struct walk *walk, const struct found *found)
{
    return print_object(walk->sink, pack_found(found), walk->error);
}

static int print_streams(
    struct database *database, const char *path, struct sink *sink, struct error *ret_error)
{
    struct walk walk = {.path = path, .visit = print_found, .sink = sink, .error = ret_error};
    unsigned slashes = 0;
    for (const char *c = path; *c; c++)
        slashes += *c == '/';
    if (slashes > 2)
        return error_set(
            ret_error, EINVAL, "'%.100s' is no path: user, user/device or user/device/stream", path);
    return walk_streams(database, &walk);
}

/* ---- the parts of the status ---- */

static int keep_largest(struct walk *walk, const struct found *found)
{
    unsigned place = walk->largest_count;
    if (found->length == 0)
        return 0;
    while (place > 0 && walk->largest[place - 1].bytes < found->bytes)
        place--;
    if (place == LARGEST_STREAMS)
        return 0;
    if (walk->largest_count < LARGEST_STREAMS)
        walk->largest_count++;
    memmove(&walk->largest[place + 1], &walk->largest[place],
        (walk->largest_count - 1 - place) * sizeof(walk->largest[0]));
    walk->largest[place] = *found;
    return 0;
}

static json_t *pack_largest(const struct walk *walk)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < walk->largest_count; i++)
        (void)json_array_append_new(list, pack_found(&walk->largest[i]));
    return list;
}

static json_t *pack_server(const struct report_source *source)
{
    if (source->started_s <= 0)
        return json_null();
    struct server_counts counts = {0};
    if (source->server)
        server_count(source->server, &counts);
    return json_pack("{s:i,s:s?,s:f,s:f,s:I,s:I,s:I,s:I,s:I}", "process", (int)getpid(), "address",
        source->address, "started", source->started_s, "uptime", clock_now_seconds() - source->started_s,
        "requests", (json_int_t)counts.requests, "connections", (json_int_t)counts.connections,
        "connections_max", (json_int_t)counts.connections_max, "websockets", (json_int_t)counts.websockets,
        "failed_logins", (json_int_t)counts.failed_logins);
}

static json_t *pack_store(const struct store_metrics *metrics, const struct walk *walk, const char *io)
{
    const struct store_stats *stats = &metrics->stats;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "points", (json_int_t)walk->points,
        "journals", (json_int_t)stats->journal_count, "journals_max", (json_int_t)metrics->journals_max,
        "journals_unsealed", (json_int_t)metrics->journals_closed, "journal_bytes",
        (json_int_t)metrics->journal_bytes, "segments", (json_int_t)stats->segment_count, "segment_bytes",
        (json_int_t)stats->segment_bytes, "inserts", (json_int_t)stats->appended_batches, "inserted_points",
        (json_int_t)stats->appended_points, "commits", (json_int_t)stats->commits, "refused",
        (json_int_t)(metrics->refused_busy + metrics->refused_no_space + metrics->refused_dead), "storage",
        io);
}

static _Thread_local uint64_t folder_blocks;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)path;
    (void)type;
    (void)place;
    folder_blocks += (uint64_t)status->st_blocks;
    return 0;
}

static json_t *pack_disk(const char *directory, struct statvfs *ret_disk)
{
    enum { DESCRIPTORS = 8, BLOCK_BYTES = 512 };
    folder_blocks = 0;
    (void)nftw(directory, add_file, DESCRIPTORS, FTW_PHYS); /* what goes away meanwhile does not count */
    if (statvfs(directory, ret_disk) < 0)
        *ret_disk = (struct statvfs){0};
    return json_pack("{s:I,s:I,s:I}", "used", (json_int_t)(folder_blocks * BLOCK_BYTES), "free",
        (json_int_t)((uint64_t)ret_disk->f_bavail * ret_disk->f_frsize), "size",
        (json_int_t)((uint64_t)ret_disk->f_blocks * ret_disk->f_frsize));
}

/* ---- the last backup ---- */

static bool note_path(const char *database, const char *suffix, char to[PATH_MAX])
{
    return (size_t)snprintf(to, PATH_MAX, "%s/" DATABASE_BACKUP_NOTE "%s", database, suffix) < PATH_MAX;
}

void report_note_backup(const char *database, const char *folder)
{
    char path[PATH_MAX], new[PATH_MAX];
    if (!note_path(database, "", path) || !note_path(database, ".new", new))
        return;
    json_t *note = json_pack("{s:f,s:s}", "time", clock_now_seconds(), "folder", folder);
    char *text = note ? json_dumps(note, JSON_COMPACT) : NULL;
    json_decref(note);
    if (!text)
        return;
    (void)unlink(new);
    if (file_write_new(new, 0600, text, strlen(text), true, NULL) == 0)
        (void)rename(new, path);
    free(text);
}

static json_t *pack_backup(const char *database)
{
    char path[PATH_MAX];
    struct buffer text = {0};
    json_t *note = NULL;
    if (note_path(database, "", path) && file_read_regular(path, BACKUP_NOTE_BYTES_MAX, &text, NULL) == 0)
        note = json_loadb((const char *)text.data, text.size, 0, NULL);
    buffer_free(&text);
    if (json_is_object(note))
        return note;
    json_decref(note);
    return json_null();
}

/* ---- health ---- */

static void add_problem(json_t *problems, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_problem(json_t *problems, const char *format, ...)
{
    char text[ERROR_MESSAGE_BYTES + 64];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)json_array_append_new(problems, json_string(text));
}

static void judge_store(const struct store_metrics *metrics, bool serves, json_t *problems)
{
    static const char *const TASKS[STORE_TASKS] = {[STORE_TASK_ALLOCATE] = "enlarging the journal",
        [STORE_TASK_PREPARE] = "preparing a journal",
        [STORE_TASK_SEAL] = "sealing",
        [STORE_TASK_MERGE] = "merging"};
    if (serves && metrics->unready.code)
        add_problem(problems, "inserts are not taken: %s", metrics->unready.message);
    if (metrics->damage.code)
        add_problem(problems, "damage: %s", metrics->damage.message);
    for (unsigned i = 0; i < STORE_TASKS; i++) {
        if (metrics->tasks[i].error.code)
            add_problem(problems, "%s fails: %s", TASKS[i], metrics->tasks[i].error.message);
    }
    if (serves && metrics->journals_closed + 1 >= metrics->journals_max)
        add_problem(problems, "%u full journals wait to be sealed", metrics->journals_closed);
}

static void judge_disk(const struct statvfs *disk, json_t *problems)
{
    uint64_t free_percent = disk->f_blocks > 0 ? (uint64_t)disk->f_bavail * 100 / disk->f_blocks : 100;
    if (free_percent < DISK_FEW_PERCENT)
        add_problem(problems, "the disk is nearly full: %llu %% are free", (unsigned long long)free_percent);
}

/* ---- the status ---- */

/* Everything but the store's metrics, which are large. */
static int gather_status(const struct report_source *source, const struct store_metrics *metrics,
    const struct walk *walk, json_t **ret_status, struct error *ret_error)
{
    struct database *database = source->database;
    struct statvfs disk;
    uint64_t users, devices, streams;
    bool serves = source->started_s > 0;
    int r = catalog_counts(database->catalog, &users, &devices, &streams, ret_error);
    if (r < 0)
        return r;
    json_t *problems = json_array(), *of_disk = pack_disk(database->path, &disk);
    judge_store(metrics, serves, problems);
    judge_disk(&disk, problems);
    bool takes = !serves || !metrics->unready.code;
    *ret_status = json_pack("{s:s,s:s,s:o,s:{s:I,s:I,s:I},s:o,s:o,s:o,s:o,s:{s:b,s:o}}", "database",
        database->path, "version", CONNECTORDB_VERSION, "server", pack_server(source), "catalog", "users",
        (json_int_t)users, "devices", (json_int_t)devices, "streams", (json_int_t)streams, "store",
        pack_store(metrics, walk, store_io_name(database->store)), "disk", of_disk, "largest",
        pack_largest(walk), "last_backup", pack_backup(database->path), "health", "good",
        takes && !metrics->damage.code, "problems", problems);
    return *ret_status ? 0 : error_set(ret_error, ENOMEM, "out of memory, or a path is no UTF-8");
}

static int print_status(const struct report_source *source, struct sink *sink, struct error *ret_error)
{
    struct walk walk = {.path = "", .visit = keep_largest, .error = ret_error};
    struct store_metrics *metrics = malloc(sizeof(*metrics));
    json_t *status = NULL;
    if (!metrics)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = walk_streams(source->database, &walk);
    if (r == 0) {
        store_get_metrics(source->database->store, metrics);
        r = gather_status(source, metrics, &walk, &status, ret_error);
    }
    free(metrics);
    return r == 0 ? print_object(sink, status, ret_error) : r;
}

int report_print(const struct report_source *source, const char *name, const char *path, struct sink *sink,
    struct error *ret_error)
{
    int r;
    if (strcmp(name, REPORT_STATUS) == 0)
        r = print_status(source, sink, ret_error);
    else if (strcmp(name, REPORT_STREAMS) == 0)
        r = print_streams(source->database, path, sink, ret_error);
    else
        return error_set(ret_error, EINVAL, "'%.40s' is no report", name);
    if (r == 0 && sink_flush(sink) < 0)
        r = error_set(ret_error, sink->error.code, "%s", sink->error.message);
    return r;
}
