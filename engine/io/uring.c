/* The io_uring backend; the only file that knows liburing. Writes that somebody does not want to wait for go
 * through it: those of file_writer, which fills one buffer while the device takes the other.
 *
 * A request takes a ring of its own for as long as it is under way: rings are small, kept in a pool, and
 * belong to one thread at a time (handed over under the pool's lock), so that no ring needs a lock of its own
 * and a slow write of one thread never holds up another.
 *
 * Calls that are waited for at once are plain system calls, the commit's write and sync among them: the
 * kernel gives every fsync, and on ext4 every buffered write, of a ring to a worker thread, which costs more
 * than the call itself (docs/decisions/0002-commit-write-path.md). */
#include "check.h"
#include "io_posix.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    RING_ENTRIES = 1,
    RINGS_KEPT_MAX = 16, /* in the pool; more are made and closed again when more requests are under way */
};

struct ring {
    struct io_uring uring;
    struct ring *next;
};

struct uring_io {
    struct io io;
    pthread_mutex_t lock; /* of the pool */
    struct ring *free_rings;
    unsigned free_count;
};

static struct uring_io *uring_of(struct io *io)
{
    return (struct uring_io *)io;
}

static int ring_open(struct ring **ret_ring)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    int r = io_uring_queue_init(RING_ENTRIES, &ring->uring, 0);
    if (r < 0) {
        free(ring);
        return r;
    }
    *ret_ring = ring;
    return 0;
}

static void ring_close(struct ring *ring)
{
    io_uring_queue_exit(&ring->uring);
    free(ring);
}

static int ring_take(struct uring_io *uring, struct ring **ret_ring)
{
    (void)pthread_mutex_lock(&uring->lock);
    struct ring *ring = uring->free_rings;
    if (ring) {
        uring->free_rings = ring->next;
        uring->free_count--;
    }
    (void)pthread_mutex_unlock(&uring->lock);
    if (!ring)
        return ring_open(ret_ring);
    *ret_ring = ring;
    return 0;
}

static void ring_put(struct uring_io *uring, struct ring *ring)
{
    (void)pthread_mutex_lock(&uring->lock);
    bool keep = uring->free_count < RINGS_KEPT_MAX;
    if (keep) {
        ring->next = uring->free_rings;
        uring->free_rings = ring;
        uring->free_count++;
    }
    (void)pthread_mutex_unlock(&uring->lock);
    if (!keep)
        ring_close(ring);
}

static int ring_submit(struct ring *ring, int file, const void *data, size_t size, uint64_t offset)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    CHECK(sqe); /* one request a ring */
    CHECK(size <= UINT32_MAX);
    io_uring_prep_write(sqe, file, data, (unsigned)size, offset);
    int r;
    do
        r = io_uring_submit(&ring->uring);
    while (r == -EINTR || r == -EAGAIN);
    return r < 0 ? r : 0;
}

/* Waits for the ring's one request; its bytes or -errno. Interruptions don't end the wait: the kernel may
 * still be reading the caller's memory. */
static long ring_wait(struct ring *ring)
{
    struct io_uring_cqe *cqe = NULL;
    int r;
    do
        r = io_uring_wait_cqe(&ring->uring, &cqe);
    while (r == -EINTR || r == -EAGAIN);
    CHECK(r == 0);
    long result = cqe->res;
    io_uring_cqe_seen(&ring->uring, cqe);
    return result;
}

static void uring_submit(struct io *io, struct io_request *request)
{
    struct ring *ring;
    request->pending = false;
    request->queue = NULL;
    request->result = ring_take(uring_of(io), &ring);
    if (request->result < 0)
        return;
    request->result = ring_submit(ring, request->file, request->data, request->size, request->offset);
    if (request->result < 0) {
        ring_close(ring); /* it still holds the entry that the kernel would not take */
        return;
    }
    request->queue = ring;
    request->pending = true;
}

static void uring_wait(struct io *io, struct io_request *request)
{
    if (!request->pending)
        return;
    request->result = ring_wait(request->queue);
    request->pending = false;
    ring_put(uring_of(io), request->queue);
    request->queue = NULL;
}

static void uring_close(struct io *io)
{
    struct uring_io *uring = uring_of(io);
    while (uring->free_rings) {
        struct ring *ring = uring->free_rings;
        uring->free_rings = ring->next;
        ring_close(ring);
    }
    (void)pthread_mutex_destroy(&uring->lock);
    free(uring);
}

static const struct io_operations URING_OPERATIONS = {
    .name = "io_uring",
    .open = io_posix_open,
    .write = io_posix_write,
    .sync_data = io_posix_sync_data,
    .sync = io_posix_sync,
    .sync_directory = io_posix_sync_directory,
    .truncate = io_posix_truncate,
    .rename = io_posix_rename,
    .unlink = io_posix_unlink,
    .make_directory = io_posix_make_directory,
    .submit = uring_submit,
    .wait = uring_wait,
    .close = uring_close,
};

/* Linux 5.1 to 5.5 have io_uring but not this operation. */
static int probe_write(struct ring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    bool supported = probe && io_uring_opcode_supported(probe, IORING_OP_WRITE);
    io_uring_free_probe(probe);
    return supported ? 0 : -ENOSYS;
}

int io_open_uring(struct io **ret_io, struct error *ret_error)
{
    struct ring *ring;
    int r = ring_open(&ring);
    if (r < 0)
        return error_set(ret_error, -r, "io_uring cannot be set up: %s", strerrordesc_np(-r));
    r = probe_write(ring);
    if (r < 0) {
        ring_close(ring);
        return error_set(ret_error, -r, "this kernel's io_uring has no write operation (Linux 5.6 has it)");
    }
    struct uring_io *uring = calloc(1, sizeof(*uring));
    if (!uring) {
        ring_close(ring);
        return error_set(ret_error, ENOMEM, "out of memory");
    }
    uring->io.operations = &URING_OPERATIONS;
    (void)pthread_mutex_init(&uring->lock, NULL);
    ring_put(uring, ring);
    *ret_io = &uring->io;
    return 0;
}
