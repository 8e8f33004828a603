#include "open_here.h"

int with_database_here(const struct database_paths *paths, const char *role, bool writes,
    int (*work)(struct database *database, void *context, struct error *ret_error), void *context,
    struct error *ret_error)
{
    struct configuration configuration;
    struct database *database = NULL;
    struct error close_error;
    int r = database_paths_read_configuration(paths, &configuration, ret_error);
    if (r < 0)
        return r;
    r = (writes ? database_open_as : database_open_for_reading)(
        paths->directory, role, &configuration.store, &database, ret_error);
    if (r == 0)
        r = work(database, context, ret_error);
    int closed = database_close(database, &close_error);
    if (r == 0 && closed < 0)
        r = error_set(ret_error, close_error.code, "%s", close_error.message);
    configuration_free(&configuration);
    return r;
}
