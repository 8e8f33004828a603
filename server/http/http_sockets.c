#include "http_sockets.h"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool has_port(const union address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port) == port;
    return address->any.sa_family == AF_INET6 && ntohs(address->v6.sin6_port) == port;
}

static bool is_local(int file, uint16_t port)
{
    union address address;
    socklen_t size = sizeof(address);
    return getsockname(file, &address.any, &size) == 0 && has_port(&address, port);
}

static bool is_remote(int file, uint16_t port)
{
    union address address;
    socklen_t size = sizeof(address);
    return getpeername(file, &address.any, &size) == 0 && has_port(&address, port);
}

static bool has_address(int file, const char *numbers)
{
    union address address;
    socklen_t size = sizeof(address);
    char found[NI_MAXHOST];
    return getpeername(file, &address.any, &size) == 0 &&
           getnameinfo(&address.any, size, found, sizeof(found), NULL, 0, NI_NUMERICHOST) == 0 &&
           strcmp(found, numbers) == 0;
}

static int next_file(DIR *directory)
{
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        int file = atoi(entry->d_name);
        if (file > STDERR_FILENO)
            return file;
    }
    return -1;
}

void http_sockets_shut_down(uint16_t local_port)
{
    DIR *directory = opendir("/proc/self/fd");
    int file;
    if (!directory)
        return;
    while ((file = next_file(directory)) >= 0) {
        if (is_local(file, local_port))
            (void)shutdown(file, SHUT_RDWR);
    }
    closedir(directory);
}

void http_sockets_end_reading(uint16_t local_port, const char *remote_address, uint16_t remote_port)
{
    DIR *directory = opendir("/proc/self/fd");
    int file;
    if (!directory)
        return;
    while ((file = next_file(directory)) >= 0) {
        if (is_local(file, local_port) && is_remote(file, remote_port) && has_address(file, remote_address))
            (void)shutdown(file, SHUT_RD);
    }
    closedir(directory);
}

int http_sockets_find(uint16_t local_port, uint16_t remote_port)
{
    DIR *directory = opendir("/proc/self/fd");
    int file;
    if (!directory)
        return -1;
    do
        file = next_file(directory);
    while (file >= 0 && !(is_local(file, local_port) && is_remote(file, remote_port)));
    closedir(directory);
    return file;
}
