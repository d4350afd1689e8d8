/** Where the time of a run goes: eight phases that add up to the wall time. */
#ifndef LK_TRAIN_PHASE_H
#define LK_TRAIN_PHASE_H

typedef enum lk_phase {
    LK_PHASE_FORWARD,
    LK_PHASE_BACKWARD,
    LK_PHASE_REDUCE,
    LK_PHASE_OPTIMIZER,
    LK_PHASE_DATA,
    LK_PHASE_EVALUATE,
    LK_PHASE_CHECKPOINT,
    LK_PHASE_OTHER,
    LK_PHASES
} lk_phase;

extern const char *const lk_phase_names[LK_PHASES];

typedef struct lk_phases {
    double   seconds[LK_PHASES];
    double   since; /* when the phase now running began */
    lk_phase now;
} lk_phases;

/** Starts the clock in LK_PHASE_OTHER. */
void lk_phases_start(lk_phases *phases);
/** Ends the running phase and begins `phase`; returns the one before, so that a caller can go back to it. */
lk_phase lk_phases_enter(lk_phases *phases, lk_phase phase);
/** Moves `seconds` that were measured inside another phase: the optimizer runs inside the reduction. */
void   lk_phases_move(lk_phases *phases, lk_phase from, lk_phase to, double seconds);
double lk_phases_total(const lk_phases *phases);

#endif
