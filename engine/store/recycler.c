#include "recycler.h"

#include "store_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int recycler_init(struct recycler *recycler, struct io *io, const char *directory)
{
    *recycler = (struct recycler){.io = io};
    (void)pthread_mutex_init(&recycler->lock, NULL);
    recycler->path = store_path(directory, RECYCLED_NAME);
    if (!recycler->path)
        return -ENOMEM;
    if (access(recycler->path, F_OK) == 0)
        recycler->state = RECYCLER_FULL;
    return 0;
}

void recycler_free(struct recycler *recycler)
{
    (void)pthread_mutex_destroy(&recycler->lock);
    free(recycler->path);
}

void recycler_put(struct recycler *recycler, const char *path, bool whole)
{
    (void)pthread_mutex_lock(&recycler->lock);
    if (whole && recycler->state == RECYCLER_EMPTY &&
        io_rename(recycler->io, path, recycler->path, NULL) == 0)
        recycler->state = RECYCLER_FULL;
    else
        (void)io_unlink(recycler->io, path, NULL);
    (void)pthread_mutex_unlock(&recycler->lock);
}

const char *recycler_take(struct recycler *recycler)
{
    (void)pthread_mutex_lock(&recycler->lock);
    bool full = recycler->state == RECYCLER_FULL;
    if (full)
        recycler->state = RECYCLER_TAKEN;
    (void)pthread_mutex_unlock(&recycler->lock);
    return full ? recycler->path : NULL;
}

void recycler_done(struct recycler *recycler)
{
    (void)pthread_mutex_lock(&recycler->lock);
    if (recycler->state == RECYCLER_TAKEN)
        recycler->state = RECYCLER_EMPTY;
    (void)pthread_mutex_unlock(&recycler->lock);
}

uint64_t recycler_size(struct recycler *recycler)
{
    struct stat status = {0};
    (void)pthread_mutex_lock(&recycler->lock);
    bool known = recycler->state == RECYCLER_FULL && stat(recycler->path, &status) == 0;
    (void)pthread_mutex_unlock(&recycler->lock);
    return known && status.st_size > 0 ? (uint64_t)status.st_size : 0;
}

void recycler_discard(struct recycler *recycler)
{
    (void)pthread_mutex_lock(&recycler->lock);
    if (recycler->state == RECYCLER_FULL && io_unlink(recycler->io, recycler->path, NULL) == 0)
        recycler->state = RECYCLER_EMPTY;
    (void)pthread_mutex_unlock(&recycler->lock);
}
