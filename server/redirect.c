#include "redirect.h"

#include "buffer.h"
#include "file.h"
#include "http.h"
#include "log.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 16,
    IDLE_MS_MAX = 5000,
    CHALLENGE_BYTES_MAX = 4096,
    TOKEN_BYTES_MAX = 128,
    LOCATION_BYTES_MAX = 900, /* what fits among the header fields of an answer */
};

struct redirect {
    struct http *http;
    char *site, *challenges; /* challenges: a folder, NULL = none */
    uint16_t https_port;
};

static const char CHALLENGE_PATH[] = "/.well-known/acme-challenge/";
static const char NAME_CHARACTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void answer_text(struct http_exchange *exchange, int status, const char *text)
{
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

static void answer_error(struct http_exchange *exchange, int status, const char *text)
{
    struct request request = {.exchange = exchange};
    struct problem problem = {0};
    (void)problem_set(&problem, status, "%s", text);
    answer_problem(&request, &problem);
}

/* The token is a name in base64url: it leads to no other folder. */
static bool answer_challenge(const struct redirect *redirect, struct http_exchange *exchange)
{
    size_t prefix = sizeof(CHALLENGE_PATH) - 1;
    if (!redirect->challenges || strncmp(exchange->path, CHALLENGE_PATH, prefix) != 0)
        return false;
    const char *token = exchange->path + prefix;
    struct buffer bytes = {0};
    char *path = NULL;
    size_t length = strspn(token, NAME_CHARACTERS);
    bool named = length > 0 && length <= TOKEN_BYTES_MAX && token[length] == '\0';
    if (named && asprintf(&path, "%s/%s", redirect->challenges, token) >= 0 &&
        file_read_regular(path, CHALLENGE_BYTES_MAX, &bytes, NULL) == 0)
        http_answer(exchange, 200, HTTP_TEXT, bytes.data, bytes.size);
    else
        answer_error(exchange, 404, "There is no such challenge");
    buffer_free(&bytes);
    free(path);
    return true;
}

/* The host that the request names, without its port, when it looks like one: its length, or 0. */
static size_t host_length(const char *host)
{
    if (!host)
        return 0;
    size_t length = *host == '[' ? strspn(host, "[0123456789abcdefABCDEF:.") : strspn(host, NAME_CHARACTERS);
    if (*host == '[')
        return host[length] == ']' ? length + 1 : 0;
    while (host[length] == '.')
        length += 1 + strspn(host + length + 1, NAME_CHARACTERS);
    return host[length] == '\0' || host[length] == ':' ? length : 0;
}

static void answer(void *context, struct http_exchange *exchange)
{
    const struct redirect *redirect = context;
    char location[LOCATION_BYTES_MAX], port[8] = "";
    if (answer_challenge(redirect, exchange))
        return;
    const char *host = http_request_header(exchange, "Host");
    size_t length = host_length(host);
    const char *question = *exchange->query ? "?" : "";
    if (redirect->https_port != 443)
        (void)snprintf(port, sizeof(port), ":%u", redirect->https_port);
    int size = length > 0 ? snprintf(location, sizeof(location), "https://%.*s%s%s%s%s", (int)length, host,
                                port, exchange->path, question, exchange->query)
                          : snprintf(location, sizeof(location), "%s%s%s%s", redirect->site, exchange->path,
                                question, exchange->query);
    if (size < 0 || (size_t)size >= sizeof(location) || !http_answer_header(exchange, "Location", location)) {
        answer_error(exchange, 414, "The address is too long to be led on; use https://");
        return;
    }
    answer_text(exchange, 308, "Use https://\n");
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    answer_error(exchange, status, text);
}

static void report(void *context, const char *text)
{
    (void)context;
    log_warn("redirect80: %s", text);
}

int redirect_start(const struct configuration *configuration, const char *directory, const char *site,
    uint16_t https_port, struct redirect **ret_redirect, struct error *ret_error)
{
    const char *folder = configuration->acme_challenge;
    struct redirect *redirect = calloc(1, sizeof(*redirect));
    if (!redirect)
        return error_set(ret_error, ENOMEM, "out of memory");
    redirect->https_port = https_port;
    redirect->site = strdup(site);
    int r = redirect->site ? 0 : -ENOMEM;
    if (r == 0 && *folder &&
        asprintf(&redirect->challenges, "%s%s%s", *folder == '/' ? "" : directory, *folder == '/' ? "" : "/",
            folder) < 0) {
        redirect->challenges = NULL;
        r = -ENOMEM;
    }
    if (r < 0)
        (void)error_set(ret_error, ENOMEM, "out of memory");
    struct http_options options = {
        .address = configuration->hostname,
        .port = configuration->redirect_port,
        .connections_max = CONNECTIONS_MAX,
        .read_timeout_ms = configuration->http_read_timeout_s * 1000,
        .idle_ms_max = IDLE_MS_MAX,
        .handle = answer,
        .refuse = refuse,
        .report = report,
        .context = redirect,
    };
    if (r == 0)
        r = http_start(&options, &redirect->http, ret_error);
    if (r < 0) {
        (void)error_prefix(ret_error, "redirect80");
        redirect_stop(redirect);
        return r;
    }
    http_serve(redirect->http);
    *ret_redirect = redirect;
    return 0;
}

void redirect_stop(struct redirect *redirect)
{
    if (!redirect)
        return;
    http_stop(redirect->http);
    free(redirect->site);
    free(redirect->challenges);
    free(redirect);
}
