#include "utf8.h"

#include "bytes.h"

int utf8_sequence(const uint8_t *p, const uint8_t *end)
{
    uint8_t lead = *p;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    int length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    /* The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF. */
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (int i = 1; i < length; i++) {
        if (end - p <= i)
            return -1;
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

bool utf8_valid(const uint8_t *text, size_t size)
{
    const uint8_t *end = text + size;
    while (text < end) {
        if (end - text >= 8 && (load_u64(text) & UINT64_C(0x8080808080808080)) == 0) {
            text += 8;
            continue;
        }
        int length = utf8_sequence(text, end);
        if (length <= 0)
            return false;
        text += length;
    }
    return true;
}

size_t utf8_put(uint8_t *out, uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (uint8_t)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (uint8_t)(0xc0 | code_point >> 6);
        out[1] = (uint8_t)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code_point >> 12);
        out[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code_point >> 18);
    out[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code_point & 0x3f));
    return 4;
}
