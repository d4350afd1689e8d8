/* What a configuration means: numbers, defaults, overrides, traps, names people bring, and texts that are
 * none. */
#include "lk_test.h"

#include <glob.h>

#include "config/table.h"
#include "lockstep/config.h"
#include "train/options.h"

/* The configuration that the cases below change in one place. */
#define HEAD  "lockstep: 1\n"
#define DATA  "data: {train: a.h5:/train, validation: {fraction: 0.1}, test: a.h5:/test}\n"
#define MODEL "model: [flatten, dense: {units: 8, activation: relu}, dense: {units: 4}]\n"
#define LOSS  "loss: softmax_cross_entropy\n"
#define REST  "metrics: [accuracy]\noptimizer: {adam: {learning_rate: 1e-2}}\n"
#define TRAIN "train: {epochs: 3, batch_size: 24}\n"
#define WHOLE HEAD DATA MODEL LOSS REST TRAIN

static lk_config *parse(const char *text)
{
    lk_config *config = NULL;
    assert_ok(lk_config_parse(text, "run.yaml", NULL, NULL, 0, &config));
    return config;
}

static lk_config *parse_set(const char *text, const char *set)
{
    lk_config *config = NULL;
    assert_ok(lk_config_parse(text, "run.yaml", NULL, &set, 1, &config));
    return config;
}

/* The message of a text that is refused. */
static const char *refuse(const char *text)
{
    lk_config *config = NULL;
    lk_status  st = lk_config_parse(text, "run.yaml", NULL, NULL, 0, &config);
    if (st != LK_E_CONFIG) print_error("accepted: %s\n", text);
    assert_int_equal(st, LK_E_CONFIG);
    assert_null(config);
    return lk_error_message();
}

static void expect(const char *text, const char *wanted)
{
    const char *message = refuse(text);
    if (!strstr(message, wanted)) fail_msg("'%s' does not say '%s'", message, wanted);
}

static int n_lines(const char *text)
{
    int n = *text != '\0';
    for (; *text; text++) n += *text == '\n' && text[1];
    return n;
}

/* A number in the place of a rate, and in the place of a count. */
static char *with_rate(const char *rate)
{
    static char text[1024];
    snprintf(text, sizeof text, HEAD DATA MODEL LOSS "optimizer: {sgd: {learning_rate: %s}}\n" TRAIN, rate);
    return text;
}

static char *with_epochs(const char *epochs)
{
    static char text[1024];
    snprintf(text, sizeof text, HEAD DATA MODEL LOSS REST "train: {epochs: %s}\n", epochs);
    return text;
}

static void numbers_mean_what_people_write(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double      value;
    } good[] = {{"1e-3", 1e-3}, {"1E-3", 1e-3},  {".001", 1e-3},     {"0.001", 1e-3}, {"1e6", 1e6},
                {"+0.5", 0.5},  {"1.e-2", 0.01}, {"5e-324", 5e-324}, {"3", 3}};
    static const struct {
        const char *text, *hint;
    } bad[] = {{"'1e-3'", "in quotes it is a text: write 1e-3"},
               {"\"0.1\"", "in quotes it is a text: write 0.1"},
               {"yes", "must be a number"},
               {"0x10", "write it in decimal: 16"},
               {"1_000", "write 1000"},
               {"10%", "write a share: 0.1"},
               {"010", "without leading zeros: 10"},
               {"nan", "must be a number"},
               {".inf", "must be a number"},
               {"1e999", "must be"},
               {"0", "above 0"},
               {"-1e-3", "above 0"},
               {"", "has no value"},
               {"[1]", "takes one value, not a list"},
               {"{a: 1}", "takes one value, not a map"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        lk_config *config = parse(with_rate(good[i].text));
        assert_true(lk_config_options(config)->optim.learning_rate == (float)good[i].value);
        lk_config_destroy(&config);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect(with_rate(bad[i].text), bad[i].hint);
    lk_config *config = parse(with_epochs("1e1"));
    assert_true(lk_config_options(config)->length.count == 10);
    lk_config_destroy(&config);
    expect(with_epochs("2.5"), "must be a whole number, not 2.5");
    expect(with_epochs("3 epochs"), "must be a whole number");
    expect(with_epochs("-1"), "at least 0");
}

static void every_mistake_has_a_line_of_its_own(void **state)
{
    (void)state;
    const char *message = refuse(HEAD DATA "model: [flatten, dense: {unit: 8}, dense: {units: four}]\n" LOSS
                                           "optimiser: adam\n" TRAIN);
    assert_int_equal(n_lines(message), 3);
    assert_non_null(
        strstr(message, "run.yaml:3:26: unknown key 'unit' in model.dense (did you mean 'units'?)\n"));
    assert_non_null(strstr(message, "run.yaml:3:51: units must be a whole number"));
    assert_non_null(strstr(message, "run.yaml:5:1: unknown key 'optimiser' (did you mean 'optimizer'?)"));
    /* At most 20, and a word about the others. */
    char text[4096] = HEAD DATA LOSS "model:\n";
    for (int i = 0; i < 40; i++) strcat(text, "  - densee: 3\n");
    message = refuse(text);
    assert_true(n_lines(message) <= 21);
    assert_non_null(strstr(message, "more"));
}

static void traps_have_messages_of_their_own(void **state)
{
    (void)state;
    expect(HEAD DATA "model: [flatten, dense: {units: 4, activation: softmax}]\n" LOSS TRAIN,
           "run.yaml:3:48: the loss softmax_cross_entropy applies the softmax itself: take this softmax out");
    expect(HEAD DATA "model: [flatten, dense: 4, activation: softmax]\n" LOSS TRAIN, "take this softmax out");
    expect(HEAD DATA
           "model: [flatten, dense: {units: 1, activation: sigmoid}]\nloss: binary_cross_entropy\n" TRAIN,
           "applies the sigmoid itself");
    expect(HEAD DATA "model: [flatten, dense: 1]\n" LOSS TRAIN, "a softmax over 1 unit is always 1");
    expect(HEAD "data: {train: run_*.h5}\n" MODEL LOSS TRAIN, "must stand in quotes");
    expect(HEAD "data: {train: *.h5}\n" MODEL LOSS TRAIN, "must stand in quotes");
    expect(HEAD "data: {train: run_[0-3].h5}\n" MODEL LOSS TRAIN, "must stand in quotes");
    expect(HEAD "data: {train: {files: [run_?.h5, b.h5]}}\n" MODEL LOSS TRAIN, "must stand in quotes");
    expect(HEAD "data: {train: a.h5, validation: 0.1}\n" MODEL LOSS TRAIN, "written {fraction: 0.1}");
    expect(HEAD "data: {train: a.h5, validation: {fraction: 0.6}, test: {fraction: 0.5}}\n" MODEL LOSS TRAIN,
           "nothing is left");
    expect(HEAD DATA MODEL LOSS "train: {batch_size: 4, lanes: 8}\n",
           "lanes must be at most batch_size (4), not 8");
    expect(HEAD DATA MODEL LOSS "train: {epochs: 3, steps: 100}\n", "keep one");
    expect(HEAD DATA MODEL LOSS "evaluate: {every: 30s}\n", "results must not depend on the clock");
    expect(HEAD DATA MODEL LOSS "early_stop: {metric: val_loss}\n", "did you mean 'validation.loss'?");
    expect(HEAD "data: {train: a.h5}\n" MODEL LOSS "early_stop: {metric: validation.loss}\n",
           "needs data.validation");
    expect(HEAD DATA MODEL LOSS "checkpoint: {best: validation.acc}\n", "not reported in this run");
    expect(HEAD DATA MODEL "loss:mse\n" TRAIN, "run.yaml:4:1: a blank is missing after the colon");
    expect(HEAD DATA MODEL LOSS "optimizer: {name: adam, lr: 1}\n", "here {adam: {...}}");
    expect(HEAD DATA MODEL LOSS "train.epochs: 3\n", "write train: {epochs: ...}");
    expect("seed: 1\n" DATA MODEL LOSS TRAIN, "begin with 'lockstep: 1'");
}

/* Names from Keras, PyTorch and others: where they stand, the name, and what the answer must hold. */
static void names_from_elsewhere_are_answered_with_ours(void **state)
{
    (void)state;
    static const struct {
        const char *before, *name, *after, *answer;
    } cases[] = {
        /* sections */
        {HEAD MODEL LOSS, "dataset", ": {train: a.h5}\n", "'data'"},
        {HEAD DATA LOSS, "layers", ": [dense: 4]\n", "'model'"},
        {HEAD DATA MODEL, "criterion", ": mse\n", "'loss'"},
        {HEAD DATA MODEL LOSS, "optim", ": adam\n", "'optimizer'"},
        {HEAD DATA MODEL LOSS, "lr_scheduler", ": cosine\n", "'schedule'"},
        {HEAD DATA MODEL LOSS, "early_stopping", ": {patience: 3}\n", "'early_stop'"},
        {HEAD DATA MODEL LOSS, "batch_size", ": 3\n", "train.batch_size"},
        {HEAD DATA MODEL LOSS, "epochs", ": 3\n", "train.epochs"},
        {HEAD DATA MODEL LOSS, "lr", ": 3\n", "optimizer: {adam: {learning_rate: 1e-3}}"},
        {HEAD DATA MODEL LOSS, "weight_decay", ": 3\n", "adamw"},
        {HEAD DATA MODEL LOSS, "device", ": cuda\n", "CPUs"},
        /* data */
        {HEAD MODEL LOSS "data: {train: a.h5, ", "val", ": b.h5}\n", "'validation'"},
        {HEAD MODEL LOSS "data: {train: a.h5, ", "validation_split", ": 0.1}\n",
         "validation: {fraction: 0.1}"},
        {HEAD MODEL LOSS "data: {train: a.h5, ", "transforms", ": []}\n", "'augment'"},
        {HEAD MODEL LOSS "data: {train: a.h5, ", "normalize", ": unit}\n", "'normalise'"},
        {HEAD MODEL LOSS "data: {train: a.h5, augment: [", "RandomHorizontalFlip", "]}\n",
         "flip: {horizontal: 0.5}"},
        {HEAD MODEL LOSS "data: {train: a.h5, shuffle: ", "true", "}\n", "'full'"},
        /* layers */
        {HEAD DATA LOSS "model: [", "Linear", ": 4]\n", "'dense'"},
        {HEAD DATA LOSS "model: [", "nn.Linear", ": 4]\n", "'dense'"},
        {HEAD DATA LOSS "model: [", "Dense", ": 4]\n", "'dense'"},
        {HEAD DATA LOSS "model: [", "Conv2D", ": {filters: 1, kernel: 1}]\n", "'conv2d'"},
        {HEAD DATA LOSS "model: [", "MaxPooling2D", "]\n", "'max_pool'"},
        {HEAD DATA LOSS "model: [", "MaxPool2d", "]\n", "'max_pool'"},
        {HEAD DATA LOSS "model: [", "AveragePooling2D", "]\n", "'avg_pool'"},
        {HEAD DATA LOSS "model: [", "GlobalAveragePooling2D", "]\n", "'global_avg_pool'"},
        {HEAD DATA LOSS "model: [", "AdaptiveAvgPool2d", "]\n", "'global_avg_pool'"},
        {HEAD DATA LOSS "model: [", "Flatten", "]\n", "'flatten'"},
        {HEAD DATA LOSS "model: [", "Dropout", ": 0.1]\n", "'dropout'"},
        {HEAD DATA LOSS "model: [", "BatchNormalization", "]\n", "'batch_norm'"},
        {HEAD DATA LOSS "model: [", "BatchNorm2d", "]\n", "'batch_norm'"},
        {HEAD DATA LOSS "model: [", "LayerNorm", "]\n", "'layer_norm'"},
        {HEAD DATA LOSS "model: [", "MultiheadAttention", ": 1]\n", "'attention'"},
        {HEAD DATA LOSS "model: [", "Concatenate", ": [a, b]]\n", "'concat'"},
        {HEAD DATA LOSS "model: [", "ReLU", "]\n", "activation: relu"},
        {HEAD DATA LOSS "model: [", "Sequential", "]\n", "list of layers"},
        {HEAD DATA LOSS "model: [", "InputLayer", "]\n", "comes from the data"},
        {HEAD DATA LOSS "model: [conv2d: {filters: 1, ", "kernel_size", ": 3}]\n", "'kernel'"},
        {HEAD DATA LOSS "model: [conv2d: {kernel: 1, ", "out_channels", ": 3}]\n", "'filters'"},
        {HEAD DATA LOSS "model: [conv2d: {kernel: 1, filters: 1, ", "in_channels", ": 3}]\n", "layer above"},
        {HEAD DATA LOSS "model: [conv2d: {kernel: 1, filters: 1, ", "strides", ": 2}]\n", "'stride'"},
        {HEAD DATA LOSS "model: [max_pool: {", "pool_size", ": 2}]\n", "'size'"},
        {HEAD DATA LOSS "model: [dense: {", "out_features", ": 2}]\n", "'units'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, ", "use_bias", ": false}]\n", "'bias'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, ", "kernel_initializer", ": he_normal}]\n", "'init'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, init: ", "kaiming_normal", "}]\n", "'he_normal'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, init: ", "xavier_uniform", "}]\n", "'glorot_uniform'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, init: ", "zeros", "}]\n", "{constant: 0}"},
        {HEAD DATA LOSS "model: [dense: {units: 1, activation: ", "swish", "}]\n", "'silu'"},
        {HEAD DATA LOSS "model: [dense: {units: 1, activation: ", "linear", "}]\n", "'none'"},
        {HEAD DATA LOSS "model: [dropout: {", "p", ": 0.5}]\n", "'rate'"},
        {HEAD DATA LOSS "model: [batch_norm: {", "eps", ": 0.5}]\n", "'epsilon'"},
        {HEAD DATA LOSS "model: [embedding: {units: 3, ", "num_embeddings", ": 5}]\n", "'vocabulary'"},
        /* losses, metrics, optimizers, schedules */
        {HEAD DATA MODEL "loss: ", "cross_entropy", "\n", "'softmax_cross_entropy'"},
        {HEAD DATA MODEL "loss: ", "CrossEntropyLoss", "\n", "'softmax_cross_entropy'"},
        {HEAD DATA MODEL "loss: ", "sparse_categorical_crossentropy", "\n", "'softmax_cross_entropy'"},
        {HEAD DATA MODEL "loss: ", "BCEWithLogitsLoss", "\n", "'binary_cross_entropy'"},
        {HEAD DATA MODEL "loss: ", "MSELoss", "\n", "'mse'"},
        {HEAD DATA MODEL "loss: ", "SmoothL1Loss", "\n", "'huber'"},
        {HEAD DATA MODEL LOSS "metrics: [", "acc", "]\n", "'accuracy'"},
        {HEAD DATA MODEL LOSS "metrics: [", "f1_score", "]\n", "'f1'"},
        {HEAD DATA MODEL LOSS "metrics: [", "r2_score", "]\n", "'r2'"},
        {HEAD DATA MODEL LOSS "metrics: [", "top5", "]\n", "top_k: {k: 5}"},
        {HEAD DATA MODEL LOSS "optimizer: {", "Adam", ": {}}\n", "'adam'"},
        {HEAD DATA MODEL LOSS "optimizer: {adam: {", "lr", ": 1e-3}}\n", "'learning_rate'"},
        {HEAD DATA MODEL LOSS "optimizer: {adam: {", "betas", ": [0.9, 0.999]}}\n",
         "beta1: 0.9, beta2: 0.999"},
        {HEAD DATA MODEL LOSS "optimizer: {rmsprop: {", "alpha", ": 0.9}}\n", "'rho'"},
        {HEAD DATA MODEL LOSS "schedule: {", "CosineAnnealingLR", ": {}}\n", "'cosine'"},
        {HEAD DATA MODEL LOSS "schedule: {", "StepLR", ": {every: 1 epoch}}\n", "'step'"},
        {HEAD DATA MODEL LOSS "schedule: {cosine: {", "eta_min", ": 0}}\n", "'to'"},
        {HEAD DATA MODEL LOSS "schedule: {cosine: {", "warmup_steps", ": 10}}\n", "warmup: 500 steps"},
        /* training */
        {HEAD DATA MODEL LOSS "train: {", "num_epochs", ": 3}\n", "'epochs'"},
        {HEAD DATA MODEL LOSS "train: {", "max_steps", ": 3}\n", "'steps'"},
        {HEAD DATA MODEL LOSS "train: {", "gradient_clip_val", ": 3}\n", "'clip_norm'"},
        {HEAD DATA MODEL LOSS "train: {", "accumulate_grad_batches", ": 3}\n", "not needed"},
        {HEAD DATA MODEL LOSS "train: {", "num_workers", ": 3}\n", "reads ahead"},
        {HEAD DATA MODEL LOSS "early_stop: {", "monitor", ": validation.loss}\n", "'metric'"},
        {HEAD DATA MODEL LOSS "checkpoint: {", "save_top_k", ": 3}\n", "'keep'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s%s", cases[i].before, cases[i].name, cases[i].after);
        const char *message = refuse(text), *quoted = strstr(message, cases[i].name);
        if (!quoted || !strstr(quoted + strlen(cases[i].name), cases[i].answer))
            fail_msg("'%s' is not answered with %s: %s", cases[i].name, cases[i].answer, message);
    }
    /* Every name of a layer in two words for one thing is one of ours: no case here is one by accident. */
    lk_config *config = parse(WHOLE);
    lk_config_destroy(&config);
}

static void lanes_are_a_function_of_the_batch_alone(void **state)
{
    (void)state;
    static const struct {
        int batch, lanes;
    } cases[] = {{1, 1},   {5, 5},    {8, 8},     {24, 8},    {255, 8},    {256, 8},
                 {511, 8}, {512, 16}, {1000, 16}, {1024, 32}, {4096, 128}, {100000, 1024}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char set[64];
        snprintf(set, sizeof set, "train.batch_size=%d", cases[i].batch);
        lk_config *config = parse_set(WHOLE, set);
        assert_int_equal(lk_config_options(config)->lanes, cases[i].lanes);
        lk_config_destroy(&config);
    }
}

static void overrides_go_by_path_and_by_name(void **state)
{
    (void)state;
    static const char text[] =
        HEAD DATA "model: [flatten, dense: {units: 8, name: features}, dense: {units: 4}]\n" LOSS REST TRAIN;
    lk_config *config = parse_set(text, "model.features.units=256");
    assert_int_equal(lk_config_options(config)->model.layers[1].units, 256);
    lk_config_destroy(&config);
    config = parse_set(text, "model.dense_1.units=7");
    assert_int_equal(lk_config_options(config)->model.layers[2].units, 7);
    lk_config_destroy(&config);
    config = parse_set(text, "optimizer.sgd.momentum=0.5"); /* another choice than the file's */
    assert_int_equal(lk_config_options(config)->optim.kind, LK_OPTIM_SGD);
    lk_config_destroy(&config);
    config = parse_set(text, "train.steps=7"); /* beats the file's epochs */
    assert_int_equal(lk_config_options(config)->length.unit, LK_WHEN_STEPS);
    lk_config_destroy(&config);
    static const char *const bad[][2] = {{"train.epoch=3", "did you mean 'epochs'"},
                                         {"model.feature.units=3", "features"},
                                         {"train.epochs", "="},
                                         {"train.epochs=three", "--set"},
                                         {"nothing.at.all=1", "unknown key 'nothing'"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(lk_config_parse(text, "run.yaml", NULL, &bad[i][0], 1, &config), LK_E_CONFIG);
        if (!strstr(lk_error_message(), bad[i][1]))
            fail_msg("--set %s: '%s' does not say %s", bad[i][0], lk_error_message(), bad[i][1]);
    }
}

static void rendering_is_a_fixed_point(void **state)
{
    (void)state;
    glob_t shipped = {0};
    assert_int_equal(glob(LK_SOURCE_DIR "/data/*/*.yaml", 0, NULL, &shipped), 0);
    for (size_t i = 0; i < shipped.gl_pathc; i++)
        for (int origins = 0; origins < 2; origins++) {
            lk_config *first = NULL, *second = NULL;
            char      *once = NULL, *twice = NULL, *difference = NULL;
            int        same = 0, length = 1;
            assert_ok(lk_config_load(shipped.gl_pathv[i], NULL, 0, &first));
            assert_ok(lk_config_render(first, 0, 1, &once));
            assert_ok(lk_config_parse(once, "rendered", NULL, NULL, 0, &second));
            assert_ok(lk_config_render(second, 0, 1, &twice));
            assert_string_equal(once, twice);
            assert_ok(lk_config_compare(first, second, &same, &length, &difference));
            assert_true(same && !length);
            assert_string_equal(difference, "");
            free(once);
            free(twice);
            free(difference);
            lk_config_destroy(&first);
            lk_config_destroy(&second);
        }
    globfree(&shipped);
}

/* Each key of the table, changed alone, is a result, a length or neither, as the table says. */
static void a_changed_key_is_what_the_table_says(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        bool        same, length;
    } cases[] = {{"train.epochs=9", true, true},
                 {"train.steps=9", true, true},
                 {"log.every=1s", true, false},
                 {"checkpoint.every=1 epoch", true, false},
                 {"checkpoint.every=7 steps", true, false},
                 {"checkpoint.keep=9", true, false},
                 {"train.hang_timeout=1min", true, false},
                 {"evaluate.by=root", true, false},
                 {"comm.ranks_per_host=2", true, false},
                 {"train.verify_every=7 steps", true, false},
                 {"seed=2", false, false},
                 {"train.batch_size=25", false, false},
                 {"train.lanes=4", false, false},
                 {"optimizer.adam.beta1=0.8", false, false},
                 {"evaluate.chunk=100", false, false},
                 {"train.reduce=allreduce", false, false},
                 {"data.normalise=unit", false, false},
                 {"model.dense_1.units=9", false, false},
                 {"model.dense_2.name=out", false, false},
                 {"regularize.l2=1e-4", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lk_config *before = parse(WHOLE), *after = parse_set(WHOLE, cases[i].set);
        char      *difference = NULL;
        int        same = -1, length = -1;
        assert_ok(lk_config_compare(before, after, &same, &length, &difference));
        bool changed = *difference != '\0';
        bool default_already = !strcmp(cases[i].set, "checkpoint.every=1 epoch");
        if (!!same != cases[i].same || !!length != cases[i].length || changed == default_already)
            fail_msg("%s: same %d, length %d: %s", cases[i].set, same, length, difference);
        free(difference);
        lk_config_destroy(&before);
        lk_config_destroy(&after);
    }
}

static char *repeated(const char *before, const char *what, int times, const char *after)
{
    char *text = malloc(strlen(before) + strlen(what) * (size_t)times + strlen(after) + 1);
    assert_non_null(text);
    char *at = text + sprintf(text, "%s", before);
    for (int i = 0; i < times; i++) at += sprintf(at, "%s", what);
    sprintf(at, "%s", after);
    return text;
}

static void texts_that_are_no_configuration_are_refused(void **state)
{
    (void)state;
    expect("", "nothing is configured here; 'lockstep config init' shows how to begin");
    expect("just a text", "keys with values");
    expect("[1, 2]", "keys with values");
    expect(WHOLE "---\nlockstep: 1\n", "one file is one run");
    expect(HEAD DATA "model: !!python/object [dense: 3]\n" LOSS, "tags");
    expect(HEAD DATA MODEL LOSS "train: {epochs: 3, epochs: 4}\n", "appears twice");
    expect(HEAD DATA MODEL "loss: {<<: 3}\n", "merge keys");
    expect("\xff\xfe\x00l", "YAML");
    expect(HEAD "data: {train: \"\xc3(\"}\n" MODEL LOSS, "not a YAML text");
    expect("lockstep: 1\n\tdata: 3\n", "a tab indents this line");
    char *deep = repeated("lockstep: ", "[", 100, "");
    expect(deep, "run.yaml:1:");
    free(deep);
    char *nested = repeated(HEAD DATA LOSS "model: ", "[residual: ", 12, "3");
    expect(nested, "run.yaml:");
    free(nested);
    char *bomb =
        repeated("a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                 "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [",
                 "*c, ", 50, "1]\n");
    expect(bomb, "aliases make more than 1000 values");
    free(bomb);
    char *large = repeated("lockstep: 1 #", "0123456789", 110000, "\n");
    expect(large, "1 MiB");
    free(large);
}

static void the_reference_has_every_key(void **state)
{
    (void)state;
    char *markdown = NULL;
    assert_ok(lk_config_reference(&markdown));
    for (int i = 0; i < lk_option_count(); i++) {
        const lk_option *o = lk_option_at(i);
        bool             head = o->kind == LK_OPTION_MAP && (o->path[0] == '@' || !strchr(o->path, '.'));
        char             last[96];
        snprintf(last, sizeof last, "%s`", lk_option_name(o));
        if (o->path[0] != '@' && !head && !strstr(markdown, last))
            fail_msg("%s is not in the reference", o->path);
        assert_true(o->path[0] == '@' || (o->help && *o->help));
    }
    free(markdown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_mean_what_people_write),
        cmocka_unit_test(every_mistake_has_a_line_of_its_own),
        cmocka_unit_test(traps_have_messages_of_their_own),
        cmocka_unit_test(names_from_elsewhere_are_answered_with_ours),
        cmocka_unit_test(lanes_are_a_function_of_the_batch_alone),
        cmocka_unit_test(overrides_go_by_path_and_by_name),
        cmocka_unit_test(rendering_is_a_fixed_point),
        cmocka_unit_test(a_changed_key_is_what_the_table_says),
        cmocka_unit_test(texts_that_are_no_configuration_are_refused),
        cmocka_unit_test(the_reference_has_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
