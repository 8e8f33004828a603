#include "idempotency.h"

#include "hidden_series.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ACCOUNT_SLOTS = 1024, /* users share a slot by their ids: a limit may count for several */
    ACCOUNT_KEYS_MAX = IDEMPOTENCY_KEYS_MAX / 4 * 3,
    SHA256_BYTES = 32,
    RECORD_BYTES = 2 + 4 * IDEMPOTENCY_DIGEST_BYTES, /* msgpack: str 8 with the key and the content in hex */
};

struct known_key {
    uint8_t key[IDEMPOTENCY_DIGEST_BYTES]; /* first: what tsearch compares */
    uint8_t content[IDEMPOTENCY_DIGEST_BYTES];
    int64_t user_id;
    int64_t stored_s;        /* 0: its first request is under way */
    struct known_key *older; /* towards the end of the list of those that are stored */
    struct known_key *newer;
};

struct idempotency {
    struct store *store;
    pthread_mutex_t lock; /* of what follows */
    void *by_key;         /* of tsearch */
    struct known_key *newest, *oldest;
    uint32_t count;
    uint32_t account_counts[ACCOUNT_SLOTS];
    uint64_t series; /* where keys are stored now */
};

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, IDEMPOTENCY_DIGEST_BYTES);
}

/* ---- the table; the lock is held ---- */

static uint32_t *account_count(struct idempotency *idempotency, int64_t user_id)
{
    return &idempotency->account_counts[(uint64_t)user_id % ACCOUNT_SLOTS];
}

static void list_add(struct idempotency *idempotency, struct known_key *entry)
{
    entry->newer = NULL;
    entry->older = idempotency->newest;
    if (idempotency->newest)
        idempotency->newest->newer = entry;
    else
        idempotency->oldest = entry;
    idempotency->newest = entry;
}

static void entry_remove(struct idempotency *idempotency, struct known_key *entry)
{
    (void)tdelete(entry, &idempotency->by_key, compare_entries);
    idempotency->count--;
    (*account_count(idempotency, entry->user_id))--;
    free(entry);
}

static void expire(struct idempotency *idempotency, int64_t now_s)
{
    struct known_key *entry;
    while ((entry = idempotency->oldest) && entry->stored_s + IDEMPOTENCY_SECONDS <= now_s) {
        idempotency->oldest = entry->newer;
        if (entry->newer)
            entry->newer->older = NULL;
        else
            idempotency->newest = NULL;
        entry_remove(idempotency, entry);
    }
}

static struct known_key *entry_find(const struct idempotency *idempotency, const uint8_t *key)
{
    void *found = tfind(key, &idempotency->by_key, compare_entries);
    return found ? *(struct known_key **)found : NULL;
}

static struct known_key *entry_add(struct idempotency *idempotency, const uint8_t *key, int64_t user_id)
{
    struct known_key *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    memcpy(entry->key, key, IDEMPOTENCY_DIGEST_BYTES);
    entry->user_id = user_id;
    if (!tsearch(entry, &idempotency->by_key, compare_entries)) {
        free(entry);
        return NULL;
    }
    idempotency->count++;
    (*account_count(idempotency, user_id))++;
    return entry;
}

/* ---- records ---- */

static void put_hex(uint8_t *to, const uint8_t *bytes)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < IDEMPOTENCY_DIGEST_BYTES; i++) {
        to[2 * i] = (uint8_t)DIGITS[bytes[i] >> 4];
        to[2 * i + 1] = (uint8_t)DIGITS[bytes[i] & 15];
    }
}

static bool get_hex(const uint8_t *from, uint8_t *bytes)
{
    for (size_t i = 0; i < 2 * IDEMPOTENCY_DIGEST_BYTES; i++) {
        uint8_t c = from[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f'))
            return false;
        uint8_t value = (uint8_t)(digit ? c - '0' : c - 'a' + 10);
        bytes[i / 2] = (uint8_t)(i % 2 ? bytes[i / 2] | value : value << 4);
    }
    return true;
}

static void record_make(const struct idempotent_request *keyed, uint8_t record[RECORD_BYTES])
{
    record[0] = 0xd9; /* str 8 */
    record[1] = 4 * IDEMPOTENCY_DIGEST_BYTES;
    put_hex(record + 2, keyed->key);
    put_hex(record + 2 + 2 * IDEMPOTENCY_DIGEST_BYTES, keyed->content);
}

/* Keys of an earlier run: whose they were does not count. A record that is none is passed over. */
static int load_record(struct idempotency *idempotency, const struct batch *batch, uint32_t i, int64_t now_s)
{
    uint8_t scratch[9], key[IDEMPOTENCY_DIGEST_BYTES], content[IDEMPOTENCY_DIGEST_BYTES];
    size_t size;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    double time_s = batch_time(batch, i);
    if (size != RECORD_BYTES || !get_hex(value + 2, key) ||
        !get_hex(value + 2 + 2 * IDEMPOTENCY_DIGEST_BYTES, content) ||
        time_s + IDEMPOTENCY_SECONDS <= (double)now_s || entry_find(idempotency, key))
        return 0;
    struct known_key *entry = entry_add(idempotency, key, 0);
    if (!entry)
        return -ENOMEM;
    memcpy(entry->content, content, sizeof(content));
    entry->stored_s = (int64_t)time_s;
    list_add(idempotency, entry);
    return 0;
}

static int load_series(struct idempotency *idempotency, struct store_snapshot *snapshot, uint64_t series_id,
    int64_t now_s, struct error *ret_error)
{
    struct store_cursor *cursor = NULL;
    const struct batch *batch;
    int r = store_cursor_open(snapshot, series_id, 0, UINT64_MAX, false, &cursor, ret_error);
    while (r == 0 && (r = store_cursor_next(cursor, &batch, ret_error)) == 0 && batch) {
        for (uint32_t i = 0; r == 0 && i < batch->count; i++)
            r = load_record(idempotency, batch, i, now_s);
        if (r == -ENOMEM)
            (void)error_set(ret_error, ENOMEM, "out of memory for idempotency keys");
    }
    store_cursor_close(cursor);
    return r;
}

/* ---- life ---- */

int idempotency_open(struct store *store, struct idempotency **ret_idempotency, struct error *ret_error)
{
    struct store_snapshot *snapshot = NULL;
    struct idempotency *idempotency = calloc(1, sizeof(*idempotency));
    if (!idempotency)
        return error_set(ret_error, ENOMEM, "out of memory for idempotency keys");
    int64_t now_s = time(NULL);
    (void)pthread_mutex_init(&idempotency->lock, NULL);
    idempotency->store = store;
    idempotency->series = hidden_series_at(now_s);
    int r = store_snapshot_open(store, &snapshot, ret_error);
    for (int i = 0; r == 0 && i < HIDDEN_SERIES_KEPT; i++)
        r = load_series(idempotency, snapshot, idempotency->series - 1 + (uint64_t)i, now_s, ret_error);
    store_snapshot_close(snapshot);
    if (r < 0) {
        idempotency_close(idempotency);
        return r;
    }
    *ret_idempotency = idempotency;
    return 0;
}

void idempotency_close(struct idempotency *idempotency)
{
    if (!idempotency)
        return;
    tdestroy(idempotency->by_key, free);
    (void)pthread_mutex_destroy(&idempotency->lock);
    free(idempotency);
}

/* ---- one request ---- */

static bool digest_of(const void *data, size_t size, uint8_t to[IDEMPOTENCY_DIGEST_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    memcpy(to, digest, IDEMPOTENCY_DIGEST_BYTES);
    return true;
}

static bool key_valid(const char *key)
{
    size_t length = strlen(key);
    for (const char *c = key; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            return false;
    }
    return length > 0 && length <= IDEMPOTENCY_KEY_BYTES_MAX;
}

static bool make_key(struct idempotent_request *keyed, const struct identity *identity, const char *key)
{
    struct {
        int64_t user_id, device_id;
        char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
    } text = {identity->user_id, identity->device_id, ""};
    memcpy(text.key, key, strlen(key));
    keyed->user_id = identity->user_id;
    return digest_of(&text, sizeof(text), keyed->key);
}

/* The lock is held. Finds the key or takes it. */
static bool take_key(struct idempotent_request *keyed, struct problem *problem)
{
    struct idempotency *idempotency = keyed->idempotency;
    expire(idempotency, time(NULL));
    const struct known_key *entry = entry_find(idempotency, keyed->key);
    if (entry && entry->stored_s == 0)
        return problem_later(
            problem, 409, "The first request with this Idempotency-Key is still under way, try again");
    keyed->repeated = entry != NULL;
    if (entry) {
        memcpy(keyed->before, entry->content, sizeof(keyed->before));
        return true;
    }
    if (idempotency->count >= IDEMPOTENCY_KEYS_MAX ||
        *account_count(idempotency, keyed->user_id) >= ACCOUNT_KEYS_MAX)
        return problem_later(problem, 503,
            "Too many Idempotency-Keys in ten minutes (%d at most, %d of one user)", IDEMPOTENCY_KEYS_MAX,
            ACCOUNT_KEYS_MAX);
    return entry_add(idempotency, keyed->key, keyed->user_id) ||
           problem_later(problem, 503, "The server has no memory left for an Idempotency-Key, try again");
}

static void add_text(EVP_MD_CTX *digest, const char *text)
{
    (void)EVP_DigestUpdate(digest, text, strlen(text) + 1);
}

bool idempotency_begin(
    const struct request *request, struct idempotent_request *keyed, struct problem *problem)
{
    const struct http_exchange *exchange = request->exchange;
    const char *key = http_request_header(exchange, "Idempotency-Key");
    *keyed = (struct idempotent_request){0};
    if (!key || !request_acting(request))
        return true;
    if (!key_valid(key))
        return problem_set(problem, 400, "Idempotency-Key must have 1 to %d visible ASCII characters",
            IDEMPOTENCY_KEY_BYTES_MAX);
    keyed->digest = EVP_MD_CTX_new();
    if (!keyed->digest || EVP_DigestInit_ex(keyed->digest, EVP_sha256(), NULL) != 1 ||
        !make_key(keyed, request_acting(request), key))
        return problem_later(problem, 503, "The server has no memory left for an Idempotency-Key, try again");
    add_text(keyed->digest, exchange->method_name);
    add_text(keyed->digest, exchange->path);
    add_text(keyed->digest, exchange->query);
    struct idempotency *idempotency = request->server->idempotency;
    keyed->idempotency = idempotency;
    (void)pthread_mutex_lock(&idempotency->lock);
    bool done = take_key(keyed, problem);
    (void)pthread_mutex_unlock(&idempotency->lock);
    if (!done)
        keyed->idempotency = NULL; /* nothing was taken */
    return done;
}

static void observe(void *digest, const void *data, size_t size)
{
    (void)EVP_DigestUpdate(digest, data, size);
}

void idempotency_observe(struct idempotent_request *keyed, struct body *body)
{
    if (!keyed->idempotency)
        return;
    body->observe = observe;
    body->observer = keyed->digest;
}

bool idempotency_check(
    struct idempotent_request *keyed, struct request *request, bool *ret_answered, struct problem *problem)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    *ret_answered = false;
    if (!keyed->idempotency)
        return true;
    if (EVP_DigestFinal_ex(keyed->digest, digest, NULL) != 1)
        return problem_set(problem, 500, "The request cannot be hashed");
    memcpy(keyed->content, digest, sizeof(keyed->content));
    if (!keyed->repeated)
        return true;
    if (memcmp(keyed->before, keyed->content, sizeof(keyed->content)) != 0)
        return problem_set(problem, 422, "This Idempotency-Key came with another request before");
    (void)http_answer_header(request->exchange, "Idempotency-Replayed", "true");
    *ret_answered = true;
    return true;
}

/* Goes on to the next series when its time has come, and deletes those that no key is needed from any more.
 */
static uint64_t current_series(struct idempotency *idempotency)
{
    uint64_t series = hidden_series_at(time(NULL)), old[2];
    size_t count = 0;
    (void)pthread_mutex_lock(&idempotency->lock);
    uint64_t before = idempotency->series;
    if (series > before) {
        old[count++] = before - 1;
        if (before + 1 < series)
            old[count++] = before;
        idempotency->series = series;
    }
    series = idempotency->series;
    (void)pthread_mutex_unlock(&idempotency->lock);
    struct error error;
    if (count > 0) /* what is left after a failure goes at the next open */
        (void)store_delete_series(idempotency->store, old, count, &error);
    return series;
}

int idempotency_part(struct idempotent_request *keyed, struct store_part *ret_part)
{
    uint8_t record[RECORD_BYTES];
    record_make(keyed, record);
    batch_clear(&keyed->record);
    int r = batch_push_msgpack(&keyed->record, NAN, record, sizeof(record));
    *ret_part = (struct store_part){.series_id = current_series(keyed->idempotency), .batch = &keyed->record};
    return r;
}

void idempotency_end(struct idempotent_request *keyed, bool stored)
{
    struct idempotency *idempotency = keyed->idempotency;
    if (idempotency && !keyed->repeated) {
        (void)pthread_mutex_lock(&idempotency->lock);
        struct known_key *entry = entry_find(idempotency, keyed->key);
        if (stored) {
            memcpy(entry->content, keyed->content, sizeof(entry->content));
            entry->stored_s = time(NULL);
            list_add(idempotency, entry);
        } else {
            entry_remove(idempotency, entry);
        }
        (void)pthread_mutex_unlock(&idempotency->lock);
    }
    batch_free(&keyed->record);
    EVP_MD_CTX_free(keyed->digest);
}
