/* connectordb.conf: JSON with comments (// to the end of the line, and C style). The keys are those of
 * ConnectorDB 0.3; keys that have no meaning any more (redis, nats, sql, batchsize, ...) are accepted and
 * ignored; so is an unknown key, which is named with its line. */
#ifndef CONNECTORDB_CONFIGURATION_H
#define CONNECTORDB_CONFIGURATION_H

#include "error.h"
#include "store.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONFIGURATION_BYTES_MAX = 1 << 20 }; /* of a configuration file */

struct configuration {
    char *hostname; /* "" = 127.0.0.1 and ::1 */
    uint16_t port;  /* 3124 */
    bool frontend_enabled;
    bool watch;    /* a server reads the file again when it changes */
    char *unknown; /* a line "FILE:LINE: ..." for each key that is not known, without the last newline; NULL =
                      none */
    char *siteurl;
    bool allowcrossorigin;
    char *logfile;               /* "" = standard error */
    char *loglevel;              /* debug info warn error */
    uint64_t insert_limit_bytes; /* 10485760, at least 100 */
    uint64_t time_ahead_max_s; /* new: how far ahead of now the time of an insert over REST may be; ten years;
                                  0 = no limit */
    uint32_t http_read_timeout_s;   /* 5 */
    uint32_t failed_login_delay_ms; /* 300 */
    uint32_t failed_logins_max; /* new: wrong guesses of one address at once, one more each second; 0 = not
                                   limited; 20 */
    char *permissions; /* "default", or a permissions file; a relative path begins in the database's directory
                        */
    char *trusted_proxies;    /* new: addresses in numbers, separated by spaces; their X-Forwarded-For is
                                 believed */
    uint32_t connections_max; /* new: HTTP connections served at once (a thread each); 1024 */
    /* limits of one script, 0 = the script library's default */
    uint32_t script_split_max, script_string_max, script_peek_max;
    uint32_t websocket_message_bytes_max;        /* websocket.message_limit_bytes: 1048576 */
    uint32_t websocket_ping_s, websocket_pong_s; /* websocket.ping_period, pong_wait: 54, 60 */
    /* tls: files in PEM; both NULL = plain HTTP. Relative paths begin in the database's directory. */
    char *tls_key, *tls_cert;
    bool tls_acme;          /* an acme section of 0.3 is there and enabled; it means nothing */
    uint16_t redirect_port; /* redirect80: a port of plain HTTP that leads to HTTPS; 0 = none */
    char *acme_challenge;   /* new: the folder of /.well-known/acme-challenge/ on that port; "" = none */
    char *metrics_access; /* new: metrics.access, who may read /metrics: "local" (loopback addresses, or with
                             the key), "key", "all" or "off" */
    char *metrics_key;    /* new: metrics.key, "" = none */
    uint32_t session_max_age_s; /* cookie.maxage: 120 days */
    bool session_remember;      /* cookie.remember: a browser keeps the cookie when it is closed */
    uint64_t script_bytes_max;  /* new: memory of one run */
    struct store_options store; /* new: fsync "always" | "interval:<ms>" | "never"; journal_bytes */
};

/* Fills in the defaults, then what the file says (path NULL or a missing file: defaults only if `optional`).
 * 0; -EINVAL with file and line; -errno. Free with configuration_free. */
int configuration_read(
    const char *path, bool optional, struct configuration *ret_configuration, struct error *ret_error);
/* Frees what it owns and zeroes it; accepts a zeroed one. */
void configuration_free(struct configuration *configuration);
/* Plain HTTP, whatever the file says. */
void configuration_drop_tls(struct configuration *configuration);
/* Calls back for each setting in which the two differ, with its key and its value in `now` as text (not that
 * of a secret). live: a server can use it at once; otherwise it takes a new start. */
void configuration_compare(const struct configuration *before, const struct configuration *now,
    void (*differs)(void *context, const char *key, const char *value, bool live), void *context);
/* The default file's text with comments (static). */
const char *configuration_default_text(void);

#endif
