#include "remote_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    ATTEMPTS_MAX = 12,
    WAIT_FIRST_MS = 250, /* twice as long after each further attempt */
    WAIT_MOST_MS = 30000,
    CONNECT_SECONDS_MAX = 20,
    STALL_SECONDS_MAX = 120, /* without a byte, either way */
};

bool remote_is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

static bool is_cancelled(const struct remote_http *http)
{
    const atomic_bool *cancel = http->options->transfer.cancel;
    return cancel && atomic_load(cancel);
}

/* ---- libcurl ---- */

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    struct remote_http *http = context;
    size_t bytes = size * count;
    http->too_large = http->answer.size + bytes > REMOTE_ANSWER_BYTES_MAX;
    if (http->too_large || buffer_append(&http->answer, data, bytes) < 0)
        return 0; /* ends the request */
    return bytes;
}

/* The body comes by a callback that cannot begin anew: otherwise libcurl repeats a request by itself when a
 * kept connection ends before the answer, and its outcome is then unknown. */
static size_t give_body(char *to, size_t size, size_t count, void *context)
{
    struct remote_http *http = context;
    size_t bytes = size * count < http->body_left ? size * count : http->body_left;
    memcpy(to, http->body, bytes);
    http->body += bytes;
    http->body_left -= bytes;
    return bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    static const char NAME[] = "retry-after:";
    struct remote_http *http = context;
    size_t bytes = size * count;
    if (bytes > sizeof(NAME) && strncasecmp(data, NAME, sizeof(NAME) - 1) == 0) {
        char text[16] = "";
        size_t length = bytes - (sizeof(NAME) - 1);
        memcpy(text, data + sizeof(NAME) - 1, length < sizeof(text) ? length : sizeof(text) - 1);
        http->retry_after = strtod(text, NULL);
    }
    return bytes;
}

static int look_for_cancel(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return is_cancelled(context); /* true ends the request */
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialize(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

int remote_http_open(const struct remote_options *options, struct remote_http *http, struct error *ret_error)
{
    *http = (struct remote_http){.options = options};
    (void)pthread_once(&once, initialize);
    if (!remote_is_url(options->url) || strpbrk(options->url, "?#@ "))
        return error_set(ret_error, EINVAL, "'%.200s' is no address like https://db.example", options->url);
    http->curl = curl_easy_init();
    if (!http->curl)
        return error_set(ret_error, ENOMEM, "out of memory for a connection");
    CURL *curl = http->curl;
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* a redirect turns a POST into a GET */
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, http);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_cancel);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    (void)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L << 10);
    if (options->ca_file)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    return 0;
}

void remote_http_close(struct remote_http *http)
{
    if (http->curl)
        curl_easy_cleanup(http->curl);
    buffer_free(&http->answer);
    http->curl = NULL;
}

/* Header fields; false: no memory. */
static bool add_headers(const struct remote_request *request, struct curl_slist **list)
{
    char line[320];
    struct curl_slist *more = NULL;
    if (request->body && !(more = curl_slist_append(*list, "Content-Type: application/json")))
        return false;
    else if (request->body)
        *list = more;
    if (!(more = curl_slist_append(*list, "Expect:"))) /* no pause before the body */
        return false;
    *list = more;
    if (!request->idempotency_key)
        return true;
    (void)snprintf(line, sizeof(line), "Idempotency-Key: %s", request->idempotency_key);
    more = curl_slist_append(*list, line);
    *list = more ? more : *list;
    return more;
}

static int failed(struct remote_http *http, CURLcode code, const char *detail, struct error *ret_error)
{
    if (is_cancelled(http))
        return error_set(ret_error, ECANCELED, "cancelled");
    if (http->too_large)
        return error_set(
            ret_error, E2BIG, "%s: the answer is longer than %d bytes", http->url, REMOTE_ANSWER_BYTES_MAX);
    int number = ECONNABORTED;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        number = ECONNREFUSED;
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        number = EACCES;
    else if (code == CURLE_OUT_OF_MEMORY)
        number = ENOMEM;
    return error_set(ret_error, number, "%s: %s", http->url, *detail ? detail : curl_easy_strerror(code));
}

int remote_send(
    struct remote_http *http, const struct remote_request *request, long *ret_status, struct error *ret_error)
{
    CURL *curl = http->curl;
    struct curl_slist *headers = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    const char *url = http->options->url;
    size_t url_bytes = strlen(url);
    while (url_bytes > 0 && url[url_bytes - 1] == '/')
        url_bytes--;
    if ((size_t)snprintf(http->url, sizeof(http->url), "%.*s/api/v1%s", (int)url_bytes, url, request->path) >=
        sizeof(http->url))
        return error_set(ret_error, ENAMETOOLONG, "%.200s...: the address is too long", http->url);
    http->answer.size = 0;
    http->too_large = false;
    http->retry_after = 0;
    bool key = http->apikey || !http->options->user;
    (void)curl_easy_setopt(curl, CURLOPT_USERNAME, key ? "" : http->options->user);
    (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, http->apikey ? http->apikey : http->options->password);
    (void)curl_easy_setopt(curl, CURLOPT_URL, http->url);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    http->body = request->body;
    http->body_left = request->body_bytes;
    (void)curl_easy_setopt(curl, request->body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    bool done = add_headers(request, &headers);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = done ? curl_easy_perform(curl) : CURLE_OUT_OF_MEMORY;
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return failed(http, code, detail, ret_error);
    if (buffer_append(&http->answer, "", 1) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for an answer");
    http->answer.size--;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return 0;
}

/* ---- what answers mean ---- */

/* What a status means; of ConnectorDB 0.3, where it says less, with a part of the message. */
static int meaning(long status, const char *message)
{
    static const struct {
        long status;
        int code;
        const char *part; /* NULL: whatever the message is */
    } MEANINGS[] = {
        {401, EACCES, NULL}, {404, ENOENT, NULL}, {409, EEXIST, NULL}, {413, EFBIG, NULL}, {429, EBUSY, NULL},
        {503, EBUSY, NULL}, {400, EFBIG, "unexpected end of JSON input"}, /* 0.3 cuts a body at its limit */
        {403, EEXIST, "UNIQUE constraint failed"},                        /* 0.3 with SQLite */
        {403, EEXIST, "violates unique constraint"},                      /* 0.3 with PostgreSQL */
    };
    for (size_t i = 0; i < sizeof(MEANINGS) / sizeof(MEANINGS[0]); i++) {
        const char *part = MEANINGS[i].part;
        if (MEANINGS[i].status == status && (!part || (message && strstr(message, part))))
            return MEANINGS[i].code;
    }
    return EPROTO;
}

int remote_refused(const struct remote_http *http, const char *method, long status, struct error *ret_error)
{
    json_t *json = json_loadb((const char *)http->answer.data, http->answer.size, 0, NULL);
    const char *message = json_string_value(json_object_get(json, "msg"));
    int r = error_set(ret_error, meaning(status, message), "%s %s: %ld%s%.400s", method, http->url, status,
        message ? ": " : "", message ? message : "");
    json_decref(json);
    return r;
}

bool remote_wait(const struct remote_http *http, unsigned attempt)
{
    enum { LOOK_MS = 100 };
    if (attempt > ATTEMPTS_MAX)
        return false;
    double wait_ms = WAIT_FIRST_MS * (double)(1u << (attempt < 10 ? attempt - 1 : 9));
    if (http->retry_after > 0 && http->retry_after * 1000 > wait_ms)
        wait_ms = http->retry_after * 1000;
    if (wait_ms > WAIT_MOST_MS)
        wait_ms = WAIT_MOST_MS;
    for (double waited = 0; waited < wait_ms && !is_cancelled(http); waited += LOOK_MS)
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
    return !is_cancelled(http);
}

int remote_get(struct remote_http *http, const char *path, struct error *ret_error)
{
    const struct remote_request request = {.method = "GET", .path = path};
    for (unsigned attempt = 1;; attempt++) {
        long status = 0;
        int r = remote_send(http, &request, &status, ret_error);
        if (r == 0 && status == 200)
            return 0;
        if (r == 0)
            r = remote_refused(http, "GET", status, ret_error);
        bool again = r == -ECONNREFUSED || r == -ECONNABORTED || r == -EBUSY;
        if (!again || !remote_wait(http, attempt))
            return r;
    }
}

int remote_get_json(struct remote_http *http, const char *path, json_t **ret_json, struct error *ret_error)
{
    int r = remote_get(http, path, ret_error);
    if (r < 0)
        return r;
    *ret_json = json_loadb((const char *)http->answer.data, http->answer.size, 0, NULL);
    return *ret_json ? 0
                     : error_set(ret_error, EPROTO,
                           "%s: the answer is no JSON: is this the address of a ConnectorDB?", http->url);
}

int remote_get_number(
    struct remote_http *http, const char *path, uint64_t *ret_number, struct error *ret_error)
{
    int r = remote_get(http, path, ret_error);
    if (r < 0)
        return r;
    const char *text = (const char *)http->answer.data;
    char *end;
    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    while (*end == '\n')
        end++;
    if (*text < '0' || *text > '9' || *end || errno)
        return error_set(ret_error, EPROTO, "%s: the answer is no number", http->url);
    return 0;
}
