/* lockstep help [VERB]: what each verb does, in a screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct {
    const char *verb, *text;
} pages[] = {
    {"train",
     "lockstep train CONFIG [--set a.b=v]... [--run DIR] [--new] [--from RUN|CHECKPOINT] [--at "
     "best|last|STEP]\n"
     "               [--resume=auto|never|must] [--max-time T]\n"
     "\n"
     "Starts, resumes and requeues with one command: an empty directory starts, an unfinished run resumes, a "
     "finished one\n"
     "says so and touches nothing. Under mpirun or srun every rank takes its share; the result does not "
     "depend on how many.\n"
     "\n"
     "  --set a.b=v     overrides a key by its path in the file: --set train.epochs=3 --set "
     "model.features.units=256\n"
     "  --run DIR       run directory (default runs/<name of the config file>)\n"
     "  --new           takes the next free directory: runs/cnn-2\n"
     "  --from R        a new run that starts from the parameters of a run or checkpoint\n"
     "  --at WHICH      with --from RUN: best (default), last or a step\n"
     "  --resume=MODE   auto (default); must: it is an error if there is nothing to resume; never: if there "
     "is\n"
     "  --max-time T    stop with a checkpoint after 90s, 5min or 2.5h; a number alone is seconds\n"
     "                  (of Slurm's --time it is minutes)\n"
     "\n"
     "Stops at the next step with a checkpoint and exit code 75 on SIGUSR1, --max-time, `touch DIR/STOP`, or "
     "before Slurm's\n"
     "end time. SIGTERM and Ctrl-C do the same, but mpirun kills the ranks one second later and ends with 1: "
     "certain is then\n"
     "only the last checkpoint. The same command goes on in each case.\n"},
    {"eval", "lockstep eval RUN|CHECKPOINT [--at best|last|STEP] [--data train|validation|test|SOURCE] "
             "[--set a.b=v]... [--json]\n"
             "\n"
             "Loss and metrics of a checkpoint (of a run: its best one) on the test split, or on --data: a "
             "split's name,\n"
             "file.h5:/group, or a CSV or NPY file with targets. Any number of ranks gives the same bits.\n"},
    {"predict", "lockstep predict RUN|CHECKPOINT INPUT... -o OUT.h5 [--at best|last|STEP]\n"
                "\n"
                "INPUT: .h5[:/path], .csv or .npy as users have it; the checkpoint knows normalisation, "
                "dictionaries and classes.\n"
                "OUT.h5 gets `output` (probabilities, or values in the target's units) and `class` for "
                "classification;\n"
                "it replaces an OUT.h5 that predict made before, and no other file.\n"},
    {"inspect", "lockstep inspect FILE|RUN|CONFIG [--at best|last|STEP] [--json] [--parameters]\n"
                "\n"
                "What is in it: layers with shapes, parameters, memory and FLOPs of a configuration or "
                "checkpoint; hashes of a\n"
                "checkpoint (equal parameters_xxh3, equal bits); groups, types and classes of a dataset.\n"
                "Of a RUN its best checkpoint, or another with --at.\n"},
    {"data",
     "lockstep data import idx --train IMAGES LABELS [--test IMAGES LABELS] -o OUT.h5\n"
     "lockstep data import csv FILE --target COLUMN[,COLUMN] -o OUT.h5\n"
     "lockstep data import npy --x X.npy --y Y.npy -o OUT.h5\n"
     "   with [--validation FRACTION] [--test FRACTION] [--seed S] where no split is given; replaces an "
     "OUT.h5 "
     "that import\n"
     "   made before, and no other file\n"
     "lockstep data info FILE[:/group]...     groups, shapes, types, storage, classes\n"
     "lockstep data stats FILE[:/group]...    mean, deviation, least and greatest value in the units that "
     "training sees; counts "
     "of labels\n"
     "lockstep data verify FILE[:/group]...   reads everything and prints hashes of values and attributes\n"
     "   with [--json]; under mpirun the ranks share the reading of stats and verify\n"},
    {"config",
     "lockstep config check CONFIG [--set a.b=v]...     all mistakes at once, with line and column\n"
     "lockstep config render CONFIG [--set a.b=v]...    the full configuration, defaults and origins "
     "included\n"
     "lockstep config init [DATA.h5]                    a commented starting configuration\n"
     "lockstep config init --slurm [CONFIG]             a batch script that requeues itself\n"
     "lockstep config reference [KEY]                   every key, as Markdown; or one and what is below "
     "it\n"},
    {"bench",
     "lockstep bench CONFIG [--set a.b=v]... [--seconds S] [--json]\n"
     "lockstep bench CONFIG --lanes [--set a.b=v]... [--seconds S] [--json]\n"
     "lockstep bench --reduce [--most BYTES] [--hang-timeout T] [--json]\n"
     "\n"
     "Trains for a few seconds (S are those of the timed steps) and writes nothing: samples_per_second, the "
     "share of each phase, and "
     "GF/s against the\n"
     "sgemm rate that the same ranks reach at the same time.\n"
     "--lanes: what equal bits cost: lockstep with 8 to 64 lanes against allreduce with one lane a rank, in "
     "turns.\n"
     "--reduce: the reduction alone, 256 KB to 100 MB of gradients, against MPI_Allreduce and Adam on "
     "every rank.\n"
     "A rank that does not answer for T (5min) ends the job; with CONFIG, for its train.hang_timeout.\n"},
    {"doctor",
     "lockstep doctor [--hang-timeout T]\n"
     "lockstep doctor CONFIG [--set a.b=v]...\n"
     "\n"
     "Tests this machine and, under mpirun or srun, this launch: cores and binding, kernels, the memory that "
     "ranks of a host "
     "share,\n"
     "the links between hosts and the network they take. With CONFIG also all that train prepares before its "
     "first step. "
     "What is\n"
     "bad for the run is a line 'trouble' with the cure; the start of train says the same as warnings.\n"
     "A rank that does not answer for T (5min) ends the job; with CONFIG, for its train.hang_timeout.\n"},
    {"scaling",
     "lockstep scaling exchange SIZE[,SIZE...] [--lanes L] [--ranks-per-host N] [--backward MS] [--seconds "
     "S]\n"
     "                          [--samples FILE.csv] [--hang-timeout T] [--json]\n"
     "lockstep scaling steps CONFIG [--set a.b=v]... [--weak [--copies]] [--seconds S] [--repeat K] "
     "[--samples FILE.csv]\n"
     "lockstep scaling plot RESULTS.csv [--title TEXT] [-o DIR]\n"
     "lockstep scaling project SAMPLES.csv --hosts M[,M...] [--bytes SIZE[,SIZE...]] [--gbit R[,R...]] "
     "[--latency MS]\n"
     "                         [--compute SAMPLES.csv] [--title TEXT] [-o PICTURE.svg]\n"
     "\n"
     "exchange: under mpirun over several hosts, gradients of these sizes (268k, 16M: bytes) without a "
     "model, beside "
     "the one-way\n"
     "goodput B of the links. Tells the time of the exchange between hosts against the least that any "
     "allreduce "
     "needs,\n"
     "2 (m - 1) / m n / B, and the bytes sent against the plan. --backward MS: sleeps so long as a backward "
     "pass would\n"
     "take, so that sending can overlap it. --ranks-per-host N cuts one machine into hosts of N ranks.\n"
     "A rank that does not answer for T (5min) ends the job; in steps, for train.hang_timeout.\n"
     "steps: one point of a scaling experiment, as CSV: time, jitter and imbalance of each phase. --weak: "
     "batch and "
     "lanes of\n"
     "CONFIG are each rank's; --copies: in turns with independent copies of CONFIG, one a rank. "
     "scripts/scaling runs a "
     "series.\n"
     "plot: such rows over rank counts and repeats as text and pictures in DIR.\n"
     "project: steps on more hosts, or on other links, than there are: replays the exchange's plan with "
     "times of "
     "computing drawn\n"
     "from a measured run. SAMPLES.csv of exchange on a few hosts fits what a message and a byte cost; "
     "--compute draws "
     "from\n"
     "another run, e.g. of steps.\n"},
    {"help",
     "lockstep help [VERB|KEY]\n"
     "\n"
     "KEY: a key of the configuration, e.g. lockstep help optimizer.adam or lockstep help train.lanes\n"},
};

static const char overview[] =
    "lockstep: trains neural networks under MPI on CPUs; the same bits on any number of ranks\n"
    "\n"
    "  lockstep train CONFIG              train, resume, go on: one command\n"
    "  lockstep eval RUN                  test metrics of the best checkpoint\n"
    "  lockstep predict RUN INPUT -o OUT  predictions for new data\n"
    "  lockstep inspect FILE|RUN|CONFIG   what is in it\n"
    "  lockstep data import|info|stats|verify\n"
    "  lockstep config check|render|init|reference\n"
    "  lockstep bench CONFIG              how fast, and where the time goes\n"
    "  lockstep scaling exchange|steps|plot|project   how it scales, and how it would\n"
    "  lockstep doctor                    is this machine and launch as it should be?\n"
    "  lockstep help VERB                 more about one of them;  lockstep --version\n"
    "  lockstep help KEY                  a key of the configuration: optimizer.adam, train.lanes\n"
    "\n"
    "Exit codes: 0 done, 2 command line or config, 65 bad input file, 70 bug, 71 memory, 73 run directory, "
    "74 I/O,\n"
    "75 stopped and resumable, 76 replicas differ, 77 a rank hung, 79 training diverged.\n"
    "mpirun's own: 1 after Ctrl-C or SIGTERM, 137 a rank was killed, 205 a host was lost. Restart on 75, 77, "
    "137 and 205.\n";

/* `lockstep help optimizer.adam`: a key of the configuration. */
static int key_help(const char *path)
{
    char     *text = NULL;
    lk_status st = lk_config_describe(path, &text);
    if (st == LK_OK) fputs(text, stdout);
    free(text);
    return st == LK_OK ? 0 : cli_fail(NULL, cli_usage("help: no verb, and %s", lk_error_message()));
}

int cli_help(const char *verb)
{
    if (lk_launcher_rank() != 0) return 0;
    for (size_t i = 0; verb && i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(pages[i].verb, verb) != 0) continue;
        fputs(pages[i].text, stdout);
        return 0;
    }
    if (verb) return key_help(verb);
    fputs(overview, stdout);
    return 0;
}

int cmd_help(int argc, char **argv)
{
    return cli_help(argc > 1 ? argv[1] : NULL);
}
