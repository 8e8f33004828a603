#include "directory_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static atomic_bool unsupported;
static char unsupported_path[PATH_MAX]; /* written by the thread that set `unsupported` */
static void (*notice)(const char *path);

static void note_unsupported(const char *path)
{
    if (atomic_exchange(&unsupported, true))
        return;
    (void)snprintf(unsupported_path, sizeof(unsupported_path), "%s", path);
    if (notice)
        notice(path);
}

int directory_sync(const char *path)
{
    int directory;
    do
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (directory < 0 && errno == EINTR);
    if (directory < 0)
        return -errno;
    int r = fsync(directory) < 0 ? -errno : 0; /* never repeated: a failure is reported once */
    (void)close(directory);
    if (r == -EINVAL || r == -ENOTSUP) {
        note_unsupported(path);
        r = 0;
    }
    return r;
}

void directory_sync_set_notice(void (*tell)(const char *path))
{
    notice = tell;
    if (tell && atomic_load(&unsupported))
        tell(unsupported_path);
}
