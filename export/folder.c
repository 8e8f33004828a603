#include "folder.h"

#include "directory_sync.h"
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_make_directory(const char *path, struct error *ret_error)
{
    if (mkdir(path, LAYOUT_DESCRIPTION_MODE) < 0)
        return error_set(ret_error, errno, "%s: cannot make the directory: %s", path, strerrordesc_np(errno));
    return 0;
}

static int sync_failure(const char *path, int r, struct error *ret_error)
{
    return r < 0 ? error_set(ret_error, -r, "%s: cannot sync: %s", path, strerrordesc_np(-r)) : 0;
}

int folder_sync_file(const char *path, struct error *ret_error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int r = file < 0 || fsync(file) < 0 ? -errno : 0;
    if (file >= 0)
        (void)close(file);
    return sync_failure(path, r, ret_error);
}

int folder_sync_directory(const char *path, struct error *ret_error)
{
    return sync_failure(path, directory_sync(path), ret_error);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

void folder_remove(const char *path)
{
    enum { OPEN_DIRECTORIES_MAX = 8 };
    char seal[PATH_MAX];
    if (layout_path(seal, path, NULL, NULL, NULL, LAYOUT_FOLDER, NULL) == 0 && unlink(seal) == 0)
        (void)directory_sync(path);
    (void)nftw(path, remove_entry, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
