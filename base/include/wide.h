/* 128-bit integers, which gcc and clang have and ISO C has not. */
#ifndef CONNECTORDB_WIDE_H
#define CONNECTORDB_WIDE_H

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

#endif
