/* CHECK: the caller's bug aborts, in every build. Never used for what a disk, a file or the network said. */
#ifndef CONNECTORDB_CHECK_H
#define CONNECTORDB_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#endif
