#include "database.h"
#include "database_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int create_catalog(const char *directory, struct error *ret_error)
{
    char *path = database_file(directory, DATABASE_CATALOG);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = catalog_create(path, ret_error);
    free(path);
    return r;
}

static int create_data(const char *directory, struct error *ret_error)
{
    char *path = database_file(directory, DATABASE_DATA);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = 0;
    if (mkdir(path, 0700) < 0)
        r = error_set(ret_error, errno, "%s: cannot be created: %s", path, strerror(errno));
    if (r == 0)
        r = store_create(path, NULL, ret_error);
    if (r == 0)
        r = database_sync_directory(path, ret_error);
    free(path);
    return r;
}

struct creation {
    const char *configuration; /* text, NULL = none */
};

static int fill_directory(void *context, const char *directory, struct error *ret_error)
{
    const char *configuration = ((const struct creation *)context)->configuration;
    int r = database_write_file(directory, DATABASE_LOCK, "", 0, ret_error);
    if (r == 0 && configuration)
        r = database_write_file(directory, DATABASE_CONFIGURATION, configuration, strlen(configuration), ret_error);
    if (r == 0)
        r = create_catalog(directory, ret_error);
    if (r == 0)
        r = create_data(directory, ret_error);
    return r;
}

int database_create(const char *path, const char *configuration, struct error *ret_error)
{
    struct creation creation = {configuration};
    return database_build(path, fill_directory, &creation, ret_error);
}
