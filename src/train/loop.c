/* The training loop: step, evaluate, best and early stop, checkpoint, in this order, until the end or a stop.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"
#include "train/monitor.h"
#include "train/place.h"
#include "train/report.h"
#include "train/run.h"
#include "train/rundir.h"
#include "train/saver.h"
#include "train/session.h"

/* Epoch lines of one run, so that a log stays below 100 KB for 10,000 steps even where an epoch is one step.
 */
enum { EPOCH_LINES_MOST = 500 };
enum { DIVERGED_STEPS = 3, LIVE_INTERVAL_MS = 200 };
static const double JOB_MARGIN_SECONDS = 60, JOB_MARGIN_SHARE = 0.1;

typedef struct loop {
    lk_run                 *run;
    const lk_train_request *request;
    lk_saver               *saver;   /* root */
    lk_checkpoint          *resumed; /* root: the one to go on from, until it is loaded; NULL: a new run */
    lk_history              history; /* root */
    double                 *sums;    /* [n_columns] of the last evaluation */
    lk_scores               train, validation;
    bool                    evaluated;                                   /* at the step just done */
    int64_t                 evaluate_steps, checkpoint_steps, log_steps; /* 0: by the clock or never */
    double                  launched;                                    /* --max-time counts from here */
    double                  started, last_checkpoint, last_log, last_live;
    int64_t                 started_step;
    double                  epoch_started;
    int64_t                 epoch_started_step;
    unsigned                flags;       /* of all ranks, at the step just done */
    bool                    begun;       /* root: the directory is this run's from here on */
    double                  job_seconds; /* root: left to the job at the start */
    double      longest_turn;            /* root: seconds of the slowest step with all that is due after it */
    const char *why;                     /* root: of the stop */
} loop;

static bool is_root(const loop *l)
{
    return lk_comm_is_root(l->run->comm);
}

/* ---- what is said ---- */

typedef enum say_as { SAY_LOG, SAY_WARNING, SAY_RESULT } say_as;

static void say_lines(loop *l, const char *text, say_as as)
{
    char line[2048];
    while (*text) {
        size_t n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%s%.*s", as == SAY_WARNING ? "warning: " : "", (int)n, text);
        lk_rundir_log(l->request->rundir, line);
        if (as == SAY_RESULT) l->request->result(l->request->context, line);
        if (as == SAY_LOG) lk_log_info("%s", line);
        if (as == SAY_WARNING) lk_log_warn("%.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static double run_seconds(const loop *l)
{
    return l->run->progress.seconds + lk_clock_seconds() - l->started;
}

static int64_t samples_since(const loop *l, int64_t step)
{
    const lk_position *at = &l->run->position;
    return lk_position_samples(at, l->run->progress.step) - lk_position_samples(at, step);
}

static double samples_per_second(const loop *l, int64_t since_step, double since)
{
    double seconds = lk_clock_seconds() - since;
    return seconds > 0 ? (double)samples_since(l, since_step) / seconds : 0;
}

static double eta_seconds(const loop *l)
{
    int64_t done = l->run->progress.step - l->started_step;
    double  seconds = lk_clock_seconds() - l->started;
    return done > 0 ? seconds / (double)done * (double)(l->run->position.total_steps - l->run->progress.step)
                    : 0;
}

static void say_progress(loop *l, double loss)
{
    lk_run *run = l->run;
    double  now = lk_clock_seconds();
    char    eta[32];
    if (!is_root(l)) return;
    bool live = l->request->live && now - l->last_live > LIVE_INTERVAL_MS * 1e-3;
    bool due = l->log_steps > 0 ? run->progress.step % l->log_steps == 0
                                : now - l->last_log >= run->options->log_every.count;
    bool line = !l->request->live && due;
    if (!live && !line) return;
    lk_report_duration(eta_seconds(l), eta);
    double epoch = (double)run->progress.step / (double)run->position.steps_per_epoch;
    /* A leading \r marks the live line for the program's sink; it ends without a line of its own. */
    lk_log_info("%sstep %lld/%lld, epoch %.2f, loss %.4g, %.0f samples/s, eta %s", live ? "\r" : "",
                (long long)run->progress.step, (long long)run->position.total_steps, epoch, loss,
                samples_per_second(l, l->started_step, l->started), eta);
    if (live) l->last_live = now;
    if (line) l->last_log = now;
}

/* ---- evaluation ---- */

static lk_status record(loop *l, const lk_scores *validation)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    lk_str    text;
    double    rate = samples_per_second(l, l->epoch_started_step, l->epoch_started);
    double    row[4 + LK_RUN_MAX_METRICS] = {(double)run->progress.step,
                                             (double)run->progress.step / (double)run->position.steps_per_epoch,
                                             l->train.loss, validation ? validation->loss : (double)NAN};
    lk_str_init(&text);
    for (int i = 0; i < run->options->n_metrics; i++)
        row[4 + i] = validation ? validation->metric[i] : (double)NAN;
    LK_TRY(lk_history_add(&l->history, row));
    LK_TRY(lk_report_event(run, "evaluation", &l->train, validation, run_seconds(l), rate, &text));
    LK_TRY(lk_rundir_event(l->request->rundir, lk_str_text(&text)));
    lk_str_clear(&text);
    lk_report_csv(run, &l->train, validation, run_seconds(l), &text);
    LK_TRY(lk_rundir_csv(l->request->rundir, lk_str_text(&text)));
done:
    lk_str_clear(&text);
    return st;
}

/* Collective. The root decides; every rank hears the decision. */
static lk_status evaluate(loop *l, bool *new_best)
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
    if (is_root(l)) st = record(l, has_validation ? &l->validation : NULL);
    LK_TRY(lk_comm_agree(run->comm, st));
done:
    return st;
}

/* Every how many epochs a line is due: 1 up to EPOCH_LINES_MOST of them. */
static int64_t epoch_line_every(const loop *l)
{
    int64_t epochs = l->run->position.total_steps / l->run->position.steps_per_epoch;
    return epochs <= EPOCH_LINES_MOST ? 1 : (epochs + EPOCH_LINES_MOST - 1) / EPOCH_LINES_MOST;
}

static void epoch_line(loop *l)
{
    lk_run *run = l->run;
    lk_str  text;
    if (!is_root(l)) return;
    int64_t epoch = run->progress.step / run->position.steps_per_epoch;
    if (epoch % epoch_line_every(l) != 0 && run->progress.step != run->position.total_steps) return;
    lk_str_init(&text);
    double per_epoch = (double)run->position.steps_per_epoch;
    lk_report_epoch(run, (double)run->progress.step / per_epoch,
                    (double)run->position.total_steps / per_epoch, &l->train,
                    l->evaluated ? &l->validation : NULL,
                    samples_per_second(l, l->epoch_started_step, l->epoch_started), eta_seconds(l), &text);
    say_lines(l, lk_str_text(&text), SAY_RESULT);
    lk_str_clear(&text);
}

/* ---- checkpoints ---- */

/* Root: image now, written while training goes on. */
static lk_status save_image(loop *l, bool best)
{
    lk_status             st = LK_OK;
    lk_run               *run = l->run;
    lk_checkpoint_writer *writer = NULL;
    double                before = run->progress.seconds;
    int64_t               bytes[LK_RUN_LOGS];
    lk_rundir_lengths(l->request->rundir, bytes);
    run->progress.log_bytes = bytes[LK_RUN_LOG_TEXT];
    run->progress.jsonl_bytes = bytes[LK_RUN_LOG_JSONL];
    run->progress.csv_bytes = bytes[LK_RUN_LOG_CSV];
    run->progress.seconds = run_seconds(l);
    LK_TRY(lk_checkpoint_begin(&writer));
    LK_TRY(lk_state_save(run, l->request->config_text, &l->history, writer));
    LK_TRY(lk_saver_put(l->saver, &writer, run->progress.step, best));
done:
    run->progress.seconds = before;
    lk_checkpoint_abandon(&writer);
    return st;
}

/* `last`: all is durable when it returns. Collective. */
static lk_status save(loop *l, bool best, bool last)
{
    lk_status st = LK_OK;
    lk_phase  before = lk_phases_enter(&l->run->phases, LK_PHASE_CHECKPOINT);
    lk_watchdog_tick(l->run->watchdog, l->run->progress.step, LK_PHASE_CHECKPOINT,
                     is_root(l) ? LK_WAIT_NONE : LK_WAIT_ROOT);
    LK_TRY(lk_reduce_verify(l->run->reduce));
    if (is_root(l)) {
        st = save_image(l, best);
        if (st == LK_OK && last) st = lk_saver_wait(l->saver);
        l->last_checkpoint = lk_clock_seconds();
    }
    st = lk_comm_agree(l->run->comm, st);
done:
    lk_phases_enter(&l->run->phases, before);
    return st;
}

/* ---- the end of the job ---- */

/* Seconds before the end of the job at which the run stops: two of its slowest turns and writes, so that one
 * more and the last checkpoint fit, and a minute for what comes after it, which must not eat up a short job.
 */
static double job_margin(const loop *l)
{
    double rest = fmin(JOB_MARGIN_SECONDS, JOB_MARGIN_SHARE * l->job_seconds);
    return rest + 2 * (l->longest_turn + lk_saver_seconds(l->saver));
}

static double job_seconds_left(const loop *l)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return l->request->job_end - ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
}

/* ---- start ---- */

/* Root: the newest checkpoint of the directory, and whether the data is still its own. */
static lk_status find_resumed(loop *l)
{
    lk_status st = LK_OK;
    char     *path = NULL;
    LK_TRY(lk_checkpoint_find_newest(lk_rundir_file(l->request->rundir, "checkpoints"), &path));
    if (!path) goto done;
    LK_TRY(lk_checkpoint_open(path, &l->resumed));
    LK_TRY(lk_state_check_data(l->run, l->resumed));
done:
    lk_free(&path);
    return st;
}

static lk_status resume_root(loop *l)
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

static lk_status from_root(loop *l)
{
    lk_status      st = LK_OK;
    lk_checkpoint *checkpoint = NULL;
    LK_TRY(lk_checkpoint_open(l->request->from, &checkpoint));
    LK_TRY(lk_state_load_model(l->run, checkpoint, lk_reduce_state(l->run->reduce)));
done:
    lk_checkpoint_close(&checkpoint);
    return st;
}

static lk_status open_logs(loop *l, bool resumed)
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
        LK_TRY(lk_rundir_csv(l->request->rundir, lk_str_text(&text)));
    }
done:
    lk_str_clear(&text);
    return st;
}

/* Root alone: initial values, or what a checkpoint holds; files of the run. */
static lk_status start_root(loop *l, bool *resumed)
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
    lk_saver_options saver = {.folder = folder, .best = best, .keep = l->run->options->checkpoint_keep};
    lk_rundir_descriptors(rundir, saver.logs);
    LK_TRY(lk_saver_create(&saver, &l->saver));
done:
    return st;
}

static lk_status prepare_spans(loop *l)
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

/* The header, and what in it costs time or will. Root. */
static void say_start(loop *l, bool resumed, const char *findings)
{
    lk_run *run = l->run;
    lk_str  text;
    lk_str_init(&text);
    lk_report_header(run, &text);
    if (resumed)
        lk_str_printf(&text, "resume      of step %lld of %lld\n", (long long)run->progress.step,
                      (long long)run->position.total_steps);
    if (epoch_line_every(l) > 1)
        lk_str_printf(&text, "log         a line every %lld epochs; metrics.csv has every evaluation\n",
                      (long long)epoch_line_every(l));
    if (l->request->job_end > 0) {
        char left[32];
        l->job_seconds = fmax(0, job_seconds_left(l));
        lk_report_duration(l->job_seconds, left);
        lk_str_printf(&text, "job         %s left; the run stops with a checkpoint %.0f s before the end\n",
                      left, job_margin(l));
    }
    say_lines(l, lk_str_text(&text), SAY_LOG);
    lk_str_clear(&text);
    lk_report_warnings(run, &text);
    lk_str_append(&text, findings);
    say_lines(l, lk_str_text(&text), SAY_WARNING);
    lk_str_clear(&text);
}

/* Collective: every rank leaves with the same progress and buffers, and step 0 is on disk. */
static lk_status start(loop *l)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    bool      resumed = false;
    lk_str    findings;
    lk_str_init(&findings);
    LK_TRY(lk_comm_agree(run->comm, prepare_spans(l)));
    LK_TRY(lk_comm_agree(run->comm, is_root(l) ? start_root(l, &resumed) : LK_OK));
    LK_TRY(lk_comm_broadcast(run->comm, &resumed, sizeof resumed));
    LK_TRY(lk_comm_broadcast(run->comm, &run->progress, sizeof run->progress));
    LK_TRY(lk_comm_broadcast(run->comm, run->epoch_sums, (size_t)run->n_columns * sizeof *run->epoch_sums));
    LK_TRY(lk_reduce_publish(run->reduce));
    lk_stream_seek(run->stream, run->progress.step / run->position.steps_per_epoch,
                   run->progress.step % run->position.steps_per_epoch);
    /* After the parameters have gone to all hosts: it shows over which network. */
    LK_TRY(lk_place_findings(run->comm, &findings, NULL));
    if (is_root(l)) say_start(l, resumed, lk_str_text(&findings));
    l->started = l->epoch_started = l->last_log = l->last_checkpoint = lk_clock_seconds();
    l->started_step = l->epoch_started_step = run->progress.step;
    if (!resumed) LK_TRY(save(l, false, true));
done:
    lk_str_clear(&findings);
    return st;
}

/* ---- the loop ---- */

/* The root's reasons to stop, NULL without one. */
static const char *reason_to_stop(const loop *l)
{
    const lk_train_request *request = l->request;
    if (request->stop && *request->stop) return "a signal";
    if (lk_rundir_stop_asked(request->rundir)) return "the file STOP";
    if (request->max_time > 0 && lk_clock_seconds() - l->launched >= request->max_time) return "--max-time";
    if (request->job_end > 0 && job_seconds_left(l) <= job_margin(l)) return "the end of the job's time";
    return NULL;
}

static bool stop_asked(void *context)
{
    loop *l = context;
    if (!is_root(l)) return l->request->stop && *l->request->stop;
    l->why = reason_to_stop(l);
    return l->why != NULL;
}

/* What this rank asks of all: a stop, or (root) a checkpoint by the clock. */
static unsigned wishes(loop *l)
{
    const lk_when *every = &l->run->options->checkpoint_every;
    unsigned       flags = stop_asked(l) ? LK_FLAG_STOP : 0;
    if (is_root(l) && every->unit == LK_WHEN_SECONDS &&
        lk_clock_seconds() - l->last_checkpoint >= every->count)
        flags |= LK_FLAG_TIME;
    return flags;
}

/* A loss that stays above the limit is a run that will not come back, though every number is finite. */
static lk_status check_divergence(loop *l, double loss)
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
static lk_status explain_divergence(const loop *l)
{
    char what[1024];
    snprintf(what, sizeof what, "%s", lk_error_message());
    return lk_fail(
        LK_E_DIVERGED,
        "%s. The last good checkpoint is kept. Try a smaller optimizer learning_rate (it is %.3g here), "
        "train.clip_norm, or a warm-up in schedule",
        what, l->run->progress.rate);
}

static void end_epoch(loop *l)
{
    lk_run *run = l->run;
    lk_run_scores(run, run->epoch_sums, &l->train);
    epoch_line(l);
    memset(run->epoch_sums, 0, (size_t)run->n_columns * sizeof *run->epoch_sums);
    l->epoch_started = lk_clock_seconds();
    l->epoch_started_step = run->progress.step;
}

/* What is due after a step: evaluation, the end of an epoch, a checkpoint. An evaluation that a stop
 * interrupts stays pending, in the checkpoint too. *stop: leave the loop. Collective. */
static lk_status after_step(loop *l, bool *stop)
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
    if (step % run->position.steps_per_epoch == 0) end_epoch(l);
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
static lk_status turn(loop *l, bool *stop)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    double    began = lk_clock_seconds(), loss = 0;
    l->flags = wishes(l);
    LK_TRY(lk_run_step(run, &l->flags, &loss));
    LK_TRY(check_divergence(l, loss));
    say_progress(l, loss);
    if (is_root(l)) lk_saver_poll(l->saver);
    if (run->options->verify_steps > 0 && run->progress.step % run->options->verify_steps == 0)
        LK_TRY(lk_reduce_verify(run->reduce));
    LK_TRY(after_step(l, stop));
    l->longest_turn = fmax(l->longest_turn, lk_clock_seconds() - began);
done:
    return st == LK_E_DIVERGED ? explain_divergence(l) : st;
}

/* Test metrics, phases, parameters: what a run ends with. Collective. */
static lk_status finish(loop *l)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    lk_str    text;
    char      summary[256] = "";
    lk_str_init(&text);
    if (lk_data_n(run->data, LK_SPLIT_TEST) > 0) {
        LK_TRY(lk_evaluate(run, LK_SPLIT_TEST, l->sums));
        if (is_root(l)) lk_report_scores(run, "Test", l->sums, &text);
        if (is_root(l)) say_lines(l, lk_str_text(&text), SAY_RESULT);
        lk_str_clear(&text);
    }
    if (is_root(l)) {
        lk_report_best(run, &text);
        say_lines(l, lk_str_text(&text), SAY_LOG);
        lk_str_clear(&text);
    }
    lk_phases_enter(&run->phases, LK_PHASE_OTHER);
    LK_TRY(lk_report_phases(run, samples_since(l, l->started_step), &text));
    if (is_root(l)) {
        say_lines(l, lk_str_text(&text), SAY_LOG);
        lk_str_clear(&text);
        lk_report_parameters(run, &text);
        say_lines(l, lk_str_text(&text), SAY_RESULT);
        snprintf(summary, sizeof summary, "%s after %.6g epochs, %lld steps%s",
                 run->progress.stopped_early ? "stopped early" : "finished",
                 (double)run->progress.step / (double)run->position.steps_per_epoch,
                 (long long)run->progress.step, run->progress.has_best ? "" : ", no validation");
        st = lk_rundir_set_status(l->request->rundir, "finished", run->progress.step, summary);
    }
    LK_TRY(lk_comm_agree(run->comm, st));
done:
    lk_str_clear(&text);
    return st;
}

/* The run ends here for now, and can go on. */
static lk_status stopped(loop *l, const char *where)
{
    lk_run *run = l->run;
    if (is_root(l)) (void)lk_rundir_set_status(l->request->rundir, "stopped", run->progress.step, "");
    return lk_fail(
        LK_STOPPED,
        "stopped by %s %sat step %lld of %lld with a checkpoint; the same command goes on from here",
        l->why ? l->why : "a signal", where, (long long)run->progress.step,
        (long long)run->position.total_steps);
}

static lk_status train(loop *l)
{
    lk_status    st = LK_OK;
    lk_run      *run = l->run;
    lk_progress *p = &run->progress;
    bool         stop = false;
    LK_TRY(LK_ALLOC(run->n_columns, &l->sums));
    l->history.width = 4 + run->options->n_metrics;
    LK_TRY(start(l));
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

/* A rank that failed alone, where the others did not look, ends the job: they may wait for it for ever. */
static void leave_alone(lk_comm *comm, lk_status status)
{
    const char *host = lk_comm_n_hosts(comm) > 0 ? lk_comm_host_name(comm, lk_comm_host(comm)) : "?";
    lk_log_rank("lockstep: rank %d on host %s failed alone: %s: %s", lk_comm_rank(comm), host,
                lk_status_text(status), lk_error_message());
    lk_comm_abort(comm, lk_status_exit_code(status));
}

lk_status lk_train(lk_session *session, const lk_run_options *options, const lk_train_request *request)
{
    lk_status    st = LK_OK;
    lk_watchdog *watchdog = NULL;
    loop         l = {.request = request, .launched = lk_clock_seconds()};
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, options->hang_timeout, &watchdog));
    LK_TRY(lk_run_open(session->comm, options, NULL, NULL, &l.run));
    LK_TRY(lk_comm_agree(session->comm, is_root(&l) ? find_resumed(&l) : LK_OK));
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
    if (st != LK_OK && st != LK_STOPPED && !lk_comm_failed_together(session->comm))
        leave_alone(session->comm, st);
    lk_saver_destroy(&l.saver);
    lk_checkpoint_close(&l.resumed);
    lk_history_clear(&l.history);
    lk_free(&l.sums);
    lk_run_destroy(&l.run);
    lk_watchdog_destroy(&watchdog);
    return st;
}
