#include "disk_watch.h"

#include "log.h"

#include <sys/statvfs.h>

enum {
    FEW_PERCENT = 10,
    FEWEST_PERCENT = 3,
    AGAIN_PERCENT = 2, /* so much more than a limit must be free before it counts as kept again */
};

static const uint64_t FEWEST_BYTES = 256 << 20;

struct space {
    uint64_t free, size;
};

static unsigned level_of(const struct space *space, unsigned more_percent)
{
    double percent = (double)space->free * 100 / (double)space->size;
    uint64_t fewest = FEWEST_BYTES + space->size / 100 * more_percent;
    if (percent < FEWEST_PERCENT + more_percent || space->free < fewest)
        return 2;
    return percent < FEW_PERCENT + more_percent ? 1 : 0;
}

static void tell(const char *path, const struct space *space, unsigned level)
{
    unsigned long long mebibytes = space->free >> 20;
    double percent = (double)space->free * 100 / (double)space->size;
    if (level == 0)
        log_info("%s: the disk has space again: %llu MiB (%.1f %%) are free", path, mebibytes, percent);
    else
        log_warn("%s: the disk is %s full: %llu MiB (%.1f %%) are free; inserts are refused when there is no "
                 "space left, see \"Disk full\" in docs/OPERATING.md",
            path, level == 1 ? "nearly" : "almost", mebibytes, percent);
}

void disk_watch_look(struct disk_watch *watch, const char *path, uint64_t now_ns)
{
    struct statvfs status;
    uint64_t due_ns = atomic_load_explicit(&watch->due_ns, memory_order_relaxed);
    if (now_ns < due_ns || !atomic_compare_exchange_strong(
                               &watch->due_ns, &due_ns, now_ns + DISK_WATCH_SECONDS * UINT64_C(1000000000)))
        return;
    if (statvfs(path, &status) < 0 || status.f_blocks == 0)
        return;
    const struct space space = {
        (uint64_t)status.f_bavail * status.f_frsize, (uint64_t)status.f_blocks * status.f_frsize};
    unsigned before = atomic_load(&watch->level), level = level_of(&space, 0);
    if (level < before) /* it must be clear of the limit, or each file that comes and goes would be told of */
        level = level_of(&space, AGAIN_PERCENT);
    if (level == before || (level < before && level > 0))
        return;
    atomic_store(&watch->level, level);
    tell(path, &space, level);
}
