#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_BYTES = 32,
    TEXT_BYTES = 4096,           /* stat has some 300 bytes, status some 1500 */
    KERNEL_FLAG_EXITING = 0x004, /* PF_EXITING and PF_SIGNALED of the kernel's sched.h: as old as /proc shows them */
    KERNEL_FLAG_SIGNALED = 0x400,
};

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}

/* /proc/PID/NAME as a text. */
static bool read_about(pid_t pid, const char *name, char text[TEXT_BYTES])
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, TEXT_BYTES - 1);
    (void)close(file);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* Its main thread has begun to end: it is a zombie, or its flags say so. */
static bool has_begun_to_end(const char *stat)
{
    char state;
    unsigned long flags;
    const char *fields = strrchr(stat, ')'); /* behind the program's name, which may hold anything */
    if (!fields || sscanf(fields + 1, " %c %*d %*d %*d %*d %*d %lu", &state, &flags) != 2)
        return false;
    return state == 'Z' || state == 'X' || (flags & (KERNEL_FLAG_EXITING | KERNEL_FLAG_SIGNALED)) != 0;
}

/* It was killed, but has not come to know it: it waits in the kernel, or for a processor. */
static bool is_killed(const char *status)
{
    static const char *const fields[] = {"\nSigPnd:", "\nShdPnd:"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *field = strstr(status, fields[i]);
        if (field && strtoull(field + strlen(fields[i]), NULL, 16) >> (SIGKILL - 1) & 1)
            return true;
    }
    return false;
}

bool process_is_ending(pid_t pid)
{
    char text[TEXT_BYTES];
    /* Killed is asked first: from being killed it goes to having begun to end. */
    if (is_gone(pid) || (read_about(pid, "status", text) && is_killed(text)))
        return true;
    return read_about(pid, "stat", text) ? has_begun_to_end(text) : is_gone(pid);
}
