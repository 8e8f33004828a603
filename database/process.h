/* Identifies processes by more than their pid, which the kernel gives to another process after the first has
 * ended. Private. */
#ifndef CONNECTORDB_PROCESS_H
#define CONNECTORDB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { BOOT_ID_BYTES = 36 };

/* A process of one boot of one machine. 0 and "" are fields that /proc did not tell. */
struct process_identity {
    pid_t pid;              /* 0: no process */
    uint64_t start_ticks;   /* when it started, in clock ticks since the boot */
    uint64_t pid_namespace; /* inode number of the namespace in which `pid` is counted */
    char boot_id[BOOT_ID_BYTES + 1];
};

enum process_state {
    PROCESS_RUNNING,   /* this very process */
    PROCESS_ENDING,    /* this very process, killed or in exit: it runs no more code of the program */
    PROCESS_GONE,      /* it has ended; its pid may belong to another process now */
    PROCESS_UNCERTAIN, /* a process has this pid, but whether it is this one cannot be told (no /proc, or no
                          start time known) */
    PROCESS_ELSEWHERE, /* of another PID namespace, machine or boot: its pid means nothing here */
};

/* The calling process. */
struct process_identity process_self(void);
/* Reads only /proc and asks for the existence of the pid. Any thread. */
enum process_state process_state(const struct process_identity *identity);

/* True when there is no process with this pid, or it has been killed or is in exit. Without /proc only the
 * first is seen. Any thread. */
bool process_is_ending(pid_t pid);

#endif
