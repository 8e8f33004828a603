/* poll, recv and accept, as CivetWeb calls them.
 *
 * CivetWeb parses what it receives in ways that cannot be mended from outside: it stops silently at header
 * lines that it does not understand, takes blanks before a colon, can parse bytes of an earlier connection
 * that are left in its buffer, drops some request targets without an answer, knows no chunk extensions, and
 * loops when accept fails. It has no hook before its parser. So its three calls that bring input are defined
 * here: the dynamic linker prefers a definition in the program to that of libc. http_start checks that this
 * works.
 *
 * When a thread that serves connections polls its socket for input, it waits for a request in
 * http_client_next, which reads and judges the head. CivetWeb then receives a fixed request for "/", which
 * makes it call our handler; the handler takes the real request from struct http_client. The body is read by
 * http_body.c; CivetWeb believes there is none.
 *
 * All other threads, and all other uses, get what libc does. */
#include "http_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static const char REQUEST[] = "GET / HTTP/1.1\r\n\r\n";

enum { TICK_MS = 1000, STARVING_TICK_MS = 20, ACCEPT_PAUSE_MS = 100 };

static _Thread_local struct http_client *serving;
static _Thread_local struct http *listening;

void http_calls_serve(struct http_client *client)
{
    serving = client;
}

void http_calls_listen(struct http *http)
{
    listening = http;
}

static int poll_plainly(struct pollfd *files, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {
        .tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * (long)NS_PER_MS};
    return ppoll(files, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* ---- threads that serve connections ---- */

static int poll_request(struct pollfd *file)
{
    http_client_set_file(serving, file->fd);
    serving->ready = http_client_next(serving);
    file->revents = POLLIN;
    return 1;
}

/* The fixed request, or the end of the connection. */
static ssize_t receive_request(void *buffer, size_t size)
{
    if (!serving->ready || size < sizeof(REQUEST) - 1)
        return 0;
    serving->ready = false;
    memcpy(buffer, REQUEST, sizeof(REQUEST) - 1);
    return (ssize_t)sizeof(REQUEST) - 1;
}

/* ---- the thread that accepts connections ---- */

static unsigned waiting_count(const struct http *http)
{
    return (unsigned)(atomic_load(&http->clients.accepted) - atomic_load(&http->clients.taken));
}

/* Waits for a connection at any of our sockets. CivetWeb knows one socket, which is not in use: it is told
 * that there is one at that. */
static int poll_listeners(struct http *http, struct pollfd *file, int timeout_ms)
{
    struct pollfd polled[HTTP_LISTENERS_MAX + 1];
    struct http_listeners *listeners = &http->listeners;
    int filled_file = http->clients.pool.filled_file;
    for (unsigned i = 0; i < listeners->count; i++)
        polled[i] = (struct pollfd){.fd = listeners->files[i], .events = POLLIN};
    polled[listeners->count] = (struct pollfd){.fd = filled_file, .events = POLLIN};
    int r = poll_plainly(polled, listeners->count + 1, timeout_ms);
    if (r > 0 && polled[listeners->count].revents) {
        eventfd_t count;
        (void)eventfd_read(filled_file, &count);
        r--;
    }
    if (r > 0)
        file->revents = POLLIN;
    return r > 0 ? 1 : r;
}

/* How long nothing has to be looked after: without buffers and waiting clients, until a connection or a
 * request comes. */
static int tick_of(struct http *http)
{
    if (waiting_count(http) > 0)
        return STARVING_TICK_MS;
    bool empty = http_buffers_count(&http->clients.pool) == 0;
    if (empty && http->clients.pool.filled_file >= 0)
        return -1;
    return http->options.trim_ms < TICK_MS ? (int)http->options.trim_ms : TICK_MS;
}

/* Returns at least each TICK_MS, to housekeep, while there is something to look after. While the queue of
 * accepted connections is full, further ones wait in the kernel: CivetWeb would block, and nobody would
 * housekeep. */
static int poll_listening(struct pollfd *file)
{
    struct http *http = listening;
    http_housekeep(http);
    if (waiting_count(http) < http->queue_max)
        return poll_listeners(http, file, tick_of(http));
    (void)poll_plainly(NULL, 0, STARVING_TICK_MS);
    return 0;
}

static void remember_listening(struct http *http, const struct pollfd *file)
{
    if (http->listening)
        return;
    (void)shutdown(file->fd, SHUT_RDWR); /* CivetWeb's own socket, at a port that nobody knows */
    (void)pthread_mutex_lock(&http->lock);
    http->listening = true;
    (void)pthread_cond_broadcast(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
}

static int accept_from(struct http_listeners *listeners)
{
    int accepted = -1;
    errno = EAGAIN;
    for (unsigned i = 0; i < listeners->count && accepted < 0 && (errno == EAGAIN || errno == ECONNABORTED);
         i++) {
        listeners->next = (listeners->next + 1) % listeners->count;
        accepted = accept4(listeners->files[listeners->next], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    return accepted;
}

/* CivetWeb has room for addresses of IPv4 only, and does not need them. */
static void hide_address(struct sockaddr *address, socklen_t *size)
{
    struct sockaddr_in none = {.sin_family = AF_INET};
    if (*size > sizeof(none))
        *size = sizeof(none);
    memcpy(address, &none, *size);
}

static int accept_connection(struct sockaddr *address, socklen_t *size)
{
    struct http *http = listening;
    int accepted = accept_from(&http->listeners);
    if (accepted >= 0) {
        hide_address(address, size);
        atomic_fetch_add(&http->clients.accepted, 1);
        http->wanting_files = false;
        return accepted;
    }
    int code = errno;
    if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) {
        http_accept_failed(http, code);
        (void)poll_plainly(NULL, 0, ACCEPT_PAUSE_MS); /* the client still waits: poll would return at once */
    }
    errno = code;
    return -1;
}

/* ---- the calls ---- */

/* Under names of our own, for the compiler believes that it knows libc's. */
int civetweb_poll(struct pollfd *files, nfds_t count, int timeout_ms) __asm__("poll");
ssize_t civetweb_recv(int file, void *buffer, size_t size, int flags) __asm__("recv");
int civetweb_accept(int file, struct sockaddr *address, socklen_t *size) __asm__("accept");

int civetweb_poll(struct pollfd *files, nfds_t count, int timeout_ms)
{
    if (serving && count == 1 && (files[0].events & POLLIN))
        return poll_request(files);
    if (listening && count >= 1) {
        remember_listening(listening, files);
        return poll_listening(files); /* http_stop wakes it: CivetWeb's time-out is not needed */
    }
    return poll_plainly(files, count, timeout_ms);
}

ssize_t civetweb_recv(int file, void *buffer, size_t size, int flags)
{
    if (serving && file == serving->file)
        return receive_request(buffer, size);
    return recvfrom(file, buffer, size, flags, NULL, NULL);
}

int civetweb_accept(int file, struct sockaddr *address, socklen_t *size)
{
    return listening ? accept_connection(address, size) : accept4(file, address, size, 0);
}
