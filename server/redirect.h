/* A port of plain HTTP beside HTTPS: it leads every request to the same address over HTTPS (308, RFC 9110),
 * and serves the answers to challenges that a client of ACME puts into a folder (RFC 8555, 8.3). */
#ifndef CONNECTORDB_REDIRECT_H
#define CONNECTORDB_REDIRECT_H

#include "configuration.h"
#include "error.h"

#include <stdint.h>

struct redirect;

/* site: https://host[:port] where the server answers, for requests that name no host; copied. https_port: of
 * the server. directory: where a relative acme_challenge begins; copied. configuration is borrowed until
 * redirect_stop. Errors as of http_start. */
int redirect_start(const struct configuration *configuration, const char *directory, const char *site,
    uint16_t https_port, struct redirect **ret_redirect, struct error *ret_error);
void redirect_stop(struct redirect *redirect); /* accepts NULL */

#endif
