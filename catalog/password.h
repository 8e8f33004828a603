/* Hashes of passwords, and random identifiers. Any thread; the hashing functions block for ~50 ms of
 * processor time and keep their large scratch memory off the stack.
 *
 * Schemes, as the catalog and exports name them:
 * "bcrypt-hmac-sha256"  new hashes: bcrypt of base64(HMAC-SHA-256(key = salt, password)). Every byte of a
 * password counts. "bcrypt"              of ConnectorDB 0.3: bcrypt of password + salt, of which bcrypt sees
 * the first 72 bytes "SHA512"              of older databases: hex of SHA-512(password + salt) The last two
 * are verified as 0.3 did. 0.3 cannot verify the first. docs/decisions/0013-password-hashes.md says why. */
#ifndef CONNECTORDB_PASSWORD_H
#define CONNECTORDB_PASSWORD_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PASSWORD_BYTES_MAX = 4096,
    UUID_TEXT_BYTES = 37, /* with the 0 */
    PASSWORD_HASH_TEXT_BYTES = 61,
    BCRYPT_COST = 10,     /* of new hashes; cheaper ones are replaced at the next login */
    BCRYPT_COST_MIN = 4,  /* of imported ones: less does not exist */
    BCRYPT_COST_MAX = 14, /* of imported ones: about a second of processor time */
};

#define PASSWORD_SCHEME_NEW "bcrypt-hmac-sha256"
#define PASSWORD_SCHEME_BCRYPT "bcrypt"
#define PASSWORD_SCHEME_SHA512 "SHA512"

struct password_hash {
    char hash[PASSWORD_HASH_TEXT_BYTES]; /* $2b$10$... */
    char salt[UUID_TEXT_BYTES];
    const char *scheme; /* static */
};

/* A random (version 4) UUID. */
int uuid_generate(char ret_text[UUID_TEXT_BYTES], struct error *ret_error);
/* Not empty, not too long. -EINVAL. */
int password_check(const char *password, struct error *ret_error);
/* Hashes with a new salt and PASSWORD_SCHEME_NEW. */
int password_hash(const char *password, struct password_hash *ret_hash, struct error *ret_error);
/* 1 = right, 0 = wrong. -EINVAL: the stored hash or its scheme cannot be verified. */
int password_verify(
    const char *password, const char *scheme, const char *hash, const char *salt, struct error *ret_error);
/* Spends the processor time by which verifying this hash takes less than verifying a new one, so that the
 * time of a refused login does not tell what is stored. scheme NULL: there is no such user. A hash that costs
 * more than a new one still takes longer. */
void password_spend_rest(const char *scheme, const char *hash);
/* The hash should be replaced when the password is next seen. */
bool password_outdated(const char *scheme, const char *hash);
/* Hashes a password that was right for an outdated hash with a new salt. Where bcrypt did not see the end of
 * password + salt, the scheme stays: the unseen part was not verified, so it must not be required from now
 * on. */
int password_upgrade(const char *password, const char *scheme, const char *salt,
    struct password_hash *ret_hash, struct error *ret_error);
/* Whether an import may bring this hash: a known scheme and a cost from BCRYPT_COST_MIN to BCRYPT_COST_MAX.
 * -EINVAL says what is wrong. A text that is no bcrypt hash at all is taken, as by 0.3: nobody can log in
 * with it. */
int password_import_check(const char *scheme, const char *hash, struct error *ret_error);

#endif
