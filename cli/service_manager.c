#include "service_manager.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 1024 };

static const char *socket_name(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    return name && *name ? name : NULL;
}

bool service_manager_listens(void)
{
    return socket_name() != NULL;
}

/* A path, or "@name" in the abstract namespace. 0: it is neither, or too long. */
static socklen_t fill_address(const char *name, struct sockaddr_un *address)
{
    size_t size = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || size >= sizeof(address->sun_path))
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, size);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static void send_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void send_message(const char *format, ...)
{
    const char *name = socket_name();
    struct sockaddr_un address;
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    if (!name)
        return;
    socklen_t address_size = fill_address(name, &address);
    if (address_size == 0) {
        log_warn(
            "NOTIFY_SOCKET=%.200s: is no address of a local socket; the service manager hears nothing", name);
        return;
    }
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (size >= (int)sizeof(message))
        size = (int)sizeof(message) - 1;
    int socket_file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_file < 0 || sendto(socket_file, message, (size_t)size, MSG_NOSIGNAL,
                               (const struct sockaddr *)&address, address_size) < 0)
        log_warn("NOTIFY_SOCKET=%s: the service manager cannot be told of \"%.40s\": %s", name, message,
            strerrordesc_np(errno));
    if (socket_file >= 0)
        (void)close(socket_file);
}

void service_manager_ready(const char *status)
{
    send_message("READY=1\nMAINPID=%d\nSTATUS=%s", getpid(), status);
}

void service_manager_reloading(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    send_message("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the configuration again",
        (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void service_manager_stopping(void)
{
    send_message("STOPPING=1\nSTATUS=stopping");
}
