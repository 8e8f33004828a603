/* repair: catalog and data of a database that nobody has open, each only if it is damaged. */
#include "commands.h"

#include "database.h"
#include "options.h"
#include "database_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_BYTES = 32 };

struct repair {
    char catalog[PATH_MAX], data[PATH_MAX];
    char keep_catalog[PATH_MAX], keep_data[PATH_MAX]; /* what the damaged ones will be called */
};

static void print_text(void *context, const char *text)
{
    (void)context;
    print_line("%s", text);
}

static int find_paths(const struct database_paths *paths, struct repair *ret_repair, struct error *ret_error)
{
    char stamp[STAMP_BYTES], name[2 * STAMP_BYTES];
    time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc);
    (void)strftime(stamp, sizeof(stamp), "before-repair-%Y%m%dT%H%M%SZ", &utc);
    int r = path_join(paths->directory, "catalog.sqlite", ret_repair->catalog, ret_error);
    if (r == 0)
        r = path_join(paths->directory, "data", ret_repair->data, ret_error);
    if (r == 0) {
        (void)snprintf(name, sizeof(name), "catalog.sqlite.%s", stamp);
        r = path_join(paths->directory, name, ret_repair->keep_catalog, ret_error);
    }
    if (r == 0) {
        (void)snprintf(name, sizeof(name), "data.%s", stamp);
        r = path_join(paths->directory, name, ret_repair->keep_data, ret_error);
    }
    return r;
}

/* 1: it was damaged and is not any more; 0: it was sound. */
static int repair_catalog(const struct repair *repair, struct error *ret_error)
{
    int found = catalog_check(repair->catalog, print_text, NULL, ret_error);
    if (found <= 0)
        return found;
    print_line("%s is damaged", repair->catalog);
    int r = catalog_repair(repair->catalog, repair->keep_catalog, print_text, NULL, ret_error);
    if (r < 0)
        return r;
    found = catalog_check(repair->catalog, print_text, NULL, ret_error);
    if (found > 0)
        return error_set(
            ret_error, EIO, "%s: repaired, and damaged again: is the disk failing?", repair->catalog);
    if (found == 0)
        print_line(
            "%s is repaired: its indexes were rebuilt, nothing of its tables is lost", repair->catalog);
    return found < 0 ? found : 1;
}

static int check_repaired_data(const struct repair *repair, struct error *ret_error)
{
    int found = store_check(repair->data, print_text, NULL, ret_error);
    if (found > 0)
        return error_set(
            ret_error, EIO, "%s: repaired, and damaged again: is the disk failing?", repair->data);
    return found;
}

/* As above. */
static int repair_data(const struct repair *repair, struct error *ret_error)
{
    struct store_repair_result result;
    bool missing = access(repair->data, F_OK) < 0 && errno == ENOENT;
    int found = missing ? 1 : store_check(repair->data, print_text, NULL, ret_error);
    if (found <= 0)
        return found;
    print_line("%s is %s", repair->data, missing ? "missing" : "damaged");
    int r = store_repair(repair->data, repair->keep_data, print_text, NULL, &result, ret_error);
    if (r == 0)
        r = check_repaired_data(repair, ret_error);
    if (r < 0)
        return r;
    if (missing)
        print_line("%s is repaired", repair->data);
    else
        print_line(
            "%s is repaired: %llu points of %llu series are there, %llu points that are known to have been "
            "there are lost\n",
            repair->data, (unsigned long long)result.points, (unsigned long long)result.series,
            (unsigned long long)result.lost_points);
    return 1;
}

static void print_kept(const char *path)
{
    if (access(path, F_OK) == 0)
        print_line("what was there before is kept as %s: remove it when you miss nothing", path);
}

/* Both are tried, whatever becomes of the other. The number of repaired ones, or -errno of the first failure.
 */
static int repair_both(const struct repair *repair, struct error *ret_error)
{
    struct error error = {0};
    int in_catalog = repair_catalog(repair, ret_error);
    int in_data = repair_data(repair, &error);
    print_kept(repair->keep_catalog);
    print_kept(repair->keep_data);
    if (in_catalog < 0 && in_data < 0)
        print_line("%s", error.message); /* the other failure is the error */
    if (in_catalog < 0)
        return in_catalog;
    return in_data < 0 ? error_set(ret_error, -in_data, "%s", error.message) : in_catalog + in_data;
}

static int repair(const char *argument, struct error *ret_error)
{
    struct database_paths paths;
    struct repair repair;
    int lock;
    int r = database_paths_find(argument, &paths, ret_error);
    if (r == 0)
        r = find_paths(&paths, &repair, ret_error);
    if (r == 0)
        r = database_lock(paths.directory, "repair", &lock, ret_error);
    if (r < 0)
        return r;
    r = repair_both(&repair, ret_error);
    database_unlock(lock);
    return r;
}

int command_repair(int argc, char **argv)
{
    const struct command_line line = {"repair DB",
        "Rebuilds what connectordb check finds damaged in a database that is not in use: the data from "
        "every\n"
        "block and record that is sound, the catalog's indexes from its tables. Says what is lost, and "
        "keeps\n"
        "what was there before beside it. A database without damage is left as it is.",
        NULL, 0, 1, 1};
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int repaired = repair(arguments[0], &error);
    if (repaired < 0)
        return command_failed("%s", error.message);
    if (repaired == 0 && !common_options.quiet)
        print_line("%s: no problem found; nothing was changed", arguments[0]);
    return EXIT_GOOD;
}
