#include "client.h"

#include "log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* In the list of addresses that are separated by spaces. */
static bool is_listed(const char *list, const char *address)
{
    size_t length = strlen(address);
    while (*list) {
        size_t entry = strcspn(list, " ");
        if (entry == length && strncmp(list, address, length) == 0)
            return true;
        list += entry;
        list += *list == ' ';
    }
    return false;
}

/* The last entry of a list like "203.0.113.7, 10.0.0.1". False: it is no address. */
static bool last_entry(const char *list, char to[CLIENT_ADDRESS_BYTES])
{
    const char *comma = strrchr(list, ',');
    const char *entry = comma ? comma + 1 : list;
    unsigned char bytes[sizeof(struct in6_addr)];
    entry += strspn(entry, " \t");
    size_t length = strcspn(entry, " \t");
    if (length >= CLIENT_ADDRESS_BYTES)
        return false;
    memcpy(to, entry, length);
    to[length] = '\0';
    return inet_pton(AF_INET, to, bytes) == 1 || inet_pton(AF_INET6, to, bytes) == 1;
}

const char *client_address(const struct request *request, char to[CLIENT_ADDRESS_BYTES])
{
    const char *remote = request->exchange->remote_address;
    const char *proxies = request->server->configuration->trusted_proxies;
    if (*proxies && is_listed(proxies, remote)) {
        const char *forwarded = http_request_header_last(request->exchange, "X-Forwarded-For");
        if (forwarded && last_entry(forwarded, to))
            return to;
    }
    return remote;
}

const char *client_name(const struct request *request, char to[CLIENT_NAME_BYTES])
{
    const struct identity *identity = request_acting(request);
    if (!identity)
        return "nobody";
    (void)snprintf(to, CLIENT_NAME_BYTES, "%s/%s", identity->user, identity->device);
    return to;
}

void client_log(const struct request *request, const char *what)
{
    char path[PATH_BYTES_MAX + 1], name[CLIENT_NAME_BYTES], address[CLIENT_ADDRESS_BYTES];
    log_info("%s %s, by %s from %s", what, request_path(request, path), client_name(request, name),
        client_address(request, address));
}
