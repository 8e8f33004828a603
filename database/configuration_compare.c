/* The settings as a table: how they are compared, and which of them a server can change while it runs. */
#include "configuration.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { TEXT, SECRET, PATH_OF_TLS, FLAG, NUMBER_16, NUMBER_32, NUMBER_64, FSYNC };

#define PLACE(member) offsetof(struct configuration, member)

static const struct setting {
    const char *key;
    enum kind kind;
    size_t offset;
    bool live;
} SETTINGS[] = {
    {"hostname", TEXT, PLACE(hostname), false},
    {"port", NUMBER_16, PLACE(port), false},
    {"frontend_enabled", FLAG, PLACE(frontend_enabled), false},
    {"watch", FLAG, PLACE(watch), false},
    {"siteurl", TEXT, PLACE(siteurl), false},
    {"allowcrossorigin", FLAG, PLACE(allowcrossorigin), true},
    {"logfile", TEXT, PLACE(logfile), false},
    {"loglevel", TEXT, PLACE(loglevel), true},
    {"insert_limit_bytes", NUMBER_64, PLACE(insert_limit_bytes), true},
    {"time_ahead_max", NUMBER_64, PLACE(time_ahead_max_s), true},
    {"http_read_timeout", NUMBER_32, PLACE(http_read_timeout_s), false},
    {"failed_login_delay", NUMBER_32, PLACE(failed_login_delay_ms), true},
    {"failed_logins_max", NUMBER_32, PLACE(failed_logins_max), true},
    {"permissions", TEXT, PLACE(permissions), false},
    {"trusted_proxies", TEXT, PLACE(trusted_proxies), true},
    {"connections_max", NUMBER_32, PLACE(connections_max), false},
    {"pipescript.split_max", NUMBER_32, PLACE(script_split_max), true},
    {"pipescript.string_max", NUMBER_32, PLACE(script_string_max), true},
    {"pipescript.peek_max", NUMBER_32, PLACE(script_peek_max), true},
    {"pipescript.memory_max", NUMBER_64, PLACE(script_bytes_max), true},
    {"tls.key", PATH_OF_TLS, PLACE(tls_key), true},
    {"tls.cert", PATH_OF_TLS, PLACE(tls_cert), true},
    {"redirect80", NUMBER_16, PLACE(redirect_port), false},
    {"acme_challenge", TEXT, PLACE(acme_challenge), false},
    {"metrics.access", TEXT, PLACE(metrics_access), true},
    {"metrics.key", SECRET, PLACE(metrics_key), true},
    {"cookie.maxage", NUMBER_32, PLACE(session_max_age_s), true},
    {"cookie.remember", FLAG, PLACE(session_remember), true},
    {"websocket.message_limit_bytes", NUMBER_32, PLACE(websocket_message_bytes_max), true},
    {"websocket.ping_period", NUMBER_32, PLACE(websocket_ping_s), true},
    {"websocket.pong_wait", NUMBER_32, PLACE(websocket_pong_s), true},
    {"fsync", FSYNC, PLACE(store), false},
    {"journal_bytes", NUMBER_64, PLACE(store.journal_bytes), false},
};

static const char *fsync_text(const struct store_options *store, char *to, size_t capacity)
{
    if (store->fsync != STORE_FSYNC_INTERVAL)
        return store->fsync == STORE_FSYNC_ALWAYS ? "always" : "never";
    (void)snprintf(to, capacity, "interval:%u", store->fsync_interval_ms);
    return to;
}

/* The value as text: equal values have equal texts. */
static const char *value_text(
    const struct configuration *configuration, const struct setting *setting, char *to, size_t capacity)
{
    const void *place = (const char *)configuration + setting->offset;
    unsigned long long number = 0;
    switch (setting->kind) {
    case TEXT:
    case SECRET:
    case PATH_OF_TLS:
        return *(char *const *)place ? *(char *const *)place : "";
    case FLAG:
        return *(const bool *)place ? "true" : "false";
    case FSYNC:
        return fsync_text(place, to, capacity);
    case NUMBER_16:
        number = *(const uint16_t *)place;
        break;
    case NUMBER_32:
        number = *(const uint32_t *)place;
        break;
    case NUMBER_64:
        number = *(const uint64_t *)place;
        break;
    }
    (void)snprintf(to, capacity, "%llu", number);
    return to;
}

void configuration_compare(const struct configuration *before, const struct configuration *now,
    void (*differs)(void *context, const char *key, const char *value, bool live), void *context)
{
    for (size_t i = 0; i < sizeof(SETTINGS) / sizeof(SETTINGS[0]); i++) {
        char old[32], new[32];
        const char *was = value_text(before, &SETTINGS[i], old, sizeof(old));
        const char *is = value_text(now, &SETTINGS[i], new, sizeof(new));
        /* TLS as such is neither begun nor ended while a port is open */
        bool live = SETTINGS[i].live && (SETTINGS[i].kind != PATH_OF_TLS || (*was && *is));
        bool hidden = SETTINGS[i].kind == SECRET && *is;
        if (strcmp(was, is) != 0)
            differs(context, SETTINGS[i].key, hidden ? "another one" : is, live);
    }
}
