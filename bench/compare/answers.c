#include "answers.h"

#include "bench_common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    RECEIVE_BYTES = 256 << 10,
    LINE_BYTES_MAX = 16 << 10,
    POSTGRES_HEADER_BYTES = 5,
    STATUS_BYTES = 400,
    SHOWN_BYTES_MAX = 400
};

bool protocol_parse(const char *name, enum protocol *ret_protocol)
{
    static const char *const names[] = {"http", "resp", "postgres"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_protocol = (enum protocol)i;
            return true;
        }
    }
    return false;
}

void answers_init(struct answers *answers, enum protocol protocol, int file)
{
    *answers = (struct answers){.protocol = protocol, .file = file, .buffer = malloc(RECEIVE_BYTES)};
    if (!answers->buffer)
        bench_fail("no memory");
}

void answers_free(struct answers *answers)
{
    free(answers->buffer);
}

/* Receives more behind what is there; what is there moves to the front first when there is no room. */
static bool receive(struct answers *answers)
{
    if (answers->start == answers->end)
        answers->start = answers->end = 0;
    if (answers->end == RECEIVE_BYTES) {
        memmove(answers->buffer, answers->buffer + answers->start, answers->end - answers->start);
        answers->end -= answers->start;
        answers->start = 0;
    }
    ssize_t count;
    do {
        count = recv(answers->file, answers->buffer + answers->end, RECEIVE_BYTES - answers->end, 0);
    } while (count < 0 && errno == EINTR);
    if (count <= 0)
        return false;
    answers->end += (size_t)count;
    answers->received += (uint64_t)count;
    return true;
}

static bool skip(struct answers *answers, uint64_t size)
{
    for (;;) {
        size_t there = answers->end - answers->start;
        if (size <= there) {
            answers->start += (size_t)size;
            return true;
        }
        size -= there;
        answers->start = answers->end;
        if (!receive(answers))
            return false;
    }
}

/* A line without its CR LF, ended by NUL in place; valid until the next call. NULL: closed. */
static char *read_line(struct answers *answers)
{
    size_t looked = 0;
    for (;;) {
        char *start = (char *)answers->buffer + answers->start;
        size_t there = answers->end - answers->start;
        char *end = memchr(start + looked, '\n', there - looked);
        if (end) {
            answers->start += (size_t)(end - start) + 1;
            *end = '\0';
            if (end > start && end[-1] == '\r')
                end[-1] = '\0';
            return start;
        }
        if (there > LINE_BYTES_MAX)
            bench_fail("the server answers a line of over %d bytes", LINE_BYTES_MAX);
        looked = there;
        if (!receive(answers))
            return NULL;
    }
}

static bool skip_chunks(struct answers *answers)
{
    for (;;) {
        const char *line = read_line(answers);
        if (!line)
            return false;
        uint64_t size = strtoull(line, NULL, 16);
        if (!skip(answers, size + (size > 0 ? 2 : 0)))
            return false;
        if (size > 0)
            continue;
        do { /* trailers, then an empty line */
            line = read_line(answers);
        } while (line && *line);
        return line != NULL;
    }
}

/* Prints the start of the body, of which `size` bytes are announced (0: none, or chunked). */
static _Noreturn void fail_with_body(struct answers *answers, const char *status, uint64_t size)
{
    size_t wanted = size < SHOWN_BYTES_MAX ? (size_t)size : SHOWN_BYTES_MAX;
    while (answers->end - answers->start < wanted && receive(answers))
        continue;
    bench_fail("the server answers %s: %.*s", status, (int)(answers->end - answers->start),
        (const char *)answers->buffer + answers->start);
}

static bool skip_http(struct answers *answers)
{
    char status[STATUS_BYTES] = "";
    bool chunked = false;
    uint64_t size = 0;
    const char *line = read_line(answers);
    if (line)
        snprintf(status, sizeof(status), "%s", line);
    while (line && *line) {
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            size = strtoull(line + 15, NULL, 10);
        else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0)
            chunked = true;
        line = read_line(answers);
    }
    if (!line)
        return false;
    if (strncmp(status, "HTTP/1.1 2", 10) != 0)
        fail_with_body(answers, status, size);
    return chunked ? skip_chunks(answers) : skip(answers, size);
}

static bool skip_resp(struct answers *answers)
{
    for (uint64_t left = 1; left > 0; left--) {
        const char *line = read_line(answers);
        if (!line)
            return false;
        long long number = strtoll(line + 1, NULL, 10); /* -1: null */
        if (*line == '-')
            bench_fail("the server answers %s", line);
        if (*line == '*' && number > 0)
            left += (uint64_t)number;
        if (*line == '$' && number >= 0 && !skip(answers, (uint64_t)number + 2))
            return false;
    }
    return true;
}

static uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static bool skip_postgres(struct answers *answers)
{
    for (uint8_t type = 0; type != 'Z';) {
        while (answers->end - answers->start < POSTGRES_HEADER_BYTES) {
            if (!receive(answers))
                return false;
        }
        type = answers->buffer[answers->start];
        uint32_t size = big_endian(answers->buffer + answers->start + 1);
        if (size < 4)
            bench_fail("the server answers a message of %u bytes", size);
        answers->start += POSTGRES_HEADER_BYTES;
        size -= 4;
        if (type == 'E') {
            while (answers->end - answers->start < size && receive(answers))
                continue;
            for (size_t i = answers->start; i < answers->end; i++) /* its fields end with NUL */
                answers->buffer[i] = answers->buffer[i] ? answers->buffer[i] : ' ';
            bench_fail("the server answers %.*s", (int)(answers->end - answers->start),
                (const char *)answers->buffer + answers->start);
        }
        if (!skip(answers, size))
            return false;
    }
    return true;
}

bool answers_skip(struct answers *answers)
{
    switch (answers->protocol) {
    case PROTOCOL_HTTP:
        return skip_http(answers);
    case PROTOCOL_RESP:
        return skip_resp(answers);
    default:
        return skip_postgres(answers);
    }
}
