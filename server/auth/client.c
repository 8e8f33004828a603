#include "client.h"

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

const char *client_address(const struct http_exchange *exchange, const struct configuration *configuration,
    char to[CLIENT_ADDRESS_BYTES])
{
    const char *remote = exchange->remote_address;
    const char *proxies = configuration->trusted_proxies;
    if (*proxies && is_listed(proxies, remote)) {
        const char *forwarded = http_request_header_last(exchange, "X-Forwarded-For");
        if (forwarded && last_entry(forwarded, to))
            return to;
    }
    return remote;
}

const char *client_name(const struct identity *acting, char to[CLIENT_NAME_BYTES])
{
    if (!acting)
        return "nobody";
    (void)snprintf(to, CLIENT_NAME_BYTES, "%s/%s", acting->user, acting->device);
    return to;
}
