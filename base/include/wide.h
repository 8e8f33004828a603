/* 128-bit integers, an extension of gcc and clang. */
#ifndef CONNECTORDB_WIDE_H
#define CONNECTORDB_WIDE_H

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

#endif
