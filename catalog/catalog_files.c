#include "catalog_files.h"

#include "directory_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 64 << 10 };

int catalog_file_copy(const char *from, const char *to, struct error *ret_error)
{
    int r = 0;
    char *bytes = malloc(COPY_BYTES);
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (!bytes || source < 0 || target < 0)
        r = -errno;
    while (r == 0) {
        ssize_t got = read(source, bytes, COPY_BYTES);
        if (got <= 0) {
            r = got < 0 ? -errno : 0;
            break;
        }
        for (ssize_t done = 0; done < got && r == 0;) {
            ssize_t put = write(target, bytes + done, (size_t)(got - done));
            if (put < 0)
                r = -errno;
            else
                done += put;
        }
    }
    if (source >= 0)
        (void)close(source);
    if (target >= 0 && close(target) < 0 && r == 0)
        r = -errno;
    free(bytes);
    if (r < 0)
        return error_set(ret_error, -r, "the catalog cannot be copied to %s: %s", to, strerror(-r));
    return 0;
}

static int sync_failure(const char *path, int r, struct error *ret_error)
{
    return r < 0 ? error_set(ret_error, -r, "%s: cannot be synced: %s", path, strerror(-r)) : 0;
}

int catalog_file_sync(const char *path, struct error *ret_error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int r = file < 0 || fsync(file) < 0 ? -errno : 0;
    if (file >= 0)
        (void)close(file);
    return sync_failure(path, r, ret_error);
}

int catalog_file_sync_parent(const char *path, struct error *ret_error)
{
    const char *slash = strrchr(path, '/');
    char *parent = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!parent)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = sync_failure(parent, directory_sync(parent), ret_error);
    free(parent);
    return r;
}

int catalog_file_create(const char *path, struct error *ret_error)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(ret_error, errno, "%s: cannot be created: %s", path, strerror(errno));
    (void)close(file);
    return 0;
}

int catalog_file_finish(const char *path, int result, struct error *ret_error)
{
    int r = result;
    if (r == 0)
        r = catalog_file_sync(path, ret_error);
    if (r == 0)
        r = catalog_file_sync_parent(path, ret_error);
    if (r < 0)
        (void)unlink(path);
    return r;
}

int catalog_file_refuse_unfinished(const char *path, struct error *ret_error)
{
    char *repaired;
    if (asprintf(&repaired, "%s" CATALOG_REPAIRED, path) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = access(repaired, F_OK) == 0
                ? error_set(ret_error, EBADMSG,
                      "a repair of the catalog was interrupted: run `connectordb repair` again")
                : 0;
    free(repaired);
    return r;
}

int catalog_file_has_log(const char *path, struct error *ret_error)
{
    struct stat status;
    char *log;
    if (asprintf(&log, "%s-wal", path) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = stat(log, &status) < 0 ? -errno : status.st_size > 0;
    if (r == -ENOENT)
        r = 0;
    if (r < 0)
        (void)error_set(ret_error, -r, "%s: %s", log, strerror(-r));
    free(log);
    return r;
}

char *catalog_file_uri(const char *path, const char *parameters)
{
    static const char scheme[] = "file:", hex[] = "0123456789abcdef";
    char *uri = malloc(sizeof(scheme) + 3 * strlen(path) + strlen(parameters));
    if (!uri)
        return NULL;
    memcpy(uri, scheme, sizeof(scheme));
    char *to = uri + sizeof(scheme) - 1;
    for (; *path; path++) {
        if (strchr("?#%", *path)) {
            *to++ = '%';
            *to++ = hex[(unsigned char)*path >> 4];
            *to++ = hex[*path & 0xf];
        } else {
            *to++ = *path;
        }
    }
    memcpy(to, parameters, strlen(parameters) + 1);
    return uri;
}

/* ---- a copy to read ---- */

static const char *const copied[] = {"", "-wal", "-shm", "-journal"}; /* what SQLite may make, too */

struct catalog_copy {
    char *directory, *path;
};

const char *catalog_copy_path(const struct catalog_copy *copy)
{
    return copy->path;
}

void catalog_copy_remove(struct catalog_copy *copy)
{
    if (!copy)
        return;
    for (size_t i = 0; copy->path && i < sizeof(copied) / sizeof(copied[0]); i++) {
        char *path;
        if (asprintf(&path, "%s%s", copy->path, copied[i]) < 0)
            break;
        (void)unlink(path);
        free(path);
    }
    if (copy->path)
        (void)rmdir(copy->directory);
    free(copy->path);
    free(copy->directory);
    free(copy);
}

static int copy_files(const char *path, const struct catalog_copy *copy, struct error *ret_error)
{
    char *log = NULL, *log_copy = NULL;
    int r = 0;
    if (asprintf(&log, "%s-wal", path) < 0 || asprintf(&log_copy, "%s-wal", copy->path) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory for a path");
    if (r == 0)
        r = catalog_file_copy(path, copy->path, ret_error);
    if (r == 0)
        r = catalog_file_copy(log, log_copy, ret_error);
    free(log);
    free(log_copy);
    return r;
}

int catalog_copy_make(const char *path, struct catalog_copy **ret_copy, struct error *ret_error)
{
    const char *temporary = getenv("TMPDIR");
    struct catalog_copy *copy = calloc(1, sizeof(*copy));
    if (!copy)
        return error_set(ret_error, ENOMEM, "out of memory for a copy of the catalog");
    if (asprintf(&copy->directory, "%s/connectordb-catalog-XXXXXX",
            temporary && temporary[0] ? temporary : "/tmp") < 0) {
        free(copy);
        return error_set(ret_error, ENOMEM, "out of memory for a copy of the catalog");
    }
    int r = mkdtemp(copy->directory) ? 0 : -errno;
    if (r < 0)
        (void)error_set(ret_error, -r,
            "%s: cannot be made for a copy of the catalog, which has a log to be read (catalog.sqlite-wal): "
            "%s",
            copy->directory, strerror(-r));
    if (r == 0 && asprintf(&copy->path, "%s/catalog.sqlite", copy->directory) < 0) {
        copy->path = NULL;
        (void)rmdir(copy->directory);
        r = error_set(ret_error, ENOMEM, "out of memory for a copy of the catalog");
    }
    if (r == 0)
        r = copy_files(path, copy, ret_error);
    if (r < 0) {
        catalog_copy_remove(copy);
        return r;
    }
    *ret_copy = copy;
    return 0;
}
