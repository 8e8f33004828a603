/* A database directory is built beside its place and renamed when every byte of it is on the disk: it is
 * there as a whole or not at all. A killed build leaves NAME.creating-XXXXXX behind, which nothing reads. */
#include "database_files.h"

#include "directory_sync.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *database_file(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

int database_sync_directory(const char *path, struct error *ret_error)
{
    int r = directory_sync(path);
    return r < 0 ? error_set(ret_error, -r, "%s: cannot be synced: %s", path, strerror(-r)) : 0;
}

int database_write_file(
    const char *directory, const char *name, const void *bytes, size_t size, struct error *ret_error)
{
    char *path = database_file(directory, name);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = file_write_new(path, 0600, bytes, size, true, ret_error);
    free(path);
    return r;
}

/* Of what was built: files, and directories of files. What cannot be removed stays; the caller has an error
 * already. */
static void remove_files(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    (void)closedir(directory);
    (void)rmdir(path);
}

static void remove_unfinished(const char *path)
{
    char *data = database_file(path, DATABASE_DATA);
    if (data)
        remove_files(data);
    free(data);
    remove_files(path);
}

static int move_into_place(const char *from, const char *to, struct error *ret_error)
{
    struct stat status;
    int r = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (r == -EINVAL || r == -ENOSYS) { /* a file system without NOREPLACE */
        r = 0;
        if (lstat(to, &status) == 0)
            r = -EEXIST;
        else if (rename(from, to) < 0)
            r = -errno;
    }
    if (r == -EEXIST)
        return error_set(ret_error, EEXIST, "%s exists already", to);
    return r < 0 ? error_set(ret_error, -r, "%s: cannot be moved into place: %s", to, strerror(-r)) : 0;
}

/* The directory that holds `path` (without trailing slashes), malloc'ed. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int build_at(const char *path,
    int (*fill)(void *context, const char *directory, struct error *ret_error), void *context,
    struct error *ret_error)
{
    char *directory = NULL, *parent = parent_of(path);
    int r = 0;
    if (!parent || asprintf(&directory, "%s.creating-XXXXXX", path) < 0) {
        free(parent);
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    }
    if (!mkdtemp(directory)) {
        r = error_set(ret_error, errno, "%s: cannot be created: %s", path, strerror(errno));
        goto out;
    }
    r = fill(context, directory, ret_error);
    if (r == 0)
        r = database_sync_directory(directory, ret_error);
    if (r == 0)
        r = move_into_place(directory, path, ret_error);
    if (r < 0)
        remove_unfinished(directory);
    else
        r = database_sync_directory(parent, ret_error);
out:
    free(directory);
    free(parent);
    return r;
}

int database_build(const char *path,
    int (*fill)(void *context, const char *directory, struct error *ret_error), void *context,
    struct error *ret_error)
{
    struct stat status;
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    char *trimmed = strndup(path, size);
    if (!trimmed)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r;
    if (size == 0)
        r = error_set(ret_error, EINVAL, "the path of the new directory is empty");
    else if (lstat(trimmed, &status) == 0)
        r = error_set(ret_error, EEXIST, "%s exists already", trimmed);
    else
        r = build_at(trimmed, fill, context, ret_error);
    free(trimmed);
    return r;
}
