#include "http_client.h"

#include "clock.h"
#include "http_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the sockets ---- */

/* A socket that was shut down for reading receives 0 bytes while it is empty, but still takes what the client
 * sends. Whether the client has really ended, only its state tells. */
static bool is_open_for_more(int file)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    return getsockopt(file, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}

static long receive_raw(struct http_client *client, void *buffer, size_t size)
{
    ssize_t count = recvfrom(client->file, buffer, size, MSG_DONTWAIT, NULL, NULL);
    if (count == 0 && atomic_load(&client->yields) && is_open_for_more(client->file))
        return -EAGAIN;
    if (count >= 0)
        return count;
    return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

long http_client_receive(struct http_client *client, void *buffer, size_t size)
{
    return client->tls ? http_tls_receive(client->tls, buffer, size) : receive_raw(client, buffer, size);
}

static long send_raw(struct http_client *client, const void *data, size_t size)
{
    ssize_t count = sendto(client->file, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (count >= 0)
        return count;
    return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

static bool wait_writable(const struct http_client *client, uint64_t timeout_ns)
{
    struct timespec left = {
        .tv_sec = (time_t)(timeout_ns / NS_PER_SECOND), .tv_nsec = (long)(timeout_ns % NS_PER_SECOND)};
    struct pollfd polled = {.fd = client->file, .events = POLLOUT};
    return ppoll(&polled, 1, &left, NULL) > 0;
}

long http_client_send(struct http_client *client, const void *data, size_t size)
{
    uint64_t begun_ns = clock_monotonic_ns(), limit_ns = HTTP_SEND_WAIT_MS * NS_PER_MS;
    size_t sent = 0;
    while (sent < size) {
        const char *rest = (const char *)data + sent;
        long count =
            client->tls ? http_tls_send(client->tls, rest, size - sent) : send_raw(client, rest, size - sent);
        if (count > 0) {
            sent += (size_t)count;
            continue;
        }
        if (count != -EAGAIN)
            return count;
        uint64_t waited_ns = clock_monotonic_ns() - begun_ns;
        if (waited_ns >= limit_ns || !wait_writable(client, limit_ns - waited_ns))
            break;
    }
    return (long)sent;
}

bool http_client_wait(struct http_client *client, uint64_t timeout_ns)
{
    if (client->tls && http_tls_pending(client->tls))
        return true;
    uint64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        uint64_t waited_ns = clock_monotonic_ns() - begun_ns;
        if (waited_ns >= timeout_ns)
            return false;
        uint64_t left_ns = timeout_ns - waited_ns;
        bool yields = atomic_load(&client->yields); /* then it always looks readable */
        if (yields && left_ns > NS_PER_MS)
            left_ns = NS_PER_MS;
        struct timespec left = {
            .tv_sec = (time_t)(left_ns / NS_PER_SECOND), .tv_nsec = (long)(left_ns % NS_PER_SECOND)};
        struct pollfd polled = {.fd = client->file, .events = POLLIN};
        if (ppoll(&polled, yields ? 0 : 1, &left, NULL) > 0 || yields)
            return true;
    }
}

void http_client_linger(struct http_client *client)
{
    enum { DROP_BYTES = 64 << 10 };
    uint64_t left = HTTP_LINGER_BYTES_MAX, begun_ns = clock_monotonic_ns();
    if (client->tls)
        http_tls_end(client->tls);
    (void)shutdown(client->file, SHUT_WR);
    while (left > 0 && !atomic_load(&client->clients->stopping)) {
        long count = http_client_receive(client, client->buffers->answer, DROP_BYTES);
        if (count == -EAGAIN) {
            uint64_t waited_ns = clock_monotonic_ns() - begun_ns;
            uint64_t most_ns = HTTP_LINGER_MS_MAX * NS_PER_MS;
            if (waited_ns >= most_ns || !http_client_wait(client, most_ns - waited_ns))
                return;
        } else if (count <= 0) {
            return;
        } else {
            left -= (uint64_t)count < left ? (uint64_t)count : left;
        }
    }
}

/* ---- waiting for a request ---- */

/* As http_client_wait; a thread that waits for long rests meanwhile. */
static bool wait_long(struct http_client *client, uint64_t timeout_ns)
{
    uint64_t awake_ns = client->clients->options->rest_ms * NS_PER_MS;
    if (timeout_ns <= awake_ns)
        return http_client_wait(client, timeout_ns);
    if (http_client_wait(client, awake_ns))
        return true;
    http_rest(&client->rest);
    return http_client_wait(client, timeout_ns - awake_ns);
}

/* Waits for the first byte of a request without holding buffers. */
static bool wait_idle(struct http_client *client)
{
    struct http_clients *clients = client->clients;
    uint32_t limit_ms = client->served ? clients->options->idle_ms_max : clients->options->read_timeout_ms;
    if (atomic_load(&clients->stopping) || atomic_load(&client->yields))
        return false;
    atomic_store(&client->idle_since_ns, clock_monotonic_ns());
    if (client->served && !(client->tls && http_tls_pending(client->tls)))
        http_spin_wait(&client->spin, &clients->spinners, &clients->active, client->file);
    bool came = wait_long(client, limit_ms * NS_PER_MS);
    atomic_store(&client->idle_since_ns, 0);
    return came;
}

static bool refuse_head(struct http_client *client, int status, const char *text)
{
    http_head_refuse(client->head, status, text);
    return true;
}

/* The head has HTTP_REQUEST_BYTES_MAX and more: is its first line alone too long? */
static bool refuse_long_head(struct http_client *client)
{
    bool line_ends = memchr(client->buffers->input, '\n', HTTP_REQUEST_BYTES_MAX) != NULL;
    return line_ends ? refuse_head(client, 431, "The request line and header fields are over 16 KiB")
                     : refuse_head(client, 414, "The request line is over 16 KiB");
}

/* Handles an incomplete head; one without any byte is the normal end of an idle connection. */
static bool head_ended(struct http_client *client, long code)
{
    if (client->end == client->begin)
        return false;
    if (code == -ETIMEDOUT)
        return refuse_head(client, 408, "The request's head came too slowly");
    return code == 0 && refuse_head(client, 400, "The request's head is incomplete");
}

/* Receives more of a head until deadline_ns. 1; 0 the client's end, or it yields and has not begun;
 * -ETIMEDOUT; another -errno. */
static long receive_head(struct http_client *client, uint64_t deadline_ns)
{
    char *input = client->buffers->input;
    for (;;) {
        long count = http_client_receive(client, input + client->end, HTTP_INPUT_BYTES - client->end);
        if (count != -EAGAIN) {
            if (count > 0)
                client->end += (size_t)count;
            return count > 0 ? 1 : count;
        }
        if (client->end == 0 && atomic_load(&client->yields))
            return 0;
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns || !http_client_wait(client, deadline_ns - now_ns))
            return -ETIMEDOUT;
    }
}

static bool read_head(struct http_client *client)
{
    uint64_t deadline_ns = clock_monotonic_ns() + client->clients->options->read_timeout_ms * NS_PER_MS;
    char *input = client->buffers->input;
    size_t scanned = 0;
    long received = 1;
    if (client->end == 0)
        received = receive_head(client, deadline_ns);
    while (received > 0) {
        long size = http_head_find_end(input, client->end, &scanned);
        if (size < 0)
            return refuse_head(client, 400, "A line of the request's head does not end with CR and LF");
        if (size > HTTP_REQUEST_BYTES_MAX || (size == 0 && client->end >= HTTP_REQUEST_BYTES_MAX))
            return refuse_long_head(client);
        if (size > 0) {
            client->begin = (size_t)size;
            http_head_parse(client->head, input, (size_t)size);
            return true;
        }
        received = receive_head(client, deadline_ns);
    }
    return head_ended(client, received);
}

static void report(const struct http_clients *clients, const char *text)
{
    if (clients->options->report)
        clients->options->report(clients->options->context, text);
}

static void drop_buffers(struct http_client *client)
{
    http_buffers_give(&client->clients->pool, client->buffers);
    client->buffers = NULL;
    client->head = NULL;
    client->begin = client->end = 0;
}

/* A client that speaks plain HTTP to a port with TLS is told so. */
static bool is_handshake(const struct http_client *client)
{
    enum { HANDSHAKE_RECORD = 0x16 }; /* RFC 8446, 5.1 */
    unsigned char first;
    return recvfrom(client->file, &first, 1, MSG_DONTWAIT | MSG_PEEK, NULL, NULL) != 1 ||
           first == HANDSHAKE_RECORD;
}

static long receive_encrypted(void *client, void *buffer, size_t size)
{
    return receive_raw(client, buffer, size);
}

static bool wait_encrypted(void *client, uint64_t timeout_ns)
{
    return http_client_wait(client, timeout_ns);
}

static bool is_stopping(void *context)
{
    const struct http_client *client = context;
    return atomic_load(&client->clients->stopping);
}

/* Begins TLS where the connection needs it. False: it failed. */
static bool begin_tls(struct http_client *client)
{
    struct http_clients *clients = client->clients;
    if (!clients->tls || client->tls || client->served)
        return true;
    const struct http_tls_socket socket = {.file = client->file,
        .receive = receive_encrypted,
        .wait = wait_encrypted,
        .stopping = is_stopping,
        .context = client};
    client->tls = http_tls_accept(clients->tls, &socket, clients->options->read_timeout_ms * NS_PER_MS);
    return client->tls != NULL;
}

bool http_client_next(struct http_client *client)
{
    if (!client->buffers) {
        if (!wait_idle(client))
            return false;
        client->buffers = http_buffers_take(&client->clients->pool);
        if (!client->buffers) {
            report(client->clients, "out of memory for a request");
            return false;
        }
    }
    client->head = &client->buffers->head;
    if (client->clients->tls && !client->tls && !is_handshake(client))
        return refuse_head(client, 400, "This port speaks HTTPS: the address begins with https://");
    if (begin_tls(client) && read_head(client))
        return true;
    drop_buffers(client);
    return false;
}

void http_client_finish(struct http_client *client)
{
    client->served = true;
    size_t left = client->end - client->begin;
    if (left == 0) {
        drop_buffers(client);
        return;
    }
    memmove(client->buffers->input, client->buffers->input + client->begin, left);
    client->begin = 0;
    client->end = left;
}

/* ---- life ---- */

void http_clients_init(struct http_clients *clients, const struct http_options *options)
{
    memset(clients, 0, sizeof(*clients));
    clients->options = options;
    http_spinners_init(&clients->spinners);
    http_pool_init(&clients->pool, options);
    (void)pthread_mutex_init(&clients->lock, NULL);
}

void http_clients_destroy(struct http_clients *clients)
{
    while (clients->list) {
        struct http_client *client = clients->list;
        clients->list = client->next;
        (void)pthread_mutex_destroy(&client->lock);
        free(client);
    }
    http_pool_destroy(&clients->pool);
    (void)pthread_mutex_destroy(&clients->lock);
}

struct http_client *http_client_make(struct http_clients *clients)
{
    struct http_client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->clients = clients;
    client->file = -1;
    http_rest_init(&client->rest);
    (void)pthread_mutex_init(&client->lock, NULL);
    (void)pthread_mutex_lock(&clients->lock);
    client->next = clients->list;
    clients->list = client;
    (void)pthread_mutex_unlock(&clients->lock);
    return client;
}

void http_client_open(struct http_client *client)
{
    client->served = client->ready = false;
    client->spin = client->body_spin = (struct http_spin){0};
    atomic_store(&client->yields, false);
}

void http_client_set_file(struct http_client *client, int file)
{
    if (client->file == file)
        return;
    (void)pthread_mutex_lock(&client->lock);
    client->file = file;
    (void)pthread_mutex_unlock(&client->lock);
    http_peer_name(file, client->remote_address, &client->remote_port);
}

void http_client_close(struct http_client *client)
{
    if (client->tls) {
        http_tls_end(client->tls);
        http_tls_free(client->tls);
        client->tls = NULL;
    }
    (void)pthread_mutex_lock(&client->lock);
    client->file = -1;
    (void)pthread_mutex_unlock(&client->lock);
    if (atomic_exchange(&client->yields, false))
        atomic_fetch_sub(&client->clients->yielding, 1);
    if (client->buffers)
        drop_buffers(client);
}

/* ---- idle connections yield to waiting ones ---- */

unsigned http_clients_starving(const struct http_clients *clients)
{
    uint64_t taken = atomic_load(&clients->taken);
    uint64_t accepted = atomic_load(&clients->accepted);
    if (accepted <= taken)
        return 0;
    uint64_t waiting = accepted - taken;
    unsigned threads = atomic_load(&clients->threads), open = atomic_load(&clients->open);
    unsigned free_threads = threads > open ? threads - open : 0;
    return waiting > free_threads ? (unsigned)(waiting - free_threads) : 0;
}

/* The list's lock is held. */
static struct http_client *find_longest_idle(struct http_clients *clients, uint64_t before_ns)
{
    struct http_client *found = NULL;
    for (struct http_client *client = clients->list; client; client = client->next) {
        uint64_t since_ns = atomic_load(&client->idle_since_ns);
        if (since_ns == 0 || since_ns > before_ns || atomic_load(&client->yields))
            continue;
        before_ns = since_ns;
        found = client;
    }
    return found;
}

/* Its thread wakes, serves a request that has just come, and closes the connection. False: it is not idle any
 * more. */
static bool make_yield(struct http_clients *clients, struct http_client *client)
{
    (void)pthread_mutex_lock(&client->lock);
    bool idle = client->file >= 0 && atomic_load(&client->idle_since_ns) != 0;
    if (idle) {
        atomic_fetch_add(&clients->yielding, 1);
        atomic_store(&client->yields, true);
        (void)shutdown(client->file, SHUT_RD);
    }
    (void)pthread_mutex_unlock(&client->lock);
    return idle;
}

unsigned http_clients_yield(struct http_clients *clients)
{
    unsigned starving = http_clients_starving(clients), yielding = atomic_load(&clients->yielding);
    uint64_t before_ns = clock_monotonic_ns() - HTTP_YIELD_IDLE_MS * NS_PER_MS;
    if (starving <= yielding)
        return 0;
    unsigned needed = starving - yielding;
    struct http_client *client;
    (void)pthread_mutex_lock(&clients->lock);
    while (needed > 0 && (client = find_longest_idle(clients, before_ns)) && make_yield(clients, client)) {
        atomic_fetch_add(&clients->yielded, 1);
        needed--;
    }
    (void)pthread_mutex_unlock(&clients->lock);
    return needed;
}

/* Shut down for reading, a connection that waits for a request is closed by its thread, under TLS with a
 * close_notify. What is still stuck in a request cannot take leave. */
void http_clients_shut_down(struct http_clients *clients)
{
    int how = atomic_load(&clients->active) == 0 ? SHUT_RD : SHUT_RDWR;
    (void)pthread_mutex_lock(&clients->lock);
    for (struct http_client *client = clients->list; client; client = client->next) {
        (void)pthread_mutex_lock(&client->lock);
        if (client->file >= 0)
            (void)shutdown(client->file, how);
        (void)pthread_mutex_unlock(&client->lock);
    }
    (void)pthread_mutex_unlock(&clients->lock);
}
