/* Passwords that were right a short time ago, so that not every request hashes. Holds keyed hashes (the key
 * is random and never leaves the process), bounded in number and time. Any thread. */
#ifndef CONNECTORDB_PASSWORD_MEMORY_H
#define CONNECTORDB_PASSWORD_MEMORY_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PASSWORD_MEMORY_ENTRIES = 4096,
    PASSWORD_MEMORY_SECONDS = 300,
    PASSWORD_DIGEST_BYTES = 32,
};

struct password_memory;

int password_memory_create(struct password_memory **ret_memory, struct error *ret_error);
void password_memory_free(struct password_memory *memory); /* accepts NULL */
/* HMAC-SHA-256 of login name and password. */
int password_memory_digest(const struct password_memory *memory, const char *name, const char *password,
    uint8_t ret_digest[PASSWORD_DIGEST_BYTES], struct error *ret_error);
/* The user who logged in so, less than PASSWORD_MEMORY_SECONDS before now_ns (monotonic clock). */
bool password_memory_find(struct password_memory *memory, const uint8_t digest[PASSWORD_DIGEST_BYTES],
    uint64_t now_ns, int64_t *ret_user_id);
/* Take the generation before reading the stored hash that the password is compared with: if somebody forgot
 * passwords since, nothing is remembered. */
uint64_t password_memory_generation(struct password_memory *memory);
void password_memory_remember(struct password_memory *memory, const uint8_t digest[PASSWORD_DIGEST_BYTES],
    int64_t user_id, uint64_t generation, uint64_t now_ns);
/* Forgets the passwords of a user. Call it after the change is durable and before the caller learns of it. */
void password_memory_forget(struct password_memory *memory, int64_t user_id);
void password_memory_forget_all(struct password_memory *memory);

#endif
