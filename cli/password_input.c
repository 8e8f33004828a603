#include "password_input.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* The first line that comes from `file`, without its end; what a file has behind it is not read. */
static int read_line(
    int file, const char *name, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error)
{
    size_t size = 0;
    char byte;
    for (;;) {
        ssize_t got = read(file, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(ret_error, errno, "%s: %s", name, strerrordesc_np(errno));
        if (got == 0 || byte == '\n')
            break;
        if (byte == '\0' || size == PASSWORD_INPUT_BYTES_MAX)
            return error_set(ret_error, EINVAL, "%s: a password has at most %d bytes, and none of them is 0",
                name, PASSWORD_INPUT_BYTES_MAX);
        password[size++] = byte;
    }
    if (size > 0 && password[size - 1] == '\r')
        size--;
    password[size] = '\0';
    return size == 0 ? error_set(ret_error, EINVAL, "%s: the password is empty", name) : 0;
}

/* Some systems give programs their passwords in files that all may read: it is not refused. */
static void warn_if_others_read(int file, const char *path)
{
    char warning[PATH_MAX + 128];
    struct stat status;
    if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode) || !(status.st_mode & (S_IRGRP | S_IROTH)))
        return;
    (void)snprintf(warning, sizeof(warning),
        "%s: other users of this machine can read the password (mode %03o): chmod 600 it", path,
        (unsigned)status.st_mode & 0777);
    print_warnings(warning);
}

int password_read(const char *path, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerrordesc_np(errno));
    int r = read_line(file, path, password, ret_error);
    if (r == 0)
        warn_if_others_read(file, path);
    (void)close(file);
    if (r < 0)
        explicit_bzero(password, PASSWORD_INPUT_BYTES_MAX + 1);
    return r;
}

static int ask(
    const char *user, const char *what, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error)
{
    (void)fprintf(stderr, "%s for %s: ", what, user);
    int r = read_line(STDIN_FILENO, "password", password, ret_error);
    (void)fputc('\n', stderr); /* the one that was typed was not shown */
    return r;
}

int password_ask(
    const char *user, bool is_new, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error)
{
    char again[PASSWORD_INPUT_BYTES_MAX + 1];
    struct termios shown, hidden;
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return error_set(ret_error, ENOTTY, "standard input is no terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
        return error_set(ret_error, errno, "the terminal: %s", strerrordesc_np(errno));
    int r = ask(user, "Password", password, ret_error);
    if (r == 0 && is_new)
        r = ask(user, "The same again", again, ret_error);
    if (r == 0 && is_new && strcmp(password, again) != 0)
        r = error_set(ret_error, EINVAL, "the two passwords differ: nothing was made");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    explicit_bzero(again, sizeof(again));
    if (r < 0)
        explicit_bzero(password, PASSWORD_INPUT_BYTES_MAX + 1);
    return r;
}
