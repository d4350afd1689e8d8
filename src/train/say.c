/* What a run says: its header, progress, epochs and evaluations. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "io/atomic.h"
#include "train/loop.h"
#include "train/report.h"
#include "train/rundir.h"

/* Epoch lines of one run, so that a log stays below 100 KB for 10,000 steps even where an epoch is one step. */
enum { EPOCH_LINES_MOST = 500, LIVE_INTERVAL_MS = 200 };
static const double STATUS_SECONDS = 1;

lk_status lk_loop_say(lk_loop *l, const lk_str *whole, lk_say_as as)
{
    char        line[2048];
    const char *text = lk_str_text(whole);
    lk_status   st = lk_str_whole(whole);
    while (st == LK_OK && *text) {
        size_t n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%s%.*s", as == LK_SAY_WARNING ? "warning: " : "", (int)n, text);
        lk_rundir_log(l->request->rundir, line);
        if (as == LK_SAY_RESULT) l->request->result(l->request->context, line);
        if (as == LK_SAY_LOG) lk_log_info("%s", line);
        if (as == LK_SAY_WARNING) lk_log_warn("%.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
    return st;
}

static double samples_per_second(const lk_loop *l, int64_t since_step, double since)
{
    double seconds = lk_clock_seconds() - since;
    return seconds > 0 ? (double)lk_loop_samples_since(l, since_step) / seconds : 0;
}

static double eta_seconds(const lk_loop *l)
{
    int64_t done = l->run->progress.step - l->started_step;
    double  seconds = lk_clock_seconds() - l->started;
    return done > 0 ? seconds / (double)done * (double)(l->run->position.total_steps - l->run->progress.step)
                    : 0;
}

void lk_loop_say_progress(lk_loop *l, double loss)
{
    lk_run *run = l->run;
    double  now = lk_clock_seconds();
    char    eta[32];
    if (!lk_loop_is_root(l)) return;
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
    lk_loop_show_step(l);
}

/* As lk_rundir_set_status writes it, but no step waits for a disk. */
void lk_loop_show_step(lk_loop *l)
{
    double now = lk_clock_seconds();
    char   temporary[PATH_MAX], text[128];
    if (now - l->last_status < STATUS_SECONDS || lk_rundir_held(l->request->rundir) != LK_OK) return;
    l->last_status = now;
    int n =
        snprintf(text, sizeof text, "{\n \"state\": \"running\",\n \"step\": %lld,\n \"summary\": \"\"\n}",
                 (long long)l->run->progress.step);
    snprintf(temporary, sizeof temporary, "%s", lk_rundir_file(l->request->rundir, ".status.new"));
    (void)lk_atomic_show(lk_rundir_file(l->request->rundir, "status.json"), temporary, text, (size_t)n);
}

lk_status lk_loop_record(lk_loop *l, const lk_scores *validation)
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
    LK_TRY(lk_report_event(run, "evaluation", &l->train, validation, lk_loop_run_seconds(l), rate, &text));
    LK_TRY(lk_str_whole(&text));
    LK_TRY(lk_rundir_event(l->request->rundir, lk_str_text(&text)));
    lk_str_clear(&text);
    lk_report_csv(run, &l->train, validation, lk_loop_run_seconds(l), &text);
    LK_TRY(lk_str_whole(&text));
    LK_TRY(lk_rundir_csv(l->request->rundir, lk_str_text(&text)));
done:
    lk_str_clear(&text);
    return st;
}

/* Every how many epochs a line is due: 1 up to EPOCH_LINES_MOST of them. */
static int64_t epoch_line_every(const lk_loop *l)
{
    int64_t epochs = l->run->position.total_steps / l->run->position.steps_per_epoch;
    return epochs <= EPOCH_LINES_MOST ? 1 : (epochs + EPOCH_LINES_MOST - 1) / EPOCH_LINES_MOST;
}

lk_status lk_loop_say_epoch(lk_loop *l)
{
    lk_run *run = l->run;
    lk_str  text;
    if (!lk_loop_is_root(l)) return LK_OK;
    int64_t epoch = run->progress.step / run->position.steps_per_epoch;
    if (epoch % epoch_line_every(l) != 0 && run->progress.step != run->position.total_steps) return LK_OK;
    lk_str_init(&text);
    double per_epoch = (double)run->position.steps_per_epoch;
    lk_report_epoch(run, (double)run->progress.step / per_epoch,
                    (double)run->position.total_steps / per_epoch, &l->train,
                    l->evaluated ? &l->validation : NULL,
                    samples_per_second(l, l->epoch_started_step, l->epoch_started), eta_seconds(l), &text);
    lk_status st = lk_loop_say(l, &text, LK_SAY_RESULT);
    lk_str_clear(&text);
    return st;
}

/* A batch is at most an epoch. Legal, and no news to who wants the whole gradient: a line of the header. */
static void say_whole_batch(const lk_run *run, lk_str *text)
{
    long long batch = run->options->batch_size, n = run->position.samples_per_epoch;
    if (batch <= n) return;
    lk_str_printf(text,
                  "step        an epoch: train.batch_size=%lld is more than the %lld samples of the training "
                  "split, and each step takes all of them\n",
                  batch, n);
}

lk_status lk_loop_say_start(lk_loop *l, bool resumed, const lk_str *findings)
{
    lk_status st = LK_OK;
    lk_run   *run = l->run;
    lk_str    text;
    lk_str_init(&text);
    lk_report_header(run, &text);
    say_whole_batch(run, &text);
    if (resumed)
        lk_str_printf(&text, "resume      of step %lld of %lld\n", (long long)run->progress.step,
                      (long long)run->position.total_steps);
    if (epoch_line_every(l) > 1)
        lk_str_printf(&text, "log         a line every %lld epochs; metrics.csv has every evaluation\n",
                      (long long)epoch_line_every(l));
    if (l->request->job_end > 0) {
        char left[32];
        l->job_seconds = fmax(0, lk_loop_job_left(l));
        lk_report_duration(l->job_seconds, left);
        lk_str_printf(&text, "job         %s left; the run stops with a checkpoint %.0f s before the end\n",
                      left, lk_loop_job_margin(l));
    }
    LK_TRY(lk_loop_say(l, &text, LK_SAY_LOG));
    lk_str_clear(&text);
    lk_report_warnings(run, &text);
    LK_TRY(lk_loop_say(l, &text, LK_SAY_WARNING));
    LK_TRY(lk_loop_say(l, findings, LK_SAY_WARNING));
done:
    lk_str_clear(&text);
    return st;
}
