#include "space.h"

#include <errno.h>
#include <sys/statvfs.h>

int space_check(const char *directory, uint64_t bytes, const char *purpose, struct error *ret_error)
{
    struct statvfs status;
    if (statvfs(directory, &status) < 0 ||
        status.f_blocks == 0) /* network and user-space file systems may report zeros */
        return 0;
    uint64_t available = (uint64_t)status.f_bavail * status.f_frsize;
    if (available >= bytes)
        return 0;
    return error_set(ret_error, ENOSPC,
        "%s: %s needs %llu bytes of free space and %llu are free; free %llu bytes more on this disk",
        directory, purpose, (unsigned long long)bytes, (unsigned long long)available,
        (unsigned long long)(bytes - available));
}
