#include "config/suggest.h"

#include <ctype.h>
#include <string.h>

#include "core/str.h"

enum { WORD_BYTES = 64 };

/**
 * Names people bring from elsewhere. `place`: path of the choice or map that it is said in, or the name of an
 * option with words; NULL: anywhere. `ours` is offered as the name to use; `note` is the whole answer where
 * there is more to say. Case, _ and - do not count.
 */
typedef struct foreign_name {
    const char *place, *foreign, *ours, *note;
} foreign_name;

static const foreign_name foreign_names[] = {
    /* sections */
    {"", "net", "model", NULL},
    {"", "network", "model", NULL},
    {"", "layers", "model", NULL},
    {"", "dataset", "data", NULL},
    {"", "datasets", "data", NULL},
    {"", "optim", "optimizer", NULL},
    {"", "optimiser", "optimizer", NULL},
    {"", "criterion", "loss", NULL},
    {"", "loss_function", "loss", NULL},
    {"", "scheduler", "schedule", NULL},
    {"", "lr_scheduler", "schedule", NULL},
    {"", "lr_schedule", "schedule", NULL},
    {"", "regularizer", "regularize", NULL},
    {"", "regularization", "regularize", NULL},
    {"", "regularise", "regularize", NULL},
    {"", "trainer", "train", NULL},
    {"", "training", "train", NULL},
    {"", "early_stopping", "early_stop", NULL},
    {"", "random_seed", "seed", NULL},
    {"", "random_state", "seed", NULL},
    {"", "evaluation", "evaluate", NULL},
    {"", "validation", NULL, "it belongs in data: data.validation"},
    {"", "checkpoints", "checkpoint", NULL},
    {"", "checkpointing", "checkpoint", NULL},
    {"", "logging", "log", NULL},
    {"", "version", "lockstep", NULL},
    {"", "augmentation", NULL, "it belongs in data: data.augment"},
    {NULL, "device", NULL, "leave it out: Lockstep computes on CPUs, one core a rank"},
    {NULL, "accelerator", NULL, "leave it out: Lockstep computes on CPUs, one core a rank"},
    {NULL, "gpu", NULL, "leave it out: Lockstep computes on CPUs, one core a rank"},
    {NULL, "gpus", NULL, "leave it out: Lockstep computes on CPUs; mpirun -n says how many ranks"},
    {NULL, "devices", NULL, "leave it out: mpirun -n says how many ranks"},
    {NULL, "num_nodes", NULL, "leave it out: mpirun or srun says how many ranks"},
    {NULL, "strategy", NULL, "leave it out: every run is data parallel over the ranks of mpirun"},
    {NULL, "workers", NULL, "leave it out: each rank reads ahead by itself"},
    {NULL, "num_workers", NULL, "leave it out: each rank reads ahead by itself"},
    {NULL, "pin_memory", NULL, "leave it out: there is no device to copy to"},
    {NULL, "precision", NULL, "leave it out: numbers are 32-bit floats"},
    {NULL, "dtype", NULL, "leave it out: numbers are 32-bit floats, data may be stored in any type"},
    {NULL, "amp", NULL, "leave it out: numbers are 32-bit floats"},
    {"", "verbose", NULL, "write log: {every: 10s}"},
    {NULL, "drop_last", NULL,
     "leave it out: every sample is used once an epoch, the last batch may be smaller"},
    {NULL, "drop_remainder", NULL,
     "leave it out: every sample is used once an epoch, the last batch may be smaller"},
    /* data */
    {"data", "val", "validation", NULL},
    {"data", "valid", "validation", NULL},
    {"data", "dev", "validation", NULL},
    {"data", "training", "train", NULL},
    {"data", "normalize", "normalise", NULL},
    {"data", "normalization", "normalise", NULL},
    {"data", "normalize_targets", "normalise_targets", NULL},
    {"data", "augmentation", "augment", NULL},
    {"data", "transforms", "augment", NULL},
    {"data", "features", "inputs", NULL},
    {"data", "labels", "targets", NULL},
    {"data", "validation_split", NULL, "write validation: {fraction: 0.1}"},
    {"@split", "split", "fraction", NULL},
    {"@split", "size", "fraction", NULL},
    {"@split", "ratio", "fraction", NULL},
    {"@split", "share", "fraction", NULL},
    {"@split", "path", "files", NULL},
    {"@split", "file", "files", NULL},
    {"@train_split", "path", "files", NULL},
    {"@train_split", "file", "files", NULL},
    {"data.augment", "RandomHorizontalFlip", NULL, "write flip: {horizontal: 0.5}"},
    {"data.augment", "horizontal_flip", NULL, "write flip: {horizontal: 0.5}"},
    {"data.augment", "vertical_flip", NULL, "write flip: {horizontal: 0, vertical: 0.5}"},
    {"data.augment", "RandomFlip", "flip", NULL},
    {"data.augment", "mirror", "flip", NULL},
    {"data.augment", "RandomCrop", "shift", NULL},
    {"data.augment", "RandomTranslation", "shift", NULL},
    {"data.augment", "translate", "shift", NULL},
    {"data.shuffle", "true", "full", NULL},
    {"data.shuffle", "false", "none", NULL},
    {"data.augment.flip", "p", "horizontal", NULL},
    {"data.augment.shift", "padding", "pixels", NULL},
    {"normalise", "standardize", "standard", NULL},
    {"normalise", "zscore", "standard", NULL},
    {"normalise", "z_score", "standard", NULL},
    {"normalise", "scale", "unit", NULL},
    {"normalise", "true", "standard", NULL},
    {"normalise", "false", "none", NULL},
    /* layers */
    {"model", "Linear", "dense", NULL},
    {"model", "fc", "dense", NULL},
    {"model", "fully_connected", "dense", NULL},
    {"model", "conv", "conv2d", NULL},
    {"model", "convolution", "conv2d", NULL},
    {"model", "convolution2d", "conv2d", NULL},
    {"model", "pool", "max_pool", NULL},
    {"model", "MaxPool2d", "max_pool", NULL},
    {"model", "MaxPooling2D", "max_pool", NULL},
    {"model", "maxpooling", "max_pool", NULL},
    {"model", "AvgPool2d", "avg_pool", NULL},
    {"model", "AveragePooling2D", "avg_pool", NULL},
    {"model", "average_pool", "avg_pool", NULL},
    {"model", "AdaptiveAvgPool2d", "global_avg_pool", NULL},
    {"model", "GlobalAveragePooling2D", "global_avg_pool", NULL},
    {"model", "GlobalAvgPool2D", "global_avg_pool", NULL},
    {"model", "global_average_pool", "global_avg_pool", NULL},
    {"model", "view", "reshape", NULL},
    {"model", "unflatten", "reshape", NULL},
    {"model", "BatchNorm1d", "batch_norm", NULL},
    {"model", "BatchNorm2d", "batch_norm", NULL},
    {"model", "BatchNormalization", "batch_norm", NULL},
    {"model", "bn", "batch_norm", NULL},
    {"model", "SyncBatchNorm", NULL,
     "write batch_norm: {over: batch}: it normalises over the whole batch of all ranks; plain batch_norm "
     "does so "
     "within a lane"},
    {"model", "LayerNormalization", "layer_norm", NULL},
    {"model", "ln", "layer_norm", NULL},
    {"model", "MultiheadAttention", "attention", NULL},
    {"model", "self_attention", "attention", NULL},
    {"model", "embed", "embedding", NULL},
    {"model", "cat", "concat", NULL},
    {"model", "concatenate", "concat", NULL},
    {"model", "sum", "add", NULL},
    {"model", "mul", "multiply", NULL},
    {"model", "ReLU", NULL, "write activation: relu"},
    {"model", "LeakyReLU", NULL, "write activation: leaky_relu"},
    {"model", "Sigmoid", NULL, "write activation: sigmoid"},
    {"model", "Tanh", NULL, "write activation: tanh"},
    {"model", "GELU", NULL, "write activation: gelu"},
    {"model", "SiLU", NULL, "write activation: silu"},
    {"model", "Swish", NULL, "write activation: silu"},
    {"model", "Softmax", NULL, "write activation: softmax; the loss softmax_cross_entropy applies it itself"},
    {"model", "Sequential", NULL, "the list of layers is the sequence; repeat makes several of the same"},
    {"model", "input", NULL, "the shape of the input comes from the data"},
    {"model", "InputLayer", NULL, "the shape of the input comes from the data"},
    {"model", "skip", "residual", NULL},
    {"model", "resblock", "residual", NULL},
    {"model", "block", "repeat", NULL},
    {"activation", "linear", "none", NULL},
    {"activation", "identity", "none", NULL},
    {"activation", "swish", "silu", NULL},
    {"activation", "logistic", "sigmoid", NULL},
    {"activation", "lrelu", "leaky_relu", NULL},
    {"kind", "swish", "silu", NULL},
    {"kind", "linear", "none", NULL},
    /* options of layers */
    {NULL, "kernel_size", "kernel", NULL},
    {"model.conv2d", "size", "kernel", NULL},
    {NULL, "out_channels", "filters", NULL},
    {"model.conv2d", "channels", "filters", NULL},
    {"model.conv2d", "units", "filters", NULL},
    {NULL, "in_channels", NULL, "leave it out: it follows from the layer above"},
    {NULL, "in_features", NULL, "leave it out: it follows from the layer above"},
    {NULL, "input_shape", NULL, "leave it out: it comes from the data"},
    {"model.dense", "input_dim", NULL, "leave it out: it follows from the layer above"},
    {NULL, "out_features", "units", NULL},
    {NULL, "num_units", "units", NULL},
    {"model.dense", "width", "units", NULL},
    {"model.dense", "size", "units", NULL},
    {"model.dense", "features", "units", NULL},
    {NULL, "strides", "stride", NULL},
    {NULL, "pad", "padding", NULL},
    {NULL, "pool_size", "size", NULL},
    {"model.max_pool", "kernel", "size", NULL},
    {"model.max_pool", "kernel_size", "size", NULL},
    {"model.avg_pool", "kernel", "size", NULL},
    {"model.avg_pool", "kernel_size", "size", NULL},
    {NULL, "use_bias", "bias", NULL},
    {NULL, "kernel_initializer", "init", NULL},
    {NULL, "initializer", "init", NULL},
    {NULL, "bias_initializer", "bias_init", NULL},
    {NULL, "negative_slope", "slope", NULL},
    {NULL, "act", "activation", NULL},
    {NULL, "nonlinearity", "activation", NULL},
    {"model.activation", "activation", "kind", NULL},
    {"model.activation", "type", "kind", NULL},
    {"model.activation", "alpha", "slope", NULL},
    {"model.dense", "alpha", "slope", NULL},
    {"model.conv2d", "alpha", "slope", NULL},
    {"model.dropout", "p", "rate", NULL},
    {"model.dropout", "prob", "rate", NULL},
    {"model.dropout", "probability", "rate", NULL},
    {NULL, "eps", "epsilon", NULL},
    {"model.embedding", "num_embeddings", "vocabulary", NULL},
    {"model.embedding", "input_dim", "vocabulary", NULL},
    {"model.embedding", "vocab", "vocabulary", NULL},
    {"model.embedding", "vocab_size", "vocabulary", NULL},
    {"model.embedding", "embedding_dim", "units", NULL},
    {"model.embedding", "output_dim", "units", NULL},
    {"model.embedding", "dim", "units", NULL},
    {"model.attention", "num_heads", "heads", NULL},
    {"model.attention", "n_heads", "heads", NULL},
    {"model.attention", "is_causal", "causal", NULL},
    {"model.reshape", "target_shape", "shape", NULL},
    {"model.repeat", "n", "times", NULL},
    {"model.repeat", "count", "times", NULL},
    {"model.repeat", "body", "layers", NULL},
    {"model.residual", "body", "layers", NULL},
    {"model.residual", "downsample", "shortcut", NULL},
    {"model.residual", "skip", "shortcut", NULL},
    {NULL, "inputs", "from", NULL},
    {"@init", "kaiming_normal", "he_normal", NULL},
    {"@init", "kaiming_uniform", "he_uniform", NULL},
    {"@init", "kaiming", "he_normal", NULL},
    {"@init", "he", "he_normal", NULL},
    {"@init", "xavier_normal", "glorot_normal", NULL},
    {"@init", "xavier_uniform", "glorot_uniform", NULL},
    {"@init", "xavier", "glorot_uniform", NULL},
    {"@init", "glorot", "glorot_uniform", NULL},
    {"@init", "zeros", NULL, "write {constant: 0}"},
    {"@init", "zero", NULL, "write {constant: 0}"},
    {"@init", "ones", NULL, "write {constant: 1}"},
    {"padding", "zeros", "same", NULL},
    {"padding", "none", "valid", NULL},
    /* losses */
    {"loss", "cross_entropy", "softmax_cross_entropy", NULL},
    {"loss", "CrossEntropyLoss", "softmax_cross_entropy", NULL},
    {"loss", "categorical_crossentropy", "softmax_cross_entropy", NULL},
    {"loss", "sparse_categorical_crossentropy", "softmax_cross_entropy", NULL},
    {"loss", "nll", "softmax_cross_entropy", NULL},
    {"loss", "nll_loss", "softmax_cross_entropy", NULL},
    {"loss", "softmax", "softmax_cross_entropy", NULL},
    {"loss", "bce", "binary_cross_entropy", NULL},
    {"loss", "BCELoss", "binary_cross_entropy", NULL},
    {"loss", "BCEWithLogitsLoss", "binary_cross_entropy", NULL},
    {"loss", "binary_crossentropy", "binary_cross_entropy", NULL},
    {"loss", "MSELoss", "mse", NULL},
    {"loss", "mean_squared_error", "mse", NULL},
    {"loss", "l2", "mse", NULL},
    {"loss", "L1Loss", "mae", NULL},
    {"loss", "l1", "mae", NULL},
    {"loss", "mean_absolute_error", "mae", NULL},
    {"loss", "SmoothL1Loss", "huber", NULL},
    {"loss", "smooth_l1", "huber", NULL},
    {"loss", "HuberLoss", "huber", NULL},
    {"loss.huber", "beta", "delta", NULL},
    /* metrics */
    {"metrics", "acc", "accuracy", NULL},
    {"metrics", "categorical_accuracy", "accuracy", NULL},
    {"metrics", "sparse_categorical_accuracy", "accuracy", NULL},
    {"metrics", "top5", NULL, "write top_k: {k: 5}"},
    {"metrics", "top_5", NULL, "write top_k: {k: 5}"},
    {"metrics", "f1_score", "f1", NULL},
    {"metrics", "mean_squared_error", "mse", NULL},
    {"metrics", "root_mean_squared_error", "rmse", NULL},
    {"metrics", "mean_absolute_error", "mae", NULL},
    {"metrics", "r2_score", "r2", NULL},
    {"metrics", "loss", NULL, "the loss is always reported"},
    /* optimizers */
    {"optimizer", "momentum", NULL, "write sgd: {momentum: 0.9}"},
    {"optimizer", "nesterov", NULL, "write sgd: {momentum: 0.9, nesterov: true}"},
    {"optimizer", "gradient_descent", "sgd", NULL},
    {"optimizer", "name", NULL, "write the optimizer's name as the key: {adam: {learning_rate: 1e-3}}"},
    {"optimizer", "type", NULL, "write the optimizer's name as the key: {adam: {learning_rate: 1e-3}}"},
    {"optimizer", "lr", NULL, "it belongs below the optimizer's name: {adam: {learning_rate: 1e-3}}"},
    {"optimizer", "learning_rate", NULL,
     "it belongs below the optimizer's name: {adam: {learning_rate: 1e-3}}"},
    {"optimizer", "weight_decay", NULL,
     "it belongs below the optimizer's name: {adamw: {weight_decay: 0.01}}"},
    {NULL, "lr", "learning_rate", NULL},
    {NULL, "rate", "learning_rate", NULL},
    {NULL, "step_size", "learning_rate", NULL},
    {NULL, "betas", NULL, "write beta1: 0.9, beta2: 0.999"},
    {NULL, "beta_1", "beta1", NULL},
    {NULL, "beta_2", "beta2", NULL},
    {"optimizer.rmsprop", "alpha", "rho", NULL},
    {"optimizer.rmsprop", "decay", "rho", NULL},
    {"optimizer.adagrad", "initial_accumulator_value", "initial", NULL},
    {NULL, "wd", "weight_decay", NULL},
    {NULL, "weight_decay", NULL,
     "write optimizer: {adamw: {weight_decay: 0.01}}, or regularize: {l2: ...} for the coupled kind"},
    {NULL, "wd", NULL,
     "write optimizer: {adamw: {weight_decay: 0.01}}, or regularize: {l2: ...} for the coupled kind"},
    {NULL, "lr", NULL, "it belongs below the optimizer's name: optimizer: {adam: {learning_rate: 1e-3}}"},
    {NULL, "learning_rate", NULL,
     "it belongs below the optimizer's name: optimizer: {adam: {learning_rate: 1e-3}}"},
    /* schedules */
    {"schedule", "CosineAnnealingLR", "cosine", NULL},
    {"schedule", "cosine_annealing", "cosine", NULL},
    {"schedule", "cosine_decay", "cosine", NULL},
    {"schedule", "StepLR", "step", NULL},
    {"schedule", "step_lr", "step", NULL},
    {"schedule", "ExponentialLR", "exponential", NULL},
    {"schedule", "exponential_decay", "exponential", NULL},
    {"schedule", "LinearLR", "linear", NULL},
    {"schedule", "polynomial", "linear", NULL},
    {"schedule", "warmup", NULL, "it belongs below the schedule's name: {constant: {warmup: 1 epoch}}"},
    {"schedule", "none", "constant", NULL},
    {NULL, "warmup_steps", NULL, "write warmup: 500 steps"},
    {NULL, "warmup_epochs", NULL, "write warmup: 1 epoch"},
    {"schedule.step", "step_size", "every", NULL},
    {NULL, "eta_min", "to", NULL},
    {NULL, "end_factor", "to", NULL},
    {NULL, "decay_rate", "gamma", NULL},
    /* training */
    {NULL, "num_epochs", "epochs", NULL},
    {NULL, "n_epochs", "epochs", NULL},
    {NULL, "max_epochs", "epochs", NULL},
    {NULL, "max_steps", "steps", NULL},
    {NULL, "num_steps", "steps", NULL},
    {NULL, "iterations", "steps", NULL},
    {NULL, "max_iter", "steps", NULL},
    {NULL, "batch", "batch_size", NULL},
    {NULL, "bs", "batch_size", NULL},
    {NULL, "global_batch_size", "batch_size", NULL},
    {NULL, "per_device_train_batch_size", NULL,
     "write batch_size: samples of one update over all ranks together"},
    {NULL, "grad_clip", "clip_norm", NULL},
    {NULL, "gradient_clip_val", "clip_norm", NULL},
    {NULL, "max_grad_norm", "clip_norm", NULL},
    {NULL, "clip_grad_norm", "clip_norm", NULL},
    {NULL, "clipnorm", "clip_norm", NULL},
    {NULL, "clipvalue", "clip_value", NULL},
    {NULL, "timeout", "hang_timeout", NULL},
    {NULL, "microbatches", "lanes", NULL},
    {NULL, "accumulate_grad_batches", NULL, "not needed: batch_size is the whole batch of an update"},
    {"early_stop", "monitor", "metric", NULL},
    {"checkpoint", "monitor", "best", NULL},
    {"checkpoint", "save_top_k", "keep", NULL},
    {"checkpoint", "save_every", "every", NULL},
    {"checkpoint", "interval", "every", NULL},
    {"log", "interval", "every", NULL},
    {"log", "log_every_n_steps", "every", NULL},
    {"evaluate", "interval", "every", NULL},
    {"regularize", "weight_decay", NULL,
     "l2 is the coupled kind; optimizer: {adamw: {weight_decay: 0.01}} the decoupled one"},
};

/* Lower case, without _ and -: "BatchNorm2d" and "batch_norm_2d" are one name. */
static const char *normal(const char *word, char out[WORD_BYTES])
{
    size_t n = 0;
    for (; *word && n + 1 < WORD_BYTES; word++)
        if (*word != '_' && *word != '-' && *word != ' ') out[n++] = (char)tolower((unsigned char)*word);
    out[n] = '\0';
    return out;
}

static bool same_name(const char *a, const char *b)
{
    char na[WORD_BYTES], nb[WORD_BYTES];
    return !strcmp(normal(a, na), normal(b, nb));
}

/* How many letters may be wrong in a word of this length. */
static int tolerance(const char *word)
{
    size_t n = strlen(word);
    return n <= 3 ? 1 : n <= 6 ? 2 : 3;
}

/* The one or two nearest of the candidates tried so far. */
typedef struct nearest {
    const char *word;
    const char *found[2];
    int         n, distance, rank;
} nearest;

static void nearest_try(nearest *near, const char *candidate)
{
    int distance = lk_str_distance(near->word, candidate);
    /* Of two equally near ones people more often mean the one that begins alike: `unit` is units, not init.
     */
    int rank = 2 * distance + (near->word[0] != candidate[0]);
    if (distance > tolerance(candidate) || distance >= (int)strlen(candidate) || rank > near->rank) return;
    if (rank < near->rank) near->n = 0;
    near->distance = distance;
    near->rank = rank;
    if (near->n < 2) near->found[near->n++] = candidate;
}

static const char *nearest_text(lk_pool *pool, const nearest *near)
{
    if (near->n == 2)
        return lk_pool_printf(pool, " (did you mean '%s' or '%s'?)", near->found[0], near->found[1]);
    return lk_pool_printf(pool, " (did you mean '%s'?)", near->found[0]);
}

static lk_suggestion did_you_mean(lk_pool *pool, const lk_option *option)
{
    return (lk_suggestion){lk_pool_printf(pool, " (did you mean '%s'?)", lk_option_name(option)), option};
}

/* `place` may be spoken of by its own path or by that of the rows it shares. */
static bool at_place(const foreign_name *entry, const lk_option *place)
{
    return !entry->place || !strcmp(entry->place, place->path) ||
           (place->like && !strcmp(entry->place, place->like));
}

/* Answers for this very place come before those for any. */
static bool foreign_key(lk_pool *pool, const lk_option *place, const char *word, lk_suggestion *answer)
{
    for (int anywhere = 0; anywhere < 2; anywhere++) {
        for (size_t i = 0; i < sizeof foreign_names / sizeof *foreign_names; i++) {
            const foreign_name *entry = &foreign_names[i];
            if ((entry->place == NULL) != (anywhere == 1) || !at_place(entry, place)) continue;
            if (!same_name(entry->foreign, word)) continue;
            const lk_option *ours = entry->ours ? lk_option_child(place, entry->ours) : NULL;
            if (ours) *answer = did_you_mean(pool, ours);
            if (entry->note) answer->text = lk_pool_printf(pool, " (%s)", entry->note);
            if (ours || entry->note) return true;
        }
    }
    return false;
}

/* The word as a key of another section: "train.batch_size" for a batch_size at the top. */
static const char *key_elsewhere(lk_pool *pool, const lk_option *place, const char *word)
{
    const char *ours = word;
    for (size_t i = 0; i < sizeof foreign_names / sizeof *foreign_names; i++)
        if (!foreign_names[i].place && foreign_names[i].ours && same_name(foreign_names[i].foreign, word))
            ours = foreign_names[i].ours;
    for (int i = 0; i < lk_option_count(); i++) {
        const lk_option *row = lk_option_at(i);
        const char      *dot = strrchr(row->path, '.');
        if (row->path[0] == '@' || !strncmp(row->path, "model.", 6) || !same_name(lk_option_name(row), ours))
            continue;
        if (!strcmp(row->path, place->path)) continue;
        if (!dot) return lk_pool_printf(pool, " ('%s' stands at the top, not in %s)", row->path, place->path);
        return lk_pool_printf(pool, " (it belongs in %.*s: %s)", (int)(dot - row->path), row->path,
                              row->path);
    }
    return NULL;
}

const char *lk_suggest_children(lk_pool *pool, const lk_option *place)
{
    const char *list = "";
    for (const lk_option *row = NULL; (row = lk_option_next(place, row));) {
        bool last = !lk_option_next(place, row);
        list =
            lk_pool_printf(pool, "%s%s%s", list, list[0] ? (last ? " or " : ", ") : "", lk_option_name(row));
    }
    return list;
}

/* The same name in other dress: "LearningRate", or "units:10" without its blank. */
static bool same_key(lk_pool *pool, const lk_option *place, const char *word, lk_suggestion *answer)
{
    size_t colon = strcspn(word, ":");
    for (const lk_option *row = NULL; (row = lk_option_next(place, row));) {
        const char *name = lk_option_name(row);
        bool        joined = word[colon] && strlen(name) == colon && !strncmp(word, name, colon);
        if (!joined && !same_name(word, name)) continue;
        *answer = did_you_mean(pool, row);
        if (joined)
            answer->text = lk_pool_printf(pool, " (a blank is missing: '%s: %s')", name, word + colon + 1);
        return true;
    }
    return false;
}

static void nearest_child(nearest *near, const lk_option *place, const char *word)
{
    *near = (nearest){.word = word, .distance = 99, .rank = 99};
    for (const lk_option *row = NULL; (row = lk_option_next(place, row));)
        nearest_try(near, lk_option_name(row));
}

/* A whole path as a key: "train.epochs: 3" is what --set takes; in the file it is {train: {epochs: 3}}. */
static const char *path_as_key(lk_pool *pool, const lk_option *place, const char *word)
{
    const char *full = place->path[0] ? lk_pool_printf(pool, "%s.%s", place->path, word) : word;
    const char *dot = strrchr(word, '.');
    if (!dot || !lk_option_find(full)) return NULL;
    return lk_pool_printf(pool, " (paths are for --set; here write %.*s: {%s: ...})", (int)(dot - word), word,
                          dot + 1);
}

/* "nn.Linear(3)" to "Linear": what stands behind the last dot and before a bracket. */
static const char *bare_name(lk_pool *pool, const char *word)
{
    size_t      n = strcspn(word, "(");
    const char *at = word;
    for (size_t i = 0; i < n; i++)
        if (word[i] == '.') at = word + i + 1;
    n -= (size_t)(at - word);
    return n && (at != word || word[n]) ? lk_pool_text(pool, at, n) : NULL;
}

lk_suggestion lk_suggest_key(lk_pool *pool, const lk_option *place, const char *word)
{
    lk_suggestion answer = {"", NULL};
    const char   *path = path_as_key(pool, place, word), *bare = bare_name(pool, word);
    if (path) return (lk_suggestion){path, NULL};
    if (bare) return lk_suggest_key(pool, place, bare);
    nearest near;
    char    plain[WORD_BYTES];
    if (!strcmp(word, "<<")) return (lk_suggestion){" (merge keys are not read: write the keys out)", NULL};
    if (same_key(pool, place, word, &answer) || foreign_key(pool, place, word, &answer)) return answer;
    nearest_child(&near, place, word);
    const char *elsewhere = near.distance > 1 ? key_elsewhere(pool, place, word) : NULL;
    if (elsewhere) return (lk_suggestion){elsewhere, NULL};
    if (!near.n) nearest_child(&near, place, normal(word, plain));
    if (near.n)
        return (lk_suggestion){nearest_text(pool, &near),
                               near.n == 1 ? lk_option_child(place, near.found[0]) : NULL};
    const char *children = lk_suggest_children(pool, place);
    if (children[0]) answer.text = lk_pool_printf(pool, " (known here: %s)", children);
    return answer;
}

const char *lk_suggest_list(lk_pool *pool, const char *words)
{
    const char *list = "";
    while (words && *words) {
        const char *bar = strchr(words, '|');
        size_t      n = bar ? (size_t)(bar - words) : strlen(words);
        list = lk_pool_printf(pool, "%s%s%.*s", list, list[0] ? (bar ? ", " : " or ") : "", (int)n, words);
        words = bar ? bar + 1 : NULL;
    }
    return list;
}

const char *lk_suggest_word(lk_pool *pool, const lk_option *option, const char *word)
{
    nearest near = {.word = word, .distance = 99, .rank = 99};
    for (size_t i = 0; i < sizeof foreign_names / sizeof *foreign_names; i++) {
        const foreign_name *entry = &foreign_names[i];
        if (!entry->place || strcmp(entry->place, lk_option_name(option)) != 0 || !entry->ours) continue;
        if (same_name(entry->foreign, word) && lk_words_have(option->words, entry->ours, NULL))
            return lk_pool_printf(pool, " (did you mean '%s'?)", entry->ours);
    }
    for (const char *at = option->words; at;) {
        const char *bar = strchr(at, '|');
        const char *candidate = lk_pool_text(pool, at, bar ? (size_t)(bar - at) : strlen(at));
        if (same_name(word, candidate)) return lk_pool_printf(pool, " (did you mean '%s'?)", candidate);
        nearest_try(&near, candidate);
        at = bar ? bar + 1 : NULL;
    }
    return near.n ? nearest_text(pool, &near) : "";
}
