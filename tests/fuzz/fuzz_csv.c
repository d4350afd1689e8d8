/* CSV: a table whose cells all lie in the file's own bytes. */
#include "data/csv.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char      path[64];
    lk_csv    csv;
    int       file = lk_fuzz_file(bytes, size, path);
    lk_status st = lk_csv_open(path, &csv);
    lk_fuzz_expect(st);
    if (st == LK_OK) {
        size_t letters = 0;
        double value;
        if (csv.n_rows < 1 || csv.n_columns < 1) abort();
        for (int i = 0; i < csv.n_columns; i++)
            if (lk_csv_column(&csv, csv.name[i]) != i) abort();
        for (int64_t row = 0; row < csv.n_rows; row++)
            for (int i = 0; i < csv.n_columns; i++) {
                const char *cell = lk_csv_cell(&csv, row, i);
                letters += strlen(cell);
                if (!lk_csv_is_missing(cell)) (void)lk_csv_number(cell, &value);
            }
        if (letters > size) abort();
    }
    lk_csv_clear(&csv);
    close(file);
    return 0;
}
