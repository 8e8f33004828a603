#include "limiter.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    WAYS = 4,               /* places a bucket may be at */
    IPV6_NETWORK_BYTES = 8, /* /64: what one subscriber gets at least */
};

/* Instead of a number of guesses: the time when it will be full again. One wrong guess moves it by one
 * interval. */
struct bucket {
    uint64_t key; /* 0 = unused */
    uint64_t full_ns;
    uint64_t judging; /* guesses that are being judged; such a bucket keeps its place */
};

struct limiter {
    struct limiter_options options;               /* the intervals of it */
    atomic_uint address_guesses, account_guesses; /* the numbers may change */
    /* No address has to wait at this time or later. */
    _Atomic uint64_t refusing_until_ns;
    pthread_mutex_t lock;
    pthread_cond_t judged;
    uint64_t seeds[2];
    struct bucket buckets[LIMITER_BUCKETS];
    struct bucket trusted[LIMITER_TRUSTED]; /* full_ns: the end of the trust */
};

int limiter_create(
    const struct limiter_options *options, struct limiter **ret_limiter, struct error *ret_error)
{
    struct limiter *limiter = calloc(1, sizeof(*limiter)); /* pages that are never used cost nothing */
    if (!limiter)
        return error_set(ret_error, ENOMEM, "out of memory for the limits of logins");
    if (getrandom(limiter->seeds, sizeof(limiter->seeds), 0) != (ssize_t)sizeof(limiter->seeds)) {
        free(limiter);
        return error_set(ret_error, EIO, "the system gives no random numbers");
    }
    limiter->options = *options;
    limiter_configure(limiter, options);
    (void)pthread_mutex_init(&limiter->lock, NULL);
    (void)pthread_cond_init(&limiter->judged, NULL);
    *ret_limiter = limiter;
    return 0;
}

void limiter_configure(struct limiter *limiter, const struct limiter_options *options)
{
    atomic_store(&limiter->address_guesses, options->address_guesses);
    atomic_store(&limiter->account_guesses, options->account_guesses);
}

void limiter_free(struct limiter *limiter)
{
    if (!limiter)
        return;
    (void)pthread_cond_destroy(&limiter->judged);
    (void)pthread_mutex_destroy(&limiter->lock);
    free(limiter);
}

/* ---- keys: hashes with a secret start, so that nobody can aim at the buckets of others ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_end(const struct limiter *limiter, uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= limiter->seeds[1] | 1;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static uint64_t hash_address(uint64_t hash, const char *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:1.2.3.4 */
    uint8_t bytes[16];
    if (inet_pton(AF_INET, address, bytes) == 1)
        return hash_bytes(hash, bytes, 4);
    char plain[INET6_ADDRSTRLEN] = "";
    strncat(plain, address, strcspn(address, "%") < sizeof(plain) ? strcspn(address, "%") : 0); /* its zone */
    if (inet_pton(AF_INET6, plain, bytes) != 1)
        return hash_bytes(hash, address, strlen(address));
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
        return hash_bytes(hash, bytes + sizeof(mapped), 4);
    return hash_bytes(hash, bytes, IPV6_NETWORK_BYTES);
}

static uint64_t hash_account(uint64_t hash, const char *account)
{
    for (; *account; account++) {
        uint8_t c = (uint8_t)*account;
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c | 0x20);
        hash = hash_bytes(hash, &c, 1);
    }
    return hash;
}

static uint64_t address_key(const struct limiter *limiter, const char *address)
{
    return hash_end(limiter, hash_address(hash_bytes(limiter->seeds[0], "a", 1), address));
}

static uint64_t account_key(const struct limiter *limiter, const char *account)
{
    return hash_end(limiter, hash_account(hash_bytes(limiter->seeds[0], "u", 1), account));
}

static uint64_t pair_key(const struct limiter *limiter, const char *address, const char *account)
{
    uint64_t hash = hash_address(hash_bytes(limiter->seeds[0], "p", 1), address);
    return hash_end(limiter, hash_account(hash_bytes(hash, "", 1), account));
}

/* ---- buckets, under the lock ---- */

/* NULL: the bucket of this key is full. */
static struct bucket *find(struct bucket *table, size_t count, uint64_t key)
{
    struct bucket *set = &table[key % (count / WAYS) * WAYS];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].key == key)
            return &set[way];
    }
    return NULL;
}

/* The bucket of the key, else a full one in the place of the fullest. NULL: guesses of all four are being
 * judged. */
static struct bucket *find_or_replace(struct bucket *table, size_t count, uint64_t key)
{
    struct bucket *found = find(table, count, key);
    if (found)
        return found;
    struct bucket *set = &table[key % (count / WAYS) * WAYS];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].judging == 0 && (!found || set[way].full_ns < found->full_ns))
            found = &set[way];
    }
    if (found)
        *found = (struct bucket){.key = key};
    return found;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A kind of bucket. */
struct rate {
    uint64_t guesses, interval_ns;
};

static struct rate address_rate(const struct limiter *limiter)
{
    return (struct rate){atomic_load(&limiter->address_guesses), limiter->options.address_interval_ns};
}

static struct rate account_rate(const struct limiter *limiter)
{
    return (struct rate){atomic_load(&limiter->account_guesses), limiter->options.account_interval_ns};
}

/* How long until `bucket` (NULL: a full one) holds a guess. */
static uint64_t wait_of(const struct bucket *bucket, struct rate rate, uint64_t now_ns)
{
    if (!bucket || rate.guesses == 0)
        return 0;
    uint64_t after_next = later(bucket->full_ns, now_ns) + rate.interval_ns;
    uint64_t emptied = now_ns + rate.guesses * rate.interval_ns;
    return after_next > emptied ? after_next - emptied : 0;
}

/* The guesses that are being judged could be all that are left. */
static bool is_spoken_for(const struct bucket *bucket, struct rate rate, uint64_t now_ns)
{
    if (rate.guesses == 0)
        return false;
    uint64_t emptied = now_ns + rate.guesses * rate.interval_ns;
    return bucket->judging >= (emptied - later(bucket->full_ns, now_ns)) / rate.interval_ns;
}

static bool is_trusted(struct limiter *limiter, uint64_t pair, uint64_t now_ns)
{
    const struct bucket *found = find(limiter->trusted, LIMITER_TRUSTED, pair);
    return found && now_ns < found->full_ns;
}

/* ---- guesses ---- */

uint64_t limiter_wait_ns(struct limiter *limiter, const char *address, uint64_t now_ns)
{
    if (now_ns >= atomic_load_explicit(&limiter->refusing_until_ns, memory_order_relaxed))
        return 0;
    uint64_t key = address_key(limiter, address);
    (void)pthread_mutex_lock(&limiter->lock);
    uint64_t wait_ns = wait_of(find(limiter->buckets, LIMITER_BUCKETS, key), address_rate(limiter), now_ns);
    (void)pthread_mutex_unlock(&limiter->lock);
    return wait_ns;
}

/* Under the lock. False: guesses have to be judged first, look again then. */
static bool try_guess(
    struct limiter *limiter, const struct guess *guess, uint64_t now_ns, uint64_t *ret_wait_ns)
{
    enum { NO_PLACE_WAIT_NS = 1000000000 };
    const struct rate rates[] = {address_rate(limiter), account_rate(limiter)};
    const uint64_t keys[] = {guess->address, guess->account};
    struct bucket *buckets[2] = {NULL, NULL};
    uint64_t wait_ns = 0;
    bool free = true;
    for (size_t i = 0; i < 2 && keys[i] != 0; i++) {
        buckets[i] = find_or_replace(limiter->buckets, LIMITER_BUCKETS, keys[i]);
        wait_ns = later(wait_ns, buckets[i] ? wait_of(buckets[i], rates[i], now_ns) : NO_PLACE_WAIT_NS);
        if (buckets[i]) {
            free = free && !is_spoken_for(buckets[i], rates[i], now_ns);
            buckets[i]->judging++; /* keeps it where it is while the other is looked for */
        }
    }
    bool begins = wait_ns == 0 && free;
    for (size_t i = 0; i < 2; i++) {
        if (buckets[i] && !begins)
            buckets[i]->judging--;
    }
    *ret_wait_ns = wait_ns;
    return begins || wait_ns > 0;
}

uint64_t limiter_guess(struct limiter *limiter, const char *address, const char *account, uint64_t now_ns,
    struct guess *ret_guess)
{
    struct guess guess = {.address = address_key(limiter, address)};
    uint64_t wait_ns;
    if (account) {
        guess.account = account_key(limiter, account);
        guess.pair = pair_key(limiter, address, account);
    }
    (void)pthread_mutex_lock(&limiter->lock);
    if (account && is_trusted(limiter, guess.pair, now_ns))
        guess.account = 0;
    while (!try_guess(limiter, &guess, now_ns, &wait_ns))
        (void)pthread_cond_wait(&limiter->judged, &limiter->lock);
    (void)pthread_mutex_unlock(&limiter->lock);
    *ret_guess = guess;
    return wait_ns;
}

/* Under the lock. The bucket is where it was: its guess was being judged. */
static struct bucket *settle(
    struct limiter *limiter, uint64_t key, struct rate rate, enum verdict verdict, uint64_t now_ns)
{
    struct bucket *bucket = find(limiter->buckets, LIMITER_BUCKETS, key);
    CHECK(bucket && bucket->judging > 0); /* each guess is judged once */
    bucket->judging--;
    if (verdict == GUESS_WRONG && rate.guesses > 0)
        bucket->full_ns = later(bucket->full_ns, now_ns) + rate.interval_ns;
    return bucket;
}

void limiter_judged(struct limiter *limiter, const struct guess *guess, enum verdict verdict, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&limiter->lock);
    struct bucket *bucket = settle(limiter, guess->address, address_rate(limiter), verdict, now_ns);
    uint64_t wait_ns = wait_of(bucket, address_rate(limiter), now_ns);
    if (wait_ns > 0 && now_ns + wait_ns > atomic_load(&limiter->refusing_until_ns))
        atomic_store(&limiter->refusing_until_ns, now_ns + wait_ns);
    if (guess->account)
        (void)settle(limiter, guess->account, account_rate(limiter), verdict, now_ns);
    if (guess->pair && verdict == GUESS_RIGHT)
        find_or_replace(limiter->trusted, LIMITER_TRUSTED, guess->pair)->full_ns =
            now_ns + LIMITER_TRUST_DAYS * UINT64_C(86400000000000);
    (void)pthread_cond_broadcast(&limiter->judged);
    (void)pthread_mutex_unlock(&limiter->lock);
}
