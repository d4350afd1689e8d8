/* The training loop: step, evaluate, best and early stop, checkpoint, in this order, until the end or a stop.
 */
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"
#include "train/monitor.h"
#include "train/report.h"
#include "train/rundir.h"
#include "train/session.h"

enum { DIVERGED_STEPS = 3 };
static const double JOB_MARGIN_SECONDS = 60, JOB_MARGIN_SHARE = 0.1;

bool lk_loop_is_root(const lk_loop *l)
{
    return lk_comm_is_root(l->run->comm);
}

double lk_loop_run_seconds(const lk_loop *l)
{
    return l->run->progress.seconds + lk_clock_seconds() - l->started;
}

int64_t lk_loop_samples_since(const lk_loop *l, int64_t step)
{
    const lk_position *at = &l->run->position;
    return lk_position_samples(at, l->run->progress.step) - lk_position_samples(at, step);
}

/* ---- evaluation ---- */

/* Collective. The root decides; every rank hears the decision. */
static lk_status evaluate(lk_loop *l, bool *new_best)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    bool      has_validation = lk_data_n(run->data, LK_SPLIT_VALIDATION) > 0;
    *new_best = false;
    run->progress.pending = 1;
    lk_run_scores(run, run->epoch_sums, &l->train);
    l->validation = (lk_scores){.loss = (double)NAN};
    if (has_validation) {
        LK_TRY(lk_evaluate(run, LK_SPLIT_VALIDATION, l->sums));
        lk_run_scores(run, l->sums, &l->validation);
    }
    l->evaluated = has_validation;
    run->progress.pending = 0;
    lk_monitor_decide(run, &l->train, &l->validation, new_best);
    LK_TRY(lk_comm_broadcast(run->comm, &run->progress, sizeof run->progress));
    if (lk_loop_is_root(l)) st = lk_loop_record(l, has_validation ? &l->validation : NULL);
    LK_TRY(lk_comm_agree(run->comm, st));
done:
    return st;
}

/* ---- checkpoints ---- */

/* Root: the sealed copy of the state, to be written while training goes on. */
static lk_status make_image(lk_loop *l, lk_checkpoint_writer **image)
{
    lk_status             st = LK_OK;
    lk_run               *run = l->run;
    lk_checkpoint_writer *writer = lk_saver_spare(l->saver);
    double                before = run->progress.seconds;
    int64_t               bytes[LK_RUN_LOGS];
    lk_rundir_lengths(l->request->rundir, bytes);
    run->progress.log_bytes = bytes[LK_RUN_LOG_TEXT];
    run->progress.jsonl_bytes = bytes[LK_RUN_LOG_JSONL];
    run->progress.csv_bytes = bytes[LK_RUN_LOG_CSV];
    run->progress.seconds = lk_loop_run_seconds(l);
    LK_TRY(writer ? lk_checkpoint_begin_again(writer) : lk_checkpoint_begin(&writer));
    LK_TRY(lk_state_save(run, l->request->config_text, &l->history, writer));
    *image = writer;
    writer = NULL;
done:
    run->progress.seconds = before;
    lk_checkpoint_abandon(&writer);
    return st;
}

void lk_loop_writes(void *loop)
{
    lk_loop *l = loop;
    lk_watchdog_tick(l->run->watchdog, l->run->progress.step, LK_PHASE_CHECKPOINT, LK_WAIT_NONE);
}

/* `last`: all is durable when it returns. Replicas are compared after the copy was made: a bit that flips before or during it
 * is found, and one that flips later is not in it. Collective. */
static lk_status save(lk_loop *l, bool best, bool last)
{
    lk_status             st = LK_OK;
    lk_checkpoint_writer *image = NULL;
    lk_phase              before = lk_phases_enter(&l->run->phases, LK_PHASE_CHECKPOINT);
    lk_watchdog_tick(l->run->watchdog, l->run->progress.step, LK_PHASE_CHECKPOINT,
                     lk_loop_is_root(l) ? LK_WAIT_NONE : LK_WAIT_ROOT);
    lk_status made = lk_loop_is_root(l) ? lk_rundir_held(l->request->rundir) : LK_OK;
    if (lk_loop_is_root(l) && made == LK_OK) made = make_image(l, &image);
    LK_TRY(lk_reduce_verify(l->run->reduce));
    if (lk_loop_is_root(l)) {
        st = made == LK_OK ? lk_saver_put(l->saver, &image, l->run->progress.step, best) : made;
        if (st == LK_OK && last) st = lk_saver_wait(l->saver);
        l->last_checkpoint = lk_clock_seconds();
        if (st == LK_OK) lk_loop_show_step(l);
    }
    st = lk_comm_agree(l->run->comm, st);
done:
    lk_checkpoint_abandon(&image);
    lk_phases_enter(&l->run->phases, before);
    return st;
}

/* ---- the end of the job ---- */

/* Seconds before the end of the job at which the run stops: two of its slowest turns and writes, so that one
 * more and the last checkpoint fit, and a minute for what comes after it, which must not eat up a short job.
 */
double lk_loop_job_margin(const lk_loop *l)
{
    double rest = fmin(JOB_MARGIN_SECONDS, JOB_MARGIN_SHARE * l->job_seconds);
    return rest + 2 * (l->longest_turn + lk_saver_seconds(l->saver));
}

double lk_loop_job_left(const lk_loop *l)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return l->request->job_end - ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
}

/* ---- the loop ---- */

/* The root's reasons to stop, NULL without one. */
static const char *reason_to_leave(const lk_loop *l)
{
    const lk_train_request *request = l->request;
    if (lk_rundir_held(request->rundir) != LK_OK) return "another job in its run directory";
    if (request->stop && *request->stop) return "a signal";
    if (request->max_time > 0 && lk_clock_seconds() - l->launched >= request->max_time) return "--max-time";
    return NULL;
}

/* The same between steps, when there is something to save. */
static const char *reason_to_stop(const lk_loop *l)
{
    const lk_train_request *request = l->request;
    const char             *why = reason_to_leave(l);
    if (why) return why;
    if (lk_rundir_stop_asked(request->rundir)) return "the file STOP";
    if (request->job_end > 0 && lk_loop_job_left(l) <= lk_loop_job_margin(l))
        return "the end of the job's time";
    return NULL;
}

static bool stop_asked(void *context)
{
    lk_loop *l = context;
    if (!lk_loop_is_root(l)) return l->request->stop && *l->request->stop;
    l->why = reason_to_stop(l);
    return l->why != NULL;
}

/* While the data is opened: STOP may be an old one still, and there is nothing yet to be saved before the job's end. */
static bool leave_asked(void *context)
{
    lk_loop *l = context;
    l->why = reason_to_leave(l);
    return l->why != NULL;
}

/* What this rank asks of all: a stop, or (root) a checkpoint by the clock. */
static unsigned wishes(lk_loop *l)
{
    const lk_when *every = &l->run->options->checkpoint_every;
    unsigned       flags = stop_asked(l) ? LK_FLAG_STOP : 0;
    if (lk_loop_is_root(l) && every->unit == LK_WHEN_SECONDS &&
        lk_clock_seconds() - l->last_checkpoint >= every->count)
        flags |= LK_FLAG_TIME;
    return flags;
}

/* A loss that stays above the limit is a run that will not come back, though every number is finite. */
static lk_status check_divergence(lk_loop *l, double loss)
{
    lk_progress *p = &l->run->progress;
    double       limit = l->run->options->diverged_above * p->first_loss;
    if (p->step == 1) p->first_loss = loss;
    p->diverged_run = p->step > 1 && p->first_loss > 0 && loss > limit ? p->diverged_run + 1 : 0;
    if (p->diverged_run < DIVERGED_STEPS) return LK_OK;
    lk_status st = lk_fail(
        LK_E_DIVERGED,
        "at step %lld the loss is %.3g, more than %.3g times the first one (%.3g), for %d steps running",
        (long long)p->step, loss, l->run->options->diverged_above, p->first_loss, DIVERGED_STEPS);
    return lk_comm_agree(l->run->comm, st); /* every rank knows the same loss */
}

/* What happened, and what a user can do about it. */
static lk_status explain_divergence(const lk_loop *l)
{
    char what[1024];
    snprintf(what, sizeof what, "%s", lk_error_message());
    return lk_fail(
        LK_E_DIVERGED,
        "%s. The last good checkpoint is kept. Try a smaller optimizer learning_rate (it is %.3g here), "
        "train.clip_norm, or a warm-up in schedule",
        what, l->run->progress.rate);
}

/* Collective. */
static lk_status end_epoch(lk_loop *l)
{
    lk_run *run = l->run;
    lk_run_scores(run, run->epoch_sums, &l->train);
    lk_status st = lk_loop_say_epoch(l);
    if (lk_loop_is_root(l)) lk_loop_show_step(l);
    memset(run->epoch_sums, 0, (size_t)run->n_columns * sizeof *run->epoch_sums);
    l->epoch_started = lk_clock_seconds();
    l->epoch_started_step = run->progress.step;
    return lk_comm_agree(run->comm, st);
}

/* What is due after a step: evaluation, the end of an epoch, a checkpoint. An evaluation that a stop
 * interrupts stays pending, in the checkpoint too. *stop: leave the loop. Collective. */
static lk_status after_step(lk_loop *l, bool *stop)
{
    lk_status    st = LK_OK;
    lk_run      *run = l->run;
    lk_progress *p = &run->progress;
    int64_t      step = p->step;
    bool         last = step == run->position.total_steps, new_best = false;
    l->evaluated = false;
    *stop = (l->flags & LK_FLAG_STOP) != 0;
    if (p->pending || (l->evaluate_steps > 0 && (step % l->evaluate_steps == 0 || last)))
        st = evaluate(l, &new_best);
    if (st == LK_STOPPED) {
        *stop = true;
        return save(l, false, true);
    }
    LK_TRY(st);
    if (step % run->position.steps_per_epoch == 0) LK_TRY(end_epoch(l));
    if (p->stopped_early) *stop = true;
    /* While the loss is above the limit the checkpoints from before are worth more than one from now. */
    bool due = l->checkpoint_steps > 0 && step % l->checkpoint_steps == 0 && p->diverged_run == 0;
    bool by_clock = (l->flags & LK_FLAG_TIME) && p->diverged_run == 0;
    bool final = last || *stop;
    if (due || by_clock || new_best || final) LK_TRY(save(l, new_best, final));
done:
    return st;
}

/* One step and what is due after it. Collective. */
static lk_status turn(lk_loop *l, bool *stop)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    double    began = lk_clock_seconds(), loss = 0;
    l->flags = wishes(l);
    LK_TRY(lk_run_step(run, &l->flags, &loss));
    LK_TRY(check_divergence(l, loss));
    lk_loop_say_progress(l, loss);
    if (lk_loop_is_root(l)) lk_saver_poll(l->saver);
    if (run->options->verify_steps > 0 && run->progress.step % run->options->verify_steps == 0)
        LK_TRY(lk_reduce_verify(run->reduce));
    LK_TRY(after_step(l, stop));
    l->longest_turn = fmax(l->longest_turn, lk_clock_seconds() - began);
done:
    return st == LK_E_DIVERGED ? explain_divergence(l) : st;
}

/* Test metrics, phases, parameters: what a run ends with. Collective. */
static lk_status finish(lk_loop *l)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    lk_str    text;
    char      summary[256] = "";
    lk_str_init(&text);
    if (lk_data_n(run->data, LK_SPLIT_TEST) > 0) {
        LK_TRY(lk_evaluate(run, LK_SPLIT_TEST, l->sums));
        if (lk_loop_is_root(l)) lk_report_scores(run, "Test", l->sums, &text);
        if (lk_loop_is_root(l)) st = lk_loop_say(l, &text, LK_SAY_RESULT);
        lk_str_clear(&text);
    }
    if (lk_loop_is_root(l)) {
        lk_report_best(run, &text);
        if (st == LK_OK) st = lk_loop_say(l, &text, LK_SAY_LOG);
        lk_str_clear(&text);
    }
    LK_TRY(lk_comm_agree(run->comm, st));
    lk_phases_enter(&run->phases, LK_PHASE_OTHER);
    LK_TRY(lk_report_phases(run, lk_loop_samples_since(l, l->started_step), &text));
    if (lk_loop_is_root(l)) {
        st = lk_loop_say(l, &text, LK_SAY_LOG);
        lk_str_clear(&text);
        lk_report_parameters(run, &text);
        if (st == LK_OK) st = lk_loop_say(l, &text, LK_SAY_RESULT);
        snprintf(summary, sizeof summary, "%s after %.6g epochs, %lld steps%s",
                 run->progress.stopped_early ? "stopped early" : "finished",
                 (double)run->progress.step / (double)run->position.steps_per_epoch,
                 (long long)run->progress.step, run->progress.has_best ? "" : ", no validation");
        if (st == LK_OK)
            st = lk_rundir_set_status(l->request->rundir, "finished", run->progress.step, summary);
    }
    LK_TRY(lk_comm_agree(run->comm, st));
done:
    lk_str_clear(&text);
    return st;
}

/* The run ends here for now, and can go on. */
static lk_status stopped(lk_loop *l, const char *where)
{
    lk_run *run = l->run;
    if (lk_loop_is_root(l)) (void)lk_rundir_set_status(l->request->rundir, "stopped", run->progress.step, "");
    return lk_fail(
        LK_STOPPED,
        "stopped by %s %sat step %lld of %lld with a checkpoint; the same command goes on from here",
        l->why ? l->why : "a signal", where, (long long)run->progress.step,
        (long long)run->position.total_steps);
}

static lk_status train(lk_loop *l)
{
    lk_status    st = LK_OK;
    lk_run      *run = l->run;
    lk_progress *p = &run->progress;
    bool         stop = false, resumed = false;
    LK_TRY(LK_ALLOC(run->n_columns, &l->sums));
    l->history.width = 4 + run->options->n_metrics;
    LK_TRY(lk_loop_start(l, &resumed));
    if (!resumed) LK_TRY(save(l, false, true)); /* from here on there is always one on disk */
    if (p->pending) LK_TRY(after_step(l, &stop));
    while (!stop && p->step < run->position.total_steps && !p->stopped_early) LK_TRY(turn(l, &stop));
    if (stop && p->pending) {
        st = stopped(l, "before the evaluation ");
    } else if (stop && !p->stopped_early && p->step < run->position.total_steps) {
        st = stopped(l, "");
    } else {
        st = finish(l);
        if (st == LK_STOPPED) st = stopped(l, "before the test metrics ");
    }
done:
    return st;
}

/* Of a run that ended with an error too; the other ranks wait for it. */
static void end_writing(lk_loop *l)
{
    if (l->run)
        lk_watchdog_tick(l->run->watchdog, l->run->progress.step, LK_PHASE_CHECKPOINT,
                         lk_loop_is_root(l) ? LK_WAIT_NONE : LK_WAIT_ROOT);
    lk_saver_destroy(&l->saver);
}

/* The data as a checkpoint knows it, or as it is found. Collective. */
static lk_status open_run(lk_loop *l, lk_comm *comm, const lk_run_options *options)
{
    lk_status    st = LK_OK;
    lk_data_stop stop = {leave_asked, l};
    LK_TRY(lk_comm_agree(comm, lk_comm_is_root(comm) ? lk_loop_find_resumed(l) : LK_OK));
    st = lk_run_open_again(comm, options, l->resumed, &stop, &l->run);
    if (st == LK_STOPPED)
        st = lk_fail(st,
                     "stopped by %s before the first step, while the training data was read: nothing is kept "
                     "of that, and the same command begins again",
                     l->why ? l->why : "a signal");
done:
    return st;
}

lk_status lk_train(lk_session *session, const lk_run_options *options, const lk_train_request *request)
{
    lk_status    st = LK_OK;
    lk_watchdog *watchdog = NULL;
    lk_watch     watch = lk_session_watch(session, options);
    lk_loop      l = {.request = request, .launched = lk_clock_seconds()};
    watch.resumes = true;
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, watch, &watchdog));
    LK_TRY(open_run(&l, session->comm, options));
    LK_TRY(lk_run_prepare(l.run, true));
    l.run->watchdog = watchdog;
    l.run->stop_asked = stop_asked;
    l.run->stop_context = &l;
    st = train(&l);
    if (st != LK_OK && st != LK_STOPPED && l.begun) {
        char message[2048]; /* what follows must not replace the first cause */
        snprintf(message, sizeof message, "%s", lk_error_message());
        (void)lk_rundir_set_status(request->rundir, "failed", l.run->progress.step, message);
        (void)lk_fail(st, "%s", message);
    }
done:
    lk_session_leave_alone(session, st);
    end_writing(&l);
    lk_checkpoint_close(&l.resumed);
    lk_history_clear(&l.history);
    lk_free(&l.sums);
    lk_run_destroy(&l.run);
    lk_watchdog_destroy(&watchdog);
    return st;
}
