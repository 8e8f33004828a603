#include "http_socket.h"

#include "http_internal.h"
#include "http_tls.h"
#include "websocket_frame.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    STEP_BYTES = 16 << 10,                   /* received at once */
    KEEP_BYTES = HTTP_SOCKET_FREE_BYTES / 2, /* of a buffer; what a large message needed more is given back */
    LOOK_MS = 1000,                          /* how late it is noticed at most that the server stops */
    FRAGMENTS_MAX = 100000,                  /* of one message */
    CORKED_BYTES_MAX = 64 << 10,
};

struct http_socket {
    struct http_exchange *exchange;
    struct http_socket_options options;
    uint8_t *input; /* [begin, end) was received and not used */
    size_t begin, end, capacity;
    uint8_t *message; /* of the fragments so far; a whole one is given from `input` */
    size_t message_size, message_capacity;
    uint8_t *output; /* corked frames */
    size_t output_size, output_capacity;
    bool corked;
    unsigned fragments; /* 0 = no message has begun */
    bool closed;        /* a close frame was sent, or the connection failed */
    bool pinged;        /* since the client was heard last, */
    uint64_t pinged_ns; /* then */
    bool holds;         /* options.hold was asked */
    uint64_t heard_ns;  /* when the client was heard last */
};

/* ---- handshake ---- */

/* Whether the value of a header field has the token (RFC 9110, section 5.6.1). */
static bool has_token(const char *value, const char *token)
{
    size_t size = strlen(token);
    while (value && *value) {
        value += strspn(value, " \t,");
        size_t length = strcspn(value, " \t,");
        if (length == size && strncasecmp(value, token, size) == 0)
            return true;
        value += length;
    }
    return false;
}

static bool check_handshake(struct http_exchange *exchange, char accept[WEBSOCKET_ACCEPT_BYTES],
    int *ret_status, const char **ret_text)
{
    const char *version = http_request_header(exchange, "Sec-WebSocket-Version");
    const char *key = http_request_header(exchange, "Sec-WebSocket-Key");
    *ret_status = 400;
    if (exchange->method != HTTP_GET || !exchange->http_1_1 ||
        !has_token(http_request_header(exchange, "Upgrade"), "websocket") ||
        !has_token(http_request_header(exchange, "Connection"), "upgrade")) {
        *ret_status = 404; /* as ConnectorDB 0.3 */
        *ret_text = "Only WebSocket clients find something here";
    } else if (!version || strcmp(version, "13") != 0)
        *ret_text = "Only version 13 of WebSocket is spoken here (Sec-WebSocket-Version)";
    else if (!key || !websocket_accept(key, accept))
        *ret_text = "Sec-WebSocket-Key must be the base64 of 16 bytes";
    else if (exchange->body_length != 0)
        *ret_text = "The request for a WebSocket has no body";
    else
        return true;
    return false;
}

static bool send_all(struct http_socket *socket, const void *data, size_t size)
{
    struct http_exchange *exchange = socket->exchange;
    uint64_t begun_ns = clock_monotonic_ns();
    const char *at = data;
    while (size > 0 && !socket->closed) {
        long sent = http_client_send(exchange->client, at, size);
        if (sent < 0 || http_elapsed_ms(begun_ns) > exchange->http->options.stall_ms_max ||
            ((size_t)sent < size && http_stopping(exchange->http))) {
            socket->closed = true;
            break;
        }
        if (sent > 0)
            begun_ns = clock_monotonic_ns(); /* a large message may take its time */
        at += sent;
        size -= (size_t)sent;
        exchange->sent_bytes += (uint64_t)sent;
    }
    return !socket->closed;
}

bool http_socket_open(struct http_exchange *exchange, const struct http_socket_options *options,
    struct http_socket **ret_socket, int *ret_status, const char **ret_text)
{
    char accept[WEBSOCKET_ACCEPT_BYTES], head[256];
    struct http_client *client = exchange->client;
    if (!check_handshake(exchange, accept, ret_status, ret_text))
        return false;
    struct http_socket *socket = calloc(1, sizeof(*socket));
    size_t rest = client->end - client->begin; /* frames that came with the request */
    size_t capacity = rest > STEP_BYTES ? rest : STEP_BYTES;
    uint8_t *input = malloc(capacity);
    if (!socket || !input) {
        free(socket);
        free(input);
        *ret_status = 503;
        *ret_text = "The server has no memory left for a WebSocket";
        return false;
    }
    *socket = (struct http_socket){.exchange = exchange,
        .options = *options,
        .input = input,
        .capacity = capacity,
        .heard_ns = clock_monotonic_ns()};
    memcpy(input, client->buffers->input + client->begin, rest);
    socket->end = rest;
    client->begin = client->end = 0;
    exchange->opened = exchange->close = true;
    exchange->status = 101;
    int length = snprintf(head, sizeof(head),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    (void)send_all(socket, head, (size_t)length);
    *ret_socket = socket;
    return true;
}

/* ---- frames out ---- */

static bool reserve(uint8_t **data, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return true;
    size_t larger = 2 * *capacity > needed ? 2 * *capacity : needed;
    uint8_t *moved = realloc(*data, larger);
    if (moved) {
        *data = moved;
        *capacity = larger;
    }
    return moved;
}

/* What was corked. */
static bool send_output(struct http_socket *socket)
{
    size_t size = socket->output_size;
    socket->output_size = 0;
    return size == 0 ? !socket->closed : send_all(socket, socket->output, size);
}

void http_socket_cork(struct http_socket *socket)
{
    socket->corked = true;
}

void http_socket_uncork(struct http_socket *socket)
{
    socket->corked = false;
    (void)send_output(socket);
}

static bool send_frame(
    struct http_socket *socket, enum websocket_opcode opcode, const void *data, size_t size)
{
    enum { TOGETHER_BYTES = 4096 };
    uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], whole[WEBSOCKET_HEAD_BYTES_MAX + TOGETHER_BYTES];
    size_t head_size = websocket_frame_head(opcode, size, head);
    if (socket->corked && socket->output_size + head_size + size <= CORKED_BYTES_MAX &&
        reserve(&socket->output, &socket->output_capacity, socket->output_size + head_size + size)) {
        memcpy(socket->output + socket->output_size, head, head_size);
        memcpy(socket->output + socket->output_size + head_size, data, size);
        socket->output_size += head_size + size;
        return !socket->closed;
    }
    if (!send_output(socket))
        return false;
    if (size > TOGETHER_BYTES)
        return send_all(socket, head, head_size) && send_all(socket, data, size);
    memcpy(whole, head, head_size);
    memcpy(whole + head_size, data, size);
    return send_all(socket, whole, head_size + size);
}

bool http_socket_send(struct http_socket *socket, const char *text, size_t size)
{
    return send_frame(socket, WEBSOCKET_TEXT, text, size);
}

void http_socket_close(struct http_socket *socket, unsigned code, const char *reason)
{
    uint8_t payload[WEBSOCKET_CONTROL_BYTES_MAX];
    size_t length = code ? strnlen(reason, sizeof(payload) - 2) : 0;
    if (code) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        memcpy(payload + 2, reason, length);
    }
    if (!socket->closed)
        (void)send_frame(socket, WEBSOCKET_CLOSE, payload, code ? length + 2 : 0);
    socket->closed = true;
}

void http_socket_free(struct http_socket *socket)
{
    if (!socket)
        return;
    http_socket_close(socket, 1001, "");
    http_client_linger(socket->exchange->client); /* the client shall read the close frame */
    free(socket->input);
    free(socket->message);
    free(socket->output);
    free(socket);
}

/* ---- frames in ---- */

/* Enlarges one of the two buffers of what comes. False: the connection is closed. */
static bool enlarge(struct http_socket *socket, uint8_t **data, size_t *capacity, size_t needed)
{
    const struct http_socket_options *options = &socket->options;
    if (needed <= *capacity)
        return true;
    size_t larger = 2 * *capacity > needed ? 2 * *capacity : needed;
    size_t total = socket->capacity + socket->message_capacity - *capacity + larger;
    if (total > HTTP_SOCKET_FREE_BYTES && options->hold) {
        socket->holds = true;
        if (!options->hold(options->context, total)) {
            http_socket_close(socket, 1013, "the server is busy, try again");
            return false;
        }
    }
    if (reserve(data, capacity, needed))
        return true;
    http_socket_close(socket, 1011, "no memory");
    return false;
}

/* Receives what is there. False: nothing; then the connection may be closed. */
static bool receive(struct http_socket *socket)
{
    if (socket->begin > 0) {
        memmove(socket->input, socket->input + socket->begin, socket->end - socket->begin);
        socket->end -= socket->begin;
        socket->begin = 0;
    }
    if (!enlarge(socket, &socket->input, &socket->capacity, socket->end + STEP_BYTES))
        return false;
    long count = http_client_receive(
        socket->exchange->client, socket->input + socket->end, socket->capacity - socket->end);
    if (count <= 0) {
        socket->closed = socket->closed || count != -EAGAIN;
        return false;
    }
    socket->end += (size_t)count;
    socket->exchange->body_read += (uint64_t)count;
    socket->heard_ns = clock_monotonic_ns();
    socket->pinged = false;
    return true;
}

/* A fragment of a message that is not given from `input`. */
static bool add_fragment(struct http_socket *socket, const uint8_t *data, size_t size)
{
    if (!enlarge(socket, &socket->message, &socket->message_capacity, socket->message_size + size + 1))
        return false;
    memcpy(socket->message + socket->message_size, data, size);
    socket->message_size += size;
    socket->message[socket->message_size] = '\0';
    return true;
}

static void take_control(struct http_socket *socket, const struct websocket_frame *frame, const uint8_t *data)
{
    if (frame->opcode == WEBSOCKET_PING)
        (void)send_frame(socket, WEBSOCKET_PONG, data, (size_t)frame->size);
    if (frame->opcode != WEBSOCKET_CLOSE || socket->closed)
        return;
    if (frame->size == 1) {
        http_socket_close(socket, 1002, "a close code has two bytes");
        return;
    }
    (void)send_frame(socket, WEBSOCKET_CLOSE, data, frame->size >= 2 ? 2 : 0); /* its own code */
    socket->closed = true;
}

/* True: *ret_text is a whole message. */
static bool take_data(struct http_socket *socket, const struct websocket_frame *frame, const uint8_t *data,
    const char **ret_text, size_t *ret_size)
{
    bool continues = frame->opcode == WEBSOCKET_CONTINUATION;
    if (frame->opcode == WEBSOCKET_BINARY) {
        http_socket_close(socket, 1003, "only text messages are taken");
        return false;
    }
    if (continues != (socket->fragments > 0) || ++socket->fragments > FRAGMENTS_MAX) {
        http_socket_close(socket, 1002, "fragments of different messages");
        return false;
    }
    if (!add_fragment(socket, data, (size_t)frame->size) || !frame->final)
        return false;
    *ret_text = (const char *)socket->message;
    *ret_size = socket->message_size;
    socket->message_size = 0;
    socket->fragments = 0;
    return true;
}

/* Takes whole frames until there is a message. */
static bool take_frames(struct http_socket *socket, const char **ret_text, size_t *ret_size)
{
    struct websocket_frame frame;
    while (!socket->closed) {
        uint8_t *data = socket->input + socket->begin;
        size_t size = socket->end - socket->begin;
        int r = websocket_frame_parse(data, size, &frame);
        if (r < 0)
            http_socket_close(socket, 1002, "this is no frame of a WebSocket client");
        else if (r > 0 && frame.size > socket->options.message_bytes_max - socket->message_size)
            http_socket_close(socket, 1009, "the message is too large");
        if (socket->closed || r == 0 || size - frame.head_bytes < frame.size)
            return false;
        data += frame.head_bytes;
        websocket_unmask(data, (size_t)frame.size, frame.mask, 0);
        socket->begin += frame.head_bytes + (size_t)frame.size;
        if (frame.opcode >= WEBSOCKET_CLOSE)
            take_control(socket, &frame, data);
        else if (take_data(socket, &frame, data, ret_text, ret_size))
            return true;
    }
    return false;
}

static void give_back(struct http_socket *socket)
{
    if (socket->message_capacity > KEEP_BYTES && socket->message_size == 0) {
        free(socket->message);
        socket->message = NULL;
        socket->message_capacity = 0;
    }
    size_t rest = socket->end - socket->begin;
    uint8_t *smaller = socket->capacity > KEEP_BYTES && rest <= STEP_BYTES ? malloc(STEP_BYTES) : NULL;
    if (smaller) {
        memcpy(smaller, socket->input + socket->begin, rest);
        free(socket->input);
        socket->input = smaller;
        socket->capacity = STEP_BYTES;
        socket->begin = 0;
        socket->end = rest;
    }
    if (socket->holds && socket->capacity + socket->message_capacity <= HTTP_SOCKET_FREE_BYTES) {
        socket->holds = false;
        (void)socket->options.hold(socket->options.context, 0);
    }
}

/* ---- waiting ---- */

/* Sends a ping when it is due, and gives a client up that answers none. Returns how long to wait. */
static int keep_alive(struct http_socket *socket)
{
    uint64_t quiet_ms = http_elapsed_ms(socket->heard_ns);
    const struct http_socket_options *options = &socket->options;
    uint64_t answer_ms = options->pong_ms > options->ping_ms ? options->pong_ms - options->ping_ms : LOOK_MS;
    if (quiet_ms >= options->ping_ms && !socket->pinged) {
        socket->pinged = true;
        socket->pinged_ns = clock_monotonic_ns();
        (void)send_frame(socket, WEBSOCKET_PING, "", 0);
    }
    uint64_t waited_ms = socket->pinged ? http_elapsed_ms(socket->pinged_ns) : quiet_ms;
    uint64_t limit_ms = socket->pinged ? answer_ms : options->ping_ms;
    if (socket->pinged && waited_ms >= limit_ms) {
        http_socket_close(socket, 1001, "no pong came");
        return 0;
    }
    uint64_t next_ms = waited_ms < limit_ms ? limit_ms - waited_ms : 0;
    return next_ms < LOOK_MS ? (int)next_ms : LOOK_MS;
}

enum http_socket_event http_socket_next(
    struct http_socket *socket, int wake_file, bool wait, const char **ret_text, size_t *ret_size)
{
    struct http_client *client = socket->exchange->client;
    while (!socket->closed) {
        if (take_frames(socket, ret_text, ret_size))
            return HTTP_SOCKET_MESSAGE;
        if (socket->closed || receive(socket) || socket->closed)
            continue;
        if (!wait)
            return HTTP_SOCKET_NOTHING;
        give_back(socket);
        if (http_stopping(socket->exchange->http)) {
            http_socket_close(socket, 1001, "the server stops");
            continue;
        }
        int timeout_ms = client->tls && http_tls_pending(client->tls) ? 0 : keep_alive(socket);
        struct pollfd files[] = {{.fd = client->file, .events = POLLIN}, {.fd = wake_file, .events = POLLIN}};
        struct timespec timeout = {
            .tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * (long)NS_PER_MS};
        if (!socket->closed && ppoll(files, 2, &timeout, NULL) > 0 && files[1].revents)
            return HTTP_SOCKET_WAKE;
    }
    return HTTP_SOCKET_CLOSED;
}
