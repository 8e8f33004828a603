#include "client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

static bool is_proxy(const struct http_exchange *exchange, const struct configuration *configuration)
{
    const char *proxies = configuration->trusted_proxies;
    return *proxies && is_listed(proxies, exchange->remote_address);
}

bool client_is_secure(const struct http_exchange *exchange, const struct configuration *configuration)
{
    if (http_exchange_secure(exchange))
        return true;
    if (!is_proxy(exchange, configuration))
        return false;
    const char *list = http_request_header_last(exchange, "X-Forwarded-Proto");
    const char *comma = list ? strrchr(list, ',') : NULL;
    const char *last = comma ? comma + 1 : list;
    return last && strcasecmp(last + strspn(last, " \t"), "https") == 0;
}

const char *client_address(const struct http_exchange *exchange, const struct configuration *configuration,
    char to[CLIENT_ADDRESS_BYTES])
{
    if (is_proxy(exchange, configuration)) {
        const char *forwarded = http_request_header_last(exchange, "X-Forwarded-For");
        if (forwarded && last_entry(forwarded, to))
            return to;
    }
    return exchange->remote_address;
}

const char *client_name(const struct identity *acting, char to[CLIENT_NAME_BYTES])
{
    if (!acting)
        return "nobody";
    (void)snprintf(to, CLIENT_NAME_BYTES, "%s/%s", acting->user, acting->device);
    return to;
}
