#include "report_ask.h"

#include "control.h"
#include "database_paths.h"
#include "open_here.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 64 << 10, LINE_BYTES_MAX = 1 << 20 };

/* Makes objects of lines that come in pieces. */
struct lines {
    report_receiver receive;
    void *context;
    struct buffer line; /* not yet whole */
};

static int take_line(struct lines *lines, struct error *ret_error)
{
    json_t *object = json_loadb((const char *)lines->line.data, lines->line.size, 0, NULL);
    if (!object)
        return error_set(ret_error, EBADMSG,
            "the server of the database answers in an unknown way: is it of another version?");
    int r = lines->receive(lines->context, object, ret_error);
    json_decref(object);
    lines->line.size = 0;
    return r;
}

static int flush_lines(struct sink *sink, struct error *ret_error)
{
    struct lines *lines = sink->context;
    const uint8_t *at = sink->buffer, *end = sink->buffer + sink->used;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        if (lines->line.size + size > LINE_BYTES_MAX)
            return error_set(ret_error, E2BIG, "a line of the report is too long");
        int r = buffer_append(&lines->line, at, size);
        if (r < 0)
            return error_set(ret_error, -r, "out of memory");
        r = line_end ? take_line(lines, ret_error) : 0;
        if (r < 0)
            return r;
        at += size + (line_end != NULL);
    }
    return 0;
}

struct report_work {
    const char *name, *path;
    struct sink *sink;
};

static int ask_here(struct database *database, void *context, struct error *ret_error)
{
    const struct report_work *work = context;
    return report_print(
        &(struct report_source){.database = database}, work->name, work->path, work->sink, ret_error);
}

int report_ask(const char *database, const char *name, const char *path, report_receiver receive,
    void *context, bool *ret_served, struct error *ret_error)
{
    struct control_connection connection;
    struct database_paths paths;
    struct lines lines = {.receive = receive, .context = context};
    struct sink sink = {
        .buffer = malloc(PIECE_BYTES), .capacity = PIECE_BYTES, .flush = flush_lines, .context = &lines};
    if (!sink.buffer)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = database_paths_find(database, &paths, ret_error);
    if (r == 0)
        r = control_reach(paths.directory, &connection, ret_error);
    if (ret_served)
        *ret_served = r > 0;
    if (r == 0) {
        r = with_database_here(
            &paths, name, false, ask_here, &(struct report_work){name, path, &sink}, ret_error);
    } else if (r > 0) {
        r = control_report(&connection, name, path, &sink, ret_error);
        control_free(&connection);
    }
    free(sink.buffer);
    buffer_free(&lines.line);
    return r;
}
