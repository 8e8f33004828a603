/* What the kernel tells of other processes. Private. */
#ifndef CONNECTORDB_PROCESS_H
#define CONNECTORDB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* True when there is no such process any more, or it has been killed or is ending and will not run the program's code again. Without
 * /proc only the first is seen. Any thread. */
bool process_is_ending(pid_t pid);

#endif
