#include "websocket_frame.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static bool is_known(unsigned opcode)
{
    return opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

/* The bytes of the length behind the two first bytes. */
static size_t length_bytes(unsigned length)
{
    return length == 127 ? 8 : length == 126 ? 2 : 0;
}

int websocket_frame_parse(const uint8_t *data, size_t size, struct websocket_frame *ret_frame)
{
    enum { FINAL = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
    if (size < 2)
        return 0;
    unsigned opcode = data[0] & OPCODE, length = data[1] & LENGTH;
    bool control = opcode >= WEBSOCKET_CLOSE;
    if ((data[0] & RESERVED) || !(data[1] & MASKED) || !is_known(opcode))
        return -EPROTO;
    if (control && (!(data[0] & FINAL) || length > WEBSOCKET_CONTROL_BYTES_MAX))
        return -EPROTO;
    size_t more = length_bytes(length);
    if (size < 2 + more + sizeof(ret_frame->mask))
        return 0;
    uint64_t payload = length;
    if (more > 0) {
        payload = 0;
        for (size_t i = 0; i < more; i++)
            payload = payload << 8 | data[2 + i];
        if (payload < (more == 2 ? 126 : UINT64_C(1) << 16) || payload >> 63)
            return -EPROTO;
    }
    *ret_frame = (struct websocket_frame){.final = data[0] & FINAL,
        .opcode = opcode,
        .size = payload,
        .head_bytes = 2 + more + sizeof(ret_frame->mask)};
    memcpy(ret_frame->mask, data + 2 + more, sizeof(ret_frame->mask));
    return 1;
}

void websocket_unmask(uint8_t *data, size_t size, const uint8_t mask[4], uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        data[i] ^= mask[(offset + i) & 3];
}

size_t websocket_frame_head(enum websocket_opcode opcode, uint64_t size, uint8_t to[WEBSOCKET_HEAD_BYTES_MAX])
{
    size_t more = size < 126 ? 0 : size < 1 << 16 ? 2 : 8;
    to[0] = (uint8_t)(0x80 | (unsigned)opcode);
    to[1] = more == 0 ? (uint8_t)size : more == 2 ? 126 : 127;
    for (size_t i = 0; i < more; i++)
        to[2 + i] = (uint8_t)(size >> 8 * (more - 1 - i));
    return 2 + more;
}

bool websocket_accept(const char *key, char to[WEBSOCKET_ACCEPT_BYTES])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */
    unsigned char decoded[WEBSOCKET_KEY_BYTES], digest[EVP_MAX_MD_SIZE];
    char text[WEBSOCKET_KEY_BYTES + sizeof(GUID)];
    unsigned size = 0;
    if (strlen(key) != WEBSOCKET_KEY_BYTES || strcmp(key + WEBSOCKET_KEY_BYTES - 2, "==") != 0 ||
        EVP_DecodeBlock(decoded, (const unsigned char *)key, WEBSOCKET_KEY_BYTES) < 0)
        return false;
    (void)snprintf(text, sizeof(text), "%s%s", key, GUID);
    if (EVP_Digest(text, strlen(text), digest, &size, EVP_sha1(), NULL) != 1)
        return false;
    return EVP_EncodeBlock((unsigned char *)to, digest, (int)size) == WEBSOCKET_ACCEPT_BYTES - 1;
}
