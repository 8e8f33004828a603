#include "file_writer.h"

#include "bytes.h"
#include "check.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DIRECT_ALIGNMENT = 4096, /* of memory, offset and size; no device in use asks for more */
    SLOTS = 2,
    POOL_BUFFERS_MAX = 8, /* kept for reuse by later writers */
};

struct slot {
    uint8_t *data;
    struct io_request request; /* under way, or taken by slot_settle */
    bool submitted;
};

struct file_writer {
    struct io *io;
    char *path;
    int file;
    struct slot slots[SLOTS];
    unsigned current;  /* the slot being filled; the other one may be under way */
    size_t used;       /* of the current slot */
    uint64_t position; /* in the file, of the current slot's first byte */
    bool direct;       /* O_DIRECT is on */
    bool finished;
    int failed; /* 0 or the first failure, -errno */
    struct error error;
};

/* ---- buffers, shared by all writers of the process ---- */

static struct {
    pthread_mutex_t lock;
    uint8_t *buffers[POOL_BUFFERS_MAX];
    unsigned count;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint8_t *pool_take(void)
{
    uint8_t *buffer = NULL;
    (void)pthread_mutex_lock(&pool.lock);
    if (pool.count > 0)
        buffer = pool.buffers[--pool.count];
    (void)pthread_mutex_unlock(&pool.lock);
    return buffer ? buffer : aligned_alloc(DIRECT_ALIGNMENT, FILE_WRITER_BUFFER_BYTES);
}

static void pool_put(uint8_t *buffer)
{
    (void)pthread_mutex_lock(&pool.lock);
    if (pool.count < POOL_BUFFERS_MAX) {
        pool.buffers[pool.count++] = buffer;
        buffer = NULL;
    }
    (void)pthread_mutex_unlock(&pool.lock);
    free(buffer);
}

/* ---- the process's default io, for callers above the engine ---- */

static struct {
    pthread_once_t once;
    struct io *io;
    struct error error;
} shared = {.once = PTHREAD_ONCE_INIT};

static void shared_open(void)
{
    (void)io_open_default(&shared.io, &shared.error);
}

static int shared_io(struct io **ret_io, struct error *ret_error)
{
    (void)pthread_once(&shared.once, shared_open);
    if (!shared.io)
        return error_set(ret_error, shared.error.code, "%s", shared.error.message);
    *ret_io = shared.io;
    return 0;
}

/* ---- writing ---- */

static int fail(struct file_writer *writer, int code, const char *what, uint64_t offset)
{
    writer->failed = error_set(&writer->error, code, "%s: cannot %s at offset %llu: %s", writer->path, what,
        (unsigned long long)offset, strerrordesc_np(code));
    return writer->failed;
}

static int give_error(const struct file_writer *writer, struct error *ret_error)
{
    if (writer->failed)
        (void)error_set(ret_error, -writer->failed, "%s", writer->error.message);
    return writer->failed;
}

/* Large files bypass the page cache: first-touch page allocation, not the device, bounds buffered writes.
 * File systems without O_DIRECT refuse the flag here with EINVAL. */
static void direct_set(struct file_writer *writer, bool on)
{
    int flags = fcntl(writer->file, F_GETFL);
    if (flags < 0)
        return;
    flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
    if (fcntl(writer->file, F_SETFL, flags) == 0)
        writer->direct = on;
}

/* Takes the result of the slot's write. What a direct write left undone (a short write may end unaligned, and
 * some file systems refuse a direct write only now, with EINVAL) is written through the page cache, as is the
 * rest of the file. */
static int slot_settle(struct file_writer *writer, struct slot *slot)
{
    if (!slot->submitted)
        return 0;
    struct io_request *request = &slot->request;
    writer->io->operations->wait(writer->io, request);
    slot->submitted = false;
    if (writer->failed)
        return writer->failed;
    long written = request->result;
    if ((size_t)written == request->size)
        return 0;
    bool refused = written == -EINVAL && writer->direct;
    if (written < 0 && !refused && written != -EINTR && written != -EAGAIN)
        return fail(writer, (int)-written, "write", request->offset);
    if (written < 0)
        written = 0;
    if (writer->direct)
        direct_set(writer, false);
    writer->failed =
        io_write_all(writer->io, writer->file, writer->path, (const uint8_t *)request->data + written,
            request->size - (size_t)written, request->offset + (uint64_t)written, &writer->error);
    return writer->failed;
}

/* Starts the write of the current slot's first `size` bytes. */
static void slot_submit(struct file_writer *writer, size_t size)
{
    struct slot *slot = &writer->slots[writer->current];
    slot->request = (struct io_request){
        .file = writer->file, .data = slot->data, .size = size, .offset = writer->position};
    slot->submitted = true;
    writer->io->operations->submit(writer->io, &slot->request);
}

/* Hands the full current buffer to the system and turns to the other one. */
static int turn(struct file_writer *writer)
{
    if (writer->position == 0)
        direct_set(writer, true);
    slot_submit(writer, FILE_WRITER_BUFFER_BYTES);
    writer->position += FILE_WRITER_BUFFER_BYTES;
    writer->used = 0;
    writer->current = (writer->current + 1) % SLOTS;
    struct slot *slot = &writer->slots[writer->current];
    int r = slot_settle(writer, slot);
    if (r == 0 && !slot->data) {
        slot->data = pool_take();
        if (!slot->data)
            return fail(writer, ENOMEM, "take a buffer", writer->position);
    }
    return r;
}

/* Makes sure that the current buffer has room. A buffer is only handed on when more follows, so that the last
 * one, or the only one, is always finish's. */
static int make_room(struct file_writer *writer, struct error *ret_error)
{
    CHECK(!writer->finished);
    if (!writer->failed && writer->used == FILE_WRITER_BUFFER_BYTES)
        (void)turn(writer);
    return give_error(writer, ret_error);
}

int file_writer_append(struct file_writer *writer, const void *data, size_t size, struct error *ret_error)
{
    const uint8_t *from = data;
    while (size > 0) {
        uint8_t *to;
        size_t part;
        int r = file_writer_reserve(writer, &to, &part, ret_error);
        if (r < 0)
            return r;
        if (part > size)
            part = size;
        memcpy(to, from, part);
        file_writer_commit(writer, part);
        from += part;
        size -= part;
    }
    return give_error(writer, ret_error);
}

int file_writer_reserve(
    struct file_writer *writer, uint8_t **ret_data, size_t *ret_size, struct error *ret_error)
{
    int r = make_room(writer, ret_error);
    if (r < 0)
        return r;
    *ret_data = writer->slots[writer->current].data + writer->used;
    *ret_size = FILE_WRITER_BUFFER_BYTES - writer->used;
    return 0;
}

void file_writer_commit(struct file_writer *writer, size_t size)
{
    CHECK(size <= FILE_WRITER_BUFFER_BYTES - writer->used);
    writer->used += size;
}

uint64_t file_writer_offset(const struct file_writer *writer)
{
    return writer->position + writer->used;
}

/* Writes the last buffer: padded to the alignment and cut again when the file is written directly. */
static int write_tail(struct file_writer *writer)
{
    struct slot *slot = &writer->slots[writer->current];
    uint64_t size = file_writer_offset(writer);
    size_t tail = writer->used;
    if (tail == 0)
        return 0;
    if (!writer->direct) {
        writer->failed = io_write_all(
            writer->io, writer->file, writer->path, slot->data, tail, writer->position, &writer->error);
        return writer->failed;
    }
    size_t padded = align_up(tail, DIRECT_ALIGNMENT);
    memset(slot->data + tail, 0, padded - tail);
    slot_submit(writer, padded);
    int r = slot_settle(writer, slot);
    if (r == 0 && padded != tail) {
        r = writer->io->operations->truncate(writer->io, writer->file, size);
        if (r < 0)
            r = fail(writer, -r, "cut the file", size);
    }
    return r;
}

int file_writer_finish(struct file_writer *writer, struct error *ret_error)
{
    CHECK(!writer->finished);
    for (unsigned i = 0; i < SLOTS && !writer->failed; i++)
        (void)slot_settle(writer, &writer->slots[i]);
    if (!writer->failed)
        (void)write_tail(writer);
    if (!writer->failed) {
        int r = writer->io->operations->sync(writer->io, writer->file);
        if (r < 0)
            (void)fail(writer, -r, "sync", file_writer_offset(writer));
    }
    writer->finished = !writer->failed;
    return give_error(writer, ret_error);
}

int file_writer_open(
    struct io *io, const char *path, mode_t mode, struct file_writer **ret_writer, struct error *ret_error)
{
    int r = io ? 0 : shared_io(&io, ret_error);
    if (r < 0)
        return r;
    struct file_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    writer->io = io;
    writer->file = -1;
    writer->path = strdup(path);
    writer->slots[0].data = pool_take();
    if (!writer->path || !writer->slots[0].data) {
        r = error_set(ret_error, ENOMEM, "%s: out of memory", path);
        goto failed;
    }
    writer->file = io->operations->open(io, path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (writer->file < 0) {
        r = error_set(
            ret_error, -writer->file, "%s: cannot create: %s", path, strerrordesc_np(-writer->file));
        goto failed;
    }
    *ret_writer = writer;
    return 0;
failed:
    file_writer_close(writer);
    return r;
}

void file_writer_close(struct file_writer *writer)
{
    if (!writer)
        return;
    for (unsigned i = 0; i < SLOTS; i++) {
        /* The kernel may still be reading the buffer. */
        if (writer->slots[i].submitted)
            writer->io->operations->wait(writer->io, &writer->slots[i].request);
        if (writer->slots[i].data)
            pool_put(writer->slots[i].data);
    }
    if (writer->file >= 0) {
        (void)close(writer->file);
        if (!writer->finished)
            (void)writer->io->operations->unlink(writer->io, writer->path);
    }
    free(writer->path);
    free(writer);
}
