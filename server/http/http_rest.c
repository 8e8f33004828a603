#include "http_rest.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FRAMES_BYTES = 1024 }; /* more than what is in use below the frame of release_stack */

/* What is below the frames in use is dead: a function that is called later finds zeroes there. */
__attribute__((noinline)) static void release_stack(char *stack)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)stack + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - FRAMES_BYTES) / page * page;
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void http_rest_init(struct http_rest *rest)
{
    pthread_attr_t attributes;
    void *stack = NULL;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &stack, &size) != 0)
            stack = NULL;
        (void)pthread_attr_destroy(&attributes);
    }
    rest->stack = stack;
    if (rest->stack)
        release_stack(rest->stack); /* the start of a thread goes deeper than its wait */
}

void http_rest(const struct http_rest *rest)
{
    OPENSSL_thread_stop();
    if (rest->stack)
        release_stack(rest->stack);
}
