/** Monotonic time, for phases and reports only: no clock ever enters a result. */
#ifndef LK_CORE_CLOCK_H
#define LK_CORE_CLOCK_H

#include <pthread.h>
#include <time.h>

/** Seconds since an arbitrary start, monotonic. */
double lk_clock_seconds(void);

/** For pthread_cond_timedwait: a condition that waits by this clock, whatever is done to the date, and the moment so many
 * seconds from now. */
void            lk_clock_cond_init(pthread_cond_t *condition);
struct timespec lk_clock_after(double seconds);

#endif
