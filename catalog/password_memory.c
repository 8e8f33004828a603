#include "password_memory.h"

#include "bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_WAYS = 4,
    MEMORY_SETS = PASSWORD_MEMORY_ENTRIES / MEMORY_WAYS,
    MEMORY_KEY_BYTES = 64, /* one block of SHA-256 */
};

struct remembered {
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    int64_t user_id; /* 0 = unused */
    uint64_t expires_ns;
};

struct password_memory {
    pthread_mutex_t lock;
    uint64_t generation;
    uint8_t inner_key[MEMORY_KEY_BYTES], outer_key[MEMORY_KEY_BYTES];
    EVP_MD *sha256; /* fetched once: fetching takes longer than hashing */
    struct remembered entries[MEMORY_SETS][MEMORY_WAYS];
};

int password_memory_create(struct password_memory **ret_memory, struct error *ret_error)
{
    struct password_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return error_set(ret_error, ENOMEM, "out of memory for remembered passwords");
    memory->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!memory->sha256 || RAND_bytes(memory->inner_key, sizeof(memory->inner_key)) != 1) {
        EVP_MD_free(memory->sha256);
        free(memory);
        return error_set(ret_error, EIO, "the system gives no random numbers");
    }
    for (size_t i = 0; i < MEMORY_KEY_BYTES; i++) { /* RFC 2104: the key with 0x36 and with 0x5c */
        memory->outer_key[i] = memory->inner_key[i] ^ 0x5c;
        memory->inner_key[i] ^= 0x36;
    }
    (void)pthread_mutex_init(&memory->lock, NULL);
    *ret_memory = memory;
    return 0;
}

void password_memory_free(struct password_memory *memory)
{
    if (!memory)
        return;
    EVP_MD_free(memory->sha256);
    (void)pthread_mutex_destroy(&memory->lock);
    OPENSSL_cleanse(memory, sizeof(*memory));
    free(memory);
}

int password_memory_digest(const struct password_memory *memory, const char *name, const char *password,
    uint8_t ret_digest[PASSWORD_DIGEST_BYTES], struct error *ret_error)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t name_size = strlen(name) + 1; /* with the 0: a name cannot run into the password */
    bool done = context && EVP_DigestInit_ex(context, memory->sha256, NULL) == 1 &&
                EVP_DigestUpdate(context, memory->inner_key, MEMORY_KEY_BYTES) == 1 &&
                EVP_DigestUpdate(context, name, name_size) == 1 &&
                EVP_DigestUpdate(context, password, strlen(password)) == 1 &&
                EVP_DigestFinal_ex(context, ret_digest, NULL) == 1 &&
                EVP_DigestInit_ex(context, memory->sha256, NULL) == 1 &&
                EVP_DigestUpdate(context, memory->outer_key, MEMORY_KEY_BYTES) == 1 &&
                EVP_DigestUpdate(context, ret_digest, PASSWORD_DIGEST_BYTES) == 1 &&
                EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return done ? 0 : error_set(ret_error, ENOMEM, "out of memory for a password hash");
}

static struct remembered *set_of(struct password_memory *memory, const uint8_t *digest)
{
    return memory->entries[load_u64(digest) % MEMORY_SETS];
}

bool password_memory_find(struct password_memory *memory, const uint8_t digest[PASSWORD_DIGEST_BYTES],
    uint64_t now_ns, int64_t *ret_user_id)
{
    bool found = false;
    (void)pthread_mutex_lock(&memory->lock);
    struct remembered *set = set_of(memory, digest);
    for (size_t way = 0; way < MEMORY_WAYS && !found; way++) {
        if (set[way].user_id != 0 && now_ns < set[way].expires_ns &&
            CRYPTO_memcmp(set[way].digest, digest, PASSWORD_DIGEST_BYTES) == 0) {
            *ret_user_id = set[way].user_id;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&memory->lock);
    return found;
}

uint64_t password_memory_generation(struct password_memory *memory)
{
    (void)pthread_mutex_lock(&memory->lock);
    uint64_t generation = memory->generation;
    (void)pthread_mutex_unlock(&memory->lock);
    return generation;
}

/* The same password's place, else the one that ends first (unused ones ended at 0). */
static struct remembered *choose(struct remembered *set, const uint8_t *digest)
{
    struct remembered *chosen = &set[0];
    for (size_t way = 0; way < MEMORY_WAYS; way++) {
        if (set[way].user_id != 0 && CRYPTO_memcmp(set[way].digest, digest, PASSWORD_DIGEST_BYTES) == 0)
            return &set[way];
        if (set[way].expires_ns < chosen->expires_ns)
            chosen = &set[way];
    }
    return chosen;
}

void password_memory_remember(struct password_memory *memory, const uint8_t digest[PASSWORD_DIGEST_BYTES],
    int64_t user_id, uint64_t generation, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&memory->lock);
    if (memory->generation == generation) {
        struct remembered *entry = choose(set_of(memory, digest), digest);
        memcpy(entry->digest, digest, PASSWORD_DIGEST_BYTES);
        entry->user_id = user_id;
        entry->expires_ns = now_ns + PASSWORD_MEMORY_SECONDS * UINT64_C(1000000000);
    }
    (void)pthread_mutex_unlock(&memory->lock);
}

void password_memory_forget(struct password_memory *memory, int64_t user_id)
{
    (void)pthread_mutex_lock(&memory->lock);
    memory->generation++;
    for (size_t set = 0; set < MEMORY_SETS; set++) {
        for (size_t way = 0; way < MEMORY_WAYS; way++) {
            if (memory->entries[set][way].user_id == user_id)
                memory->entries[set][way] = (struct remembered){0};
        }
    }
    (void)pthread_mutex_unlock(&memory->lock);
}

void password_memory_forget_all(struct password_memory *memory)
{
    (void)pthread_mutex_lock(&memory->lock);
    memory->generation++;
    memset(memory->entries, 0, sizeof(memory->entries));
    (void)pthread_mutex_unlock(&memory->lock);
}
