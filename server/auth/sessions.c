#include "sessions.h"

#include "buffer.h"
#include "bytes.h"
#include "directory_sync.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    KEY_BYTES = 32,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    PLAIN_BYTES = 1 + SESSION_ID_BYTES + 3 * 8 + SESSION_PROOF_BYTES,
    TOKEN_BYTES = NONCE_BYTES + PLAIN_BYTES + TAG_BYTES,
    RECORD_BYTES = SESSION_ID_BYTES + 8, /* of an ended session: id, when it expires */
    VERSION = 1,
    ENDED_CAPACITY_MIN = 16,
};

struct ended {
    uint8_t id[SESSION_ID_BYTES];
    int64_t expires_s;
};

struct sessions {
    pthread_mutex_t lock; /* of all that follows but the path */
    uint8_t key[KEY_BYTES];
    struct ended *ended; /* ascending ids */
    size_t ended_count, ended_capacity;
    int file;    /* to append to; -1 */
    bool behind; /* the file lacks what is here, or may have a part of a record: it is to be written anew */
    char *path;
};

/* ---- the file ---- */

static int fill_random(void *to, size_t size)
{
    return getrandom(to, size, 0) == (ssize_t)size ? 0 : -EIO;
}

/* Where the id is among the ended ones, or belongs. */
static size_t find_ended(const struct sessions *sessions, const uint8_t *id, bool *ret_found)
{
    size_t low = 0, high = sessions->ended_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(sessions->ended[middle].id, id, SESSION_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = low < sessions->ended_count && memcmp(sessions->ended[low].id, id, SESSION_ID_BYTES) == 0;
    return low;
}

static int add_ended(struct sessions *sessions, const uint8_t *id, int64_t expires_s)
{
    bool found;
    size_t at = find_ended(sessions, id, &found);
    if (found)
        return 0;
    if (sessions->ended_count == sessions->ended_capacity) {
        size_t capacity = sessions->ended_capacity ? 2 * sessions->ended_capacity : ENDED_CAPACITY_MIN;
        struct ended *grown = realloc(sessions->ended, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        sessions->ended = grown;
        sessions->ended_capacity = capacity;
    }
    struct ended *ended = sessions->ended;
    memmove(ended + at + 1, ended + at, (sessions->ended_count - at) * sizeof(*ended));
    memcpy(ended[at].id, id, SESSION_ID_BYTES);
    ended[at].expires_s = expires_s;
    sessions->ended_count++;
    return 0;
}

static void put_record(uint8_t *to, const struct ended *ended)
{
    memcpy(to, ended->id, SESSION_ID_BYTES);
    store_u64(to + SESSION_ID_BYTES, (uint64_t)ended->expires_s);
}

static int sync_parent(const struct sessions *sessions, struct error *ret_error)
{
    const char *slash = strrchr(sessions->path, '/');
    char *directory = slash ? strndup(sessions->path, (size_t)(slash - sessions->path + 1)) : strdup(".");
    int r = directory ? directory_sync(directory) : -ENOMEM;
    free(directory);
    return r == 0
               ? 0
               : error_set(ret_error, -r, "%s: cannot sync its directory: %s", sessions->path, strerror(-r));
}

/* Replaces the file by the key and the ended sessions, and opens it to append to. Until that is done, the
 * file is behind. */
static int rewrite(struct sessions *sessions, struct error *ret_error)
{
    char *temporary;
    size_t size = KEY_BYTES + sessions->ended_count * RECORD_BYTES;
    uint8_t *bytes = malloc(size);
    sessions->behind = true;
    if (!bytes || asprintf(&temporary, "%s.new", sessions->path) < 0) {
        free(bytes);
        return error_set(ret_error, ENOMEM, "out of memory");
    }
    memcpy(bytes, sessions->key, KEY_BYTES);
    for (size_t i = 0; i < sessions->ended_count; i++)
        put_record(bytes + KEY_BYTES + i * RECORD_BYTES, &sessions->ended[i]);
    (void)unlink(temporary);
    int r = file_write_new(temporary, 0600, bytes, size, true, ret_error);
    if (r == 0 && rename(temporary, sessions->path) < 0)
        r = error_set(ret_error, errno, "%s: %s", sessions->path, strerror(errno));
    if (r == 0)
        r = sync_parent(sessions, ret_error);
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    free(temporary);
    if (r < 0)
        return r;
    if (sessions->file >= 0)
        (void)close(sessions->file);
    sessions->file = open(sessions->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (sessions->file < 0)
        return error_set(ret_error, errno, "%s: %s", sessions->path, strerror(errno));
    sessions->behind = false;
    return 0;
}

/* Loads the file. A record that a crash cut short is dropped: its session was not acknowledged as ended.
 * *ret_current: the file needs not be written anew. */
static int load(struct sessions *sessions, const struct buffer *bytes, bool *ret_current)
{
    int64_t now_s = time(NULL);
    *ret_current = bytes->size >= KEY_BYTES && (bytes->size - KEY_BYTES) % RECORD_BYTES == 0;
    if (bytes->size < KEY_BYTES)
        return fill_random(sessions->key, KEY_BYTES);
    memcpy(sessions->key, bytes->data, KEY_BYTES);
    int r = 0;
    for (size_t at = KEY_BYTES; r == 0 && at + RECORD_BYTES <= bytes->size; at += RECORD_BYTES) {
        int64_t expires_s = (int64_t)load_u64(bytes->data + at + SESSION_ID_BYTES);
        if (expires_s > now_s)
            r = add_ended(sessions, bytes->data + at, expires_s);
        else
            *ret_current = false;
    }
    return r;
}

/* Opens the file to append to, written anew where that is needed. A full disk is no reason not to serve: then
 * the next session that is ended tries again. */
static int open_file(struct sessions *sessions, bool current, struct error *ret_error)
{
    if (!current) {
        int r = rewrite(sessions, ret_error);
        return r < 0 && error_is_no_space(-r) ? 0 : r;
    }
    sessions->file = open(sessions->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return sessions->file >= 0 ? 0 : error_set(ret_error, errno, "%s: %s", sessions->path, strerror(errno));
}

int sessions_open(const char *path, struct sessions **ret_sessions, struct error *ret_error)
{
    struct buffer bytes = {0};
    bool current = false;
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    if (!sessions)
        return error_set(ret_error, ENOMEM, "out of memory");
    sessions->file = -1;
    (void)pthread_mutex_init(&sessions->lock, NULL);
    sessions->path = strdup(path);
    int r = sessions->path ? 0 : error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0)
        r = file_read_regular(path, KEY_BYTES + SESSIONS_ENDED_MAX * RECORD_BYTES, &bytes, ret_error);
    if (r == -ENOENT || r == -E2BIG) { /* none, or no file of ours */
        bytes.size = 0;
        r = 0;
    }
    if (r == 0) {
        r = load(sessions, &bytes, &current);
        if (r < 0)
            (void)error_set(ret_error, -r, "%s: out of memory or randomness", path);
    }
    if (r == 0)
        r = open_file(sessions, current, ret_error);
    if (bytes.size > 0)
        OPENSSL_cleanse(bytes.data, bytes.size);
    buffer_free(&bytes);
    if (r < 0) {
        sessions_close(sessions);
        return r;
    }
    *ret_sessions = sessions;
    return 0;
}

void sessions_close(struct sessions *sessions)
{
    if (!sessions)
        return;
    if (sessions->file >= 0)
        (void)close(sessions->file);
    OPENSSL_cleanse(sessions->key, sizeof(sessions->key));
    (void)pthread_mutex_destroy(&sessions->lock);
    free(sessions->ended);
    free(sessions->path);
    free(sessions);
}

static void copy_key(const struct sessions *sessions, uint8_t to[KEY_BYTES])
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&sessions->lock;
    (void)pthread_mutex_lock(lock);
    memcpy(to, sessions->key, KEY_BYTES);
    (void)pthread_mutex_unlock(lock);
}

/* ---- cookies ---- */

bool sessions_proof(const struct sessions *sessions, const char *password_hash, const char *apikey,
    uint8_t ret_proof[SESSION_PROOF_BYTES])
{
    static const char PURPOSE[] = "proof of a session"; /* the key also encrypts */
    uint8_t key[KEY_BYTES], digest[EVP_MAX_MD_SIZE];
    struct buffer text = {0};
    copy_key(sessions, key);
    bool done = buffer_append(&text, PURPOSE, sizeof(PURPOSE)) == 0 &&
                buffer_append(&text, password_hash, strlen(password_hash) + 1) == 0 &&
                buffer_append(&text, apikey, strlen(apikey)) == 0 &&
                HMAC(EVP_sha256(), key, KEY_BYTES, text.data, text.size, digest, NULL) != NULL;
    if (done)
        memcpy(ret_proof, digest, SESSION_PROOF_BYTES);
    OPENSSL_cleanse(key, sizeof(key));
    buffer_free(&text);
    return done;
}

static bool encrypt(
    const uint8_t key[KEY_BYTES], const uint8_t plain[PLAIN_BYTES], uint8_t token[TOKEN_BYTES])
{
    int length;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, token) == 1 &&
                EVP_EncryptUpdate(context, token + NONCE_BYTES, &length, plain, PLAIN_BYTES) == 1 &&
                EVP_EncryptFinal_ex(context, token + NONCE_BYTES + PLAIN_BYTES, &length) == 1 &&
                EVP_CIPHER_CTX_ctrl(
                    context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, token + NONCE_BYTES + PLAIN_BYTES) == 1;
    EVP_CIPHER_CTX_free(context);
    return done;
}

static bool decrypt(const uint8_t key[KEY_BYTES], uint8_t token[TOKEN_BYTES], uint8_t plain[PLAIN_BYTES])
{
    int length;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, token) == 1 &&
                EVP_DecryptUpdate(context, plain, &length, token + NONCE_BYTES, PLAIN_BYTES) == 1 &&
                EVP_CIPHER_CTX_ctrl(
                    context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, token + NONCE_BYTES + PLAIN_BYTES) == 1 &&
                EVP_DecryptFinal_ex(context, plain + PLAIN_BYTES, &length) == 1;
    EVP_CIPHER_CTX_free(context);
    return done;
}

bool sessions_issue(struct sessions *sessions, struct session *session, char to[SESSION_TEXT_BYTES])
{
    uint8_t key[KEY_BYTES], plain[PLAIN_BYTES], token[TOKEN_BYTES];
    if (fill_random(session->id, SESSION_ID_BYTES) < 0 || fill_random(token, NONCE_BYTES) < 0)
        return false;
    uint8_t *at = plain;
    *at++ = VERSION;
    memcpy(at, session->id, SESSION_ID_BYTES);
    at += SESSION_ID_BYTES;
    store_u64(at, (uint64_t)session->user_id);
    store_u64(at + 8, (uint64_t)session->device_id);
    store_u64(at + 16, (uint64_t)session->expires_s);
    memcpy(at + 24, session->proof, SESSION_PROOF_BYTES);
    copy_key(sessions, key);
    bool done = encrypt(key, plain, token);
    OPENSSL_cleanse(key, sizeof(key));
    _Static_assert((TOKEN_BYTES + 2) / 3 * 4 < SESSION_TEXT_BYTES, "room for the text");
    if (done)
        (void)EVP_EncodeBlock((unsigned char *)to, token, TOKEN_BYTES);
    return done;
}

enum { TEXT_BYTES = (TOKEN_BYTES + 2) / 3 * 4 };

/* Only the text that EVP_EncodeBlock makes: other ones decode to the same bytes. */
static bool decode(const char *text, size_t size, uint8_t token[TEXT_BYTES / 4 * 3])
{
    unsigned char again[TEXT_BYTES + 1];
    return size == TEXT_BYTES && EVP_DecodeBlock(token, (const unsigned char *)text, TEXT_BYTES) > 0 &&
           EVP_EncodeBlock(again, token, TOKEN_BYTES) == TEXT_BYTES && memcmp(again, text, TEXT_BYTES) == 0;
}

static bool parse(const struct sessions *sessions, const char *text, size_t size, struct session *ret_session)
{
    uint8_t key[KEY_BYTES], plain[PLAIN_BYTES], token[TEXT_BYTES / 4 * 3];
    if (!decode(text, size, token))
        return false;
    copy_key(sessions, key);
    bool done = decrypt(key, token, plain) && plain[0] == VERSION;
    OPENSSL_cleanse(key, sizeof(key));
    if (!done)
        return false;
    const uint8_t *at = plain + 1;
    memcpy(ret_session->id, at, SESSION_ID_BYTES);
    at += SESSION_ID_BYTES;
    ret_session->user_id = (int64_t)load_u64(at);
    ret_session->device_id = (int64_t)load_u64(at + 8);
    ret_session->expires_s = (int64_t)load_u64(at + 16);
    memcpy(ret_session->proof, at + 24, SESSION_PROOF_BYTES);
    return true;
}

enum session_state sessions_read(
    struct sessions *sessions, const char *text, size_t size, struct session *ret_session)
{
    bool ended;
    if (!parse(sessions, text, size, ret_session))
        return SESSION_FOREIGN;
    (void)pthread_mutex_lock(&sessions->lock);
    (void)find_ended(sessions, ret_session->id, &ended);
    (void)pthread_mutex_unlock(&sessions->lock);
    return ended || ret_session->expires_s <= time(NULL) ? SESSION_ENDED : SESSION_VALID;
}

/* ---- ending ---- */

/* Drops what has expired; when that is too little, all sessions end with a new key. */
static int make_room(struct sessions *sessions, struct error *ret_error)
{
    int64_t now_s = time(NULL);
    size_t left = 0;
    for (size_t i = 0; i < sessions->ended_count; i++) {
        if (sessions->ended[i].expires_s > now_s)
            sessions->ended[left++] = sessions->ended[i];
    }
    sessions->ended_count = left;
    if (left > SESSIONS_ENDED_MAX / 2) {
        if (fill_random(sessions->key, KEY_BYTES) < 0)
            return error_set(ret_error, EIO, "%s: the system has no randomness", sessions->path);
        sessions->ended_count = 0;
    }
    return rewrite(sessions, ret_error);
}

static int append_record(struct sessions *sessions, const struct session *session, struct error *ret_error)
{
    uint8_t record[RECORD_BYTES];
    struct ended ended = {.expires_s = session->expires_s};
    memcpy(ended.id, session->id, SESSION_ID_BYTES);
    put_record(record, &ended);
    ssize_t written = write(sessions->file, record, RECORD_BYTES);
    if (written != RECORD_BYTES || fdatasync(sessions->file) < 0) {
        int code = written >= 0 && written != RECORD_BYTES ? ENOSPC : errno;
        return error_set(ret_error, code, "%s: %s", sessions->path, strerror(code));
    }
    return 0;
}

int sessions_end(struct sessions *sessions, const struct session *session, struct error *ret_error)
{
    bool ended;
    (void)pthread_mutex_lock(&sessions->lock);
    (void)find_ended(sessions, session->id, &ended);
    int r = 0;
    if (!ended && sessions->ended_count == SESSIONS_ENDED_MAX)
        r = make_room(sessions, ret_error);
    if (r == 0 && !ended && add_ended(sessions, session->id, session->expires_s) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0 && !ended && !sessions->behind && append_record(sessions, session, NULL) < 0)
        sessions->behind = true; /* a part of the record may be there */
    if (r == 0 && sessions->behind)
        r = rewrite(sessions, ret_error);
    (void)pthread_mutex_unlock(&sessions->lock);
    return r;
}

int sessions_settle(struct sessions *sessions, struct error *ret_error)
{
    (void)pthread_mutex_lock(&sessions->lock);
    int r = sessions->behind ? rewrite(sessions, ret_error) : 0;
    (void)pthread_mutex_unlock(&sessions->lock);
    return r;
}
