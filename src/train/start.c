/* How a run begins or goes on: initial values or those of a checkpoint, the same on every rank; files of the run. */
#include <limits.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "train/loop.h"
#include "train/monitor.h"
#include "train/place.h"
#include "train/report.h"
#include "train/rundir.h"

lk_status lk_loop_find_resumed(lk_loop *l)
{
    lk_status st = LK_OK;
    char     *path = NULL;
    LK_TRY(lk_checkpoint_find_newest(lk_rundir_file(l->request->rundir, "checkpoints"), &path));
    if (!path) goto done;
    LK_TRY(lk_checkpoint_open(path, &l->resumed));
done:
    lk_free(&path);
    return st;
}

static lk_status resume_root(lk_loop *l)
{
    lk_status st = LK_OK;
    int64_t   total = l->run->position.total_steps;
    LK_TRY(lk_state_load(l->run, l->resumed, &l->history));
    lk_checkpoint_close(&l->resumed);
    lk_position at = l->run->position;
    at.step = l->run->progress.step;
    at.total_steps = l->run->progress.total_steps;
    bool longer = total != at.total_steps;
    LK_CHECK(
        !longer || lk_sched_is_prefix(&l->run->options->sched, &at, total), LK_E_CONFIG,
        "%s was planned for %lld steps and its learning rates depend on that: %lld steps are another run. "
        "Ways on: --new (a new run from the start) or --from %s (a new run from these parameters)",
        lk_rundir_path(l->request->rundir), (long long)at.total_steps, (long long)total,
        lk_rundir_path(l->request->rundir));
    LK_CHECK(
        at.step <= total, LK_E_CONFIG,
        "%s has %lld steps already, more than the %lld of this configuration. Ways on: more train.epochs, "
        "or --new (a new run from the start)",
        lk_rundir_path(l->request->rundir), (long long)at.step, (long long)total);
    if (longer) l->run->progress.stopped_early = 0;
    l->run->progress.total_steps = total;
done:
    return st;
}

static lk_status from_root(lk_loop *l)
{
    lk_status      st = LK_OK;
    lk_checkpoint *checkpoint = NULL;
    char           why[512];
    LK_TRY(lk_checkpoint_open(l->request->from, &checkpoint));
    st = lk_state_load_model(l->run, checkpoint, lk_reduce_state(l->run->reduce));
    if (st == LK_E_DATA) {
        snprintf(why, sizeof why, "%s", lk_error_message());
        st = lk_fail(st,
                     "--from %s: %s. It takes the parameters of the same layers, by name and size: give the "
                     "configuration the model that `lockstep inspect %s` shows, or leave --from out",
                     l->request->from, why, l->request->from);
    }
done:
    lk_checkpoint_close(&checkpoint);
    return st;
}

static lk_status open_logs(lk_loop *l, bool resumed)
{
    lk_status st = LK_OK;
    lk_str    text;
    lk_str_init(&text);
    lk_progress *p = &l->run->progress;
    int64_t      bytes[LK_RUN_LOGS] = {0};
    if (resumed) {
        bytes[LK_RUN_LOG_TEXT] = p->log_bytes;
        bytes[LK_RUN_LOG_JSONL] = p->jsonl_bytes;
        bytes[LK_RUN_LOG_CSV] = p->csv_bytes;
    }
    LK_TRY(lk_rundir_open_logs(l->request->rundir, bytes));
    if (!resumed) {
        lk_report_csv_header(l->run, &text);
        LK_TRY(lk_str_whole(&text));
        LK_TRY(lk_rundir_csv(l->request->rundir, lk_str_text(&text)));
    }
done:
    lk_str_clear(&text);
    return st;
}

/* Root alone: initial values, or what a checkpoint holds; files of the run. */
static lk_status start_root(lk_loop *l, bool *resumed)
{
    lk_status  st = LK_OK;
    lk_rundir *rundir = l->request->rundir;
    char       folder[PATH_MAX], best[PATH_MAX];
    lk_run_initial(l->run);
    *resumed = l->resumed != NULL;
    if (*resumed) LK_TRY(resume_root(l));
    if (!*resumed && l->request->from) LK_TRY(from_root(l));
    /* Up to here nothing was written: what is refused leaves the directory as it was. */
    l->begun = true;
    LK_TRY(lk_rundir_begin(rundir, l->request->config_text));
    lk_rundir_clear_stop(rundir);
    LK_TRY(open_logs(l, *resumed));
    LK_TRY(lk_rundir_set_status(rundir, "running", l->run->progress.step, ""));
    snprintf(folder, sizeof folder, "%s", lk_rundir_file(rundir, "checkpoints"));
    snprintf(best, sizeof best, "%s", lk_rundir_file(rundir, "best.h5"));
    lk_saver_options saver = {.folder = folder,
                              .best = best,
                              .keep = l->run->options->checkpoint_keep,
                              .moves = lk_loop_writes,
                              .context = l};
    lk_rundir_descriptors(rundir, saver.logs);
    LK_TRY(lk_saver_create(&saver, &l->saver));
done:
    return st;
}

static lk_status prepare_spans(lk_loop *l)
{
    lk_status             st = LK_OK;
    const lk_run_options *options = l->run->options;
    const lk_position    *at = &l->run->position;
    if (options->evaluate_every.unit != LK_WHEN_NEVER)
        LK_TRY(lk_when_steps(&options->evaluate_every, at, &l->evaluate_steps));
    if (options->checkpoint_every.unit != LK_WHEN_NEVER && options->checkpoint_every.unit != LK_WHEN_SECONDS)
        LK_TRY(lk_when_steps(&options->checkpoint_every, at, &l->checkpoint_steps));
    if (options->log_every.unit != LK_WHEN_SECONDS)
        LK_TRY(lk_when_steps(&options->log_every, at, &l->log_steps));
    LK_TRY(lk_monitor_check(l->run, &options->early_stop, "early_stop.metric"));
    LK_TRY(lk_monitor_check(l->run, &options->checkpoint_best, "checkpoint.best"));
done:
    return st;
}

lk_status lk_loop_start(lk_loop *l, bool *resumed)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    lk_str    findings;
    *resumed = false;
    lk_str_init(&findings);
    LK_TRY(lk_comm_agree(run->comm, prepare_spans(l)));
    LK_TRY(lk_comm_agree(run->comm, lk_loop_is_root(l) ? start_root(l, resumed) : LK_OK));
    LK_TRY(lk_comm_broadcast(run->comm, resumed, sizeof *resumed));
    LK_TRY(lk_comm_broadcast(run->comm, &run->progress, sizeof run->progress));
    LK_TRY(lk_comm_broadcast(run->comm, run->epoch_sums, (size_t)run->n_columns * sizeof *run->epoch_sums));
    LK_TRY(lk_reduce_publish(run->reduce));
    lk_stream_seek(run->stream, run->progress.step / run->position.steps_per_epoch,
                   run->progress.step % run->position.steps_per_epoch);
    /* After the parameters have gone to all hosts: it shows over which network. */
    LK_TRY(lk_place_findings(run->comm, &findings, NULL));
    LK_TRY(lk_comm_agree(run->comm, lk_loop_is_root(l) ? lk_loop_say_start(l, *resumed, &findings) : LK_OK));
    l->started = l->epoch_started = l->last_log = l->last_checkpoint = l->last_status = lk_clock_seconds();
    l->started_step = l->epoch_started_step = run->progress.step;
done:
    lk_str_clear(&findings);
    return st;
}
