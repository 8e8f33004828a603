/* Certificates for tests and benches. Knows no test framework. */
#ifndef CONNECTORDB_CERTIFICATE_H
#define CONNECTORDB_CERTIFICATE_H

#include <stdbool.h>

/* Writes a new private key (P-256), and a certificate for `name` that it signs itself, valid for an hour.
 * False: it could not. */
bool certificate_make(const char *name, const char *certificate_path, const char *key_path);
/* Writes a new private key alone, encrypted if there is a password. False: it could not. */
bool certificate_make_key(const char *path, const char *password);

#endif
