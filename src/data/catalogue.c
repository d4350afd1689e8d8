#include "data/catalogue.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/alloc.h"
#include "data/decode.h"

/* ---- one dataset ---- */

/* One that is there as something else is no attribute to pass over: the values would be others. */
static lk_status get_number(const char *file, lk_h5 *h5, const char *dataset, const char *name, double *value,
                            bool *found)
{
    lk_status st = LK_OK;
    double   *values = NULL;
    int64_t   n = 0;
    if (!lk_h5_has_attribute(h5, dataset, name)) goto done;
    LK_TRY(lk_h5_get_doubles(h5, dataset, name, &values, &n));
    LK_CHECK(n == 1, LK_E_DATA, "%s: attribute %s of %s has %lld elements, one number was expected", file,
             name, dataset, (long long)n);
    *value = values[0];
    *found = true;
done:
    lk_free(&values);
    return st;
}

static void add_missing(lk_missing *missing, double value)
{
    if (missing->n < LK_MISSING_MOST) missing->value[missing->n++] = value;
}

/* The nearest number of 11 significant bits, as deep as halves go. */
static double nearest_half(double value)
{
    int exponent;
    frexp(value, &exponent);
    double step = ldexp(1, exponent - 11 > -24 ? exponent - 11 : -24);
    return rint(value / step) * step;
}

/* The shortest decimal number that is this float: 1e20, where the float's own value is 100000002004087734272. */
static double decimal_of_float(float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return strtod(text, NULL);
}

/* As the dataset holds it, which may be of another precision than the attribute: values are compared exactly. */
static void learn_missing(lk_h5_type type, double value, lk_missing *missing)
{
    static const double HALF_MOST = 65504;
    double              size = fabs(value);
    if (type == LK_H5_F16 && size <= HALF_MOST)
        add_missing(missing, nearest_half(value));
    else if (type == LK_H5_F32 && size <= (double)FLT_MAX)
        add_missing(missing, (double)(float)value);
    else if (!isnan(value))
        add_missing(missing, value);
    if (type == LK_H5_F64 && size <= (double)FLT_MAX && (double)(float)value == value)
        add_missing(missing, decimal_of_float((float)value));
}

/* NetCDF-4 files are HDF5 files whose attributes say how stored numbers become values. */
static lk_status read_netcdf(const char *file, lk_h5 *h5, const char *dataset, lk_facts *out)
{
    static const char *const stand_for_nothing[] = {"_FillValue", "missing_value"};
    lk_status                st = LK_OK;
    out->scale = 1;
    LK_TRY(get_number(file, h5, dataset, "scale_factor", &out->scale, &out->scaled));
    LK_TRY(get_number(file, h5, dataset, "add_offset", &out->offset, &out->scaled));
    for (int i = 0; i < 2; i++) {
        double value = (double)NAN;
        LK_TRY(get_number(file, h5, dataset, stand_for_nothing[i], &value, &out->scaled));
        learn_missing(out->info.type, value, &out->missing);
    }
done:
    return st;
}

lk_status lk_facts_read(lk_handles *handles, int file, const char *dataset, lk_facts *out)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    *out = (lk_facts){.state = LK_FACTS_KNOWN};
    LK_TRY(lk_handles_h5(handles, file, &h5));
    LK_TRY(lk_h5_stat(h5, dataset, &out->info));
    LK_CHECK(
        out->info.type != LK_H5_STRING, LK_E_DATA,
        "%s: %s holds texts, numbers were expected; `lockstep data import csv` turns texts into categories",
        handles->files->path[file], dataset);
    LK_TRY(read_netcdf(handles->files->path[file], h5, dataset, out));
done:
    return st;
}

lk_status lk_facts_read_values(lk_handles *handles, int file, const char *dataset, const lk_h5_info *info,
                               void **out)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    int64_t   start[LK_H5_MAX_AXES] = {0}, count = 1;
    size_t    element = (size_t)lk_decode_memory_bytes(info->type);
    for (int i = 0; i < info->n_axes; i++) count *= info->axis[i];
    LK_TRY(lk_alloc_array((size_t)count, element, out));
    LK_TRY(lk_handles_h5(handles, file, &h5));
    if (count > 0)
        LK_TRY(lk_h5_read(h5, dataset, start, info->axis, lk_decode_memory_type(info->type), *out));
    handles->bytes += count * (int64_t)element;
done:
    if (st != LK_OK) lk_free(out);
    return st;
}

/* ---- what is wanted ---- */

static lk_status grow(lk_catalogue *c)
{
    lk_status st = LK_OK;
    int64_t   capacity = 2 * c->n + 8;
    lk_want  *larger = NULL;
    LK_TRY(LK_ALLOC(capacity, &larger));
    if (c->n) memcpy(larger, c->want, (size_t)c->n * sizeof *larger);
    lk_free(&c->want);
    c->want = larger;
    c->capacity = capacity;
done:
    return st;
}

lk_status lk_catalogue_want(lk_catalogue *c, lk_want *want)
{
    lk_status st = LK_OK;
    if (c->n == c->capacity) LK_TRY(grow(c));
    c->want[c->n++] = *want;
    want->dataset = NULL;
    if (want->column >= c->n_columns) c->n_columns = want->column + 1;
done:
    lk_free(&want->dataset);
    return st;
}

static int by_dataset(const void *a, const void *b)
{
    const lk_want *x = a, *y = b;
    int            order = (x->file > y->file) - (x->file < y->file);
    return order ? order : strcmp(x->dataset, y->dataset);
}

static int by_dataset_and_column(const void *a, const void *b)
{
    const lk_want *x = a, *y = b;
    int            order = by_dataset(a, b);
    return order ? order : (x->column > y->column) - (x->column < y->column);
}

static int64_t find(const lk_catalogue *c, int file, const char *dataset)
{
    lk_want        key = {.file = file, .dataset = (char *)(uintptr_t)dataset};
    const lk_want *it = c && c->facts ? bsearch(&key, c->want, (size_t)c->n, sizeof key, by_dataset) : NULL;
    return it ? it - c->want : -1;
}

/* ---- learning ---- */

typedef struct pass {
    lk_catalogue   *c;
    lk_handles     *handles;
    const lk_share *share;
    int64_t        *first_file, *first_want, *first_value; /* owned [ranks + 1]: of each rank */
    void          **held;                                  /* owned [n]: values that this rank has read */
    int64_t        *bytes;                                 /* owned [columns]: of the values of a column */
} pass;

static void clear_pass(pass *p)
{
    for (int64_t i = 0; p->held && i < p->c->n; i++) lk_free(&p->held[i]);
    lk_free(&p->held);
    lk_free(&p->bytes);
    lk_free(&p->first_file);
    lk_free(&p->first_want);
    lk_free(&p->first_value);
}

static lk_status prepare(pass *p, bool samples)
{
    lk_status     st = LK_OK;
    lk_catalogue *c = p->c;
    const int     size = lk_share_size(p->share);
    c->n_files = p->handles->n;
    LK_TRY(LK_ALLOC(c->n, &c->facts));
    LK_TRY(LK_ALLOC(c->n_files, &c->file));
    if (samples) LK_TRY(LK_ALLOC(c->n_files, &c->sample));
    LK_TRY(LK_ALLOC(c->n, &c->at));
    LK_TRY(LK_ALLOC(c->n, &p->held));
    LK_TRY(LK_ALLOC(c->n_columns, &p->bytes));
    LK_TRY(LK_ALLOC(size + 1, &p->first_file));
    LK_TRY(LK_ALLOC(size + 1, &p->first_want));
    LK_TRY(LK_ALLOC(size + 1, &p->first_value));
    if (c->n) qsort(c->want, (size_t)c->n, sizeof *c->want, by_dataset_and_column);
    for (int r = 0; r <= size; r++) {
        p->first_file[r] = lk_share_first(p->share, r, c->n_files);
        p->first_want[r] = r ? p->first_want[r - 1] : 0;
        while (p->first_want[r] < c->n && c->want[p->first_want[r]].file < p->first_file[r])
            p->first_want[r]++;
    }
done:
    return st;
}

/* Numbers mean the same files on all ranks; the folder may be another on each host, and the files copies, which are equal for all
 * that lk_catalogue_tell_sizes can tell. */
static lk_status same_everywhere(const pass *p, lk_status mine)
{
    enum { COUNTED, HIGH, LOW, NUMBERS };
    lk_status           st = mine;
    const int           size = lk_share_size(p->share);
    const lk_catalogue *c = p->c;
    double              row[NUMBERS] = {0}, *rows = NULL;
    uint64_t            hash = 0;
    for (int64_t i = 0; mine == LK_OK && i < c->n; i++) {
        const char *path = p->handles->files->path[c->want[i].file], *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path, *dataset = c->want[i].dataset;
        hash = XXH3_64bits_withSeed(name, strlen(name), hash);
        hash = XXH3_64bits_withSeed(dataset, strlen(dataset), hash + (uint64_t)c->want[i].file);
    }
    row[COUNTED] = c->n_files;
    row[HIGH] = (double)(hash >> 32);
    row[LOW] = (double)(hash & UINT32_MAX);
    if (st == LK_OK) st = LK_ALLOC(NUMBERS * size, &rows);
    LK_TRY(lk_share_gather(p->share, st, row, NUMBERS, rows));
    for (int r = 1; r < size && st == LK_OK; r++)
        if (memcmp(rows, rows + r * NUMBERS, sizeof row) != 0)
            st = lk_fail(LK_E_DATA,
                         "rank %d finds other data files (%.0f) than rank 0 (%.0f): do all hosts see the "
                         "same folders?",
                         r, rows[r * NUMBERS], rows[0]);
    if (st != LK_OK) st = lk_share_agree(p->share, st); /* all know, and know that all do */
done:
    lk_free(&rows);
    return st;
}

/* What the values take in memory; where that is too much to be kept, not how much it is. */
static int64_t value_bytes(const lk_h5_info *info)
{
    int64_t bytes = lk_decode_memory_bytes(info->type);
    for (int i = 0; i < info->n_axes; i++) {
        if (info->axis[i] > 0 && bytes > lk_column_resident_bytes / info->axis[i])
            return lk_column_resident_bytes + 1;
        bytes *= info->axis[i];
    }
    return bytes;
}

/* As long as its column may be kept in memory, for all that this rank knows. */
static lk_status hold(pass *p, int64_t i)
{
    lk_status      st = LK_OK;
    const lk_want *want = &p->c->want[i];
    lk_facts      *facts = &p->c->facts[i];
    int64_t       *column = &p->bytes[want->column], bytes = value_bytes(&facts->info);
    if (bytes > lk_column_resident_bytes - *column) {
        *column = lk_column_resident_bytes; /* nothing more of it */
        goto done;
    }
    LK_TRY(lk_facts_read_values(p->handles, want->file, want->dataset, &facts->info, &p->held[i]));
    facts->held = true;
    *column += bytes;
done:
    return st;
}

static lk_status look_at_dataset(pass *p, lk_h5 *h5, int64_t i)
{
    const lk_want *want = &p->c->want[i];
    lk_facts      *facts = &p->c->facts[i];
    lk_status      st = lk_facts_read(p->handles, want->file, want->dataset, facts);
    if (st == LK_OK) return hold(p, i);
    facts->state = lk_h5_exists(h5, want->dataset) ? LK_FACTS_UNKNOWN : LK_FACTS_ABSENT;
    return want->optional && facts->state == LK_FACTS_ABSENT ? LK_OK : st;
}

/* *next: the first want of this file, then of the next one. */
static lk_status look_at_file(pass *p, int file, int64_t *next)
{
    lk_status     st = LK_OK;
    lk_catalogue *c = p->c;
    lk_h5        *h5 = NULL;
    struct stat   info;
    LK_TRY(lk_handles_h5(p->handles, file, &h5));
    if (stat(p->handles->files->path[file], &info) == 0)
        c->file[file] = (lk_file_facts){info.st_ino, info.st_size};
    for (; *next < c->n && c->want[*next].file == file; ++*next) LK_TRY(look_at_dataset(p, h5, *next));
    if (c->sample) LK_TRY(lk_sample_take(p->handles, file, &c->sample[file]));
done:
    return st;
}

/* This rank's files. One with which something is wrong is the last: who opens the columns comes to it. */
static lk_status look(pass *p)
{
    const int rank = lk_share_rank(p->share);
    int64_t   next = p->first_want[rank];
    lk_status st = LK_OK;
    for (int file = (int)p->first_file[rank]; file < p->first_file[rank + 1] && st == LK_OK; file++)
        st = look_at_file(p, file, &next);
    return st == LK_E_NOMEM ? st : LK_OK;
}

/* Where the values of columns that fit as a whole are to lie, file by file. Returns their bytes. */
static int64_t place_values(pass *p)
{
    const int64_t most = lk_column_resident_bytes;
    lk_catalogue *c = p->c;
    int64_t       all = 0;
    memset(p->bytes, 0, (size_t)c->n_columns * sizeof *p->bytes);
    for (int64_t i = 0; i < c->n; i++) {
        int64_t *column = &p->bytes[c->want[i].column], bytes = value_bytes(&c->facts[i].info);
        *column = c->facts[i].held && bytes <= most - *column ? *column + bytes : most + 1;
    }
    for (int64_t i = 0, rank = 0; i < c->n; i++) {
        while (i == p->first_want[rank]) p->first_value[rank++] = all;
        c->at[i] = p->bytes[c->want[i].column] > most ? -1 : all;
        if (c->at[i] >= 0) all += value_bytes(&c->facts[i].info);
    }
    for (int r = 0; r <= lk_share_size(p->share); r++)
        if (p->first_want[r] == c->n) p->first_value[r] = all;
    return all;
}

static lk_status share_values(pass *p)
{
    lk_catalogue *c = p->c;
    int64_t       bytes = place_values(p);
    lk_status     st = LK_ALLOC(bytes, &c->values);
    for (int64_t i = 0; st == LK_OK && i < c->n; i++)
        if (p->held[i] && c->at[i] >= 0)
            memcpy(c->values + c->at[i], p->held[i], (size_t)value_bytes(&c->facts[i].info));
    return lk_share_spread(p->share, st, c->values, 1, p->first_value);
}

lk_status lk_catalogue_learn(lk_catalogue *c, lk_handles *handles, const lk_share *share, lk_status mine,
                             bool samples)
{
    lk_status st = mine;
    pass      p = {.c = c, .handles = handles, .share = share};
    if (st == LK_OK) st = prepare(&p, samples);
    LK_TRY(same_everywhere(&p, st));
    st = look(&p);
    LK_TRY(lk_share_spread(share, st, c->facts, sizeof *c->facts, p.first_want));
    LK_TRY(lk_share_spread(share, LK_OK, c->file, sizeof *c->file, p.first_file));
    if (samples) LK_TRY(lk_share_spread(share, LK_OK, c->sample, sizeof *c->sample, p.first_file));
    LK_TRY(share_values(&p));
done:
    clear_pass(&p);
    return st;
}

/* ---- what is known ---- */

const lk_facts *lk_catalogue_facts(const lk_catalogue *c, int file, const char *dataset)
{
    int64_t i = find(c, file, dataset);
    return i >= 0 && c->facts[i].state != LK_FACTS_UNKNOWN ? &c->facts[i] : NULL;
}

const void *lk_catalogue_values(const lk_catalogue *c, int file, const char *dataset, size_t *bytes)
{
    int64_t i = find(c, file, dataset);
    if (i < 0 || !c->values || c->at[i] < 0) return NULL;
    *bytes = (size_t)value_bytes(&c->facts[i].info);
    return c->values + c->at[i];
}

const lk_sample *lk_catalogue_sample(const lk_catalogue *c, int file)
{
    return c && c->sample && c->sample[file].taken ? &c->sample[file] : NULL;
}

uint64_t lk_catalogue_inode(const lk_catalogue *c, int file)
{
    return c && c->file ? c->file[file].inode : 0;
}

void lk_catalogue_tell_sizes(const lk_catalogue *c, lk_files *files)
{
    for (int i = 0; c->file && i < c->n_files; i++) files->size[i] = c->file[i].size;
}

void lk_catalogue_clear(lk_catalogue *c)
{
    for (int64_t i = 0; c->want && i < c->n; i++) lk_free(&c->want[i].dataset);
    lk_free(&c->want);
    lk_free(&c->facts);
    lk_free(&c->file);
    lk_free(&c->sample);
    lk_free(&c->values);
    lk_free(&c->at);
    *c = (lk_catalogue){0};
}
