/* stream: work on single streams, by the server when one runs, else by this process. */
#include "commands.h"

#include "clock.h"
#include "control.h"
#include "cut.h"
#include "database.h"
#include "job.h"
#include "number.h"
#include "options.h"
#include "database_paths.h"
#include "progress_line.h"
#include "stream_list.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- cut ---- */

static int cut_here(const struct database_paths *paths, const struct cut_options *options,
    struct cut_result *ret_result, struct error *ret_error)
{
    struct configuration configuration;
    struct database *database = NULL;
    int r = database_paths_read_configuration(paths, &configuration, ret_error);
    if (r < 0)
        return r;
    r = (options->dry_run ? database_open_for_reading : database_open_as)(
        paths->directory, "stream", &configuration.store, &database, ret_error);
    if (r == 0)
        r = cut_stream(database, options, ret_result, ret_error);
    struct error close_error;
    int closed = database_close(database, &close_error);
    if (r == 0 && closed < 0)
        r = error_set(ret_error, close_error.code, "%s", close_error.message);
    configuration_free(&configuration);
    return r;
}

/* Where the cut points go unless --keep says it: beside the database. */
static int default_folder(const struct database_paths *paths, const struct cut_options *options,
    char path[PATH_MAX], struct error *ret_error)
{
    char stream[PATH_BYTES_MAX + 1], now[32];
    struct timespec time;
    struct tm fields;
    (void)clock_gettime(CLOCK_REALTIME, &time);
    (void)gmtime_r(&time.tv_sec, &fields);
    (void)strftime(now, sizeof(now), "%Y%m%dT%H%M%SZ", &fields);
    (void)snprintf(stream, sizeof(stream), "%s", options->path);
    for (char *slash = stream; (slash = strchr(slash, '/'));)
        *slash = '-';
    int length = snprintf(path, PATH_MAX, "%s.cut-%s%s-%s", paths->directory, stream,
        options->downlink ? "-downlink" : "", now);
    return length < 0 || length >= PATH_MAX
               ? error_set(ret_error, ENAMETOOLONG, "%.200s...: the path is too long", paths->directory)
               : 0;
}

static int cut(const struct database_paths *paths, const char *keep, struct cut_options *options,
    char folder[PATH_MAX], struct cut_result *ret_result, struct error *ret_error)
{
    struct control_connection connection;
    int r = keep ? job_folder_path(keep, folder, true, ret_error)
                 : default_folder(paths, options, folder, ret_error);
    if (r < 0)
        return r;
    options->directory = folder;
    r = control_reach(paths->directory, &connection, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return cut_here(paths, options, ret_result, ret_error);
    r = control_cut(&connection, options, ret_result, ret_error);
    control_free(&connection);
    return r;
}

static const char *time_text(double time, char to[NUMBER_TEXT_MAX + 1])
{
    to[number_print_double(to, time)] = '\0';
    return to;
}

static void print_result(const struct cut_options *options, const struct cut_result *result)
{
    char after[NUMBER_TEXT_MAX + 1], first[NUMBER_TEXT_MAX + 1], last[NUMBER_TEXT_MAX + 1];
    char kept_last[NUMBER_TEXT_MAX + 32] = "";
    unsigned long long kept = result->kept, points = result->cut;
    const char *series = options->downlink ? " (downlink)" : "";
    if (kept > 0)
        (void)snprintf(
            kept_last, sizeof(kept_last), ", the last with t=%s", time_text(result->kept_last, last));
    if (points == 0) {
        print_line("%s%s: no points after %s, nothing was changed: it has %llu point%s%s", options->path,
            series, time_text(options->after, after), kept, kept == 1 ? "" : "s", kept_last);
        return;
    }
    print_line("%s%s: %s %llu point%s after %s (t=%s to %s); %llu %s%s", options->path, series,
        options->dry_run ? "would cut" : "cut", points, points == 1 ? "" : "s",
        time_text(options->after, after), time_text(result->cut_first, first),
        time_text(result->cut_last, last), kept, kept == 1 ? "is kept" : "are kept", kept_last);
    if (!options->dry_run)
        print_line("%s", options->directory);
}

static int run_cut(const char *database, const char *keep, struct cut_options *options)
{
    struct progress_line line;
    struct cut_result result = {0};
    struct database_paths paths;
    struct error error = {0};
    char folder[PATH_MAX];
    job_catch_signals();
    progress_line_init(&line);
    options->transfer.cancel = job_cancelled();
    if (!common_options.quiet) {
        options->transfer.progress = progress_line_show;
        options->transfer.context = &line;
    }
    int r = job_open_log(&error);
    if (r == 0)
        r = database_paths_find(database, &paths, &error);
    if (r == 0)
        r = cut(&paths, keep, options, folder, &result, &error);
    progress_line_clear(&line);
    if (r == -EACCES && !keep)
        (void)error_prefix(&error, "the points to be cut have no place (--keep DIR names one)");
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet)
        print_result(options, &result);
    return EXIT_GOOD;
}

/* Unix seconds, or "now". */
static bool parse_time(const char *text, double *ret_time)
{
    struct number number;
    bool overflow;
    const char *end = text + strlen(text);
    if (!strcmp(text, "now")) {
        *ret_time = clock_now_seconds();
        return true;
    }
    if (number_parse(text, end, &number, &overflow) != end)
        return false;
    *ret_time = number_double(&number);
    return isfinite(*ret_time);
}

/* ---- the command ---- */

static int run_list(char **arguments, const char *by, bool json)
{
    static const char *const NAMES[] = {[STREAM_LIST_BY_STREAM] = "stream",
        [STREAM_LIST_BY_DEVICE] = "device",
        [STREAM_LIST_BY_USER] = "user"};
    const char *path = arguments[2] ? arguments[2] : "";
    if (strcmp(arguments[1], "ls") == 0)
        return by ? usage_error("stream", "--by goes with usage") : stream_list(arguments[0], path, json);
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (!by || strcmp(by, NAMES[i]) == 0)
            return stream_usage(arguments[0], path, i, json);
    }
    return usage_error("stream", "--by must be stream, device or user, not '%s'", by);
}

static int check_cut(struct cut_options *options, const char *path, const char *after)
{
    if (!path)
        return usage_error("stream", "cut needs PATH: user/device/stream");
    options->path = path;
    if (!cut_path_valid(path))
        return usage_error("stream", "PATH must be user/device/stream, not '%s'", path);
    if (!after)
        return usage_error("stream", "cut needs --after T: the time in unix seconds after which points go");
    if (!parse_time(after, &options->after))
        return usage_error(
            "stream", "--after must be a time in unix seconds (like 1764000000) or now, not '%s'", after);
    return EXIT_GOOD;
}

int command_stream(int argc, char **argv)
{
    struct cut_options cut_options = {0};
    const char *after = NULL, *keep = NULL, *by = NULL;
    bool json = false;
    const struct option_entry options[] = {
        {"by", 0, OPTION_TEXT, "stream|device|user", "usage: what is summed up; default stream", &by, 0, 0},
        {"json", 0, OPTION_FLAG, NULL, "ls, usage: prints a JSON object on each line", &json, 0, 0},
        {"after", 0, OPTION_TEXT, "now|T", "cut: the points with a time > T, in unix seconds", &after, 0, 0},
        {"downlink", 0, OPTION_FLAG, NULL, "cut: the stream's downlink instead", &cut_options.downlink, 0, 0},
        {"keep", 0, OPTION_TEXT, "DIR", "cut: the new folder for what is cut; default: beside DB", &keep, 0,
            0},
        {"dry-run", 0, OPTION_FLAG, NULL, "cut: only says what would be cut", &cut_options.dry_run, 0, 0},
    };
    const struct command_line line = {"stream DB ls|usage|cut [PATH]",
        "ls lists the streams at or below PATH (user, user/device or user/device/stream; default all) with\n"
        "their points, first and last time and bytes on the disk; usage lists what they take, the largest "
        "first.\n"
        "cut mends a stream with times too far ahead, which takes no real ones any more (milliseconds by\n"
        "mistake): removes the points of PATH with a time after T. What is cut is first written to an "
        "export\n"
        "folder, which is printed. Works while a server runs on DB and without; a stream that is cut takes "
        "no\n"
        "inserts meanwhile.",
        options, sizeof(options) / sizeof(options[0]), 2, 3};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (strcmp(arguments[1], "ls") == 0 || strcmp(arguments[1], "usage") == 0)
        return run_list(arguments, by, json);
    if (strcmp(arguments[1], "cut") != 0)
        return usage_error(argv[0], "does not know '%s', only ls, usage and cut", arguments[1]);
    exit_code = check_cut(&cut_options, arguments[2], after);
    return exit_code == EXIT_GOOD ? run_cut(arguments[0], keep, &cut_options) : exit_code;
}
