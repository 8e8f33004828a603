/* Waiting awake for a lively client's next request.
 *
 * A thread that sleeps until a request comes must be woken, and on a virtual machine with an idle core that
 * takes longer than the request itself (measured: 116 µs for a loopback round trip between two sleeping
 * threads, 33 µs when one of them stays awake). So while nothing else is to do, a thread whose client has
 * been sending request upon answer looks for the next one for HTTP_SPIN_NS before it sleeps. It gives way at
 * once when other requests are under way, and tries ever more rarely when its client does not keep the pace.
 * (Karlin et al., "Empirical studies of competitive spinning for a shared-memory multiprocessor", SOSP 1991.)
 */
#ifndef CONNECTORDB_HTTP_SPIN_H
#define CONNECTORDB_HTTP_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_SPIN_NS = 100000,
    HTTP_SPIN_BODY_NS = 30000,
    HTTP_SPIN_GAP_NS = 250000, /* a client is lively whose request comes so soon after the answer */
    HTTP_SPIN_DOUBLINGS_MAX =
        10, /* after so many vain waits in a row one request in 1024 is waited for awake */
};

/* State shared by all connections of a server. */
struct http_spinners {
    atomic_uint awake;
    unsigned awake_max; /* half of the cores */
};

/* The state of one connection's thread; all zero for a new connection. Used by that thread only. */
struct http_spin {
    bool lively;         /* the last request followed its predecessor's answer closely */
    unsigned vain_count; /* vain waits in a row */
    unsigned skip;       /* requests not to wait after */
    uint64_t answered_ns;
};

/* Counts the cores: half of them may wait awake. */
void http_spinners_init(struct http_spinners *spinners);
/* A request of the client has come. */
void http_spin_begin(struct http_spin *spin, uint64_t now_ns);
/* It was answered: waits awake for the next one's first byte, HTTP_SPIN_NS at most and while `active` is 0,
 * or returns at once when that does not promise anything. socket: the connection's. */
void http_spin_wait(
    struct http_spin *spin, struct http_spinners *spinners, const atomic_uint *active, int socket);

/* Part of a body has come and more must follow: waits awake for it, HTTP_SPIN_BODY_NS at most and while no
 * other request is under way, unless that was vain lately. spin: of the bodies of this connection. A body
 * under TLS comes in records of 16 KiB, and the client encrypts one in less time than it takes to wake a
 * thread. */
void http_spin_wait_body(
    struct http_spin *spin, struct http_spinners *spinners, const atomic_uint *active, int socket);

#endif
