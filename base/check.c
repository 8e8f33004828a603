#include "check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "connectordb: internal error: %s:%d: %s\n", file, line, expression);
    abort();
}
