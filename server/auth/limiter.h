/* Limits how often logins may be guessed: for each remote address, and for each account over all addresses.
 *
 * A guess is taken before it is judged. Guesses that are being judged count, so many connections at once
 * guess no more than one; those beyond what is left wait for them, so right logins do not refuse each other.
 * An address counts as its IPv4 address or its IPv6 /64 network. Each has a bucket of guesses: a wrong one
 * takes one out, an interval puts one back. The table of buckets is bounded: a new one takes the place of the
 * fullest of four. Times are of a monotonic clock, in nanoseconds. Any thread. */
#ifndef CONNECTORDB_LIMITER_H
#define CONNECTORDB_LIMITER_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LIMITER_BUCKETS = 8192, /* 24 bytes each */
    LIMITER_TRUSTED = 4096, /* pairs of account and address */
    LIMITER_TRUST_DAYS = 30,
};

struct limiter_options {
    uint32_t address_guesses, account_guesses;         /* at once; 0 = not limited */
    uint64_t address_interval_ns, account_interval_ns; /* for one more guess */
};

struct limiter;

int limiter_create(
    const struct limiter_options *options, struct limiter **ret_limiter, struct error *ret_error);
/* Changes the numbers of guesses at once; those that have been taken stay taken. Any thread. */
void limiter_configure(struct limiter *limiter, const struct limiter_options *options);
void limiter_free(struct limiter *limiter); /* accepts NULL */

/* A guess that is being judged. */
struct guess {
    uint64_t address, account, pair; /* keys of buckets; 0 = none */
};

/* How long the address has to wait for its next guess; 0 = it has one left. Nothing is taken. A load and a
 * comparison while no address at all has to wait. */
uint64_t limiter_wait_ns(struct limiter *limiter, const char *address, uint64_t now_ns);
/* Begins a guess from the address, for the account if it is not NULL. 0: judge it, then call limiter_judged.
 * Otherwise one of them has no guess left; the result says how long until it has. Blocks while other guesses
 * are judged that could take the last ones. An account is compared without case. A guess from an address that
 * logged in to the account in the last LIMITER_TRUST_DAYS counts for the address only: others cannot lock an
 * owner out. */
uint64_t limiter_guess(struct limiter *limiter, const char *address, const char *account, uint64_t now_ns,
    struct guess *ret_guess);
enum verdict {
    GUESS_RIGHT,     /* an account trusts the address from now on */
    GUESS_WRONG,     /* it is taken from the buckets */
    GUESS_UNDECIDED, /* nobody learnt anything */
};
void limiter_judged(
    struct limiter *limiter, const struct guess *guess, enum verdict verdict, uint64_t now_ns);

#endif
