/*
 * dump OUT AXES NORMALISE DATASETS FILE...: the rows of the files as Lockstep reads them, float by float, for
 * a reader that has nothing in common with ours (test_data_source_numpy.py). AXES "-": as stored. DATASETS
 * are separated by commas. OUT: all rows of x, then all labels y as int32.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "data/data_internal.h"
#include "data/source.h"

enum { DATASETS_MOST = 8, ROWS = 32 };

static lk_status dump_rows(lk_data *data, FILE *out)
{
    lk_status       st = LK_OK;
    lk_data_reader *reader = NULL;
    int64_t         n = lk_data_n(data, LK_SPLIT_TRAIN), index[ROWS], sample[ROWS];
    int64_t         width = lk_shape_count(&lk_transform_input(lk_data_transform(data), 0)->shape);
    float          *x = NULL;
    int32_t        *y = NULL;
    LK_TRY(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    LK_TRY(LK_ALLOC(ROWS * width, &x));
    LK_TRY(LK_ALLOC(n, &y));
    for (int64_t first = 0; first < n; first += ROWS) {
        int64_t rows = n - first < ROWS ? n - first : ROWS;
        void   *input[] = {x}, *target[] = {y + first};
        for (int64_t i = 0; i < rows; i++) index[i] = first + i;
        LK_TRY(lk_data_read(reader, rows, index, input, target, NULL, NULL, sample));
        LK_CHECK(fwrite(x, sizeof *x, (size_t)(rows * width), out) == (size_t)(rows * width), LK_E_IO,
                 "write");
    }
    LK_CHECK(fwrite(y, sizeof *y, (size_t)n, out) == (size_t)n, LK_E_IO, "write");
done:
    lk_data_reader_destroy(&reader);
    lk_free(&x);
    lk_free(&y);
    return st;
}

int main(int argc, char **argv)
{
    lk_status          st = LK_OK;
    lk_data           *data = NULL;
    FILE              *out = NULL;
    lk_dataset_options datasets[DATASETS_MOST], label = {.path = "/y"};
    lk_field_options   input = {.name = "x", .datasets = datasets};
    lk_field_options   target = {.name = "y", .datasets = &label, .n_datasets = 1};
    lk_data_options    options = {.inputs = &input, .n_inputs = 1, .targets = &target, .n_targets = 1};
    LK_CHECK(argc >= 6, LK_E_USAGE, "dump OUT AXES NORMALISE DATASETS FILE...");
    input.axes = strcmp(argv[2], "-") ? argv[2] : NULL;
    input.normalise = !strcmp(argv[3], "standard") ? LK_NORMALISE_STANDARD
                      : !strcmp(argv[3], "unit")   ? LK_NORMALISE_UNIT
                                                   : LK_NORMALISE_NONE;
    for (char *name = strtok(argv[4], ","); name && input.n_datasets < DATASETS_MOST;
         name = strtok(NULL, ","))
        datasets[input.n_datasets++] = (lk_dataset_options){.path = name};
    options.train.files = (const char *const *)&argv[5];
    options.train.n_files = argc - 5;
    lk_column_resident_bytes = 0;
    LK_TRY(lk_data_open(&options, 1, NULL, &data));
    out = fopen(argv[1], "wb");
    LK_CHECK(out, LK_E_IO, "%s cannot be written", argv[1]);
    LK_TRY(dump_rows(data, out));
done:
    if (out) fclose(out);
    lk_data_close(&data);
    if (st != LK_OK) fprintf(stderr, "%s\n", lk_error_message());
    return lk_status_exit_code(st);
}
