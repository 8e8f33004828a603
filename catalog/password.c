#include "password.h"

#include "check.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BCRYPT_KEY_BYTES =
        72, /* bcrypt sees no more; 0.3 (as Go's implementation of its time) cut off the rest silently */
    BCRYPT_HASH_BYTES = 60, /* $2b$10$ + 22 of salt + 31 of hash */
    BCRYPT_DIGEST_OFFSET = 29,
    BCRYPT_SALT_BYTES = 16,
    SHA256_BYTES = 32,
    SHA256_BASE64_BYTES = 45, /* with the 0; less than BCRYPT_KEY_BYTES */
    SHA512_BYTES = 64,
    SALT_BYTES_MAX = 4096,
};

int uuid_generate(char ret_text[UUID_TEXT_BYTES], struct error *ret_error)
{
    uint8_t b[16];
    if (RAND_bytes(b, sizeof(b)) != 1)
        return error_set(ret_error, EIO, "the system gives no random numbers");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret_text, UUID_TEXT_BYTES,
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
        b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return 0;
}

int password_check(const char *password, struct error *ret_error)
{
    size_t size = password ? strnlen(password, PASSWORD_BYTES_MAX + 1) : 0;
    if (size == 0)
        return error_set(ret_error, EINVAL, "the password is empty");
    if (size > PASSWORD_BYTES_MAX)
        return error_set(ret_error, EINVAL, "the password is longer than %d bytes", PASSWORD_BYTES_MAX);
    return 0;
}

/* password + salt, malloc'ed. */
static char *salted(const char *password, const char *salt)
{
    size_t password_size = strlen(password), salt_size = strlen(salt);
    char *text = malloc(password_size + salt_size + 1);
    if (!text)
        return NULL;
    memcpy(text, password, password_size);
    memcpy(text + password_size, salt, salt_size + 1);
    return text;
}

static void free_secret(char *text)
{
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* setting: the first BCRYPT_DIGEST_OFFSET bytes of a hash, or all of it. The result begins with $2b$:
 * libxcrypt computes for `$2a$` something else than everybody for a few passwords (its cure for an old bug of
 * its own), for `$2b$` always plain bcrypt, which is what Go computes for `$2a$`. */
static int bcrypt(const char *key_text, const char *setting, char ret_hash[PASSWORD_HASH_TEXT_BYTES],
    struct error *ret_error)
{
    struct crypt_data *scratch =
        calloc(1, sizeof(*scratch)); /* 32 KiB: too much for a server thread's stack */
    if (!scratch)
        return error_set(ret_error, ENOMEM, "out of memory for a password hash");
    char key[BCRYPT_KEY_BYTES + 1];
    size_t key_size = strnlen(key_text, BCRYPT_KEY_BYTES); /* libxcrypt would refuse more than 511 bytes */
    memcpy(key, key_text, key_size);
    key[key_size] = '\0';
    char plain[PASSWORD_HASH_TEXT_BYTES] = {0};
    memcpy(plain, setting, strnlen(setting, BCRYPT_HASH_BYTES));
    plain[2] = 'b';
    const char *hash = crypt_rn(key, plain, scratch, (int)sizeof(*scratch));
    int r = 0;
    if (hash && strlen(hash) == BCRYPT_HASH_BYTES)
        memcpy(ret_hash, hash, PASSWORD_HASH_TEXT_BYTES);
    else
        r = error_set(ret_error, EINVAL, "the stored password hash is not valid bcrypt");
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(scratch, sizeof(*scratch));
    free(scratch);
    return r;
}

/* The bytes of a password that bcrypt gets: `key` for the schemes of 0.3 is password + salt, for the new one
 * the keyed hash, which contains no 0 byte and fits into what bcrypt sees. malloc'ed; NULL without memory. */
static char *bcrypt_key(const char *password, const char *salt, const char *scheme)
{
    if (strcmp(scheme, PASSWORD_SCHEME_NEW) != 0)
        return salted(password, salt);
    uint8_t digest[SHA256_BYTES];
    char *text = malloc(SHA256_BASE64_BYTES);
    if (text && !HMAC(EVP_sha256(), salt, (int)strlen(salt), (const uint8_t *)password, strlen(password),
                    digest, NULL)) {
        free(text);
        return NULL;
    }
    if (text)
        (void)EVP_EncodeBlock((unsigned char *)text, digest, SHA256_BYTES);
    OPENSSL_cleanse(digest, sizeof(digest));
    return text;
}

/* $2b$NN$ and a random salt of bcrypt's own. */
static int bcrypt_setting(
    char ret_setting[CRYPT_GENSALT_OUTPUT_SIZE], unsigned long cost, struct error *ret_error)
{
    char random[BCRYPT_SALT_BYTES];
    if (RAND_bytes((unsigned char *)random, sizeof(random)) != 1)
        return error_set(ret_error, EIO, "the system gives no random numbers");
    char *made =
        crypt_gensalt_rn("$2b$", cost, random, sizeof(random), ret_setting, CRYPT_GENSALT_OUTPUT_SIZE);
    CHECK(made); /* all arguments are ours */
    return 0;
}

/* Fills hash->hash; salt and scheme are set. */
static int hash_with(const char *password, struct password_hash *hash, struct error *ret_error)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    int r = bcrypt_setting(setting, BCRYPT_COST, ret_error);
    if (r < 0)
        return r;
    char *key = bcrypt_key(password, hash->salt, hash->scheme);
    if (!key)
        return error_set(ret_error, ENOMEM, "out of memory for a password hash");
    r = bcrypt(key, setting, hash->hash, ret_error);
    free_secret(key);
    return r;
}

int password_hash(const char *password, struct password_hash *ret_hash, struct error *ret_error)
{
    struct password_hash made = {.scheme = PASSWORD_SCHEME_NEW};
    int r = password_check(password, ret_error);
    if (r == 0)
        r = uuid_generate(made.salt, ret_error);
    if (r == 0)
        r = hash_with(password, &made, ret_error);
    if (r == 0)
        *ret_hash = made;
    return r;
}

int password_upgrade(const char *password, const char *scheme, const char *salt,
    struct password_hash *ret_hash, struct error *ret_error)
{
    struct password_hash made = {.scheme = PASSWORD_SCHEME_BCRYPT};
    bool seen = strlen(password) + strlen(salt) <= BCRYPT_KEY_BYTES;
    if (strcmp(scheme, PASSWORD_SCHEME_BCRYPT) != 0 || seen)
        return password_hash(password, ret_hash, ret_error);
    int r = uuid_generate(made.salt, ret_error);
    if (r == 0)
        r = hash_with(password, &made, ret_error);
    if (r < 0)
        return r;
    made.hash[2] = 'a'; /* as 0.3 writes it */
    *ret_hash = made;
    return 0;
}

/* The cost in $2x$NN$..., or -1 when the text is not as long as a bcrypt hash or does not begin like one. */
static int bcrypt_cost(const char *hash)
{
    if (strnlen(hash, BCRYPT_HASH_BYTES + 1) != BCRYPT_HASH_BYTES || strncmp(hash, "$2", 2) != 0)
        return -1;
    if (!strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$')
        return -1;
    if (hash[4] < '0' || hash[4] > '9' || hash[5] < '0' || hash[5] > '9')
        return -1;
    return (hash[4] - '0') * 10 + (hash[5] - '0');
}

static int verify_bcrypt(const char *key, const char *hash, struct error *ret_error)
{
    int cost = bcrypt_cost(hash);
    if (cost < 0)
        return error_set(ret_error, EINVAL, "the stored password hash is not valid bcrypt");
    if (cost > BCRYPT_COST_MAX)
        return error_set(ret_error, EINVAL, "the stored password hash has cost %d; at most %d is computed",
            cost, BCRYPT_COST_MAX);
    char computed[PASSWORD_HASH_TEXT_BYTES];
    int r = bcrypt(key, hash, computed, ret_error);
    if (r < 0)
        return r;
    return CRYPTO_memcmp(computed + BCRYPT_DIGEST_OFFSET, hash + BCRYPT_DIGEST_OFFSET,
               BCRYPT_HASH_BYTES - BCRYPT_DIGEST_OFFSET) == 0;
}

static int verify_sha512(const char *key, const char *hash, struct error *ret_error)
{
    uint8_t digest[SHA512_BYTES];
    if (EVP_Digest(key, strlen(key), digest, NULL, EVP_sha512(), NULL) != 1)
        return error_set(ret_error, ENOMEM, "SHA-512 could not be computed");
    char text[2 * SHA512_BYTES + 1];
    for (size_t i = 0; i < SHA512_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strlen(hash) == 2 * SHA512_BYTES && CRYPTO_memcmp(text, hash, 2 * SHA512_BYTES) == 0;
}

static bool uses_bcrypt(const char *scheme)
{
    return strcmp(scheme, PASSWORD_SCHEME_NEW) == 0 || strcmp(scheme, PASSWORD_SCHEME_BCRYPT) == 0;
}

int password_verify(
    const char *password, const char *scheme, const char *hash, const char *salt, struct error *ret_error)
{
    if (password[0] == '\0' || strnlen(password, PASSWORD_BYTES_MAX + 1) > PASSWORD_BYTES_MAX)
        return 0; /* nobody can have it */
    if (strnlen(salt, SALT_BYTES_MAX + 1) > SALT_BYTES_MAX)
        return error_set(ret_error, EINVAL, "the stored password salt is too long");
    char *key = bcrypt_key(password, salt, scheme);
    if (!key)
        return error_set(ret_error, ENOMEM, "out of memory for a password hash");
    int r;
    if (uses_bcrypt(scheme))
        r = verify_bcrypt(key, hash, ret_error);
    else if (strcmp(scheme, PASSWORD_SCHEME_SHA512) == 0)
        r = verify_sha512(key, hash, ret_error);
    else
        r = error_set(ret_error, EINVAL, "the stored password has an unknown scheme");
    free_secret(key);
    return r;
}

static void spend(unsigned long cost)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[PASSWORD_HASH_TEXT_BYTES];
    if (bcrypt_setting(setting, cost, NULL) == 0)
        (void)bcrypt("", setting, hash, NULL);
}

/* A hash of cost c takes 2^c units, so 2^10 - 2^c = 2^c + 2^(c+1) + ... + 2^9. */
void password_spend_rest(const char *scheme, const char *hash)
{
    int cost = scheme && uses_bcrypt(scheme) ? bcrypt_cost(hash) : -1;
    if (cost < BCRYPT_COST_MIN || cost > BCRYPT_COST_MAX)
        spend(BCRYPT_COST);
    else
        for (; cost < BCRYPT_COST; cost++)
            spend((unsigned long)cost);
}

bool password_outdated(const char *scheme, const char *hash)
{
    return !uses_bcrypt(scheme) || bcrypt_cost(hash) < BCRYPT_COST;
}

int password_import_check(const char *scheme, const char *hash, struct error *ret_error)
{
    if (!uses_bcrypt(scheme) && strcmp(scheme, PASSWORD_SCHEME_SHA512) != 0)
        return error_set(ret_error, EINVAL,
            "the password scheme \"%.40s\" is unknown; %s, %s and %s are known", scheme, PASSWORD_SCHEME_NEW,
            PASSWORD_SCHEME_BCRYPT, PASSWORD_SCHEME_SHA512);
    int cost = uses_bcrypt(scheme) ? bcrypt_cost(hash) : -1;
    if (cost >= 0 && (cost < BCRYPT_COST_MIN || cost > BCRYPT_COST_MAX))
        return error_set(ret_error, EINVAL,
            "the password hash has bcrypt cost %d; costs from %d to %d are taken, 0.3 used 10", cost,
            BCRYPT_COST_MIN, BCRYPT_COST_MAX);
    return 0;
}
