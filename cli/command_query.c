/* query: datapoints of a stream through a script, by the server when one runs, else by this process; or those
 * of a text on standard input. */
#include "commands.h"

#include "control.h"
#include "database_paths.h"
#include "job.h"
#include "open_here.h"
#include "options.h"
#include "output_sink.h"
#include "points_input.h"
#include "script.h"
#include "stream_query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a stream ---- */

struct stream_work {
    const struct stream_query *query;
    struct sink *output;
};

static int query_here(struct database *database, void *context, struct error *ret_error)
{
    const struct stream_work *work = context;
    return stream_query_print(database, work->query, work->output, ret_error);
}

static int query_stream(
    const char *argument, const struct stream_query *query, struct sink *output, struct error *ret_error)
{
    struct control_connection connection;
    struct database_paths paths;
    int r = database_paths_find(argument, &paths, ret_error);
    if (r == 0)
        r = control_reach(paths.directory, &connection, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return with_database_here(
            &paths, "query", false, query_here, &(struct stream_work){query, output}, ret_error);
    r = control_query(&connection, query, output, ret_error);
    control_free(&connection);
    return r;
}

/* ---- standard input ---- */

static int print_run(struct script_run *run, uint64_t limit, struct points_text *text, struct sink *output,
    struct error *ret_error)
{
    const struct batch *batch;
    struct batch part;
    uint64_t count = 0;
    int r = points_text_begin(output, text);
    while (r == 0 && (limit == 0 || count < limit) && (r = script_run_next(run, &batch, ret_error)) == 0 &&
           batch) {
        uint64_t left = limit > 0 ? limit - count : batch->count;
        batch_slice(batch, 0, left < batch->count ? (uint32_t)left : batch->count, &part);
        r = points_text_print(output, text, &part);
        count += part.count;
    }
    if (r == 0)
        r = points_text_end(output, text);
    if (r == 0 && text->format == POINTS_JSON)
        r = sink_write(output, "\n", 1);
    if (r == 0)
        r = sink_flush(output);
    return r < 0 && output->failed ? error_set(ret_error, output->error.code, "%s", output->error.message)
                                   : r;
}

static int query_input(const struct stream_query *query, struct sink *output, struct error *ret_error)
{
    const char *text = query->transform ? query->transform : "";
    struct points_input *input = NULL;
    struct script *script = NULL;
    struct script_run *run = NULL;
    struct points_output printed = {0};
    struct range range;
    int r = stream_query_range(query, &range, ret_error);
    if (r == 0)
        r = points_output_open(query->format, false, &query->output, &printed, ret_error);
    if (r == 0)
        r = script_compile(text, strlen(text), NULL, &script, ret_error);
    if (r == 0)
        r = points_input_open(STDIN_FILENO, "standard input", &input, ret_error);
    if (r == 0 && script_run_open(script, points_input_next, input, &run) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory for a script");
    if (r == 0)
        r = print_run(run, range.limit, &printed.text, output, ret_error);
    script_run_close(run);
    points_input_close(input);
    script_free(script);
    points_output_close(&printed);
    return r;
}

/* ---- the command ---- */

static int check_arguments(char **arguments, const struct stream_query *query)
{
    struct range range;
    struct error error = {0};
    bool input = !strcmp(arguments[0], "-");
    struct points_output output;
    int r = points_output_open(query->format, false, &query->output, &output, &error);
    points_output_close(&output);
    if (r < 0)
        return usage_error("query", "%s", error.message);
    if (input && arguments[1])
        return usage_error("query", "reads standard input, which has no '%s'", arguments[1]);
    if (input && (query->i1 || query->i2 || query->t1 || query->t2 || query->downlink))
        return usage_error("query", "takes all of standard input: only --transform and --limit go with it");
    if (!input && !arguments[1])
        return usage_error("query", "which stream? PATH is user/device/stream");
    if (stream_query_range(query, &range, &error) < 0)
        return usage_error("query", "%s", error.message);
    return EXIT_GOOD;
}

static bool find_format(const char *name, enum points_format *ret_format)
{
    static const char *const NAMES[] = {
        [POINTS_JSON] = "json", [POINTS_NDJSON] = "ndjson", [POINTS_CSV] = "csv"};
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *ret_format = i;
            return true;
        }
    }
    return false;
}

int command_query(int argc, char **argv)
{
    struct stream_query query = {0};
    const char *format = "json";

    const struct option_entry options[] = {
        {"transform", 't', OPTION_TEXT, "SCRIPT", "what is made of the datapoints, in PipeScript",
            &query.transform, 0, 0},
        {"t1", 0, OPTION_TEXT, "T", "only datapoints with a time > T, in unix seconds", &query.t1, 0, 0},
        {"t2", 0, OPTION_TEXT, "T", "only datapoints with a time <= T", &query.t2, 0, 0},
        {"i1", 0, OPTION_TEXT, "N", "from the datapoint of index N; negative: from the end", &query.i1, 0, 0},
        {"i2", 0, OPTION_TEXT, "N", "up to the index before N", &query.i2, 0, 0},
        {"limit", 0, OPTION_TEXT, "N", "at most N results; not with an index", &query.limit, 0, 0},
        {"downlink", 0, OPTION_FLAG, NULL, "of the stream's downlink", &query.downlink, 0, 0},
        {"format", 'f', OPTION_TEXT, "json|ndjson|csv", "how they are printed; default json", &format, 0, 0},
        {"time", 0, OPTION_TEXT, "unix|rfc3339", "CSV: how times are printed; default unix",
            &query.output.time, 0, 0},
        {"tz", 0, OPTION_TEXT, "ZONE", "CSV: the time zone of rfc3339, such as Europe/Berlin or Local; UTC",
            &query.output.tz, 0, 0},
        {"columns", 0, OPTION_TEXT, "NAMES", "CSV: these members of objects (a,b), each as a column",
            &query.output.columns, 0, 0},
    };
    const struct command_line line = {"query DB PATH",
        "Prints the datapoints of the stream PATH (user/device/stream) as JSON, NDJSON or CSV, or what a "
        "script "
        "makes\n"
        "of them. Works while a server runs on DB and without. With - instead of DB and PATH the datapoints "
        "come\n"
        "from standard input: a JSON array, one JSON object on each line, or CSV with a header in which one\n"
        "column is called t, time or timestamp.",
        options, sizeof(options) / sizeof(options[0]), 1, 2};
    struct sink output = {0};
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (!find_format(format, &query.format))
        return usage_error(argv[0], "--format must be json, ndjson or csv, not '%s'", format);
    exit_code = check_arguments(arguments, &query);
    if (exit_code != EXIT_GOOD)
        return exit_code;
    int r = job_open_log(&error);
    if (r == 0)
        r = output_sink_open(&output, &error);
    query.path = arguments[1];
    if (r == 0)
        r = query.path ? query_stream(arguments[0], &query, &output, &error)
                       : query_input(&query, &output, &error);
    output_sink_free(&output);
    return r < 0 ? command_failed("%s", error.message) : EXIT_GOOD;
}
