#include "map.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAPS_MAX = 4096 };

struct map {
    uint8_t *data;
    uint64_t size;
    struct map_slot *slot; /* NULL for an empty file */
    char *path;
};

/* The handler finds maps through this table. It can run at any instruction of any thread, also between two
 * stores that change another thread's slot, so each slot is a sequence lock: `change` is odd while a slot
 * changes, and the handler takes what it read only if `change` was even and the same before and after. A slot
 * that changes is skipped: nobody reads a map that is being opened or closed, so a fault cannot be in it. */
struct map_slot {
    _Atomic uint64_t change;
    _Atomic uintptr_t start; /* 0 = free */
    _Atomic uintptr_t end;   /* of the last page */
    _Atomic bool faulted;
};

static struct map_slot slots[MAPS_MAX];
static _Atomic unsigned slots_used;                            /* slots from here on were never used */
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER; /* of those who change slots */
static struct sigaction previous_action;
static uintptr_t page_size;

static struct map_slot *slot_of(uintptr_t address)
{
    unsigned used = atomic_load(&slots_used);
    for (unsigned i = 0; i < used; i++) {
        struct map_slot *slot = &slots[i];
        uint64_t change = atomic_load(&slot->change);
        uintptr_t start = atomic_load(&slot->start), end = atomic_load(&slot->end);
        if ((change & 1) == 0 && address >= start && address < end && atomic_load(&slot->change) == change)
            return slot;
    }
    return NULL;
}

/* Not ours: what would have happened without us. */
static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    if (previous_action.sa_flags & SA_SIGINFO) {
        previous_action.sa_sigaction(signal_number, info, context);
    } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
        previous_action.sa_handler(signal_number);
    } else {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(SIGBUS, &standard, NULL); /* a faulting instruction runs again and ends the process */
        if (info->si_code <= 0)
            raise(SIGBUS); /* sent by somebody: nothing would run again */
    }
}

static void handle_bus_error(int signal_number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    struct map_slot *slot = info->si_code > 0 ? slot_of(address) : NULL;
    if (slot) {
        void *page = (void *)(address & ~(page_size - 1));
        atomic_store(&slot->faulted,
            true); /* before the page becomes readable, so that a reader of zeros also sees the flag */
        if (mmap(page, page_size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            slot = NULL;
    }
    if (!slot)
        pass_on(signal_number, info, context);
    errno = saved_errno;
}

int map_install_handler(struct error *ret_error)
{
    struct sigaction action = {
        .sa_sigaction = handle_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    struct sigaction present;
    int r = 0;
    pthread_mutex_lock(&slots_lock);
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &present) < 0)
        r = -errno;
    if (r == 0 && !((present.sa_flags & SA_SIGINFO) && present.sa_sigaction == handle_bus_error)) {
        previous_action = present;
        if (sigaction(SIGBUS, &action, NULL) < 0)
            r = -errno;
    }
    pthread_mutex_unlock(&slots_lock);
    if (r < 0)
        return error_set(ret_error, -r, "cannot handle SIGBUS: %s", strerror(-r));
    return 0;
}

static struct map_slot *slot_take(uintptr_t start, uint64_t size)
{
    struct map_slot *slot = NULL;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_lock(&slots_lock);
    for (unsigned i = 0; i < MAPS_MAX && !slot; i++) {
        if (atomic_load(&slots[i].start) == 0)
            slot = &slots[i];
    }
    if (slot) {
        atomic_fetch_add(&slot->change, 1);
        atomic_store(&slot->faulted, false);
        atomic_store(&slot->end, (start + size + page - 1) & ~(page - 1));
        atomic_store(&slot->start, start);
        atomic_fetch_add(&slot->change, 1);
        if (slot >= &slots[atomic_load(&slots_used)])
            atomic_store(&slots_used, (unsigned)(slot - slots) + 1);
    }
    pthread_mutex_unlock(&slots_lock);
    return slot;
}

static void slot_release(struct map_slot *slot)
{
    pthread_mutex_lock(&slots_lock);
    atomic_fetch_add(&slot->change, 1);
    atomic_store(&slot->end, 0);
    atomic_store(&slot->start, 0);
    atomic_fetch_add(&slot->change, 1);
    pthread_mutex_unlock(&slots_lock);
}

static int map_file(struct map *map, int file, uint64_t size, struct error *ret_error)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return error_set(ret_error, errno, "%s: cannot be examined: %s", map->path, strerror(errno));
    if (size > (uint64_t)status.st_size)
        return error_set(ret_error, EBADMSG, "%s: expected %llu bytes, found %llu", map->path,
            (unsigned long long)size, (unsigned long long)status.st_size);
    map->size = size != 0 ? size : (uint64_t)status.st_size;
    if (map->size == 0)
        return 0;
    void *data = mmap(NULL, (size_t)map->size, PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED)
        return error_set(ret_error, errno, "%s: cannot be mapped: %s", map->path, strerror(errno));
    map->data = data;
    map->slot = slot_take((uintptr_t)data, map->size);
    if (!map->slot)
        return error_set(ret_error, EMFILE, "%s: %d files are mapped already", map->path, MAPS_MAX);
    return 0;
}

int map_open(const char *path, uint64_t size, struct map **ret_map, struct error *ret_error)
{
    int file = -1, r;
    struct map *map = calloc(1, sizeof(*map));
    if (!map || !(map->path = strdup(path))) {
        r = error_set(ret_error, ENOMEM, "%s: out of memory", path);
        goto done;
    }
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        r = error_set(ret_error, errno, "%s: cannot be opened: %s", path, strerror(errno));
        goto done;
    }
    r = map_file(map, file, size, ret_error);
done:
    if (file >= 0)
        close(file);
    if (r < 0)
        map_close(map);
    else
        *ret_map = map;
    return r;
}

void map_close(struct map *map)
{
    if (!map)
        return;
    if (map->slot)
        slot_release(map->slot); /* first: the address range may belong to another map right after munmap */
    if (map->data)
        munmap(map->data, (size_t)map->size);
    free(map->path);
    free(map);
}

const uint8_t *map_data(const struct map *map)
{
    return map->data;
}

uint64_t map_size(const struct map *map)
{
    return map->size;
}

const char *map_path(const struct map *map)
{
    return map->path;
}

bool map_faulted(const struct map *map)
{
    return map->slot && atomic_load(&map->slot->faulted);
}

void map_expect(const struct map *map, bool scattered)
{
    if (map->data)
        (void)madvise(map->data, (size_t)map->size, scattered ? MADV_RANDOM : MADV_NORMAL);
}

void map_prefetch(const struct map *map, uint64_t offset, uint64_t size)
{
    CHECK(offset <= map->size && size <= map->size - offset);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = offset & ~(page - 1);
    if (offset + size > start + page) /* else the fault itself reads it */
        (void)madvise(map->data + start, (size_t)(offset + size - start), MADV_WILLNEED);
}

void map_forget(const struct map *map, uint64_t offset, uint64_t size)
{
    CHECK(offset <= map->size && size <= map->size - offset);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = (offset + page - 1) & ~(page - 1), end = (offset + size) & ~(page - 1);
    if (start >= end)
        return;
    /* Hints; a kernel that does not know them keeps the pages. Cold: first in line when memory runs short.
     * Then out of this process, whose memory they would count as. */
    madvise(map->data + start, (size_t)(end - start), MADV_COLD);
    madvise(map->data + start, (size_t)(end - start), MADV_DONTNEED);
}
