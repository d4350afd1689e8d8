/* The public loops: each runs the compilation of the set in use. */
#include "kernels/vec.h"

#include <string.h>

#include "kernels/set.h"

#define DISPATCH(type, name, parameters, arguments)                                                          \
    type lk_##name parameters                                                                                \
    {                                                                                                        \
        return lk_set->name arguments;                                                                       \
    }
LK_VEC_LIST(DISPATCH)

bool lk_scales_u8(const lk_standard *by)
{
    enum { MOST = 256 };
    unsigned char x[MOST];
    float         exact[MOST], scaled[MOST];
    for (int64_t at = 0; at < by->period; at += MOST) {
        int64_t     n = by->period - at < MOST ? by->period - at : MOST;
        lk_standard part = {n, by->mean + at, by->std + at, by->inverse + at, by->shift + at};
        for (int value = 0; value < 256; value++) {
            memset(x, value, sizeof x);
            if (!lk_standardise_u8(n, x, &part, exact)) return false;
            lk_scale_u8(n, x, &part, scaled);
            if (memcmp(exact, scaled, (size_t)n * sizeof *exact) != 0) return false;
        }
    }
    return true;
}
