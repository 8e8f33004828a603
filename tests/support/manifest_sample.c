#include "test.h"

#include "manifest_sample.h"

void sample_manifest(struct manifest *ret_manifest)
{
    static const uint64_t DELETED[] = {900, 3, 77, 3, 5}; /* in any order, one twice */
    struct manifest manifest = {.version = 12, .next_file_id = 10};
    assert_int_equal(manifest_add_journal(&manifest,
                         (struct manifest_journal){.id = 7, .clean_end = 5280, .nonce = 0x1234567890abcdef}),
        0);
    assert_int_equal(manifest_add_journal(&manifest, (struct manifest_journal){.id = 9, .nonce = 99}), 0);
    for (uint64_t id = 2; id < 5; id++) {
        struct manifest_segment segment = {
            .id = id, .size = id * 100000, .checksum = id * UINT64_C(0x123456789abcdef)};
        assert_int_equal(manifest_add_segment(&manifest, segment), 0);
    }
    for (size_t i = 0; i < sizeof(DELETED) / sizeof(DELETED[0]); i++)
        assert_int_equal(manifest_add_deleted(&manifest, DELETED[i]), 0);
    *ret_manifest = manifest;
}

void assert_manifest_equal(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->next_file_id, b->next_file_id);
    assert_int_equal(a->journal_count, b->journal_count);
    assert_int_equal(a->segment_count, b->segment_count);
    assert_int_equal(a->deleted_count, b->deleted_count);
    assert_memory_equal(a->journals, b->journals, a->journal_count * sizeof(*a->journals));
    assert_memory_equal(a->segments, b->segments, a->segment_count * sizeof(*a->segments));
    assert_memory_equal(a->deleted, b->deleted, a->deleted_count * sizeof(*a->deleted));
}

void sample_dump_manifest(FILE *to, const struct manifest *manifest)
{
    fprintf(to, "manifest format 1 version %llu next file %llu\n", (unsigned long long)manifest->version,
        (unsigned long long)manifest->next_file_id);
    for (uint32_t i = 0; i < manifest->journal_count; i++)
        fprintf(to, "journal %llu clean end %llu nonce %016llx\n",
            (unsigned long long)manifest->journals[i].id, (unsigned long long)manifest->journals[i].clean_end,
            (unsigned long long)manifest->journals[i].nonce);
    for (uint32_t i = 0; i < manifest->segment_count; i++)
        fprintf(to, "segment %llu size %llu checksum %016llx\n", (unsigned long long)manifest->segments[i].id,
            (unsigned long long)manifest->segments[i].size,
            (unsigned long long)manifest->segments[i].checksum);
    for (uint64_t i = 0; i < manifest->deleted_count; i++)
        fprintf(to, "deleted %llu\n", (unsigned long long)manifest->deleted[i]);
}
