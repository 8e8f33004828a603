/* Frames of WebSocket (RFC 6455, section 5), as a server reads and writes them. Pure. */
#ifndef CONNECTORDB_WEBSOCKET_FRAME_H
#define CONNECTORDB_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum {
    WEBSOCKET_CONTROL_BYTES_MAX = 125,
    WEBSOCKET_HEAD_BYTES_MAX = 10,   /* of a frame of ours */
    WEBSOCKET_ACCEPT_BYTES = 28 + 1, /* text of Sec-WebSocket-Accept with its 0 */
    WEBSOCKET_KEY_BYTES = 24,        /* text of Sec-WebSocket-Key */
};

struct websocket_frame {
    bool final;
    enum websocket_opcode opcode;
    uint64_t size; /* of the payload */
    uint8_t mask[4];
    size_t head_bytes; /* the payload follows them */
};

/* Parses the head of a client's frame at the beginning of the bytes. 1: *ret_frame is set; 0: more bytes are
 * needed; -EPROTO: no frame that a client may send (not masked, an unknown opcode, a reserved bit, a long or
 * fragmented control frame, a length that is not in its shortest form). */
int websocket_frame_parse(const uint8_t *data, size_t size, struct websocket_frame *ret_frame);

/* Takes the mask off `size` bytes of payload in place; offset: of the first one in the payload. */
void websocket_unmask(uint8_t *data, size_t size, const uint8_t mask[4], uint64_t offset);

/* Writes the head of a final frame of ours. Returns its size. */
size_t websocket_frame_head(
    enum websocket_opcode opcode, uint64_t size, uint8_t to[WEBSOCKET_HEAD_BYTES_MAX]);

/* The Sec-WebSocket-Accept for a Sec-WebSocket-Key. False: it is no base64 of 16 bytes, or no memory. */
bool websocket_accept(const char *key, char to[WEBSOCKET_ACCEPT_BYTES]);

#endif
