#include "configuration.h"

#include "byte_order_mark.h"
#include "configuration_text.h"
#include "json_comments.h"
#include "json_lines.h"
#include "file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNKNOWN_BYTES_MAX = 4096,
    HTTP_PORT = 80,
    SESSION_S_DEFAULT = 120 * 24 * 3600,
    SESSION_S_MAX = 10 * 365 * 24 * 3600,
    SCRIPT_BYTES_MIN = 1 << 20,
    SCRIPT_BYTES_LARGEST = 1 << 30,
    INSERT_LIMIT_BYTES_MIN = 100,
    INSERT_LIMIT_BYTES_MAX = 1 << 30,
    TIME_AHEAD_S_DEFAULT = 10 * 365 * 24 * 3600,
    TIMEOUT_S_MAX = 3600,
    DELAY_MS_MAX = 60000,
    FAILED_LOGINS_MAX = 1000000,
    PROXIES_MAX = 64,
    CONNECTIONS_MAX = 10000,
    FSYNC_INTERVAL_MS_MAX = 60000,
    METRICS_KEY_BYTES_MIN = 16,
    METRICS_KEY_BYTES_MAX = 128,
    JOURNAL_BYTES_MIN = 64 << 10, /* both: what store_open takes */
    JOURNAL_BYTES_MAX = 1 << 30,
};

#define TIME_AHEAD_S_MAX INT64_C(1000000000000)

/* The context of a value for its reader. */
struct key_context {
    const char *file, *text; /* text: without comments */
    const char *key;         /* "name", or "section.name" */
    struct error *error;
};

typedef int (*value_reader)(
    const json_t *value, struct configuration *configuration, const struct key_context *context);

static int wrong(const struct key_context *context, const char *expected)
{
    return error_set(context->error, EINVAL, "%s:%u: \"%s\" must be %s", context->file,
        json_key_line(context->text, context->key), context->key, expected);
}

/* Adds a warning about the key: what it is. */
static int warn(const struct key_context *context, struct configuration *configuration, const char *what)
{
    char *longer;
    const char *before = configuration->unknown ? configuration->unknown : "";
    if (strlen(before) > UNKNOWN_BYTES_MAX)
        return 0;
    if (asprintf(&longer, "%s%s%s:%u: \"%.80s\" %s", before, *before ? "\n" : "", context->file,
            json_key_line(context->text, context->key), context->key, what) < 0)
        return error_set(context->error, ENOMEM, "%s: out of memory", context->file);
    free(configuration->unknown);
    configuration->unknown = longer;
    return 0;
}

/* The server starts with unknown keys: they may be of another version. */
static int unknown(const struct key_context *context, struct configuration *configuration)
{
    return warn(context, configuration, "is not known, it means nothing");
}

static int read_integer(
    const json_t *value, int64_t min, int64_t max, int64_t *ret_value, const struct key_context *context)
{
    if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max) {
        char expected[96];
        (void)snprintf(
            expected, sizeof(expected), "a whole number from %lld to %lld", (long long)min, (long long)max);
        return wrong(context, expected);
    }
    *ret_value = json_integer_value(value);
    return 0;
}

static int read_boolean(const json_t *value, bool *ret_value, const struct key_context *context)
{
    if (!json_is_boolean(value))
        return wrong(context, "true or false");
    *ret_value = json_is_true(value);
    return 0;
}

static int read_text(const json_t *value, char **text, const struct key_context *context)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return wrong(context, "a string");
    char *copy = strdup(json_string_value(value));
    if (!copy)
        return error_set(context->error, ENOMEM, "%s: out of memory", context->file);
    free(*text);
    *text = copy;
    return 0;
}

static int read_version(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    (void)configuration;
    int64_t version;
    return read_integer(value, 1, 1, &version, context);
}

static int read_watch(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_boolean(value, &configuration->watch, context);
}

static int read_hostname(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_text(value, &configuration->hostname, context);
}

static int read_port(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t port;
    int r = read_integer(value, 0, UINT16_MAX, &port, context);
    if (r == 0)
        configuration->port = (uint16_t)port;
    return r;
}

static int read_frontend_enabled(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_boolean(value, &configuration->frontend_enabled, context);
}

static int read_siteurl(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_text(value, &configuration->siteurl, context);
}

static int read_allowcrossorigin(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_boolean(value, &configuration->allowcrossorigin, context);
}

static int read_logfile(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_text(value, &configuration->logfile, context);
}

static int read_loglevel(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i]) == 0)
            return read_text(value, &configuration->loglevel, context);
    }
    return wrong(context, "\"debug\", \"info\", \"warn\" or \"error\"");
}

static int read_insert_limit_bytes(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t bytes;
    int r = read_integer(value, INSERT_LIMIT_BYTES_MIN, INSERT_LIMIT_BYTES_MAX, &bytes, context);
    if (r == 0)
        configuration->insert_limit_bytes = (uint64_t)bytes;
    return r;
}

static int read_time_ahead_max(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t seconds;
    int r = read_integer(value, 0, TIME_AHEAD_S_MAX, &seconds, context);
    if (r == 0)
        configuration->time_ahead_max_s = (uint64_t)seconds;
    return r;
}

static int read_http_read_timeout(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t seconds;
    int r = read_integer(value, 1, TIMEOUT_S_MAX, &seconds, context);
    if (r == 0)
        configuration->http_read_timeout_s = (uint32_t)seconds;
    return r;
}

static int read_failed_login_delay(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t delay_ms;
    int r = read_integer(value, 0, DELAY_MS_MAX, &delay_ms, context);
    if (r == 0)
        configuration->failed_login_delay_ms = (uint32_t)delay_ms;
    return r;
}

static int read_failed_logins_max(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t guesses;
    int r = read_integer(value, 0, FAILED_LOGINS_MAX, &guesses, context);
    if (r == 0)
        configuration->failed_logins_max = (uint32_t)guesses;
    return r;
}

/* Appends the address as connections' addresses are written: in the usual form, an IPv4 address that is
 * mapped into IPv6 as the one that it is. False: it is none. */
static bool append_address(const char *text, char *list, size_t capacity)
{
    struct in6_addr address;
    char usual[INET6_ADDRSTRLEN];
    const char *printed = NULL;
    if (inet_pton(AF_INET, text, &address) == 1)
        printed = inet_ntop(AF_INET, &address, usual, sizeof(usual));
    else if (inet_pton(AF_INET6, text, &address) == 1)
        printed = IN6_IS_ADDR_V4MAPPED(&address)
                      ? inet_ntop(AF_INET, &address.s6_addr[12], usual, sizeof(usual))
                      : inet_ntop(AF_INET6, &address, usual, sizeof(usual));
    size_t used = strlen(list);
    return printed && (size_t)snprintf(list + used, capacity - used, "%s%s", used > 0 ? " " : "", usual) <
                          capacity - used;
}

static int read_trusted_proxies(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    static const char expected[] =
        "an array of at most 64 addresses in numbers, such as [\"127.0.0.1\", \"::1\"]";
    char list[PROXIES_MAX * (INET6_ADDRSTRLEN + 1)] = "";
    if (!json_is_array(value) || json_array_size(value) > PROXIES_MAX)
        return wrong(context, expected);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *address = json_string_value(json_array_get(value, i));
        if (!address || !append_address(address, list, sizeof(list)))
            return wrong(context, expected);
    }
    char *copy = strdup(list);
    if (!copy)
        return error_set(context->error, ENOMEM, "%s: out of memory", context->file);
    free(configuration->trusted_proxies);
    configuration->trusted_proxies = copy;
    return 0;
}

static int read_connections_max(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t connections;
    int r = read_integer(value, 1, CONNECTIONS_MAX, &connections, context);
    if (r == 0)
        configuration->connections_max = (uint32_t)connections;
    return r;
}

static int read_fsync(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    static const char expected[] = "\"always\", \"interval:<milliseconds>\" (1 to 60000) or \"never\"";
    static const char interval[] = "interval:";
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    struct store_options *store = &configuration->store;
    store->fsync_interval_ms = 0;
    if (strcmp(text, "always") == 0) {
        store->fsync = STORE_FSYNC_ALWAYS;
        return 0;
    }
    if (strcmp(text, "never") == 0) {
        store->fsync = STORE_FSYNC_NEVER;
        return 0;
    }
    if (strncmp(text, interval, strlen(interval)) != 0)
        return wrong(context, expected);
    const char *digits = text + strlen(interval);
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > 5 || digits[count] != '\0')
        return wrong(context, expected);
    unsigned long interval_ms = strtoul(digits, NULL, 10);
    if (interval_ms == 0 || interval_ms > FSYNC_INTERVAL_MS_MAX)
        return wrong(context, expected);
    store->fsync = STORE_FSYNC_INTERVAL;
    store->fsync_interval_ms = (uint32_t)interval_ms;
    return 0;
}

static int read_journal_bytes(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t bytes;
    int r = read_integer(value, JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX, &bytes, context);
    if (r == 0)
        configuration->store.journal_bytes = (uint64_t)bytes;
    return r;
}

static int read_permissions(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    const char *text = json_is_string(value) ? json_string_value(value) : NULL;
    if (!text || !*text)
        return wrong(context, "\"default\" or the name of a permissions file");
    return read_text(value, &configuration->permissions, context);
}

/* A setting that protects the join page must not be ignored silently. */
static int read_captcha(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    if (!json_is_object(value))
        return wrong(context, "an object");
    const json_t *enabled = json_object_get(value, "enabled");
    if (!enabled || json_is_false(enabled))
        return 0;
    return warn(context, configuration,
        "is enabled, but this version has no captcha: the page to join works without, its attempts are "
        "limited "
        "for each address");
}

/* A section of 0.3 that is enabled here would have no effect; it is refused rather than ignored silently. */
static int read_script_list(const json_t *value, const struct key_context *context)
{
    return json_is_array(value) && json_array_size(value) == 0
               ? 0
               : wrong(context, "[]: this version cannot disable single transforms or interpolators");
}

static int read_script_key(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context)
{
    int64_t number;
    if (strcmp(key, "disable_transforms") == 0 || strcmp(key, "disable_interpolators") == 0)
        return read_script_list(value, context);
    if (strcmp(key, "memory_max") == 0) {
        int r = read_integer(value, SCRIPT_BYTES_MIN, SCRIPT_BYTES_LARGEST, &number, context);
        configuration->script_bytes_max = r == 0 ? (uint64_t)number : 0;
        return r;
    }
    const struct {
        const char *name;
        uint32_t *to;
        int64_t largest;
    } numbers[] = {
        {"split_max", &configuration->script_split_max, 1000000},
        {"string_max", &configuration->script_string_max, 16 << 20},
        {"peek_max", &configuration->script_peek_max, 100000},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(key, numbers[i].name) != 0)
            continue;
        int r = read_integer(value, 1, numbers[i].largest, &number, context);
        *numbers[i].to = r == 0 ? (uint32_t)number : 0;
        return r;
    }
    return unknown(context, configuration);
}

typedef int (*member_reader)(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context);

/* Reads each member of a section; messages name it "section.key". */
static int read_section(const char *section, const json_t *value, member_reader read,
    struct configuration *configuration, const struct key_context *context)
{
    const char *key;
    json_t *member;
    if (!json_is_object(value))
        return wrong(context, "an object");
    json_object_foreach((json_t *)value, key, member)
    {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s.%.40s", section, key);
        const struct key_context inner = {context->file, context->text, name, context->error};
        int r = read(key, member, configuration, &inner);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_pipescript(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_section("pipescript", value, read_script_key, configuration, context);
}

static int read_tls_key(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context)
{
    bool enabled; /* asked for when all members are read */
    if (strcmp(key, "enabled") == 0)
        return read_boolean(value, &enabled, context);
    if (strcmp(key, "key") == 0)
        return read_text(value, &configuration->tls_key, context);
    if (strcmp(key, "cert") == 0)
        return read_text(value, &configuration->tls_cert, context);
    if (strcmp(key, "acme") != 0)
        return unknown(context, configuration);
    if (!json_is_object(value))
        return wrong(context, "an object");
    configuration->tls_acme = json_is_true(json_object_get(value, "enabled"));
    return 0;
}

void configuration_drop_tls(struct configuration *configuration)
{
    free(configuration->tls_key);
    free(configuration->tls_cert);
    configuration->tls_key = configuration->tls_cert = NULL;
}

/* Without "enabled": true the files mean nothing. */
static int check_tls(struct configuration *configuration, bool enabled, const struct key_context *context)
{
    bool complete = configuration->tls_key && *configuration->tls_key && configuration->tls_cert &&
                    *configuration->tls_cert;
    if (enabled && !complete)
        return error_set(context->error, EINVAL, "%s:%u: \"tls\" needs \"key\" and \"cert\", files in PEM%s",
            context->file, json_key_line(context->text, context->key),
            configuration->tls_acme
                ? "; certificates of ACME are fetched by a program such as certbot or uacme, "
                  "see docs/OPERATING.md"
                : "");
    if (!enabled)
        configuration_drop_tls(configuration);
    return 0;
}

static int read_tls(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int r = read_section("tls", value, read_tls_key, configuration, context);
    return r < 0 ? r : check_tls(configuration, json_is_true(json_object_get(value, "enabled")), context);
}

/* true is port 80; a number another one, for tests and for ports that are forwarded. */
static int read_redirect80(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int64_t port = json_is_true(value) ? HTTP_PORT : 0;
    int r = json_is_boolean(value) ? 0 : read_integer(value, 1, UINT16_MAX, &port, context);
    configuration->redirect_port = r == 0 ? (uint16_t)port : 0;
    return r;
}

static int read_acme_challenge(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_text(value, &configuration->acme_challenge, context);
}

/* The buffers of ConnectorDB 0.3 mean nothing here. */
static int read_websocket_key(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context)
{
    const struct {
        const char *name;
        uint32_t *to;
        int64_t smallest, largest;
    } numbers[] = {
        {"message_limit_bytes", &configuration->websocket_message_bytes_max, 1024, 64 << 20},
        {"ping_period", &configuration->websocket_ping_s, 1, 3600},
        {"pong_wait", &configuration->websocket_pong_s, 1, 7200},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int64_t number = 0;
        if (strcmp(key, numbers[i].name) != 0)
            continue;
        int r = read_integer(value, numbers[i].smallest, numbers[i].largest, &number, context);
        if (r == 0)
            *numbers[i].to = (uint32_t)number;
        return r;
    }
    return 0;
}

static int read_websocket(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_section("websocket", value, read_websocket_key, configuration, context);
}

/* authkey and encryptionkey of 0.3 mean nothing: the server draws its own key. */
static int read_cookie_key(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context)
{
    if (strcmp(key, "maxage") == 0) {
        int64_t seconds;
        int r = read_integer(value, 1, SESSION_S_MAX, &seconds, context);
        configuration->session_max_age_s = r == 0 ? (uint32_t)seconds : 0;
        return r;
    }
    if (strcmp(key, "remember") == 0)
        return read_boolean(value, &configuration->session_remember, context);
    return strcmp(key, "authkey") == 0 || strcmp(key, "encryptionkey") == 0 ? 0
                                                                            : unknown(context, configuration);
}

static int read_cookie(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    return read_section("cookie", value, read_cookie_key, configuration, context);
}

/* One that goes into a header field as it is, and is not guessed. */
static bool is_metrics_key(const char *key)
{
    size_t length = strlen(key);
    for (const char *c = key; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == ':')
            return false;
    }
    return length >= METRICS_KEY_BYTES_MIN && length <= METRICS_KEY_BYTES_MAX;
}

static int read_metrics_key(const char *key, const json_t *value, struct configuration *configuration,
    const struct key_context *context)
{
    static const char *const accesses[] = {"local", "key", "all", "off"};
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(key, "key") == 0) {
        if (*text && !is_metrics_key(text))
            return wrong(context, "16 to 128 letters, digits and signs, without spaces and colons");
        return read_text(value, &configuration->metrics_key, context);
    }
    if (strcmp(key, "access") != 0)
        return unknown(context, configuration);
    for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
        if (strcmp(text, accesses[i]) == 0)
            return read_text(value, &configuration->metrics_access, context);
    }
    return wrong(context, "\"local\", \"key\", \"all\" or \"off\"");
}

static int read_metrics(
    const json_t *value, struct configuration *configuration, const struct key_context *context)
{
    int r = read_section("metrics", value, read_metrics_key, configuration, context);
    if (r < 0)
        return r;
    if (strcmp(configuration->metrics_access, "key") == 0 && !*configuration->metrics_key)
        return error_set(context->error, EINVAL, "%s:%u: \"metrics\" with access \"key\" needs a \"key\"",
            context->file, json_key_line(context->text, context->key));
    return 0;
}

/* All keys that are known. Those without a reader meant something to ConnectorDB 0.3 only. */
static const struct {
    const char *key;
    value_reader read;
} keys[] = {
    {"version", read_version},
    {"hostname", read_hostname},
    {"port", read_port},
    {"frontend_enabled", read_frontend_enabled},
    {"siteurl", read_siteurl},
    {"allowcrossorigin", read_allowcrossorigin},
    {"logfile", read_logfile},
    {"loglevel", read_loglevel},
    {"insert_limit_bytes", read_insert_limit_bytes},
    {"time_ahead_max", read_time_ahead_max},
    {"http_read_timeout", read_http_read_timeout},
    {"failed_login_delay", read_failed_login_delay},
    {"failed_logins_max", read_failed_logins_max},
    {"trusted_proxies", read_trusted_proxies},
    {"connections_max", read_connections_max},
    {"fsync", read_fsync},
    {"journal_bytes", read_journal_bytes},
    {"permissions", read_permissions},
    {"pipescript", read_pipescript},
    {"cookie", read_cookie},
    {"tls", read_tls},
    {"redirect80", read_redirect80},
    {"acme_challenge", read_acme_challenge},
    {"captcha", read_captcha},
    {"metrics", read_metrics},
    {"watch", read_watch},
    {"query_display_timer", NULL},
    {"stats_display_timer", NULL},
    {"websocket", read_websocket},
    {"minify", NULL},
    {"cache_static", NULL},
    {"cache_static_maxage", NULL},
    {"gzip_static", NULL},
    {"redis", NULL},
    {"nats", NULL},
    {"sql", NULL},
    {"batchsize", NULL},
    {"chunksize", NULL},
    {"cache", NULL},
    {"cache_timeout", NULL},
    {"user_cache_size", NULL},
    {"device_cache_size", NULL},
    {"stream_cache_size", NULL},
    {"password_hash", NULL},
};

static int read_key(
    const struct key_context *context, const json_t *value, struct configuration *configuration)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(context->key, keys[i].key) == 0)
            return keys[i].read ? keys[i].read(value, configuration, context) : 0;
    }
    return unknown(context, configuration);
}

static int set_defaults(struct configuration *configuration, struct error *ret_error)
{
    *configuration = (struct configuration){
        .hostname = strdup(""),
        .port = 3124,
        .frontend_enabled = true,
        .watch = true,
        .siteurl = strdup(""),
        .permissions = strdup("default"),
        .logfile = strdup(""),
        .loglevel = strdup("info"),
        .insert_limit_bytes = 10 << 20,
        .time_ahead_max_s = TIME_AHEAD_S_DEFAULT,
        .http_read_timeout_s = 5,
        .failed_login_delay_ms = 300,
        .failed_logins_max = 20,
        .trusted_proxies = strdup(""),
        .acme_challenge = strdup(""),
        .metrics_access = strdup("local"),
        .metrics_key = strdup(""),
        .connections_max = 1024,
        .session_max_age_s = SESSION_S_DEFAULT,
        .websocket_message_bytes_max = 1 << 20,
        .websocket_ping_s = 54,
        .websocket_pong_s = 60,
        .session_remember = true,
    };
    if (!configuration->hostname || !configuration->siteurl || !configuration->permissions ||
        !configuration->logfile || !configuration->loglevel || !configuration->trusted_proxies ||
        !configuration->acme_challenge || !configuration->metrics_access || !configuration->metrics_key)
        return error_set(ret_error, ENOMEM, "out of memory for the configuration");
    return 0;
}

static int read_document(const char *text, size_t size, const char *file, struct configuration *configuration,
    struct error *ret_error)
{
    json_error_t json_error;
    json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &json_error);
    if (!document)
        return error_set(ret_error, EINVAL, "%s:%d: %s%s", file, json_error.line, json_error.text,
            byte_order_mark_near(text, size, (size_t)json_error.position) ? BYTE_ORDER_MARK_MISPLACED : "");
    int r = 0;
    if (!json_is_object(document))
        r = error_set(ret_error, EINVAL, "%s:1: an object is expected", file);
    const char *key;
    json_t *value;
    json_object_foreach(document, key, value)
    {
        const struct key_context context = {file, text, key, ret_error};
        r = read_key(&context, value, configuration);
        if (r < 0)
            break;
    }
    json_decref(document);
    return r;
}

int configuration_parse(const char *text, size_t size, const char *file,
    struct configuration *ret_configuration, struct error *ret_error)
{
    struct configuration configuration;
    size_t skipped = byte_order_mark_bytes(text, size);
    text += skipped;
    size -= skipped;
    char *plain = malloc(size + 1);
    unsigned line = 0;
    int r = set_defaults(&configuration, ret_error);
    if (r == 0 && !plain)
        r = error_set(ret_error, ENOMEM, "%s: out of memory", file);
    if (r == 0) {
        memcpy(plain, text, size);
        plain[size] = '\0';
        line = json_blank_comments(plain, size);
        if (line != 0)
            r = error_set(ret_error, EINVAL, "%s:%u: the comment does not end", file, line);
    }
    if (r == 0)
        r = read_document(plain, size, file, &configuration, ret_error);
    free(plain);
    if (r < 0)
        configuration_free(&configuration);
    else
        *ret_configuration = configuration;
    return r;
}

int configuration_read(
    const char *path, bool optional, struct configuration *ret_configuration, struct error *ret_error)
{
    struct buffer text = {0};
    int r = path ? file_read(path, CONFIGURATION_BYTES_MAX, &text, ret_error) : 0;
    if (!path || (r == -ENOENT && optional))
        r = configuration_parse("{}", 2, "", ret_configuration, ret_error);
    else if (r == -E2BIG)
        r = error_set(ret_error, EINVAL, "%s: larger than %d bytes", path, CONFIGURATION_BYTES_MAX);
    else if (r == 0)
        r = configuration_parse((const char *)text.data, text.size, path, ret_configuration, ret_error);
    buffer_free(&text);
    return r;
}

void configuration_free(struct configuration *configuration)
{
    free(configuration->hostname);
    free(configuration->siteurl);
    free(configuration->permissions);
    free(configuration->logfile);
    free(configuration->loglevel);
    free(configuration->trusted_proxies);
    free(configuration->tls_key);
    free(configuration->tls_cert);
    free(configuration->acme_challenge);
    free(configuration->metrics_access);
    free(configuration->metrics_key);
    free(configuration->unknown);
    *configuration = (struct configuration){0};
}
