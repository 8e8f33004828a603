/* Defines MEMORY_SANITIZED where a sanitizer of gcc or clang has the allocator and reserves address space. */
#ifndef CONNECTORDB_SANITIZERS_H
#define CONNECTORDB_SANITIZERS_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MEMORY_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_SANITIZED
#endif

#endif
