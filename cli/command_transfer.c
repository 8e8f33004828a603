/* export, import and backup: by the daemon when one runs, else by this process. */
#include "commands.h"
#include "command_remote.h"

#include "control.h"
#include "database.h"
#include "job.h"
#include "options.h"
#include "database_paths.h"
#include "progress_line.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 8 };

static bool is_cancelled(void *context)
{
    (void)context;
    return atomic_load(job_cancelled());
}

static int work_here(struct database *database, enum control_command command, const char *directory,
    const struct transfer_options *options, struct transfer_result *ret_result, struct error *ret_error)
{
    switch (command) {
    case CONTROL_EXPORT:
        return export_database(database, directory, options, ret_result, ret_error);
    case CONTROL_IMPORT:
        return import_database(database, directory, options, ret_result, ret_error);
    case CONTROL_BACKUP:
        return database_backup(database, directory, is_cancelled, NULL, &ret_result->streams, ret_error);
    }
    return -EINVAL;
}

static int transfer_here(const struct database_paths *paths, enum control_command command,
    const char *directory, const struct transfer_options *options, struct transfer_result *ret_result,
    struct error *ret_error)
{
    struct configuration configuration;
    struct database *database = NULL;
    int r = database_paths_read_configuration(paths, &configuration, ret_error);
    if (r < 0)
        return r;
    bool writes = command == CONTROL_IMPORT;
    r = (writes ? database_open_as : database_open_for_reading)(
        paths->directory, control_command_name(command), &configuration.store, &database, ret_error);
    if (r == 0)
        r = work_here(database, command, directory, options, ret_result, ret_error);
    struct error close_error;
    int closed = database_close(database, &close_error);
    if (r == 0 && closed < 0)
        r = error_set(ret_error, close_error.code, "%s", close_error.message);
    configuration_free(&configuration);
    return r;
}

static int transfer(const struct database_paths *paths, enum control_command command, const char *folder,
    const struct transfer_options *options, struct transfer_result *ret_result, struct error *ret_error)
{
    char directory[PATH_MAX];
    struct control_connection connection;
    int r = job_folder_path(folder, directory, command != CONTROL_IMPORT, ret_error);
    if (r < 0)
        return r;
    r = control_reach(paths->directory, &connection, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return transfer_here(paths, command, directory, options, ret_result, ret_error);
    r = control_transfer(&connection, command, directory, options, ret_result, ret_error);
    control_free(&connection);
    return r;
}

/* arguments: DB, DIR, then filters, ended by NULL */
static int run_transfer(
    enum control_command command, char **arguments, struct transfer_options *options, long threads)
{
    struct progress_line line;
    struct transfer_result result = {0};
    struct database_paths paths;
    struct error error = {0};
    job_catch_signals();
    progress_line_init(&line);
    options->threads = (unsigned)threads;
    options->cancel = job_cancelled();
    options->filters = (const char *const *)&arguments[2];
    while (arguments[2 + options->filter_count])
        options->filter_count++;
    if (!common_options.quiet) {
        options->progress = progress_line_show;
        options->context = &line;
    }
    int r = job_open_log(&error);
    if (r == 0)
        r = database_paths_find(arguments[0], &paths, &error);
    if (r == 0)
        r = transfer(&paths, command, arguments[1], options, &result, &error);
    progress_line_clear(&line);
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet && command == CONTROL_BACKUP)
        print_line("%s: backed up to %s, %llu stream%s", arguments[0], arguments[1],
            (unsigned long long)result.streams, result.streams == 1 ? "" : "s");
    else if (!common_options.quiet)
        progress_line_summary(command == CONTROL_EXPORT ? "exported" : "imported", &result);
    return EXIT_GOOD;
}

/* The options that only a URL takes were given for a database. */
static int refuse_login(const char *command, const struct remote_login *login)
{
    return login->user || login->password_file || login->ca_file || login->skip_verify
               ? usage_error(command, "--user, --password-file, --cacert and --skip-verify are for a URL: no "
                                      "log-in is needed for a database")
               : EXIT_GOOD;
}

int command_export(int argc, char **argv)
{
    long threads = 0;
    const char *format = "json";
    struct transfer_options transfer_options = {0};
    struct remote_login login = {0};
    const struct option_entry options[] = {
        {"threads", 'j', OPTION_NUMBER, "N", "streams written at once; default: one for each processor",
            &threads, 1, THREADS_MAX},
        {"resume", 0, OPTION_FLAG, NULL, "URL: goes on with an export that was interrupted",
            &transfer_options.resume, 0, 0},
        {"user", 0, OPTION_TEXT, "NAME", "URL: logs in as this user", &login.user, 0, 0},
        {"password-file", 0, OPTION_TEXT, "FILE", "URL: the password is its first line", &login.password_file,
            0, 0},
        {"cacert", 0, OPTION_TEXT, "FILE", "URL: certificates to verify the server by", &login.ca_file, 0, 0},
        {"format", 'f', OPTION_TEXT, "json|csv",
            "default json; csv: for other programs, without passwords and keys; import refuses it", &format,
            0, 0},
    };
    const struct command_line line = {"export DB|URL DIR [PATH...]",
        "Writes one moment of the database into the new folder DIR: a file of JSON datapoints for every\n"
        "stream, with their descriptions, passwords (hashed) and API keys. connectordb import reads it.\n"
        "Works while a server runs on DB and without. PATH (user, user/device, user/device/stream): only\n"
        "these and what is above and below them.\n"
        "URL (https://db.example): exports over the REST API of that server what the account may read. The\n"
        "password comes from --password-file, from CONNECTORDB_PASSWORD, or is asked for; or the API key of "
        "a\n"
        "device from CONNECTORDB_APIKEY. Such a folder has no password hashes.",
        options, sizeof(options) / sizeof(options[0]), 2, -1};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    transfer_options.csv = !strcmp(format, "csv");
    if (!transfer_options.csv && strcmp(format, "json") != 0)
        return usage_error(argv[0], "--format must be json or csv, not '%s'", format);
    if (remote_is_url(arguments[0]) && transfer_options.csv)
        return usage_error(argv[0],
            "--format csv is for a database, not for a URL: export to a folder, import "
            "that into a database, and export it as CSV");
    if (remote_is_url(arguments[0]))
        return run_remote(false, arguments, &login, &transfer_options, threads);
    exit_code = refuse_login(argv[0], &login);
    if (exit_code == EXIT_GOOD && transfer_options.resume)
        exit_code =
            usage_error(argv[0], "--resume is for a URL: an export of a database that was interrupted "
                                 "leaves nothing to go on with");
    return exit_code != EXIT_GOOD ? exit_code
                                  : run_transfer(CONTROL_EXPORT, arguments, &transfer_options, threads);
}

int command_backup(int argc, char **argv)
{
    const struct command_line line = {"backup DB DIR",
        "Copies one moment of the database (catalog, data and connectordb.conf) into the new directory DIR,\n"
        "which connectordb start serves like any. Works while a server runs on DB and without. In the same\n"
        "file system the copy shares the sealed data with the original as hard links: quick and small, but\n"
        "no protection from a failing disk.",
        NULL, 0, 2, 2};
    struct transfer_options transfer_options = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    return run_transfer(CONTROL_BACKUP, arguments, &transfer_options, 0);
}

int command_import(int argc, char **argv)
{
    long threads = 0;
    struct transfer_options transfer_options = {0};
    struct remote_login login = {0};
    const struct option_entry options[] = {
        {"resume", 0, OPTION_FLAG, NULL, "goes on with an import that was interrupted; keeps what is read",
            &transfer_options.resume, 0, 0},
        {"restart", 0, OPTION_FLAG, NULL, "throws away what an interrupted import had read",
            &transfer_options.restart, 0, 0},
        {"sort", 0, OPTION_FLAG, NULL, "accepts unordered data: sorts it by time", &transfer_options.sort, 0,
            0},
        {"skip-meta", 0, OPTION_FLAG, NULL, "leaves the streams of meta devices out",
            &transfer_options.skip_meta, 0, 0},
        {"threads", 'j', OPTION_NUMBER, "N", "streams read at once; default: one for each processor",
            &threads, 1, THREADS_MAX},
        {"user", 0, OPTION_TEXT, "NAME", "URL: logs in as this user, an administrator", &login.user, 0, 0},
        {"password-file", 0, OPTION_TEXT, "FILE", "URL: the password is its first line", &login.password_file,
            0, 0},
        {"cacert", 0, OPTION_TEXT, "FILE", "URL: certificates to verify the server by", &login.ca_file, 0, 0},
        {"skip-verify", 0, OPTION_FLAG, NULL, "URL: compares lengths only, not a checksum of all datapoints",
            &login.skip_verify, 0, 0},
    };
    const struct command_line line = {"import DB|URL DIR [PATH...]",
        "Reads the export folder DIR (of connectordb export, of ConnectorDB 0.3, or of its Python client)\n"
        "into the database. Its users must be new to the database; each comes completely or not at all.\n"
        "Works while a server runs on DB and without. PATH (user, user/device, user/device/stream): only\n"
        "these and what is above and below them.\n"
        "URL (https://db.example): makes the users over the REST API of that server and inserts their data.\n"
        "The password of each new user is its name. Log-ins as for export.",
        options, sizeof(options) / sizeof(options[0]), 2, -1};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (remote_is_url(arguments[0]) &&
        (transfer_options.restart || transfer_options.sort || transfer_options.skip_meta))
        return usage_error(argv[0], "--restart, --sort and --skip-meta are for a database, not for a URL");
    if (remote_is_url(arguments[0]))
        return run_remote(true, arguments, &login, &transfer_options, threads);
    exit_code = refuse_login(argv[0], &login);
    if (exit_code != EXIT_GOOD)
        return exit_code;
    if (transfer_options.resume && transfer_options.restart)
        return usage_error(argv[0], "--resume and --restart exclude each other");
    return run_transfer(CONTROL_IMPORT, arguments, &transfer_options, threads);
}
