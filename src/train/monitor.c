#include "train/monitor.h"

#include <math.h>
#include <string.h>

/* Where a monitor's number is found, e.g. that of "validation.accuracy". */
typedef struct place {
    bool of_train, higher_is_better;
    int  metric; /* index; -1: the loss */
} place;

static bool find_place(const lk_run *run, const lk_monitor *monitor, place *found)
{
    const char *name = monitor->metric;
    if (!name) return false;
    *found = (place){.of_train = !strncmp(name, "train.", 6), .metric = -1};
    if (found->of_train)
        name += 6;
    else if (!strncmp(name, "validation.", 11))
        name += 11;
    if (!strcmp(name, "loss")) return true;
    for (int i = 0; i < run->options->n_metrics; i++) {
        if (strcmp(name, lk_metric_name(run->metrics[i])) != 0) continue;
        found->metric = i;
        found->higher_is_better = lk_metric_higher_is_better(run->metrics[i]);
        return true;
    }
    return false;
}

lk_status lk_monitor_check(const lk_run *run, const lk_monitor *monitor, const char *key)
{
    place found;
    if (!monitor->metric || find_place(run, monitor, &found)) return LK_OK;
    return lk_fail(LK_E_CONFIG,
                   "%s: '%s' is no metric of this run; name validation.loss or one that stands in metrics",
                   key, monitor->metric);
}

static double value_at(const place *at, const lk_scores *train, const lk_scores *validation)
{
    const lk_scores *scores = at->of_train ? train : validation;
    return at->metric < 0 ? scores->loss : scores->metric[at->metric];
}

static bool improves(const place *at, double value, double best, double min_delta)
{
    return at->higher_is_better ? value > best + min_delta : value < best - min_delta;
}

void lk_monitor_decide(lk_run *run, const lk_scores *train, const lk_scores *validation, bool *new_best)
{
    lk_progress      *p = &run->progress;
    const lk_monitor *best = &run->options->checkpoint_best, *stop = &run->options->early_stop;
    place             at;
    *new_best = false;
    if (find_place(run, best, &at)) {
        double value = value_at(&at, train, validation);
        *new_best = isfinite(value) && (!p->has_best || improves(&at, value, p->best, 0));
        if (*new_best) {
            p->has_best = 1;
            p->best = value;
            p->best_step = p->step;
        }
    }
    if (find_place(run, stop, &at)) {
        double     value = value_at(&at, train, validation);
        const bool first = !p->has_watched && !isnan(value); /* nothing would ever be better than a NaN */
        if (first || (p->has_watched && improves(&at, value, p->watched, stop->min_delta))) {
            p->has_watched = 1;
            p->watched = value;
            p->waited = 0;
        } else if (++p->waited >= stop->patience) {
            p->stopped_early = 1;
        }
    }
}
