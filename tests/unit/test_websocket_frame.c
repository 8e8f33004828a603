/* Frames of WebSocket: what a client may send, and what we send. */
#include "test.h"

#include "websocket_frame.h"

static void test_accept_is_that_of_the_rfc(void **state)
{
    char accept[WEBSOCKET_ACCEPT_BYTES];
    (void)state;
    assert_true(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* RFC 6455, section 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    static const char *const WRONG[] = {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhl!HNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==AAAA"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        assert_false(websocket_accept(WRONG[i], accept));
}

static void test_heads(void **state)
{
    static const struct {
        uint8_t data[14];
        size_t size;
        int result;
        uint64_t payload;
        size_t head_bytes;
    } CASES[] = {
        {{0x81, 0x85, 1, 2, 3, 4}, 6, 1, 5, 6}, {{0x81, 0x80, 0, 0, 0, 0}, 6, 1, 0, 6},
        {{0x01, 0xfe, 0, 126, 1, 2, 3, 4}, 8, 1, 126, 8},
        {{0x80, 0xfe, 0xff, 0xff, 1, 2, 3, 4}, 8, 1, 65535, 8},
        {{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, 14, 1, 65536, 14},
        {{0x89, 0xfd, 1, 2, 3, 4}, 6, 1, 125, 6}, {{0x81}, 1, 0, 0, 0}, {{0x81, 0x85, 1, 2, 3}, 5, 0, 0, 0},
        {{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3}, 13, 0, 0, 0},
        {{0x81, 0x05}, 2, -EPROTO, 0, 0},                     /* not masked */
        {{0xc1, 0x85}, 2, -EPROTO, 0, 0},                     /* reserved bits */
        {{0x91, 0x85}, 2, -EPROTO, 0, 0},                     /* */
        {{0xa1, 0x85}, 2, -EPROTO, 0, 0},                     /* */
        {{0x83, 0x85}, 2, -EPROTO, 0, 0},                     /* opcodes */
        {{0x8b, 0x85}, 2, -EPROTO, 0, 0},                     /* */
        {{0x09, 0x80}, 2, -EPROTO, 0, 0},                     /* a fragmented ping */
        {{0x89, 0xfe}, 2, -EPROTO, 0, 0},                     /* a long one */
        {{0x81, 0xfe, 0, 125, 1, 2, 3, 4}, 8, -EPROTO, 0, 0}, /* a length that is not the shortest */
        {{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, 14, -EPROTO, 0, 0},
        {{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 14, -EPROTO, 0, 0}, /* the highest bit */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct websocket_frame frame = {0};
        int r = websocket_frame_parse(CASES[i].data, CASES[i].size, &frame);
        if (r != CASES[i].result ||
            (r == 1 && (frame.size != CASES[i].payload || frame.head_bytes != CASES[i].head_bytes ||
                           memcmp(frame.mask, CASES[i].data + frame.head_bytes - 4, 4) != 0)))
            fail_msg("case %zu: %d, %llu bytes", i, r, (unsigned long long)frame.size);
    }
}

/* Our heads, masked as a client would, are read back. */
static void test_lengths_are_read_back(void **state)
{
    static const uint64_t SIZES[] = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        uint8_t head[WEBSOCKET_HEAD_BYTES_MAX + 4] = {0};
        struct websocket_frame frame;
        size_t size = websocket_frame_head(WEBSOCKET_TEXT, SIZES[i], head);
        head[1] |= 0x80;
        assert_int_equal(websocket_frame_parse(head, size + 4, &frame), 1);
        assert_true(frame.final && frame.opcode == WEBSOCKET_TEXT && frame.size == SIZES[i]);
        for (size_t shorter = 0; shorter < size + 4; shorter++)
            assert_int_equal(websocket_frame_parse(head, shorter, &frame), 0);
    }
}

static void test_masks(void **state)
{
    static const uint8_t MASK[] = {0x37, 0xfa, 0x21, 0x3d}; /* RFC 6455, section 5.7 */
    uint8_t masked[] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};
    (void)state;
    websocket_unmask(masked, 2, MASK, 0);
    websocket_unmask(masked + 2, 3, MASK, 2);
    assert_memory_equal(masked, "Hello", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_is_that_of_the_rfc),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_lengths_are_read_back),
        cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
