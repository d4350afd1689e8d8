/* The public loops: each runs the compilation of the set in use. */
#include "kernels/vec.h"

#include "kernels/set.h"

#define DISPATCH(type, name, parameters, arguments)                                                          \
    type lk_##name parameters                                                                                \
    {                                                                                                        \
        return lk_set->name arguments;                                                                       \
    }
LK_VEC_LIST(DISPATCH)
