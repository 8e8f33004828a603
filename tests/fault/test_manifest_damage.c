/* Damage to the manifest: every bit, every length, nonsense with a right checksum, every failing call of a
 * write. */
#include "test.h"

#include "bytes.h"
#include "checksum.h"
#include "io_fault.h"
#include "manifest_sample.h"
#include "store_layout.h"

#include <sys/stat.h>
#include <unistd.h>

enum { ALL_CALLS = 0xff };

struct fixture {
    char *directory;
    char *path;
    struct io *io;
    struct manifest manifest;
    uint8_t *pristine;
    size_t size;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.directory = test_directory_create();
    fixture.path = test_path(fixture.directory, MANIFEST_NAME);
    struct io *inner;
    struct io_fault_plan plan = {0};
    if (io_open_posix(&inner, NULL) < 0 || io_open_fault(inner, &plan, &fixture.io) < 0)
        return -1;
    sample_manifest(&fixture.manifest);
    assert_int_equal(manifest_write(fixture.io, fixture.directory, &fixture.manifest, NULL), 0);
    fixture.pristine = (uint8_t *)test_file_read(fixture.path, &fixture.size);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->pristine);
    manifest_free(&fixture->manifest);
    io_close(fixture->io);
    free(fixture->path);
    test_directory_remove(fixture->directory);
    return 0;
}

/* What manifest_read says of these bytes; its message names the file. */
static int read_bytes(const struct fixture *fixture, const uint8_t *bytes, size_t size)
{
    struct manifest found = {0};
    struct error error = {0};
    test_file_write(fixture->path, bytes, size);
    int r = manifest_read(fixture->directory, &found, &error);
    if (r < 0) {
        assert_non_null(strstr(error.message, fixture->path));
        assert_null(found.journals);
    }
    manifest_free(&found);
    return r;
}

static void every_bit(void **state)
{
    struct fixture *fixture = *state;
    for (size_t bit = 0; bit < fixture->size * 8; bit++) {
        fixture->pristine[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_bytes(fixture, fixture->pristine, fixture->size), -EBADMSG);
        fixture->pristine[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(read_bytes(fixture, fixture->pristine, fixture->size), 0);
}

static void every_length(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *longer = calloc(1, fixture->size + 64);
    memcpy(longer, fixture->pristine, fixture->size);
    for (size_t size = 0; size < fixture->size + 64; size++)
        assert_int_equal(read_bytes(fixture, longer, size), size == fixture->size ? 0 : -EBADMSG);
    free(longer);
}

static void nonsense_with_a_right_checksum(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *what;
        size_t at;
        size_t size;
        uint64_t value;
        int code;
    } CASES[] = {
        {"newer version", 16, 4, 2, ENOTSUP},
        {"version 0", 16, 4, 0, ENOTSUP},
        {"unknown flag", 20, 4, 1, ENOTSUP},
        {"file size", 24, 8, 8, EBADMSG},
        {"a journal too many", 48, 4, 3, EBADMSG},
        {"4 G journals", 48, 4, UINT32_MAX, EBADMSG},
        {"4 G segments", 52, 4, UINT32_MAX, EBADMSG},
        {"2^64 deleted", 56, 8, UINT64_MAX, EBADMSG},
        {"counts that wrap to the right size", 56, 8, (UINT64_C(1) << 61) + 4, EBADMSG},
        {"deleted out of order", 64 + 2 * 24 + 3 * 24, 8, 6, EBADMSG},
        {"deleted twice", 64 + 2 * 24 + 3 * 24, 8, 5, EBADMSG},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint8_t *bytes = malloc(fixture->size);
        memcpy(bytes, fixture->pristine, fixture->size);
        memcpy(bytes + CASES[i].at, &CASES[i].value, CASES[i].size);
        store_u64(bytes + 8, checksum(bytes + 16, fixture->size - 16, 0));
        int r = read_bytes(fixture, bytes, fixture->size);
        if (r != -CASES[i].code)
            fail_msg("%s: %d", CASES[i].what, r);
        free(bytes);
    }
}

/* The k-th call fails or is short: afterwards the old manifest is there or the new one, and the new one is if
 * the call succeeded. */
static void every_failing_call(void **state)
{
    struct fixture *fixture = *state;
    static const int CODES[] = {ENOSPC, EIO, 0};
    char *path_new = test_path(fixture->directory, MANIFEST_NAME ".new");
    for (size_t c = 0; c < 3; c++) {
        uint64_t k = 0;
        do {
            struct manifest next, found;
            struct error error = {0};
            struct stat status;
            test_file_write(fixture->path, fixture->pristine, fixture->size);
            sample_manifest(&next);
            next.version++;
            assert_int_equal(manifest_add_deleted(&next, 1000), 0);
            io_fault_set(
                fixture->io, &(struct io_fault_plan){
                                 .fail_at = ++k, .fail_count = 1, .code = CODES[c], .calls = ALL_CALLS});
            int r = manifest_write(fixture->io, fixture->directory, &next, &error);
            assert_true(r == 0 || (CODES[c] && r == -CODES[c] && error.code == CODES[c]));
            assert_int_equal(manifest_read(fixture->directory, &found, NULL), 0);
            assert_true(
                found.version == next.version || (r < 0 && found.version == fixture->manifest.version));
            assert_manifest_equal(&found, found.version == next.version ? &next : &fixture->manifest);
            assert_int_equal(stat(path_new, &status), -1);
            manifest_free(&found);
            manifest_free(&next);
        } while (k <= io_fault_calls(fixture->io));
        assert_true(k > 4);
    }
    free(path_new);
}

/* The order that makes it atomic: written, synced, renamed, directory synced. */
struct order {
    unsigned count;
    enum io_call calls[8];
};

static void remember(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    (void)path, (void)path2, (void)data, (void)size, (void)offset;
    struct order *order = context;
    assert_true(order->count < 8);
    order->calls[order->count++] = call;
}

static void write_order(void **state)
{
    struct fixture *fixture = *state;
    static const enum io_call EXPECTED[] = {
        IO_CALL_OPEN, IO_CALL_WRITE, IO_CALL_SYNC, IO_CALL_RENAME, IO_CALL_SYNC_DIRECTORY};
    struct order order = {0};
    io_fault_set(fixture->io, &(struct io_fault_plan){.record = remember, .context = &order});
    assert_int_equal(manifest_write(fixture->io, fixture->directory, &fixture->manifest, NULL), 0);
    assert_int_equal(order.count, 5);
    assert_memory_equal(order.calls, EXPECTED, sizeof(EXPECTED));
}

int main(void)
{
#define WITH_MANIFEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_MANIFEST(every_bit),
        WITH_MANIFEST(every_length),
        WITH_MANIFEST(nonsense_with_a_right_checksum),
        WITH_MANIFEST(every_failing_call),
        WITH_MANIFEST(write_order),
    };
    return cmocka_run_group_tests_name("manifest damage", tests, NULL, NULL);
}
