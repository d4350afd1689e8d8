/** Monotonic time, for phases and reports only: no clock ever enters a result. */
#ifndef LK_CORE_CLOCK_H
#define LK_CORE_CLOCK_H

/** Seconds since an arbitrary start, monotonic. */
double lk_clock_seconds(void);

#endif
