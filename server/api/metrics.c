#include "metrics.h"

#include "client.h"
#include "clock.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Counting rows takes milliseconds when there are many: it takes at most this part of the time. */
enum { COUNTING_PART = 100 };

/* ---- access ---- */

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* The name in Host is that of this machine for itself. A page of a browser on this machine, or a proxy that
 * passes Host on, would send another one. */
static bool has_local_host(const struct http_exchange *exchange)
{
    static const char *const NAMES[] = {"localhost", "[::1]"};
    const char *host = http_request_header(exchange, "Host");
    if (!host || !*host)
        return true;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        size_t length = strlen(NAMES[i]);
        if (strncasecmp(host, NAMES[i], length) == 0 && (host[length] == ':' || host[length] == '\0'))
            return true;
    }
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strcspn(host, ":");
}

/* From a program on this machine, and not through a proxy on it. */
static bool is_local(const struct http_exchange *exchange)
{
    static const char *const FORWARDED[] = {
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"};
    for (size_t i = 0; i < sizeof(FORWARDED) / sizeof(FORWARDED[0]); i++) {
        if (http_request_header(exchange, FORWARDED[i]))
            return false;
    }
    return is_loopback(exchange->remote_address) && has_local_host(exchange);
}

/* The key that the request names: as a bearer token, or as the password of HTTP basic. NULL: none. */
static const char *named_key(const struct http_exchange *exchange, char to[CREDENTIALS_BYTES_MAX])
{
    const char *header = http_request_header(exchange, "Authorization");
    if (!header)
        return NULL;
    const char *value = header + strcspn(header, " ");
    value += strspn(value, " ");
    if (strncasecmp(header, "Bearer ", 7) == 0)
        return value;
    if (strncasecmp(header, "Basic ", 6) != 0 || base64_decode(value, to, CREDENTIALS_BYTES_MAX) < 0)
        return NULL;
    const char *colon = strchr(to, ':');
    return colon ? colon + 1 : NULL;
}

static bool is_key(const struct configuration *configuration, const char *key)
{
    size_t length = strlen(configuration->metrics_key);
    return length > 0 && strlen(key) == length && CRYPTO_memcmp(key, configuration->metrics_key, length) == 0;
}

/* A key was named: wrong ones are limited as logins are. */
static bool check_key(struct request *request, const char *key, struct problem *problem)
{
    struct auth *auth = &request->server->auth;
    struct guess guess;
    if (!auth_guess_begin(auth, request->exchange, &guess, problem))
        return false;
    bool right = is_key(request->server->configuration, key);
    auth_guess_judged(auth, &guess, right ? GUESS_RIGHT : GUESS_WRONG);
    return right || problem_set(problem, 401, "The key is not that of \"metrics\" in the configuration");
}

static bool may_read(struct request *request, struct problem *problem)
{
    const struct http_exchange *exchange = request->exchange;
    const struct configuration *configuration = request->server->configuration;
    const char *access = configuration->metrics_access;
    char credentials[CREDENTIALS_BYTES_MAX];
    if (strcmp(access, "off") == 0)
        return problem_set(problem, 404, "There is nothing at this path");
    if (strcmp(access, "all") == 0 || (strcmp(access, "local") == 0 && is_local(exchange)))
        return true;
    const char *key = named_key(exchange, credentials);
    if (key && *configuration->metrics_key) {
        bool right = check_key(request, key, problem);
        explicit_bzero(credentials, sizeof(credentials));
        return right;
    }
    (void)http_answer_header(request->exchange, "WWW-Authenticate", "Bearer");
    return problem_set(problem, 401,
        "Metrics are for programs on this machine that ask a loopback address, or need the key of "
        "\"metrics\" "
        "in the configuration");
}

/* ---- the sizes of the catalog ---- */

static struct catalog_sizes count_catalog(struct server *server)
{
    struct sizes_counted *counted = &server->sizes;
    (void)pthread_mutex_lock(&counted->lock);
    uint64_t begun_ns = clock_monotonic_ns();
    if (begun_ns >= counted->due_ns) {
        int r = catalog_counts(
            server->database->catalog, &counted->users, &counted->devices, &counted->streams, NULL);
        uint64_t ended_ns = clock_monotonic_ns();
        counted->known = r == 0;
        counted->due_ns = ended_ns + (ended_ns - begun_ns) * COUNTING_PART;
    }
    struct catalog_sizes sizes = {counted->known, counted->users, counted->devices, counted->streams};
    (void)pthread_mutex_unlock(&counted->lock);
    return sizes;
}

/* ---- handlers ---- */

bool metrics_answer(struct request *request, struct problem *problem)
{
    struct store_metrics *store = malloc(sizeof(*store));
    if (!store)
        return problem_later(problem, 503, "The server has no memory left, try again");
    store_get_metrics(request->server->database->store, store);
    struct catalog_sizes sizes = count_catalog(request->server);
    request->exchange->no_store = true;
    struct sink *sink = http_answer_open(request->exchange, 200, HTTP_METRICS);
    metrics_print(sink, request->server, store, &sizes);
    free(store);
    (void)http_answer_close(request->exchange, true);
    return true;
}

bool metrics_get(struct request *request, struct problem *problem)
{
    return may_read(request, problem) && metrics_answer(request, problem);
}

bool health_get(struct request *request, struct problem *problem)
{
    (void)problem;
    return answer_ok(request);
}

/* What is told to anybody: the reason's kind. Paths of files are in the log. */
bool ready_get(struct request *request, struct problem *problem)
{
    struct store_metrics *store = malloc(sizeof(*store));
    if (!store)
        return problem_later(problem, 503, "The server has no memory left, try again");
    store_get_metrics(request->server->database->store, store);
    int code = store->unready.code;
    free(store);
    if (code == 0)
        return answer_ok(request);
    if (error_is_no_space(code))
        return problem_later(problem, 503, "Inserts are not taken: %s", error_no_space_reason(code));
    if (code == EAGAIN)
        return problem_later(problem, 503, "Inserts wait: full journals are not sealed yet");
    return problem_set(problem, 503,
        "Inserts are not taken: writing the journal failed; restart the server when its disk works again");
}
