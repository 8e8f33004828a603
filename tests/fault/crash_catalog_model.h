/* What a workload asked of a catalog's streams and was told, as store_model.h for points. */
#ifndef CONNECTORDB_CRASH_CATALOG_MODEL_H
#define CONNECTORDB_CRASH_CATALOG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRASH_OBJECTS_MAX = 64, CRASH_CHANGES_MAX = 16 };

struct crash_change {
    uint64_t begun, ended;
    bool exists, downlink; /* afterwards */
    bool with_device;      /* the call makes its device too: there is none without the stream */
};

/* A stream; its first change creates it. */
struct crash_object {
    char user[16], device[16], name[16];
    uint64_t series_id, downlink_series_id; /* as they were seen last; 0 = not yet, or none */
    struct crash_change changes[CRASH_CHANGES_MAX];
    size_t change_count;
};

struct crash_objects {
    struct crash_object objects[CRASH_OBJECTS_MAX];
    size_t count;
};

#endif
