#include "http_spin.h"

#include "clock.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

void http_spinners_init(struct http_spinners *spinners)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    atomic_init(&spinners->awake, 0);
    spinners->awake_max = cores > 1 ? (unsigned)cores / 2 : 0; /* on one core the client could not go on */
}

void http_spin_begin(struct http_spin *spin, uint64_t now_ns)
{
    spin->lively = spin->answered_ns > 0 && now_ns - spin->answered_ns < HTTP_SPIN_GAP_NS;
}

static bool is_worth_it(struct http_spin *spin)
{
    if (!spin->lively)
        return false;
    if (spin->skip == 0)
        return true;
    spin->skip--;
    return false;
}

/* True: data, the end of the connection, or an error has come. */
static bool has_news(int socket)
{
    char byte;
    return recvfrom(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* allowed: requests that may be under way. */
static bool wait_awake(
    uint64_t begun_ns, uint64_t limit_ns, const atomic_uint *active, unsigned allowed, int socket)
{
    bool news = false;
    uint64_t now_ns = begun_ns;
    while (!news && now_ns - begun_ns < limit_ns && atomic_load(active) <= allowed) {
        news = has_news(socket);
        if (!news)
            (void)sched_yield(); /* the client may have been woken on this core */
        now_ns = clock_monotonic_ns();
    }
    return news;
}

static void note_result(struct http_spin *spin, bool news)
{
    if (news) {
        spin->vain_count = 0;
        return;
    }
    if (spin->vain_count < HTTP_SPIN_DOUBLINGS_MAX)
        spin->vain_count++;
    spin->skip = (1u << spin->vain_count) - 1;
}

void http_spin_wait(
    struct http_spin *spin, struct http_spinners *spinners, const atomic_uint *active, int socket)
{
    spin->answered_ns = clock_monotonic_ns();
    if (!is_worth_it(spin) || atomic_load(active) > 0)
        return;
    if (atomic_fetch_add(&spinners->awake, 1) < spinners->awake_max)
        note_result(spin, wait_awake(spin->answered_ns, HTTP_SPIN_NS, active, 0, socket));
    atomic_fetch_sub(&spinners->awake, 1);
}

void http_spin_wait_body(
    struct http_spin *spin, struct http_spinners *spinners, const atomic_uint *active, int socket)
{
    spin->lively = true;
    if (!is_worth_it(spin) || atomic_load(active) > 1)
        return;
    if (atomic_fetch_add(&spinners->awake, 1) < spinners->awake_max)
        note_result(spin, wait_awake(clock_monotonic_ns(), HTTP_SPIN_BODY_NS, active, 1, socket));
    atomic_fetch_sub(&spinners->awake, 1);
}
