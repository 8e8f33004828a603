/* Reads answers of three protocols just far enough to know where each ends and whether it is a success:
 *   http      a status of 2xx; Content-Length, chunked, or no body (204)
 *   resp      the Redis protocol: any reply, arrays to their last element; an error reply ends the program
 *   postgres  messages up to ReadyForQuery; an ErrorResponse ends the program
 * What a server answers wrongly ends the program with its text. One thread each. */
#ifndef CONNECTORDB_COMPARE_ANSWERS_H
#define CONNECTORDB_COMPARE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protocol { PROTOCOL_HTTP, PROTOCOL_RESP, PROTOCOL_POSTGRES };

/* false: no such protocol. */
bool protocol_parse(const char *name, enum protocol *ret_protocol);

struct answers {
    enum protocol protocol;
    int file; /* the socket; its owner closes it */
    uint8_t *buffer;
    size_t start, end; /* of what was received and not yet looked at */
    uint64_t received; /* bytes of all answers so far */
};

void answers_init(struct answers *answers, enum protocol protocol, int file);
void answers_free(struct answers *answers);

/* Waits for one answer and skips it. false: the server closed the connection before its end. */
bool answers_skip(struct answers *answers);

#endif
