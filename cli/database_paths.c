#include "database_paths.h"

#include "file.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char DATABASE_CONFIGURATION_NAME[] = "connectordb.conf";
const char DATABASE_PID_FILE_NAME[] = "connectordb.pid";
const char DATABASE_LOG_FILE_NAME[] = "connectordb.log";

enum { PID_TEXT_BYTES = 32, PID_FILE_MODE = 0644, OLD_CONFIGURATION_BYTES_MAX = 65536 };

int path_join(const char *directory, const char *name, char path[PATH_MAX], struct error *ret_error)
{
    int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    if (length < 0 || length >= PATH_MAX)
        return error_set(ret_error, ENAMETOOLONG, "%.200s...: the path is too long", directory);
    return 0;
}

/* The process and all its threads are the owner's from here on: there is no way back. */
static int become_owner(const char *directory, struct error *ret_error)
{
    struct stat status;
    if (stat(directory, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", directory, strerrordesc_np(errno));
    if (status.st_uid == geteuid())
        return 0;
    if (geteuid() != 0)
        return error_set(ret_error, EPERM, "--as-owner: only root can work as another user");
    const struct passwd *entry = getpwuid(status.st_uid);
    gid_t group = entry ? entry->pw_gid : status.st_gid;
    int r = entry ? initgroups(entry->pw_name, group) : setgroups(1, &group);
    if (r < 0 || setresgid(group, group, group) < 0 ||
        setresuid(status.st_uid, status.st_uid, status.st_uid) < 0)
        return error_set(ret_error, errno, "--as-owner: cannot become the user %u: %s", status.st_uid,
            strerrordesc_np(errno));
    return 0;
}

/* ConnectorDB 0.3 kept its data in Redis and PostgreSQL; what a directory of its has in common with ours is
 * the configuration, which names them. */
static bool is_of_old_version(const struct database_paths *paths)
{
    char text[OLD_CONFIGURATION_BYTES_MAX + 1];
    int file = open(paths->configuration, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, sizeof(text) - 1);
    (void)close(file);
    text[size > 0 ? size : 0] = '\0';
    return strstr(text, "\"redis\"") && strstr(text, "\"nats\"");
}

static int refuse_directory(const struct database_paths *paths, const char *argument, struct error *ret_error)
{
    if (is_of_old_version(paths))
        return error_set(ret_error, ENOENT,
            "%s is a database of ConnectorDB 0.3; export it with 0.3 first: start it there, connectordb "
            "export %s FOLDER; then, with "
            "this version, connectordb create NEW and connectordb import NEW FOLDER",
            argument, argument);
    return error_set(ret_error, ENOENT,
        "%s is no database directory: connectordb create %s makes one, where nothing is yet", argument,
        argument);
}

int database_paths_find(const char *argument, struct database_paths *ret_paths, struct error *ret_error)
{
    struct database_paths paths = {.configuration_optional = true};
    struct stat status;
    char path[PATH_MAX];
    if (!realpath(argument, paths.directory) || stat(paths.directory, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", argument, strerrordesc_np(errno));
    int r = 0;
    if (S_ISREG(status.st_mode)) {
        memcpy(paths.configuration, paths.directory, sizeof(paths.configuration));
        memcpy(path, paths.directory, sizeof(path));
        strcpy(paths.directory, dirname(path)); /* shorter than what it was */
        paths.configuration_optional = false;
    } else {
        r = path_join(paths.directory, DATABASE_CONFIGURATION_NAME, paths.configuration, ret_error);
    }
    if (r == 0)
        r = path_join(paths.directory, "catalog.sqlite", path, ret_error);
    if (r == 0 && access(path, F_OK) < 0) {
        if (errno == ENOENT)
            r = refuse_directory(&paths, argument, ret_error);
        else
            r = error_set(ret_error, errno, "%s: %s", argument, strerrordesc_np(errno));
    }
    if (r == 0 && common_options.as_owner)
        r = become_owner(paths.directory, ret_error);
    if (r == 0)
        *ret_paths = paths;
    return r;
}

int database_paths_read_configuration(
    const struct database_paths *paths, struct configuration *ret_configuration, struct error *ret_error)
{
    return configuration_read(
        paths->configuration, paths->configuration_optional, ret_configuration, ret_error);
}

int pid_file_write(const struct database_paths *paths, struct error *ret_error)
{
    char path[PATH_MAX], next[PATH_MAX], text[PID_TEXT_BYTES];
    int r = path_join(paths->directory, DATABASE_PID_FILE_NAME, path, ret_error);
    if (r == 0)
        r = path_join(paths->directory, "connectordb.pid.new", next, ret_error);
    if (r < 0)
        return r;
    int size = snprintf(text, sizeof(text), "%d\n", getpid());
    (void)unlink(next); /* of a start that was killed in between */
    r = file_write_new(next, PID_FILE_MODE, text, (size_t)size, false, ret_error);
    if (r == 0 && rename(next, path) < 0)
        r = error_set(ret_error, errno, "%s: cannot rename to %s: %s", next, path, strerrordesc_np(errno));
    return r;
}

void pid_file_remove(const struct database_paths *paths)
{
    char path[PATH_MAX];
    if (path_join(paths->directory, DATABASE_PID_FILE_NAME, path, NULL) == 0)
        (void)unlink(path); /* one that stays misleads nobody: no command reads it */
}
