#include "train/phase.h"

#include "core/clock.h"

const char *const lk_phase_names[LK_PHASES] = {"forward",   "backward", "reduce",     "optimizer",
                                               "data wait", "evaluate", "checkpoint", "other"};

void lk_phases_start(lk_phases *phases)
{
    *phases = (lk_phases){.now = LK_PHASE_OTHER, .since = lk_clock_seconds()};
}

lk_phase lk_phases_enter(lk_phases *phases, lk_phase phase)
{
    lk_phase before = phases->now;
    double   now = lk_clock_seconds();
    phases->seconds[before] += now - phases->since;
    phases->since = now;
    phases->now = phase;
    return before;
}

void lk_phases_move(lk_phases *phases, lk_phase from, lk_phase to, double seconds)
{
    phases->seconds[from] -= seconds;
    phases->seconds[to] += seconds;
}

double lk_phases_total(const lk_phases *phases)
{
    double total = 0;
    for (int i = 0; i < LK_PHASES; i++) total += phases->seconds[i];
    return total;
}
