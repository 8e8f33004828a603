/* State that a process inherits from its parent and must not trust: closed standard descriptors, descriptors
 * of others, ignored signals. */
#ifndef CONNECTORDB_INHERITED_H
#define CONNECTORDB_INHERITED_H

#include <stdbool.h>

/* Opens /dev/null on those of the descriptors 0, 1 and 2 that are closed. Otherwise the next file that is
 * opened, be it a database file, would get such a number, and what is meant for the terminal would be written
 * into it. First thing in main. */
void open_standard_descriptors(void);

/* Closes every descriptor from `first` on. Async-signal-safe where the kernel has close_range (Linux 5.9). */
void close_descriptors_from(int first);
/* The same without close_range: by /proc/self/fd, or one number after the other up to the limit of
 * descriptors. For kernels without the call, and for tests. */
void close_descriptors_one_by_one(int first);

/* Whether the signal was ignored when this process was started (nohup; `&` in a shell script) and still is.
 */
bool signal_is_ignored(int number);

#endif
