#include "origin.h"

#include "client.h"
#include "log.h"

#include <string.h>
#include <strings.h>

bool origin_is_site(const char *site, const char *origin)
{
    size_t length = strlen(site);
    if (strcmp(origin, site) == 0)
        return true;
    const char *port = strrchr(site, ':');
    if (port && port[1] != '/')
        length = (size_t)(port - site);
    return strlen(origin) == length && strncmp(origin, site, length) == 0;
}

/* `url` (an origin or a referrer) is on the host and port that the request was sent to. The scheme does not
 * count: a TLS proxy may be in between. */
static bool is_host(const struct http_exchange *exchange, const char *url)
{
    const char *host = http_request_header(exchange, "Host");
    const char *authority = strstr(url, "://");
    if (!host || !*host || !authority)
        return false;
    authority += 3;
    size_t length = strcspn(authority, "/?#");
    return length == strlen(host) && strncasecmp(authority, host, length) == 0;
}

static bool is_extension(const char *origin)
{
    static const char *const SCHEMES[] = {
        "chrome-extension://", "moz-extension://", "safari-web-extension://", "extension://"};
    for (size_t i = 0; i < sizeof(SCHEMES) / sizeof(SCHEMES[0]); i++) {
        if (strncmp(origin, SCHEMES[i], strlen(SCHEMES[i])) == 0)
            return true;
    }
    return false;
}

static bool referrer_is_own(const struct http_exchange *exchange, const char *site, const char *referrer)
{
    size_t length = strlen(site);
    return is_host(exchange, referrer) ||
           (strncmp(referrer, site, length) == 0 && (referrer[length] == '\0' || referrer[length] == '/'));
}

static bool is_foreign(const struct http_exchange *exchange, const char *site)
{
    const char *fetch_site = http_request_header(exchange, "Sec-Fetch-Site");
    const char *origin = http_request_header(exchange, "Origin");
    const char *referrer = http_request_header(exchange, "Referer");
    if (fetch_site && (strcmp(fetch_site, "same-origin") == 0 || strcmp(fetch_site, "none") == 0))
        return false;
    if (origin && strcmp(origin, "null") != 0)
        return !origin_is_site(site, origin) && !is_host(exchange, origin) && !is_extension(origin);
    if (fetch_site)
        return true; /* same-site or cross-site, from nowhere in particular */
    if (referrer)
        return !referrer_is_own(exchange, site, referrer);
    return origin != NULL; /* "null": a sandboxed frame, a file */
}

bool origin_check_any(const struct http_exchange *exchange, const struct configuration *configuration,
    const char *site, struct problem *problem)
{
    char address[CLIENT_ADDRESS_BYTES];
    if (!is_foreign(exchange, site) || configuration->allowcrossorigin)
        return true;
    const char *origin = http_request_header(exchange, "Origin");
    log_warn("%s %.200s from %s refused: sent by a page of another site, '%.100s'", exchange->method_name,
        exchange->path, client_address(exchange, configuration, address), origin ? origin : "");
    return problem_set(problem, 403,
        "Sent by a page of another site; if this one is yours, set siteurl, or allowcrossorigin to trust all "
        "sites");
}

bool origin_check(const struct http_exchange *exchange, const struct configuration *configuration,
    const char *site, struct problem *problem)
{
    return (exchange->method & (HTTP_GET | HTTP_HEAD | HTTP_OPTIONS)) ||
           origin_check_any(exchange, configuration, site, problem);
}

bool origin_is_own_script(const struct http_exchange *exchange)
{
    const char *fetch_site = http_request_header(exchange, "Sec-Fetch-Site");
    const char *mode = http_request_header(exchange, "Sec-Fetch-Mode");
    return http_request_header(exchange, "X-Requested-With") ||
           (fetch_site && strcmp(fetch_site, "same-origin") == 0 && mode && strcmp(mode, "navigate") != 0);
}
