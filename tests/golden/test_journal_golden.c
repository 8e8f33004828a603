/* Golden journals of versions 1 and 2 and a manifest of format 1 (tests/golden/v1, v2). What is written today
 * is the same bytes as the newest of each, and what was written then reads as it did. They were made by this
 * program: with CONNECTORDB_GOLDEN_WRITE=DIRECTORY it writes them there. A new version gets new files beside
 * them. Version 2 of the journal has units of several frames. */
#include "test.h"

#include "bytes.h"
#include "journal_file.h"
#include "journal_format.h"
#include "journal_sample.h"
#include "manifest_sample.h"
#include "store_layout.h"

#define JOURNAL_NAME "journal-7"
#define MANIFEST_GOLDEN "v1/" MANIFEST_NAME
#define JOURNAL_GOLDEN "v2/" JOURNAL_NAME

static char *golden_path(const char *name)
{
    return test_path(CONNECTORDB_SOURCE_DIR, "tests/golden/%s", name);
}

/* Journal and manifest as they come out today. */
static void make_files(const char *directory)
{
    struct io *io;
    struct manifest manifest;
    uint64_t ends[SAMPLE_FRAMES];
    assert_int_equal(io_open_posix(&io, NULL), 0);
    struct journal_file *journal = sample_journal(io, directory, NULL);
    sample_append(journal, JOURNAL_HEADER_BYTES, SAMPLE_FRAMES, false, ends);
    sample_append_unit(journal, ends[SAMPLE_FRAMES - 1], 3, ends);
    journal_file_close(journal);
    sample_manifest(&manifest);
    assert_int_equal(manifest_write(io, directory, &manifest, NULL), 0);
    manifest_free(&manifest);
    io_close(io);
}

struct dump {
    FILE *to;
    const struct journal_file *journal;
};

static int dump_frame(void *context, const struct frame *frame)
{
    struct dump *dump = context;
    struct batch view = {0};
    if (frame->kind == FRAME_POINTS)
        assert_int_equal(frame_view(map_data(dump->journal->map), frame, true, &view, NULL), 0);
    sample_dump_frame(dump->to, frame, &view);
    return 0;
}

static char *dump_journal(const char *directory)
{
    char *text = NULL;
    size_t size;
    struct journal_file *journal;
    struct journal_scan scan;
    struct error error = {0};
    if (journal_file_open(directory, SAMPLE_JOURNAL_ID, &journal, &error) < 0)
        fail_msg("%s", error.message);
    struct dump dump = {open_memstream(&text, &size), journal};
    fprintf(dump.to, "journal %llu version %u flags 0 nonce %016llx size %llu\n",
        (unsigned long long)journal->id,
        load_u32(map_data(journal->map) + offsetof(struct journal_header, version)),
        (unsigned long long)journal->nonce, (unsigned long long)journal->size);
    assert_int_equal(journal_file_scan(journal, 0, dump_frame, &dump, &scan, NULL), 0);
    fprintf(dump.to, "end %llu\n", (unsigned long long)scan.end);
    assert_int_equal(scan.torn_bytes, 0);
    assert_int_equal(fclose(dump.to), 0);
    journal_file_close(journal);
    return text;
}

static char *dump_manifest(const char *directory)
{
    char *text = NULL;
    size_t size;
    struct manifest manifest;
    assert_int_equal(manifest_read(directory, &manifest, NULL), 0);
    FILE *to = open_memstream(&text, &size);
    sample_dump_manifest(to, &manifest);
    assert_int_equal(fclose(to), 0);
    manifest_free(&manifest);
    return text;
}

static void assert_equals_golden(const char *path, const char *name)
{
    size_t size, golden_size;
    char *golden = golden_path(name);
    char *content = test_file_read(path, &size);
    char *expected = test_file_read(golden, &golden_size);
    assert_int_equal(size, golden_size);
    assert_memory_equal(content, expected, size);
    free(expected);
    free(content);
    free(golden);
}

static void writes_the_same_bytes(void **state)
{
    (void)state;
    static const char *const NAMES[] = {JOURNAL_NAME, MANIFEST_NAME};
    static const char *const GOLDEN[] = {JOURNAL_GOLDEN, MANIFEST_GOLDEN};
    char *directory = test_directory_create();
    make_files(directory);
    for (size_t i = 0; i < 2; i++) {
        char *path = test_path(directory, "%s", NAMES[i]);
        assert_equals_golden(path, GOLDEN[i]);
        free(path);
    }
    test_directory_remove(directory);
}

static void assert_reads(char *(*dump)(const char *directory), const char *version, const char *name)
{
    char *directory = golden_path(version);
    char *text_path = test_path(directory, "%s.txt", name);
    char *found = dump(directory), *expected = test_file_read(text_path, NULL);
    assert_string_equal(found, expected);
    free(expected);
    free(found);
    free(text_path);
    free(directory);
}

static void reads_what_was_written(void **state)
{
    (void)state;
    assert_reads(dump_journal, "v1", JOURNAL_NAME);
    assert_reads(dump_journal, "v2", JOURNAL_NAME);
    assert_reads(dump_manifest, "v1", MANIFEST_NAME);
}

static void write_golden(void **state)
{
    (void)state;
    const char *directory = getenv("CONNECTORDB_GOLDEN_WRITE");
    make_files(directory);
    char *journal = dump_journal(directory), *manifest = dump_manifest(directory);
    char *journal_path = test_path(directory, JOURNAL_NAME ".txt"),
         *manifest_path = test_path(directory, MANIFEST_NAME ".txt");
    test_file_write(journal_path, journal, strlen(journal));
    test_file_write(manifest_path, manifest, strlen(manifest));
    free(manifest_path);
    free(journal_path);
    free(manifest);
    free(journal);
}

int main(void)
{
    const struct CMUnitTest writing[] = {cmocka_unit_test(write_golden)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_same_bytes),
        cmocka_unit_test(reads_what_was_written),
    };
    if (getenv("CONNECTORDB_GOLDEN_WRITE"))
        return cmocka_run_group_tests_name("golden journal, writing", writing, NULL, NULL);
    return cmocka_run_group_tests_name("golden journal", tests, NULL, NULL);
}
