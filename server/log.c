#include "log.h"

#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Those of syslog(3), whose header has other meanings for our names. */
enum { PRIORITY_ERROR = 3, PRIORITY_WARNING = 4, PRIORITY_INFO = 6, PRIORITY_DEBUG = 7 };

static const char *const LEVEL_NAMES[] = {"debug", "info", "warn", "error"};
static const int PRIORITIES[] = {PRIORITY_DEBUG, PRIORITY_INFO, PRIORITY_WARNING, PRIORITY_ERROR};

static struct {
    pthread_rwlock_t lock; /* writers of lines share it; open and close take it alone */
    int file;
    bool journal; /* the file leads to systemd's journal */
    atomic_int level;
    _Atomic uint64_t counts[LOG_ERROR + 1];
} state = {.lock = PTHREAD_RWLOCK_INITIALIZER, .file = STDERR_FILENO, .level = LOG_INFO};

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcasecmp(name, LEVEL_NAMES[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* JOURNAL_STREAM has the device and inode number of the stream to the journal; standard error may have been
 * redirected since. */
static bool is_journal(int file)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(file, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

static void replace_file(int file)
{
    bool journal = is_journal(file);
    pthread_rwlock_wrlock(&state.lock);
    int old = state.file;
    state.file = file;
    state.journal = journal;
    pthread_rwlock_unlock(&state.lock);
    if (old != STDERR_FILENO)
        (void)close(old);
}

int log_open(const char *file, enum log_level level, struct error *ret_error)
{
    int descriptor = STDERR_FILENO;
    if (file && *file) {
        descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (descriptor < 0)
            return error_set(ret_error, errno, "log file %s: cannot open: %s", file, strerror(errno));
    }
    replace_file(descriptor);
    atomic_store(&state.level, (int)level);
    return 0;
}

void log_set_level(enum log_level level)
{
    atomic_store(&state.level, (int)level);
}

void log_close(void)
{
    replace_file(STDERR_FILENO);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&state.level, memory_order_relaxed);
}

uint64_t log_count(enum log_level level)
{
    return atomic_load_explicit(&state.counts[level], memory_order_relaxed);
}

static size_t put_prefix(char *line, size_t capacity, enum log_level level)
{
    if (state.journal)
        return (size_t)snprintf(line, capacity, "<%d>", PRIORITIES[level]);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, capacity, "%Y-%m-%dT%H:%M:%S", &parts);
    int length =
        snprintf(line + used, capacity - used, ".%03ldZ %s ", now.tv_nsec / 1000000, LEVEL_NAMES[level]);
    return used + (size_t)length;
}

static void write_line(enum log_level level, const char *format, va_list arguments)
{
    atomic_fetch_add_explicit(&state.counts[level], 1, memory_order_relaxed);
    if (!log_enabled(level))
        return;
    char text[LOG_LINE_BYTES_MAX], line[LOG_LINE_BYTES_MAX];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    pthread_rwlock_rdlock(&state.lock);
    size_t end = put_prefix(line, sizeof(line), level);
    if (length >= 0)
        end += escape_text(line + end, sizeof(line) - end, text, strnlen(text, sizeof(text)));
    line[end++] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(state.file, line, end);
    (void)written;
    pthread_rwlock_unlock(&state.lock);
}

void log_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_DEBUG, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_INFO, format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_WARN, format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_ERROR, format, arguments);
    va_end(arguments);
}
