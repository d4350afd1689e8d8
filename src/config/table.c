#include "config/table.h"

#include <string.h>

/* Largest numbers that a double and the option structs both hold exactly. */
#define MOST_COUNT 9007199254740992.0
#define MOST_INT   1000000000.0
#define ANY_FLOAT  1e30

#define REQUIRED LK_OPTION_REQUIRED
#define FREE     LK_OPTION_FREE
#define MAIN     LK_OPTION_MAIN
#define ABOVE    LK_OPTION_NOT_LOW
#define BELOW    LK_OPTION_NOT_HIGH

#define ACTIVATIONS "none|relu|leaky_relu|sigmoid|tanh|gelu|silu|softmax"

/* One macro a kind; .path comes first so that the table reads like a configuration. */
#define MAP(path_, ...)                                                                                      \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_MAP, __VA_ARGS__                                                    \
    }
#define CHOICE(path_, noun_, fallback_, ...)                                                                 \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_CHOICE, .noun = noun_, .fallback = fallback_, __VA_ARGS__           \
    }
#define CHOICES(path_, noun_, ...)                                                                           \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_CHOICES, .noun = noun_, __VA_ARGS__                                 \
    }
#define INT(path_, fallback_, low_, high_, ...)                                                              \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_INT, .fallback = fallback_, .low = low_, .high = high_, __VA_ARGS__ \
    }
#define FLOAT(path_, fallback_, low_, high_, ...)                                                            \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_FLOAT, .fallback = fallback_, .low = low_, .high = high_,           \
        __VA_ARGS__                                                                                          \
    }
#define BOOL(path_, fallback_, ...)                                                                          \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_BOOL, .fallback = fallback_, __VA_ARGS__                            \
    }
#define WORD(path_, fallback_, words_, ...)                                                                  \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_WORD, .fallback = fallback_, .words = words_, __VA_ARGS__           \
    }
#define TEXT(path_, fallback_, ...)                                                                          \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_TEXT, .fallback = fallback_, __VA_ARGS__                            \
    }
#define TEXTS(path_, fallback_, ...)                                                                         \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_TEXTS, .fallback = fallback_, __VA_ARGS__                           \
    }
#define WHEN(path_, fallback_, units_, ...)                                                                  \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_WHEN, .fallback = fallback_, .units = units_, __VA_ARGS__           \
    }
#define PAIR(path_, fallback_, low_, ...)                                                                    \
    {                                                                                                        \
        .path = path_, .kind = LK_OPTION_PAIR, .fallback = fallback_, .low = low_, .high = 65536,            \
        __VA_ARGS__                                                                                          \
    }

/* A layer: its row, its options in between, then what every layer takes. */
#define LAYER(kind_, ...) MAP("model." kind_, __VA_ARGS__)
#define NAME(kind_)                                                                                          \
    TEXT("model." kind_ ".name", NULL, .flags = LK_OPTION_NAME,                                              \
         .help =                                                                                             \
             "Name of the layer, in messages, in checkpoints and for --set; numbered by kind without it.")
#define FROM(kind_)                                                                                          \
    TEXTS("model." kind_ ".from", NULL, .flags = LK_OPTION_WHOLE,                                            \
          .help = "Names of the layers or inputs it takes; without it the layer above.")
#define ACTIVATION(kind_)                                                                                    \
    WORD("model." kind_ ".activation", "none", ACTIVATIONS,                                                  \
         .help = "Applied to the output, in the same pass."),                                                \
        FLOAT("model." kind_ ".slope", "0.01", 0, 1, .help = "Of leaky_relu below 0 (Keras: 0.3).")
#define INITS(kind_)                                                                                         \
    CHOICE("model." kind_ ".init", "initialiser", "default", .like = "@init",                                \
           .help = "Initial weights; default: he_normal where the layer's own `activation` is relu, "        \
                   "leaky_relu, gelu or silu, else glorot_uniform."),                                        \
        CHOICE("model." kind_ ".bias_init", "initialiser", "constant", .like = "@init",                      \
               .help = "Initial biases: 0.")
#define PADDING(kind_)                                                                                       \
    PAIR("model." kind_ ".padding", "valid", 0, .words = "valid|same",                                       \
         .help =                                                                                             \
             "valid: none; same: output = input / stride rounded up, the odd row or column goes to the end " \
             "(TensorFlow's rule); n or [n, m]: rows and columns of zeros on each side (PyTorch's rule).")

static const lk_option table[] = {
    INT("lockstep", NULL, 1, 1, .flags = REQUIRED | FREE, .help = "Version of this format."),
    INT("seed", "1", 0, MOST_COUNT,
        .help = "Of all random numbers: initial values, order of samples, dropout, augmentation."),

    MAP("data", .flags = REQUIRED, .help = "What is learnt from."),
    MAP("data.train", .like = "@train_split", .flags = REQUIRED,
        .help = "Training data: `file.h5:/group` with x and y, or {files: ...}."),
    MAP("data.validation", .fallback = "none", .words = "none", .like = "@split",
        .help = "Validation data: `file.h5:/group`, {files: ...}, or {fraction: f} of the training data."),
    MAP("data.test", .fallback = "none", .words = "none", .like = "@split",
        .help = "Test data, used once after training and by `eval`: as validation."),
    {.path = "data.inputs",
     .kind = LK_OPTION_FIELDS,
     .fallback = "{}",
     .like = "@field",
     .noun = "input",
     .help = "Inputs by name, where files are not in the plain layout (groups with x and y)."},
    {.path = "data.targets",
     .kind = LK_OPTION_FIELDS,
     .fallback = "{}",
     .like = "@field",
     .noun = "target",
     .help = "Targets by name, as inputs."},
    MAP("data.normalise", .fallback = "none", .words = "none|unit|standard", .like = "@normalise",
        .help = "Of x in the plain layout. unit: bytes / 255; standard: (x - mean) / std per channel of the "
                "training "
                "data; {mean: [...], std: [...]}: with these."),
    WORD("data.normalise_targets", "none", "none|standard",
         .help = "Of a float y in the plain layout; `predict` undoes it."),
    MAP("data.statistics", .help = "How means and deviations are found."),
    INT("data.statistics.samples", "all", 1, MOST_COUNT, .words = "all",
        .help = "Training samples that means and deviations are taken from, evenly spread; all: the training "
                "data are read once for it, by rank 0."),
    CHOICE("data.shuffle", "order", "full", .help = "Order of the training samples in an epoch."),
    MAP("data.shuffle.full", .help = "A new permutation of all samples each epoch."),
    MAP("data.shuffle.window",
        .help = "Chunks in a new order, then samples within a window: for data that streams."),
    INT("data.shuffle.window.samples", "8192", 1, MOST_COUNT, .flags = MAIN, .help = "Size of the window."),
    MAP("data.shuffle.none", .help = "As stored."),
    CHOICES("data.augment", "augmentation", .fallback = "[]",
            .help = "Random changes to training inputs, in this order."),
    MAP("data.augment.flip", .help = "Mirrors images."),
    FLOAT("data.augment.flip.horizontal", "0.5", 0, 1, .help = "Probability of left-right."),
    FLOAT("data.augment.flip.vertical", "0", 0, 1, .help = "Probability of top-bottom."),
    MAP("data.augment.shift",
        .help = "Moves images by a random number of pixels on both axes; zeros fill up."),
    INT("data.augment.shift.pixels", NULL, 0, 4096, .flags = REQUIRED | MAIN,
        .help = "At most so many, either way."),

    CHOICES("model", "layer", .flags = REQUIRED | LK_OPTION_WHOLE, .help = "The layers, input side first."),
    LAYER("dense", .help = "y = activation(x W^T + b) over the last axis."),
    INT("model.dense.units", NULL, 1, MOST_INT, .flags = REQUIRED | MAIN, .words = "classes|vocabulary",
        .help = "Outputs; classes or vocabulary: as many as the target has."),
    ACTIVATION("dense"),
    TEXT("model.dense.weights", "own", .words = "own|none",
         .help =
             "own; none: only a bias, trainable constants; NAME: the table of that embedding, transposed."),
    BOOL("model.dense.bias", "true", .help = "Add a bias."),
    INITS("dense"),
    NAME("dense"),
    FROM("dense"),
    LAYER("conv2d", .help = "Cross-correlation over images [height, width, channels]."),
    INT("model.conv2d.filters", NULL, 1, MOST_INT, .flags = REQUIRED, .help = "Output channels."),
    PAIR("model.conv2d.kernel", NULL, 1, .flags = REQUIRED, .help = "Rows and columns of the window."),
    PAIR("model.conv2d.stride", "1", 1, .help = "Step of the window."),
    PADDING("conv2d"),
    ACTIVATION("conv2d"),
    BOOL("model.conv2d.bias", "true", .help = "Add a bias."),
    INITS("conv2d"),
    NAME("conv2d"),
    FROM("conv2d"),
    LAYER("max_pool", .help = "Largest value of a window."),
    PAIR("model.max_pool.size", "2", 1, .flags = MAIN, .help = "Rows and columns of the window."),
    PAIR("model.max_pool.stride", "size", 1, .words = "size",
         .help = "Step of the window; size: windows side by side."),
    PADDING("max_pool"),
    NAME("max_pool"),
    FROM("max_pool"),
    LAYER("avg_pool", .help = "Mean of a window; padding is not counted."),
    PAIR("model.avg_pool.size", "2", 1, .flags = MAIN, .help = "Rows and columns of the window."),
    PAIR("model.avg_pool.stride", "size", 1, .words = "size",
         .help = "Step of the window; size: windows side by side."),
    PADDING("avg_pool"),
    NAME("avg_pool"),
    FROM("avg_pool"),
    LAYER("global_avg_pool", .help = "Mean over height and width: [h, w, c] to [c]."),
    NAME("global_avg_pool"),
    FROM("global_avg_pool"),
    LAYER("flatten", .help = "All axes of a sample as one."),
    NAME("flatten"),
    FROM("flatten"),
    LAYER("reshape", .help = "The same values under another shape."),
    {.path = "model.reshape.shape",
     .kind = LK_OPTION_INTS,
     .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
     .low = 1,
     .high = MOST_INT,
     .help = "Axes of a sample, e.g. [28, 28, 1]."},
    NAME("reshape"),
    FROM("reshape"),
    LAYER("activation", .help = "A function of each value (softmax: over the last axis)."),
    WORD("model.activation.kind", NULL, ACTIVATIONS, .flags = REQUIRED | MAIN, .help = "Which one."),
    FLOAT("model.activation.slope", "0.01", 0, 1, .help = "Of leaky_relu below 0 (Keras: 0.3)."),
    NAME("activation"),
    FROM("activation"),
    LAYER("dropout", .help = "While training, zeroes values at random and divides the others by 1 - rate."),
    FLOAT("model.dropout.rate", NULL, 0, 1, .flags = REQUIRED | MAIN | BELOW, .help = "Probability to drop."),
    NAME("dropout"),
    FROM("dropout"),
    LAYER("batch_norm",
          .help =
              "Normalises each channel over the samples of a lane or of the batch, then scale and shift."),
    FLOAT("model.batch_norm.momentum", "0.1", 0, 1, .flags = ABOVE,
          .help = "Share of the new value in the running statistics, as PyTorch (Keras counts the other "
                  "share: 0.99)."),
    FLOAT("model.batch_norm.epsilon", "1e-5", 0, 1, .flags = ABOVE,
          .help = "Added to the variance (Keras: 1e-3)."),
    WORD("model.batch_norm.over", "lane", "lane|batch",
         .help =
             "Samples that are normalised together: those of a lane, or of the whole batch over all ranks "
             "(PyTorch: SyncBatchNorm), for which ranks meet twice a layer and step and keep all lanes in "
             "memory."),
    NAME("batch_norm"),
    FROM("batch_norm"),
    LAYER("layer_norm", .help = "Normalises each sample over its last axis, then scale and shift."),
    FLOAT("model.layer_norm.epsilon", "1e-5", 0, 1, .flags = ABOVE,
          .help = "Added to the variance (Keras: 1e-3)."),
    NAME("layer_norm"),
    FROM("layer_norm"),
    LAYER("add", .help = "Sum of layers of one shape."),
    TEXTS("model.add.from", NULL, .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
          .help = "Names of layers or inputs."),
    NAME("add"),
    LAYER("multiply", .help = "Product of layers of one shape, value by value."),
    TEXTS("model.multiply.from", NULL, .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
          .help = "Names of layers or inputs."),
    NAME("multiply"),
    LAYER("concat", .help = "Layers side by side along the last axis."),
    TEXTS("model.concat.from", NULL, .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
          .help = "Names of layers or inputs."),
    NAME("concat"),
    LAYER("embedding",
          .help = "A row of a trainable table for each index; at first normal with deviation 0.02."),
    INT("model.embedding.vocabulary", "data", 1, MOST_INT, .words = "data",
        .help = "Rows; data: as many as the data says."),
    INT("model.embedding.units", NULL, 1, MOST_INT, .flags = REQUIRED, .help = "Width of a row."),
    WORD("model.embedding.positions", "none", "none|learned",
         .help = "learned: a second table, by position, is added."),
    NAME("embedding"),
    FROM("embedding"),
    LAYER("attention",
          .help = "Multi-head self-attention with output projection; keeps the shape [time, width]; weights "
                  "begin as glorot_uniform."),
    INT("model.attention.heads", NULL, 1, 65536, .flags = REQUIRED | MAIN, .help = "Must divide the width."),
    BOOL("model.attention.causal", "false", .help = "A position sees itself and what is before it."),
    NAME("attention"),
    FROM("attention"),
    LAYER("repeat", .help = "The same layers several times, each with weights of its own."),
    INT("model.repeat.times", NULL, 1, 1000, .flags = REQUIRED, .help = "How often."),
    NAME("repeat"),
    CHOICES("model.repeat.layers", "layer", .like = "model", .flags = REQUIRED | LK_OPTION_WHOLE,
            .help = "The layers."),
    LAYER("residual", .help = "Adds its input to the output of its layers."),
    NAME("residual"),
    FROM("residual"),
    CHOICES("model.residual.layers", "layer", .like = "model", .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
            .help = "The layers."),
    CHOICES("model.residual.shortcut", "layer", .fallback = "[]", .like = "model",
            .help = "Layers on the other way, where shapes differ; none: the input itself."),

    CHOICE("loss", "loss", NULL, .flags = REQUIRED, .help = "What is made small."),
    MAP("loss.mse", .help = "Mean squared error over all elements."),
    MAP("loss.mae", .help = "Mean absolute error."),
    MAP("loss.huber", .help = "Squared near 0, absolute beyond delta."),
    FLOAT("loss.huber.delta", "1", 0, ANY_FLOAT, .flags = ABOVE, .help = "Where it turns linear."),
    MAP("loss.softmax_cross_entropy", .help = "Of logits and class numbers; applies the softmax itself."),
    FLOAT("loss.softmax_cross_entropy.label_smoothing", "0", 0, 1, .flags = BELOW,
          .help = "Share of the target spread over all classes."),
    MAP("loss.binary_cross_entropy", .help = "Of logits and 0 or 1; applies the sigmoid itself."),

    CHOICES("metrics", "metric", .fallback = "[]", .help = "Reported beside the loss."),
    MAP("metrics.accuracy", .help = "Share of right classes."),
    FLOAT("metrics.accuracy.threshold", "0.5", 0, 1, .flags = ABOVE | BELOW,
          .help = "Binary outputs: probability above it is class 1."),
    MAP("metrics.top_k", .help = "Share of samples whose class is among the k largest outputs."),
    INT("metrics.top_k.k", "5", 1, 100000, .flags = MAIN, .help = "How many count."),
    MAP("metrics.precision", .help = "Right among those called positive; mean over classes."),
    FLOAT("metrics.precision.threshold", "0.5", 0, 1, .flags = ABOVE | BELOW, .help = "As for accuracy."),
    MAP("metrics.recall", .help = "Found among those that are positive; mean over classes."),
    FLOAT("metrics.recall.threshold", "0.5", 0, 1, .flags = ABOVE | BELOW, .help = "As for accuracy."),
    MAP("metrics.f1", .help = "Harmonic mean of precision and recall; mean over classes."),
    FLOAT("metrics.f1.threshold", "0.5", 0, 1, .flags = ABOVE | BELOW, .help = "As for accuracy."),
    MAP("metrics.confusion_matrix", .help = "Counts by true and predicted class."),
    FLOAT("metrics.confusion_matrix.threshold", "0.5", 0, 1, .flags = ABOVE | BELOW,
          .help = "As for accuracy."),
    MAP("metrics.mse", .help = "Mean squared error, in the units of the data."),
    MAP("metrics.rmse", .help = "Its square root, in the units of the data."),
    MAP("metrics.mae", .help = "Mean absolute error, in the units of the data."),
    MAP("metrics.r2", .help = "Share of the variance explained."),

    CHOICE("optimizer", "optimizer", "adam", .help = "Turns the mean gradient into a step."),
    MAP("optimizer.sgd", .help = "Gradient descent, with momentum as PyTorch: v = momentum v + g."),
    FLOAT("optimizer.sgd.learning_rate", "0.01", 0, ANY_FLOAT, .flags = ABOVE, .help = "Step size."),
    FLOAT("optimizer.sgd.momentum", "0", 0, 1, .flags = BELOW, .help = "Share of the last direction kept."),
    BOOL("optimizer.sgd.nesterov", "false", .help = "Look ahead along the momentum."),
    FLOAT("optimizer.sgd.weight_decay", "0", 0, ANY_FLOAT,
          .help =
              "Decoupled: p -= rate * weight_decay * p (PyTorch's sgd couples it: that is regularize.l2)."),
    MAP("optimizer.adagrad", .help = "Steps divided by the root of all squares so far."),
    FLOAT("optimizer.adagrad.learning_rate", "0.01", 0, ANY_FLOAT, .flags = ABOVE,
          .help = "Step size (Keras: 1e-3)."),
    FLOAT("optimizer.adagrad.initial", "0", 0, ANY_FLOAT,
          .help = "Sum of squares at the start (Keras: 0.1)."),
    FLOAT("optimizer.adagrad.epsilon", "1e-10", 0, 1, .flags = ABOVE,
          .help = "Added to the root (Keras: 1e-7)."),
    MAP("optimizer.rmsprop", .help = "Steps divided by the root of a running mean of squares."),
    FLOAT("optimizer.rmsprop.learning_rate", "0.01", 0, ANY_FLOAT, .flags = ABOVE,
          .help = "Step size (Keras: 1e-3)."),
    FLOAT("optimizer.rmsprop.rho", "0.99", 0, 1, .flags = BELOW,
          .help = "Share of the old mean kept (Keras: 0.9)."),
    FLOAT("optimizer.rmsprop.momentum", "0", 0, 1, .flags = BELOW, .help = "Share of the last step kept."),
    FLOAT("optimizer.rmsprop.epsilon", "1e-8", 0, 1, .flags = ABOVE,
          .help = "Added to the root (Keras: 1e-7)."),
    MAP("optimizer.adam", .help = "Running means of gradient and square, both corrected for their start."),
    FLOAT("optimizer.adam.learning_rate", "1e-3", 0, ANY_FLOAT, .flags = ABOVE, .help = "Step size."),
    FLOAT("optimizer.adam.beta1", "0.9", 0, 1, .flags = BELOW,
          .help = "Share of the old mean gradient kept."),
    FLOAT("optimizer.adam.beta2", "0.999", 0, 1, .flags = BELOW,
          .help = "Share of the old mean square kept."),
    FLOAT("optimizer.adam.epsilon", "1e-8", 0, 1, .flags = ABOVE, .help = "Added to the root (Keras: 1e-7)."),
    MAP("optimizer.adamw", .help = "Adam with decoupled weight decay."),
    FLOAT("optimizer.adamw.learning_rate", "1e-3", 0, ANY_FLOAT, .flags = ABOVE, .help = "Step size."),
    FLOAT("optimizer.adamw.beta1", "0.9", 0, 1, .flags = BELOW,
          .help = "Share of the old mean gradient kept."),
    FLOAT("optimizer.adamw.beta2", "0.999", 0, 1, .flags = BELOW,
          .help = "Share of the old mean square kept."),
    FLOAT("optimizer.adamw.epsilon", "1e-8", 0, 1, .flags = ABOVE,
          .help = "Added to the root (Keras: 1e-7)."),
    FLOAT("optimizer.adamw.weight_decay", "0.01", 0, ANY_FLOAT,
          .help = "p -= rate * weight_decay * p (Keras: 4e-3)."),

    CHOICE("schedule", "schedule", "constant", .help = "Factor on the learning rate."),
    MAP("schedule.constant", .help = "Always 1."),
    WHEN("schedule.constant.warmup", "0 steps", LK_UNITS_TRAINING,
         .help = "The factor first rises from 0 to 1."),
    MAP("schedule.linear", .help = "In a straight line from 1 to its end at the run's end."),
    FLOAT("schedule.linear.to", "0", 0, ANY_FLOAT, .help = "Factor at the end."),
    WHEN("schedule.linear.warmup", "0 steps", LK_UNITS_TRAINING,
         .help = "The factor first rises from 0 to 1."),
    MAP("schedule.step", .help = "Multiplied by gamma at regular times."),
    WHEN("schedule.step.every", NULL, LK_UNITS_TRAINING, .flags = REQUIRED, .help = "How often."),
    FLOAT("schedule.step.gamma", "0.1", 0, ANY_FLOAT, .flags = ABOVE, .help = "Multiplied each time."),
    WHEN("schedule.step.warmup", "0 steps", LK_UNITS_TRAINING, .help = "The factor first rises from 0 to 1."),
    MAP("schedule.exponential", .help = "gamma to the power of the time passed, at every step."),
    FLOAT("schedule.exponential.gamma", NULL, 0, ANY_FLOAT, .flags = REQUIRED | ABOVE,
          .help = "Factor per `every`."),
    WHEN("schedule.exponential.every", "1 epoch", LK_UNITS_TRAINING, .help = "Unit of time."),
    WHEN("schedule.exponential.warmup", "0 steps", LK_UNITS_TRAINING,
         .help = "The factor first rises from 0 to 1."),
    MAP("schedule.cosine", .help = "Half a cosine from 1 to its end at the run's end."),
    FLOAT("schedule.cosine.to", "0", 0, ANY_FLOAT, .help = "Factor at the end."),
    WHEN("schedule.cosine.warmup", "0 steps", LK_UNITS_TRAINING,
         .help = "The factor first rises from 0 to 1."),

    MAP("regularize", .help = "Penalties on weights; biases and norm scales are left out."),
    FLOAT("regularize.l1", "0", 0, ANY_FLOAT, .help = "Adds l1 * sign(p) to the gradient."),
    FLOAT("regularize.l2", "0", 0, ANY_FLOAT,
          .help = "Adds l2 * p to the gradient (what PyTorch's Adam calls weight_decay)."),

    MAP("train", .help = "How long and in what portions."),
    INT("train.epochs", "10", 0, MOST_INT, .flags = LK_OPTION_LENGTH,
        .help = "Passes over the training data."),
    INT("train.steps", NULL, 0, MOST_COUNT, .flags = LK_OPTION_LENGTH, .help = "Instead of epochs: updates."),
    INT("train.batch_size", "128", 1, MOST_INT, .help = "Samples of one update, over all ranks."),
    INT("train.lanes", "auto", 1, 1024, .words = "auto",
        .help = "Parts the batch is cut into, whatever the number of ranks. auto: the largest power of two "
                "not above "
                "batch_size / 32, at least 8, at most batch_size."),
    WORD("train.reduce", "lockstep", "lockstep|allreduce",
         .help = "lockstep: the same bits on any number of ranks; allreduce: MPI's own sum, without that "
                 "promise."),
    FLOAT("train.clip_norm", "0", 0, ANY_FLOAT, .help = "Largest norm of the mean gradient; 0: any."),
    FLOAT("train.clip_value", "0", 0, ANY_FLOAT,
          .help = "Largest size of each element of it, after clip_norm; 0: any."),
    WORD("train.kernels", "auto", "auto|avx512|haswell|portable|openblas",
         .help = "Arithmetic kernels; auto: the best of this CPU. Name one where CPUs are mixed."),
    WHEN("train.hang_timeout", "5min", LK_UNITS_SECONDS | LK_UNITS_NEVER, .flags = FREE,
         .help = "A rank that does not answer for so long ends the job."),
    FLOAT("train.diverged_above", "1e6", 1, ANY_FLOAT, .flags = FREE | ABOVE,
          .help = "A training loss above so many times the first one, 3 steps running, ends the run."),
    WHEN("train.verify_every", "100 steps", LK_UNITS_STEPS | LK_UNITS_NEVER, .flags = FREE,
         .help = "How often hosts compare a hash of parameters and optimizer state."),

    MAP("early_stop", .fallback = "none", .words = "none", .help = "Ends a run that no longer improves."),
    TEXT("early_stop.metric", "validation.loss", .flags = MAIN,
         .help = "What to watch: validation.loss, train.loss or validation.METRIC."),
    INT("early_stop.patience", "3", 1, MOST_INT,
        .help = "Evaluations without an improvement before it ends."),
    FLOAT("early_stop.min_delta", "0", 0, ANY_FLOAT, .help = "A smaller change is no improvement."),

    MAP("evaluate", .help = "Evaluation on the validation data."),
    WHEN("evaluate.every", "1 epoch", LK_UNITS_TRAINING | LK_UNITS_NEVER, .help = "How often."),
    WORD("evaluate.by", "auto", "auto|root|all", .flags = FREE,
         .help = "Who computes: rank 0, all ranks, or all where it pays."),
    INT("evaluate.chunk", "256", 1, 1e6, .help = "Samples of one forward pass."),

    MAP("checkpoint", .help = "Files that a run can go on from."),
    WHEN("checkpoint.every", "1 epoch", LK_UNITS_TRAINING | LK_UNITS_SECONDS | LK_UNITS_NEVER, .flags = FREE,
         .help = "How often; there is always one at the end."),
    INT("checkpoint.keep", "3", 2, MOST_INT, .flags = FREE, .help = "The newest so many stay."),
    TEXT("checkpoint.best", "auto", .words = "auto|none",
         .help = "What makes best.h5; auto: validation.loss if there is validation data."),

    MAP("log", .help = "Lines on stderr and in log.txt."),
    WHEN("log.every", "30s", LK_UNITS_TRAINING | LK_UNITS_SECONDS, .flags = FREE,
         .help = "Between two lines of progress."),

    MAP("comm", .help = "Communication."),
    {.path = "comm.ranks_per_host",
     .kind = LK_OPTION_INTS,
     .fallback = "0",
     .flags = FREE | LK_OPTION_WHOLE,
     .low = 0,
     .high = 65536,
     .help =
         "Treats every so many ranks as a host of their own, to try layouts; a list gives each host's ranks, "
         "the last one taking what is left; 0: real hosts."},

    /* Shared groups. */
    MAP("@train_split"),
    TEXTS("@train_split.files", NULL, .flags = REQUIRED | MAIN | LK_OPTION_FILES | LK_OPTION_WHOLE,
          .help = "Files, patterns (in quotes) or file.h5:/group; sorted by name."),
    MAP("@split"),
    TEXTS("@split.files", NULL, .flags = MAIN | LK_OPTION_FILES | LK_OPTION_WHOLE,
          .help = "Files, patterns (in quotes) or file.h5:/group; sorted by name."),
    FLOAT("@split.fraction", NULL, 0, 1, .flags = ABOVE | BELOW,
          .help = "This share of the training data instead, by hash of seed and sample."),
    MAP("@field", .help = "One input or target."),
    {.path = "@field.datasets",
     .kind = LK_OPTION_MAPS,
     .flags = REQUIRED | MAIN | LK_OPTION_WHOLE,
     .noun = "dataset",
     .help = "Path of the dataset, or several, stacked along C."},
    TEXT("@field.datasets.path", NULL, .flags = REQUIRED | MAIN, .help = "In each file."),
    TEXT("@field.datasets.axes", NULL, .flags = LK_OPTION_AXES,
         .help = "Of this dataset, where they differ."),
    TEXT("@field.axes", NULL, .flags = LK_OPTION_AXES,
         .help = "A letter an axis, as h5dump prints them: N samples, C channels, D H W space. Windows "
                 "over time are not read: name that axis N, and each step is a sample of its own."),
    TEXTS("@field.files", NULL, .flags = LK_OPTION_FILES | LK_OPTION_WHOLE,
          .help =
              "Files of its own instead of the split's. With an axis N they hold the samples of data.train: "
              "validation and test are shares of it then, and no other data have this field."),
    MAP("@field.normalise", .fallback = "none", .words = "none|unit|standard", .like = "@normalise",
        .help = "As data.normalise."),
    MAP("@normalise"),
    {.path = "@normalise.mean",
     .kind = LK_OPTION_FLOATS,
     .flags = REQUIRED | LK_OPTION_WHOLE,
     .low = -ANY_FLOAT,
     .high = ANY_FLOAT,
     .help = "One a channel."},
    {.path = "@normalise.std",
     .kind = LK_OPTION_FLOATS,
     .flags = REQUIRED | LK_OPTION_WHOLE | ABOVE,
     .low = 0,
     .high = ANY_FLOAT,
     .help = "One a channel."},
    CHOICE("@init", "initialiser", "default"),
    MAP("@init.default", .help = "he_normal where the layer's own `activation` is relu, "
                                 "leaky_relu, gelu or silu, else glorot_uniform."),
    MAP("@init.he_normal", .help = "Normal, deviation sqrt(2 / inputs)."),
    MAP("@init.he_uniform", .help = "Uniform, the same deviation."),
    MAP("@init.glorot_normal", .help = "Normal, deviation sqrt(2 / (inputs + outputs))."),
    MAP("@init.glorot_uniform", .help = "Uniform, the same deviation."),
    MAP("@init.constant", .help = "All the same."),
    FLOAT("@init.constant.value", "0", -ANY_FLOAT, ANY_FLOAT, .flags = MAIN, .help = "The value."),
};

static const lk_option root = {.path = "", .kind = LK_OPTION_MAP};

int lk_option_count(void)
{
    return (int)(sizeof table / sizeof *table);
}

const lk_option *lk_option_at(int index)
{
    return &table[index];
}

const lk_option *lk_option_find(const char *path)
{
    if (!path[0]) return &root;
    for (int i = 0; i < lk_option_count(); i++)
        if (!strcmp(table[i].path, path)) return &table[i];
    return NULL;
}

const char *lk_option_name(const lk_option *option)
{
    const char *dot = strrchr(option->path, '.');
    return dot ? dot + 1 : option->path;
}

/* The path below which the children of `parent` stand. */
static const char *children_path(const lk_option *parent)
{
    return parent->like ? parent->like : parent->path;
}

static bool is_child(const char *base, size_t n_base, const lk_option *row)
{
    if (!n_base) return row->path[0] != '@' && !strchr(row->path, '.');
    return !strncmp(row->path, base, n_base) && row->path[n_base] == '.' &&
           !strchr(row->path + n_base + 1, '.');
}

const lk_option *lk_option_next(const lk_option *parent, const lk_option *after)
{
    const char *base = children_path(parent);
    size_t      n_base = strlen(base);
    for (const lk_option *row = after ? after + 1 : table; row < table + lk_option_count(); row++)
        if (is_child(base, n_base, row)) return row;
    return NULL;
}

const lk_option *lk_option_child(const lk_option *parent, const char *name)
{
    if (parent->kind == LK_OPTION_FIELDS) return lk_option_find(parent->like);
    for (const lk_option *row = NULL; (row = lk_option_next(parent, row));)
        if (!strcmp(lk_option_name(row), name)) return row;
    return NULL;
}

const lk_option *lk_option_main(const lk_option *map)
{
    for (const lk_option *row = NULL; (row = lk_option_next(map, row));)
        if (row->flags & LK_OPTION_MAIN) return row;
    return NULL;
}

bool lk_words_have(const char *words, const char *word, int *index)
{
    size_t n = strlen(word);
    int    i = 0;
    for (const char *at = words; at && n; i++) {
        const char *bar = strchr(at, '|');
        size_t      n_at = bar ? (size_t)(bar - at) : strlen(at);
        if (n_at == n && !strncmp(at, word, n)) {
            if (index) *index = i;
            return true;
        }
        at = bar ? bar + 1 : NULL;
    }
    return false;
}
