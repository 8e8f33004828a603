/* check and inspect: looking without touching. */
#include "commands.h"

#include "database.h"
#include "options.h"
#include "database_paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_finding(void *context, const char *message)
{
    (void)context;
    print_line("%s", message);
}

/* The number of findings, or -errno. */
static int check(const char *argument, struct error *ret_error)
{
    struct database_paths paths;
    char path[PATH_MAX];
    int r = database_paths_find(argument, &paths, ret_error);
    if (r < 0)
        return r;
    r = database_await(paths.directory, ret_error);
    if (r == -EBUSY)
        return error_set(ret_error, EBUSY, "%s is in use: connectordb stop it first", paths.directory);
    if (r < 0)
        return r;
    r = path_join(paths.directory, "catalog.sqlite", path, ret_error);
    if (r < 0)
        return r;
    int in_catalog = catalog_check(path, print_finding, NULL, ret_error);
    if (in_catalog < 0)
        return in_catalog;
    r = path_join(paths.directory, "data", path, ret_error);
    if (r < 0)
        return r;
    int in_store = store_check(path, print_finding, NULL, ret_error);
    return in_store < 0 ? in_store : in_catalog + in_store;
}

int command_check(int argc, char **argv)
{
    const struct command_line line = {"check DB",
        "Verifies every checksum and invariant of a database that is not in use, and never modifies a byte.\n"
        "Prints one line for each problem; exits with 1 when there is any.",
        NULL, 0, 1, 1};
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int found = check(arguments[0], &error);
    if (found < 0)
        return command_failed("%s", error.message);
    if (found > 0)
        return command_failed("%s: %d problem%s found", arguments[0], found, found == 1 ? "" : "s");
    if (!common_options.quiet)
        print_line("%s: no problem found", arguments[0]);
    return EXIT_GOOD;
}

static void print_text(void *context, const char *text)
{
    (void)context;
    print_line("%s", text);
}

int command_inspect(int argc, char **argv)
{
    const struct command_line line = {"inspect DB [NAME]",
        "Prints what is in the database's data directory, or in one of its files: a journal, a segment or "
        "the\n"
        "MANIFEST, by its name in DB/data.",
        NULL, 0, 1, 2};
    struct database_paths paths;
    struct error error = {0};
    char path[PATH_MAX];
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int r = database_paths_find(arguments[0], &paths, &error);
    if (r == 0)
        r = path_join(paths.directory, "data", path, &error);
    if (r == 0)
        r = store_inspect(path, arguments[1], print_text, NULL, &error);
    return r < 0 ? command_failed("%s", error.message) : EXIT_GOOD;
}
