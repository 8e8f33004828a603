#include "http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, ANY_PORT_TRIES = 16 };

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/* ---- opening ---- */

static void set_port(union address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6)
        address->six.sin6_port = htons(port);
    else
        address->four.sin_port = htons(port);
}

static socklen_t size_of(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->six) : sizeof(address->four);
}

/* "::" takes both families; an address of IPv6 takes its own. The descriptor or -errno. */
static int open_socket(const union address *address)
{
    int on = 1;
    int only_six = address->any.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&address->six.sin6_addr);
    int file = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0)
        return -errno;
    if (setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (address->any.sa_family != AF_INET6 ||
            setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof(only_six)) == 0) &&
        bind(file, &address->any, size_of(address)) == 0 && listen(file, BACKLOG) == 0)
        return file;
    int code = errno;
    (void)close(file);
    return -code;
}

uint16_t http_local_port(int file)
{
    union address address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(file, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

static void close_from(struct http_listeners *listeners, unsigned count)
{
    while (listeners->count > count)
        (void)close(listeners->files[--listeners->count]);
}

/* The machine lacks what one of several addresses needs: the others do. */
static bool is_missing(int code)
{
    return code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT;
}

/* Opens all of addresses[0..count). 0 or the -errno of the first that failed, then *ret_failed is its index.
 */
static int open_all(struct http_listeners *listeners, union address *addresses, unsigned count,
    uint16_t *port, unsigned *ret_failed)
{
    unsigned before = listeners->count;
    int missing = 0;
    for (unsigned i = 0; i < count; i++) {
        *ret_failed = i;
        set_port(&addresses[i], *port);
        int file = listeners->count < HTTP_LISTENERS_MAX ? open_socket(&addresses[i]) : -ENFILE;
        if (is_missing(file)) {
            missing = file;
            continue;
        }
        if (file < 0) {
            close_from(listeners, before);
            return file;
        }
        listeners->files[listeners->count++] = file;
        if (*port == 0)
            *port = http_local_port(file);
    }
    return listeners->count > before ? 0 : missing;
}

/* ---- names ---- */

static unsigned loopback(union address *to)
{
    to[0] = (union address){.four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    to[1] = (union address){.six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    return 2;
}

/* The count, or -EINVAL. */
static int resolve(const char *name, union address *to, unsigned capacity, struct error *ret_error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    unsigned count = 0;
    if (!*name || strcmp(name, "localhost") == 0)
        return (int)loopback(to);
    int failed = getaddrinfo(name, NULL, &hints, &found);
    if (failed)
        return error_set(ret_error, EINVAL, "cannot listen on \"%s\": %s", name, gai_strerror(failed));
    for (const struct addrinfo *each = found; each && count < capacity; each = each->ai_next) {
        if (each->ai_addrlen > sizeof(*to))
            continue;
        memset(&to[count], 0, sizeof(*to));
        memcpy(&to[count++], each->ai_addr, each->ai_addrlen);
    }
    freeaddrinfo(found);
    return count > 0 ? (int)count : error_set(ret_error, EINVAL, "cannot listen on \"%s\"", name);
}

static void print_address(const union address *address, char to[HTTP_ADDRESS_BYTES])
{
    const void *bytes = &address->four.sin_addr;
    int family = AF_INET;
    if (address->any.sa_family == AF_INET6) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&address->six.sin6_addr);
        bytes = address->six.sin6_addr.s6_addr + (mapped ? 12 : 0);
        family = mapped ? AF_INET : AF_INET6;
    }
    if (!inet_ntop(family, bytes, to, HTTP_ADDRESS_BYTES))
        *to = '\0';
}

int http_listen(struct http_listeners *listeners, const char *address, uint16_t port, uint16_t *ret_port,
    struct error *ret_error)
{
    union address addresses[HTTP_LISTENERS_MAX];
    int count = resolve(address, addresses, HTTP_LISTENERS_MAX, ret_error);
    unsigned failed = 0;
    int r = -EADDRINUSE;
    if (count < 0)
        return count;
    /* A port that is free for one family may be taken for the other: any port will do, so try the next. */
    for (unsigned tries = port == 0 ? ANY_PORT_TRIES : 1; tries > 0 && r == -EADDRINUSE; tries--) {
        *ret_port = port;
        r = open_all(listeners, addresses, (unsigned)count, ret_port, &failed);
    }
    if (r == 0)
        return 0;
    char text[HTTP_ADDRESS_BYTES];
    print_address(&addresses[failed], text);
    return error_set(ret_error, -r, "cannot listen on %s port %u: %s%s", text, port, strerror(-r),
        r == -EACCES ? "; ports below 1024 take root, or AmbientCapabilities=CAP_NET_BIND_SERVICE" : "");
}

void http_listeners_shut_down(const struct http_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        (void)shutdown(listeners->files[i], SHUT_RDWR);
}

void http_listeners_close(struct http_listeners *listeners)
{
    close_from(listeners, 0);
}

void http_peer_name(int file, char ret_address[HTTP_ADDRESS_BYTES], uint16_t *ret_port)
{
    union address address = {0};
    socklen_t size = sizeof(address);
    *ret_address = '\0';
    *ret_port = 0;
    if (getpeername(file, &address.any, &size) < 0)
        return;
    print_address(&address, ret_address);
    *ret_port = ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}
