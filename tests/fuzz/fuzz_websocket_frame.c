/* Frames from a WebSocket client: the same whether the bytes come at once or one by one, and never longer
 * than what was sent. */
#include "check.h"
#include "websocket_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    size_t at = 0;
    for (;;) {
        struct websocket_frame frame = {0}, again = {0};
        uint8_t *data = malloc(size - at > 0 ? size - at : 1); /* no more: reading beyond it is seen */
        CHECK(data);
        memcpy(data, input + at, size - at);
        int r = websocket_frame_parse(data, size - at, &frame), partly = 0;
        for (size_t i = 0; i <= size - at && i <= 14 && partly == 0; i++)
            partly = websocket_frame_parse(data, i, &again);
        CHECK(r == partly);
        bool whole = r == 1 && frame.size <= size - at - frame.head_bytes;
        if (r == 1) {
            uint8_t head[WEBSOCKET_HEAD_BYTES_MAX];
            CHECK(frame.head_bytes <= size - at && frame.size == again.size);
            CHECK(
                frame.opcode < WEBSOCKET_CLOSE || (frame.final && frame.size <= WEBSOCKET_CONTROL_BYTES_MAX));
            CHECK(websocket_frame_head(frame.opcode, frame.size, head) + 4 == frame.head_bytes);
        }
        if (whole)
            websocket_unmask(data + frame.head_bytes, (size_t)frame.size, frame.mask, 0);
        free(data);
        if (!whole)
            return 0;
        at += frame.head_bytes + (size_t)frame.size;
    }
}
