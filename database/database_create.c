#include "database.h"
#include "database_files.h"
#include "database_lock.h"

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

/* Before the directory has its name: a database is never there without its first user. */
static int create_user(
    const char *directory, const struct user *user, const char *password, struct error *ret_error)
{
    char *path = database_file(directory, DATABASE_CATALOG);
    struct catalog *catalog = NULL;
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = catalog_open(path, &catalog, ret_error);
    if (r == 0)
        r = catalog_create_user(catalog, user, password, NULL, ret_error);
    catalog_close(catalog);
    free(path);
    return r;
}

struct creation {
    const char *configuration; /* text, NULL = none */
    const struct user *user;   /* NULL = none */
    const char *password;
};

static int fill_directory(void *context, const char *directory, struct error *ret_error)
{
    const struct creation *creation = context;
    const char *configuration = creation->configuration;
    char record[LOCK_RECORD_BYTES + 1];
    lock_record(NULL, NULL, record);
    int r = database_write_file(directory, DATABASE_LOCK, record, LOCK_RECORD_BYTES, ret_error);
    if (r == 0 && configuration)
        r = database_write_file(
            directory, DATABASE_CONFIGURATION, configuration, strlen(configuration), ret_error);
    if (r == 0)
        r = create_catalog(directory, ret_error);
    if (r == 0 && creation->user)
        r = create_user(directory, creation->user, creation->password, ret_error);
    if (r == 0)
        r = create_data(directory, ret_error);
    return r;
}

int database_create_with_user(const char *path, const char *configuration, const struct user *user,
    const char *password, struct error *ret_error)
{
    struct creation creation = {configuration, user, password};
    return database_build(path, fill_directory, &creation, ret_error);
}

int database_create(const char *path, const char *configuration, struct error *ret_error)
{
    return database_create_with_user(path, configuration, NULL, NULL, ret_error);
}
