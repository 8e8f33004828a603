/* status: how a database and its server are, on one screen. */
#include "commands.h"

#include "clock.h"
#include "job.h"
#include "options.h"
#include "quantity.h"
#include "report.h"
#include "report_ask.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLE_MS = 500 };

static int keep_object(void *context, json_t *object, struct error *ret_error)
{
    (void)ret_error;
    json_decref(*(json_t **)context);
    *(json_t **)context = json_incref(object);
    return 0;
}

/* ---- reading the object; what is missing is 0 or "" ---- */

static const json_t *member(const json_t *object, const char *group, const char *name)
{
    return json_object_get(json_object_get(object, group), name);
}

static uint64_t whole(const json_t *object, const char *group, const char *name)
{
    json_int_t value = json_integer_value(member(object, group, name));
    return value > 0 ? (uint64_t)value : 0;
}

static double real(const json_t *object, const char *group, const char *name)
{
    return json_number_value(member(object, group, name));
}

static const char *text(const json_t *object, const char *group, const char *name)
{
    const char *found = json_string_value(member(object, group, name));
    return found ? found : "";
}

/* ---- rates: of two statuses ---- */

static double rate(const json_t *before, const json_t *after, const char *group, const char *name)
{
    double seconds = real(after, "server", "uptime") - real(before, "server", "uptime");
    uint64_t was = whole(before, group, name), is = whole(after, group, name);
    return seconds > 0 && is >= was ? (double)(is - was) / seconds : 0;
}

static int add_rates(const json_t *before, json_t *status, struct error *ret_error)
{
    json_t *rates = json_pack("{s:f,s:f,s:f,s:f}", "seconds",
        real(status, "server", "uptime") - real(before, "server", "uptime"), "points",
        rate(before, status, "store", "inserted_points"), "inserts", rate(before, status, "store", "inserts"),
        "requests", rate(before, status, "server", "requests"));
    if (!rates || json_object_set_new(status, "rates", rates) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    return 0;
}

/* The status, and its rates if a server runs. */
static int ask(const char *database, json_t **ret_status, struct error *ret_error)
{
    json_t *before = NULL;
    bool served = false;
    int r = report_ask(database, REPORT_STATUS, "", keep_object, ret_status, &served, ret_error);
    if (r < 0 || !served)
        return r;
    before = *ret_status;
    *ret_status = NULL;
    (void)nanosleep(&(struct timespec){.tv_nsec = SAMPLE_MS * 1000000L}, NULL);
    r = report_ask(database, REPORT_STATUS, "", keep_object, ret_status, &served, ret_error);
    if (r == 0 && *ret_status && served)
        r = add_rates(before, *ret_status, ret_error);
    json_decref(before);
    return r;
}

/* ---- the screen ---- */

static void print_server(const json_t *status)
{
    char started[QUANTITY_BYTES], uptime[QUANTITY_BYTES];
    if (!json_is_object(json_object_get(status, "server"))) {
        print_line("server     none runs");
        return;
    }
    const char *address = text(status, "server", "address");
    print_line("server     %s, process %llu, since %s (%s)", *address ? address : "without HTTP",
        (unsigned long long)whole(status, "server", "process"),
        quantity_time(real(status, "server", "started"), started),
        quantity_duration(real(status, "server", "uptime"), uptime));
    if (*address)
        print_line("clients    %llu of %llu connections, %llu WebSockets; %llu requests, %llu failed logins",
            (unsigned long long)whole(status, "server", "connections"),
            (unsigned long long)whole(status, "server", "connections_max"),
            (unsigned long long)whole(status, "server", "websockets"),
            (unsigned long long)whole(status, "server", "requests"),
            (unsigned long long)whole(status, "server", "failed_logins"));
    char points[QUANTITY_BYTES];
    print_line("rates      %.0f points, %.0f inserts, %.0f requests a second; %s points since the start",
        real(status, "rates", "points"), real(status, "rates", "inserts"), real(status, "rates", "requests"),
        quantity_count(whole(status, "store", "inserted_points"), points));
}

static void print_health(const json_t *status)
{
    const json_t *problems = member(status, "health", "problems");
    for (size_t i = 0; i < json_array_size(problems); i++)
        print_line("health     %s", json_string_value(json_array_get(problems, i)));
    if (json_array_size(problems) == 0)
        print_line("health     good");
}

static void print_data(const json_t *status)
{
    char a[QUANTITY_BYTES], b[QUANTITY_BYTES], c[QUANTITY_BYTES], d[QUANTITY_BYTES];
    print_line("catalog    users: %s, devices: %s, streams: %s",
        quantity_count(whole(status, "catalog", "users"), a),
        quantity_count(whole(status, "catalog", "devices"), b),
        quantity_count(whole(status, "catalog", "streams"), c));
    print_line("points     %s", quantity_count(whole(status, "store", "points"), a));
    print_line("journals   %llu of at most %llu, %s; %llu wait to be sealed",
        (unsigned long long)whole(status, "store", "journals"),
        (unsigned long long)whole(status, "store", "journals_max"),
        quantity_bytes(whole(status, "store", "journal_bytes"), a),
        (unsigned long long)whole(status, "store", "journals_unsealed"));
    print_line("segments   %s, %s", quantity_count(whole(status, "store", "segments"), a),
        quantity_bytes(whole(status, "store", "segment_bytes"), b));
    uint64_t size = whole(status, "disk", "size"), left = whole(status, "disk", "free");
    print_line("disk       %s for the database; %s of %s are free (%.0f %%)",
        quantity_bytes(whole(status, "disk", "used"), a), quantity_bytes(left, b), quantity_bytes(size, c),
        size > 0 ? (double)left * 100 / (double)size : 0);
    if (json_is_object(json_object_get(status, "last_backup")))
        print_line("backup     %s to %s", quantity_time(real(status, "last_backup", "time"), d),
            text(status, "last_backup", "folder"));
    else
        print_line("backup     none that a server made");
}

static void print_largest(const json_t *status)
{
    const json_t *largest = json_object_get(status, "largest");
    for (size_t i = 0; i < json_array_size(largest); i++) {
        const json_t *stream = json_array_get(largest, i);
        char bytes[QUANTITY_BYTES], points[QUANTITY_BYTES];
        const char *path = json_string_value(json_object_get(stream, "path"));
        print_line("%-10s %10s  %14s points  %s", i == 0 ? "largest" : "",
            quantity_bytes((uint64_t)json_integer_value(json_object_get(stream, "bytes")), bytes),
            quantity_count((uint64_t)json_integer_value(json_object_get(stream, "length")), points),
            path ? path : "");
    }
}

static void print_screen(const json_t *status)
{
    const char *path = json_string_value(json_object_get(status, "database"));
    const char *version = json_string_value(json_object_get(status, "version"));
    print_line("database   %s, ConnectorDB %s", path ? path : "", version ? version : "");
    print_server(status);
    print_health(status);
    print_data(status);
    print_largest(status);
}

static int print_json(const json_t *status)
{
    char *printed = json_dumps(status, JSON_INDENT(2));
    if (!printed)
        return command_failed("out of memory");
    (void)puts(printed);
    free(printed);
    return EXIT_GOOD;
}

int command_status(int argc, char **argv)
{
    bool json = false;
    const struct option_entry options[] = {
        {"json", 0, OPTION_FLAG, NULL, "prints it as a JSON object", &json, 0, 0},
    };
    const struct command_line line = {"status DB",
        "Tells how the database is: its server, rates, sizes, journals and segments, the largest streams, "
        "the\n"
        "last backup, and what is wrong. Asks the server when one runs. Exits with 1 when inserts are not "
        "taken\n"
        "or damage was found.",
        options, sizeof(options) / sizeof(options[0]), 1, 1};
    struct error error = {0};
    json_t *status = NULL;
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int r = job_open_log(&error);
    if (r == 0)
        r = ask(arguments[0], &status, &error);
    if (r == 0 && !json_is_object(status))
        r = error_set(&error, EBADMSG, "%s: there is no status", arguments[0]);
    if (r < 0) {
        exit_code = command_failed("%s", error.message);
    } else {
        exit_code = EXIT_GOOD;
        if (json)
            exit_code = print_json(status);
        else
            print_screen(status);
        if (exit_code == EXIT_GOOD && !json_is_true(member(status, "health", "good")))
            exit_code = EXIT_FAILED;
    }
    json_decref(status);
    return exit_code;
}
