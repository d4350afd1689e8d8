/** Scaling experiments: steps by phase, the exchange between hosts, pictures, and projections to more hosts. */
#ifndef LOCKSTEP_SCALING_H
#define LOCKSTEP_SCALING_H

#include <stdint.h>

#include "lockstep/config.h"
#include "lockstep/session.h"
#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_exchange_options {
    const int64_t *sizes; /* [n_sizes] bytes of gradient */
    int            n_sizes;
    int            lanes;          /* 0: four a rank */
    int            ranks_per_host; /* > 0 cuts machines into virtual hosts */
    double         seconds;        /* to measure each size for */
    double         backward_s;     /* sleep in place of a backward pass that reports spans as it goes */
    int            json;
    const char    *samples; /* file for the times of every step and rank, or NULL */
} lk_exchange_options;

/**
 * Times steps of made-up gradients through the reduction, with no model: one-way goodput of the links, time
 * and bytes of the exchange, and both against the plan and the bound 2 (m - 1) / m n / B. The sums are
 * checked. Collective; text on the root.
 */
LK_API lk_status lk_exchange_measure(lk_session *session, const lk_exchange_options *options, char **text);

typedef struct lk_steps_options {
    double      seconds; /* of training to measure */
    int         weak;    /* batch and lanes of the configuration are those of each rank */
    int         copies;  /* in turns with a copy of the configuration on each rank alone */
    int         repeat;  /* stands in the rows */
    const char *samples; /* as above */
} lk_steps_options;

/**
 * Trains for a while and writes nothing but CSV with the time of each phase in a step: least, mean and most over
 * ranks, jitter (deviation over steps, relative) and imbalance (most / mean - 1). Collective; text on the root.
 */
LK_API lk_status lk_scaling_steps(lk_session *session, const lk_run_options *options,
                                  const lk_steps_options *how, char **text);

/**
 * Such rows, over rank counts and repeats, as text and as pictures in `folder`: speedup.svg, efficiency.svg,
 * phases-strong.svg and phases-weak.svg. `subtitle` may be NULL. Local.
 */
LK_API lk_status lk_scaling_plot(const char *results, const char *folder, const char *subtitle, char **text);

typedef struct lk_project_options {
    const char    *fit;     /* samples of runs on several hosts, to which the model of the links is fitted */
    const char    *compute; /* samples whose times of computing are drawn; NULL: those of the fit */
    const int     *hosts;   /* [n_hosts] to project to */
    int            n_hosts;
    const int64_t *sizes; /* [n_sizes] bytes of gradient; none: as in `compute` */
    int            n_sizes;
    const double  *gbit; /* [n_gbit] rates of the links, Gb/s; none: as measured */
    int            n_gbit;
    double         latency_s; /* of the links; 0: as measured */
    const char    *picture;   /* SVG file of the efficiency over hosts, or NULL */
    const char    *title;     /* under its title, or NULL */
} lk_project_options;

/** CSV of projected times a step and efficiencies with their ranges, after a line that tells the fit. Local,
 * deterministic. */
LK_API lk_status lk_scaling_project(const lk_project_options *options, char **text);

#ifdef __cplusplus
}
#endif
#endif
