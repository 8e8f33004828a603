/* Varints from outside: never read past the end, and what was read is written back within its own size. */
#include "bytes.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *from = data, *end = data + size;
    while (from && from < end) {
        uint64_t value;
        const uint8_t *next = varint_get(from, end, &value);
        if (next) {
            uint8_t bytes[VARINT_BYTES_MAX];
            CHECK(next > from && next <= end && next - from <= VARINT_BYTES_MAX);
            CHECK(varint_put(bytes, value) - bytes <= next - from);
        }
        from = next;
    }
    return 0;
}
