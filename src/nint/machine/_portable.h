/* What the native sources need of compilers: one copy of a function for each generation of processors, and loops without dependencies. */
#ifndef NINT_PORTABLE_H
#define NINT_PORTABLE_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__ELF__)
/* One copy for each generation of processors; the loader takes the best that this one has. */
#define EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EACH_PROCESSOR
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#define INLINE static inline __attribute__((always_inline))
#elif defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define INLINE static inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define INDEPENDENT __pragma(loop(ivdep))
#define INLINE static __forceinline
#else
#define INDEPENDENT
#define INLINE static inline
#endif

#endif
