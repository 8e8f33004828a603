#include "catalog_files.h"

#include "directory_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
                ? error_set(ret_error, EBADMSG, "a repair of the catalog was interrupted: run `connectordb repair` again")
                : 0;
    free(repaired);
    return r;
}
