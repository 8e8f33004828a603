#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES = 32,
    START_FIELD = 22,  /* of /proc/PID/stat, counted from 1 */
    STATE_FIELD = 3,   /* the first one behind the program's name */
    TEXT_BYTES = 4096, /* stat has some 300 bytes, status some 1500 */
    KERNEL_FLAG_EXITING =
        0x004, /* PF_EXITING and PF_SIGNALED of the kernel's sched.h: as old as /proc shows them */
    KERNEL_FLAG_SIGNALED = 0x400,
};

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}

static bool read_text(const char *path, char text[TEXT_BYTES])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, TEXT_BYTES - 1);
    (void)close(file);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* /proc/PID/NAME as a text. */
static bool read_about(pid_t pid, const char *name, char text[TEXT_BYTES])
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return read_text(path, text);
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

/* ---- identities ---- */

/* 0: not known. */
static uint64_t start_of(pid_t pid)
{
    char text[TEXT_BYTES];
    if (!read_about(pid, "stat", text))
        return 0;
    const char *field = strrchr(text, ')'); /* behind the program's name, which may hold anything */
    for (int number = STATE_FIELD; field && number <= START_FIELD; number++)
        field = strchr(field + 1, ' ');
    return field ? strtoull(field, NULL, 10) : 0;
}

/* 0: not known. */
static uint64_t own_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

static void read_boot_id(char boot_id[BOOT_ID_BYTES + 1])
{
    char text[TEXT_BYTES];
    boot_id[0] = '\0';
    if (read_text("/proc/sys/kernel/random/boot_id", text) && strcspn(text, "\n") == BOOT_ID_BYTES) {
        memcpy(boot_id, text, BOOT_ID_BYTES);
        boot_id[BOOT_ID_BYTES] = '\0';
    }
}

struct process_identity process_self(void)
{
    struct process_identity self = {
        .pid = getpid(), .start_ticks = start_of(getpid()), .pid_namespace = own_namespace()};
    read_boot_id(self.boot_id);
    return self;
}

static bool is_elsewhere(const struct process_identity *identity)
{
    char boot_id[BOOT_ID_BYTES + 1];
    uint64_t here = own_namespace();
    read_boot_id(boot_id);
    if (identity->boot_id[0] && boot_id[0] && strcmp(identity->boot_id, boot_id) != 0)
        return true;
    return identity->pid_namespace != 0 && here != 0 && identity->pid_namespace != here;
}

enum process_state process_state(const struct process_identity *identity)
{
    if (identity->pid <= 0)
        return PROCESS_GONE;
    if (is_elsewhere(identity))
        return PROCESS_ELSEWHERE;
    if (is_gone(identity->pid))
        return PROCESS_GONE;
    uint64_t start = start_of(identity->pid);
    if (start != 0 && identity->start_ticks != 0 && start != identity->start_ticks)
        return PROCESS_GONE;
    bool ending = process_is_ending(identity->pid);
    if (start == 0 || identity->start_ticks == 0)
        return ending ? PROCESS_GONE : PROCESS_UNCERTAIN;
    return ending ? PROCESS_ENDING : PROCESS_RUNNING;
}
