/* The head of a request: its request line and header fields (RFC 9112).
 *
 * The parser is strict. A proxy in front of this server and the server itself must agree where a request
 * ends, or a client's body becomes another client's request ("request smuggling"). So whatever two parsers
 * could read in two ways is refused: blanks before a colon, a folded line, a bare CR or LF, two lengths, a
 * coding other than "chunked". Knows neither sockets nor CivetWeb; any thread. */
#ifndef CONNECTORDB_HTTP_HEAD_H
#define CONNECTORDB_HTTP_HEAD_H

#include "http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_field {
    const char *name, *value; /* value without the blanks around it */
};

struct http_head {
    int status;       /* 0 = sound; else the status to refuse the request with */
    const char *text; /* why, when status is not 0 */

    enum http_method method;
    bool http_1_1;           /* else 1.0 */
    bool asterisk;           /* the target is "*": path is "/" then */
    const char *method_name; /* "" until it was read; so are the next two */
    const char *path;        /* percent-encoded; of an absolute target the part behind the authority */
    const char *query;       /* behind the '?', "" when there is none */
    int64_t body_length;     /* -1 = chunked */
    bool keep_alive;         /* what the client asks for */
    bool expects_continue;
    unsigned field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Looks for the end of the head in data[0..size). *scanned: bytes that an earlier call with the same data has
 * seen; 0 at first. Returns the size of the head with its empty line, 0 when more is needed, -1 when no head
 * can begin like this. */
long http_head_find_end(const char *data, size_t size, size_t *scanned);

/* Takes data[0..size) apart, which http_head_find_end found: overwrites separators by NUL; *head points into
 * it. */
void http_head_parse(struct http_head *head, char *data, size_t size);

/* A head that was refused before it could be read. text: borrowed. */
void http_head_refuse(struct http_head *head, int status, const char *text);

/* The first field with this name (any case), NULL when there is none. */
const char *http_head_field(const struct http_head *head, const char *name);

#endif
