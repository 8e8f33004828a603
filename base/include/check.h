/* CHECK aborts the process if the expression is false, in every build. It detects bugs of the caller; data
 * from disk, files or the network is never CHECKed but reported as an error. */
#ifndef CONNECTORDB_CHECK_H
#define CONNECTORDB_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#endif
