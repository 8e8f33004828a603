/* Passwords as ConnectorDB 0.3 stores them, and random identifiers. Any thread; the hashing functions block for ~50 ms of processor
 * time and keep their large scratch memory off the stack. */
#ifndef CONNECTORDB_PASSWORD_H
#define CONNECTORDB_PASSWORD_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PASSWORD_BYTES_MAX = 4096,
    UUID_TEXT_BYTES = 37,        /* with the 0 */
    PASSWORD_HASH_TEXT_BYTES = 61,
    BCRYPT_COST = 10,            /* of new hashes; older, cheaper ones are replaced at the next login */
    BCRYPT_COST_MAX = 16,        /* of imported ones: a login must not take minutes */
};

#define PASSWORD_SCHEME_BCRYPT "bcrypt"
#define PASSWORD_SCHEME_SHA512 "SHA512"

struct password_hash {
    char hash[PASSWORD_HASH_TEXT_BYTES]; /* $2a$10$... of password + salt */
    char salt[UUID_TEXT_BYTES];
    const char *scheme; /* static */
};

/* A random (version 4) UUID. */
int uuid_generate(char ret_text[UUID_TEXT_BYTES], struct error *ret_error);
/* Not empty, not too long. -EINVAL. */
int password_check(const char *password, struct error *ret_error);
/* Hashes with a new salt. */
int password_hash(const char *password, struct password_hash *ret_hash, struct error *ret_error);
/* 1 = right, 0 = wrong. -EINVAL: the stored hash or its scheme is none that we know. */
int password_verify(const char *password, const char *scheme, const char *hash, const char *salt,
    struct error *ret_error);
/* The hash should be replaced when the password is next seen. */
bool password_outdated(const char *scheme, const char *hash);

#endif
