#include "data/survey.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "data/catalogue.h"
#include "data/decode.h"
#include "data/listing.h"

/* ---- units ---- */

enum { UNIT_ELEMENTS = 1 << 20 };

typedef struct cut {
    const lk_h5_info *info;
    int               axis;  /* the axis that is cut into runs; single steps along those before it */
    int64_t           rows;  /* of a run */
    int64_t           runs;  /* along that axis */
    int64_t           units; /* runs times the steps along the axes before */
    int64_t           most;  /* elements of a unit */
} cut;

/* Chunks larger than a unit are taken whole, or each would be unpacked again and again. */
static cut make_cut(const lk_h5_info *info)
{
    cut     c = {.info = info, .rows = 1, .runs = 1, .units = 1, .most = 1};
    int64_t inner = 1;
    if (info->n_axes == 0) return c;
    for (c.axis = info->n_axes - 1; c.axis > 0 && inner * info->axis[c.axis] <= UNIT_ELEMENTS; c.axis--)
        inner *= info->axis[c.axis];
    c.rows = inner > 0 && UNIT_ELEMENTS / inner > 1 ? UNIT_ELEMENTS / inner : 1;
    if (info->chunked && info->chunk[c.axis] > c.rows) c.rows = info->chunk[c.axis];
    if (c.rows > info->axis[c.axis]) c.rows = info->axis[c.axis];
    c.runs = c.rows > 0 ? (info->axis[c.axis] + c.rows - 1) / c.rows : 0;
    c.units = c.runs;
    for (int i = 0; i < c.axis; i++) c.units *= info->axis[i];
    if (inner == 0) c.units = 0;
    c.most = c.rows * inner;
    return c;
}

/* The box of a unit; returns its elements. */
static int64_t unit_box(const cut *c, int64_t unit, int64_t *start, int64_t *count)
{
    const lk_h5_info *info = c->info;
    int64_t           elements = 1, rest = c->runs > 0 ? unit / c->runs : 0;
    for (int i = 0; i < info->n_axes; i++) {
        start[i] = 0;
        count[i] = info->axis[i];
    }
    if (info->n_axes == 0) return 1;
    start[c->axis] = unit % c->runs * c->rows;
    count[c->axis] =
        info->axis[c->axis] - start[c->axis] < c->rows ? info->axis[c->axis] - start[c->axis] : c->rows;
    for (int i = c->axis - 1; i >= 0; i--) {
        start[i] = rest % info->axis[i];
        rest /= info->axis[i];
        count[i] = 1;
    }
    for (int i = 0; i < info->n_axes; i++) elements *= count[i];
    return elements;
}

/* ---- rounds ---- */

typedef struct survey {
    lk_listing      listing;
    lk_files        files;   /* the listing's, for who reads datasets as training does */
    lk_handles      handles; /* of them */
    const lk_share *share;
    int             json, n_said, n_refused;
    char            refused[1024]; /* why the first dataset was that was */
    lk_str          out, hashes;   /* hashes: of all objects, for the one of the whole */
} survey;

/* What a rank cannot read is refused by all, which would wait for it at another dataset else: it is said, and the survey
 * goes on; it fails at its end. */
static void refuse(survey *s, const char *path)
{
    if (s->n_refused++ == 0) snprintf(s->refused, sizeof s->refused, "%s", lk_error_message());
    if (!s->json) {
        lk_str_printf(&s->out, "  %s  not read: %s\n", path, lk_error_message());
        return;
    }
    lk_str_append(&s->out, s->n_said++ ? ",\n  {\"path\": " : "\n  {\"path\": ");
    lk_str_append_json(&s->out, path);
    lk_str_append(&s->out, ", \"not_read\": ");
    lk_str_append_json(&s->out, lk_error_message());
    lk_str_append(&s->out, "}");
}

/* Whether all ranks found what they asked of the file, each with its status; if not, that is no failure yet, but it is
 * one if a rank's memory was short, or its MPI failed. */
static lk_status all_found(const survey *s, lk_status mine, bool *found)
{
    lk_status st = lk_share_agree(s->share, mine);
    *found = st == LK_OK;
    return st == LK_E_NOMEM || st == LK_E_MPI ? st : LK_OK;
}

/* One unit into a row of results. */
typedef lk_status unit_function(survey *s, const char *path, const cut *c, int64_t unit, void *work,
                                double *row);
/* All results of a dataset in the order of units. */
typedef void merge_function(void *context, const double *row);

static lk_status each_unit(survey *s, const char *path, const cut *c, int width, void *work,
                           unit_function *unit, merge_function *merge, void *context)
{
    lk_status st = LK_OK;
    int       size = lk_share_size(s->share), rank = lk_share_rank(s->share);
    double   *row = NULL, *rows = NULL;
    st = LK_ALLOC(width, &row);
    if (st == LK_OK) st = LK_ALLOC((int64_t)width * size, &rows);
    LK_TRY(lk_share_agree(s->share, st));
    for (int64_t first = 0; first < c->units; first += size) {
        lk_status mine = LK_OK;
        if (first + rank < c->units) mine = unit(s, path, c, first + rank, work, row);
        LK_TRY(lk_share_gather(s->share, mine, row, width, rows));
        for (int r = 0; r < size && first + r < c->units; r++) merge(context, rows + r * width);
    }
done:
    lk_free(&row);
    lk_free(&rows);
    return st;
}

typedef lk_status dataset_function(survey *s, const char *path);

/* The last words of all datasets together. */
static lk_status finish(survey *s, char **text)
{
    lk_status st = LK_OK;
    if (s->json) lk_str_append(&s->out, "\n]");
    LK_TRY(lk_str_whole(&s->hashes));
    if (s->hashes.size) {
        XXH128_hash_t hash = XXH3_128bits(lk_str_text(&s->hashes), s->hashes.size);
        lk_str_printf(&s->out, s->json ? ", \"xxh3\": \"%016llx%016llx\"" : "  %016llx%016llx  all of it\n",
                      (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    }
    if (s->json) lk_str_append(&s->out, "}\n");
    LK_TRY(lk_str_copy(&s->out, text));
    LK_CHECK(s->n_refused == 0, LK_E_DATA, "%s: %d of %d datasets cannot be read, the first one: %s",
             s->listing.file, s->n_refused, s->listing.n_datasets, s->refused);
done:
    return st;
}

static lk_status open_again(survey *s)
{
    lk_status st = LK_OK;
    int       number;
    LK_TRY(lk_files_add(&s->files, s->listing.file, &number));
    LK_TRY(lk_handles_init(&s->handles, &s->files));
done:
    return st;
}

/* `also_groups`: groups are asked for too. */
static lk_status run(const char *where, int json, const lk_share *share, const char *key, bool also_groups,
                     dataset_function *one, char **text)
{
    lk_status st = LK_OK;
    survey    s = {.share = share, .json = json};
    *text = NULL;
    lk_str_init(&s.out);
    lk_str_init(&s.hashes);
    LK_TRY(lk_share_agree(s.share, lk_listing_open(where, false, &s.listing)));
    LK_TRY(lk_share_agree(s.share, open_again(&s)));
    if (json) {
        lk_str_append(&s.out, "{\"file\": ");
        lk_str_append_json(&s.out, s.listing.file);
        lk_str_printf(&s.out, ", \"%s\": [", key);
    } else {
        lk_str_printf(&s.out, "%s\n", where);
    }
    for (int i = 0; i < s.listing.n; i++)
        if (also_groups || !s.listing.is_group[i]) LK_TRY(one(&s, s.listing.path[i]));
    LK_TRY(lk_share_agree(s.share, finish(&s, text)));
done:
    lk_str_clear(&s.out);
    lk_str_clear(&s.hashes);
    lk_handles_clear(&s.handles);
    lk_files_clear(&s.files);
    lk_listing_close(&s.listing);
    return st;
}

/* ---- stats ---- */

/* FEW_CHANNELS: a longer last axis of three or more is space, as a rule, and a row each of its places says nothing. */
enum { MOST_CHANNELS = 4096, FEW_CHANNELS = 16, MOST_SHOWN = 32, MOST_COUNTED = 256 };

/* Of one channel. Doubles alone, so that a row of results is an array of them. */
typedef struct moments {
    double n, missing, least, greatest, mean, square; /* square: sum of squares around the mean */
} moments;

enum { MOMENTS = sizeof(moments) / sizeof(double) };

typedef struct tally {
    lk_facts facts;
    int64_t  channels;
    moments *channel;              /* owned */
    double   counts[MOST_COUNTED]; /* of the values 0, 1, 2 ... of a list of integers */
    bool     counted;              /* so far all its values are such */
} tally;

/* Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983. */
static void merge_moments(moments *a, const moments *b)
{
    double n = a->n + b->n, delta = b->mean - a->mean;
    a->missing += b->missing;
    if (b->n == 0) return;
    a->least = a->n == 0 || b->least < a->least ? b->least : a->least;
    a->greatest = a->n == 0 || b->greatest > a->greatest ? b->greatest : a->greatest;
    a->mean += delta * b->n / n;
    a->square += b->square + delta * delta * a->n * b->n / n;
    a->n = n;
}

/* Two passes over the unit: sums first, then squares around the mean, so that offsets eat no digits. */
static void measure(const double *values, int64_t n, int64_t channels, moments *m)
{
    memset(m, 0, (size_t)channels * sizeof *m);
    for (int64_t i = 0; i < n; i++) {
        moments *c = &m[i % channels];
        double   v = values[i];
        if (!isfinite(v)) {
            c->missing++;
            continue;
        }
        c->least = c->n == 0 || v < c->least ? v : c->least;
        c->greatest = c->n == 0 || v > c->greatest ? v : c->greatest;
        c->mean += v;
        c->n++;
    }
    for (int64_t i = 0; i < channels; i++) m[i].mean = m[i].n > 0 ? m[i].mean / m[i].n : 0;
    for (int64_t i = 0; i < n; i++) {
        double d = values[i] - m[i % channels].mean;
        if (isfinite(values[i])) m[i % channels].square += d * d;
    }
}

/* What training sees of stored numbers; what is missing becomes NaN. */
static void stored_to_values(const lk_facts *facts, double *values, int64_t n)
{
    for (int64_t i = 0; facts->scaled && i < n; i++)
        values[i] = lk_value_of(values[i], facts->scale, facts->offset, &facts->missing);
}

typedef struct measuring {
    double *values; /* owned */
    tally  *tally;
} measuring;

static lk_status stats_unit(survey *s, const char *path, const cut *c, int64_t unit, void *work, double *row)
{
    measuring *m = work;
    int64_t    start[LK_H5_MAX_AXES], count[LK_H5_MAX_AXES], n = unit_box(c, unit, start, count);
    moments   *mine = (moments *)(void *)row;
    double    *counts = row + m->tally->channels * MOMENTS, *others = counts + MOST_COUNTED;
    lk_status  st = lk_h5_read(s->listing.h5, path, start, count, LK_H5_F64, m->values);
    if (st != LK_OK) return st;
    stored_to_values(&m->tally->facts, m->values, n);
    measure(m->values, n, m->tally->channels, mine);
    memset(counts, 0, (MOST_COUNTED + 1) * sizeof *counts);
    for (int64_t i = 0; m->tally->counted && i < n; i++) {
        if (!isfinite(m->values[i])) continue;
        bool small = m->values[i] >= 0 && m->values[i] < MOST_COUNTED;
        ++*(small ? &counts[(int)m->values[i]] : others);
    }
    return LK_OK;
}

static void stats_merge(void *context, const double *row)
{
    tally        *t = context;
    const double *counts = row + t->channels * MOMENTS;
    for (int64_t c = 0; c < t->channels; c++)
        merge_moments(&t->channel[c], (const moments *)(const void *)row + c);
    for (int i = 0; i < MOST_COUNTED; i++) t->counts[i] += counts[i];
    if (counts[MOST_COUNTED] > 0) t->counted = false;
}

static double deviation(const moments *m)
{
    return m->n > 0 ? sqrt(m->square / m->n) : 0;
}

static void show_channel(const char *label, const tally *t, const moments *m, lk_str *out)
{
    if (m->n > 0)
        lk_str_printf(out, "    %-14s %12.6g %12.6g %12.6g %12.6g", label, m->least, m->greatest, m->mean,
                      deviation(m));
    else
        lk_str_printf(out, "    %-14s %12s %12s %12s %12s", label, "-", "-", "-", "-");
    if (m->missing > 0)
        lk_str_printf(out, t->facts.missing.n ? "  %.0f not finite or fill value" : "  %.0f not finite",
                      m->missing);
    lk_str_append(out, "\n");
}

/* Channels merged in their order: of all values. */
static moments of_all(const tally *t)
{
    moments all = t->channel[0];
    for (int64_t c = 1; c < t->channels; c++) merge_moments(&all, &t->channel[c]);
    return all;
}

static void show_units(const lk_facts *facts, lk_str *out)
{
    if (facts->scale != 1 || facts->offset != 0)
        lk_str_printf(out, ", value = stored * %.9g + %.9g", facts->scale, facts->offset);
    if (facts->missing.n) lk_str_printf(out, ", fill value %.9g", facts->missing.value[0]);
}

static int n_counts(const tally *t)
{
    int n = t->counted ? MOST_COUNTED : 0;
    while (n > 0 && t->counts[n - 1] == 0) n--;
    return n;
}

static void show_tally(const char *path, const tally *t, lk_str *out)
{
    const lk_h5_info *info = &t->facts.info;
    moments           all = of_all(t);
    lk_str_printf(out, "  %s  ", path);
    lk_put_sizes(info, "x", out);
    show_units(&t->facts, out);
    /* Three axes may be samples, length and channels, or samples, height and width. */
    const char *of = t->channels == 1 ? "" : info->n_axes == 3 ? "last axis" : "channel";
    lk_str_printf(out, "\n    %-14s %12s %12s %12s %12s\n", of, "least", "greatest", "mean", "deviation");
    show_channel("all", t, &all, out);
    for (int64_t c = 0; t->channels > 1 && c < t->channels && c < MOST_SHOWN; c++) {
        char label[24];
        snprintf(label, sizeof label, "%lld", (long long)c);
        show_channel(label, t, &t->channel[c], out);
    }
    if (t->channels > MOST_SHOWN)
        lk_str_printf(out, "    ... %lld more channels\n", (long long)(t->channels - MOST_SHOWN));
    int n = n_counts(t);
    for (int i = 0; i < n && n <= MOST_SHOWN; i++)
        lk_str_printf(out, "    %-14d %12.0f times\n", i, t->counts[i]);
}

static void put_number(const char *name, double value, lk_str *out)
{
    if (isfinite(value))
        lk_str_printf(out, ", \"%s\": %.17g", name, value);
    else
        lk_str_printf(out, ", \"%s\": null", name);
}

static void put_moments(const moments *m, lk_str *out)
{
    lk_str_printf(out, "{\"values\": %.0f, \"not_finite\": %.0f", m->n, m->missing);
    put_number("least", m->n > 0 ? m->least : (double)NAN, out);
    put_number("greatest", m->n > 0 ? m->greatest : (double)NAN, out);
    put_number("mean", m->n > 0 ? m->mean : (double)NAN, out);
    put_number("deviation", m->n > 0 ? deviation(m) : (double)NAN, out);
    lk_str_append(out, "}");
}

static void show_tally_json(const char *path, const tally *t, lk_str *out)
{
    moments all = of_all(t);
    lk_str_append(out, "{\"path\": ");
    lk_str_append_json(out, path);
    lk_str_append(out, ", \"shape\": [");
    lk_put_sizes(&t->facts.info, ", ", out);
    lk_str_append(out, "]");
    put_number("scale_factor", t->facts.scale, out);
    put_number("add_offset", t->facts.offset, out);
    put_number("fill_value", t->facts.missing.n ? t->facts.missing.value[0] : (double)NAN, out);
    lk_str_append(out, ", \"all\": ");
    put_moments(&all, out);
    lk_str_append(out, ", \"channels\": [");
    for (int64_t c = 0; c < t->channels; c++) {
        lk_str_append(out, c ? ", " : "");
        put_moments(&t->channel[c], out);
    }
    lk_str_append(out, "]");
    int n = n_counts(t);
    for (int i = 0; i < n; i++) lk_str_printf(out, "%s%.0f", i ? ", " : ", \"counts\": [", t->counts[i]);
    lk_str_append(out, n ? "]}" : "}");
}

static lk_status prepare_stats(const cut *c, tally *t, measuring *m)
{
    lk_status         st = LK_OK;
    const lk_h5_info *info = c->info;
    int               last = info->n_axes - 1;
    /* The last axis is the channels' where each unit has it whole. */
    if (c->axis < last && info->axis[last] <= (last > 1 ? FEW_CHANNELS : MOST_CHANNELS) &&
        info->axis[last] > 0)
        t->channels = info->axis[last];
    t->counted = last == 0 && info->type <= LK_H5_U64 && t->facts.scale == 1 && t->facts.offset == 0;
    LK_TRY(LK_ALLOC(t->channels, &t->channel));
    LK_TRY(LK_ALLOC(c->most, &m->values));
done:
    return st;
}

static lk_status stats_of(survey *s, const char *path)
{
    lk_status  st = LK_OK;
    lk_h5_info info;
    tally      t = {.channels = 1};
    measuring  m = {.tally = &t};
    bool       found;
    LK_TRY(all_found(s, lk_h5_stat(s->listing.h5, path, &info), &found));
    if (found && (info.type == LK_H5_STRING || info.n_axes == 0)) return LK_OK;
    if (found) LK_TRY(all_found(s, lk_facts_read(&s->handles, 0, path, &t.facts), &found));
    if (!found) {
        refuse(s, path);
        return LK_OK;
    }
    cut c = make_cut(&info);
    LK_TRY(lk_share_agree(s->share, prepare_stats(&c, &t, &m)));
    LK_TRY(each_unit(s, path, &c, (int)t.channels * MOMENTS + MOST_COUNTED + 1, &m, stats_unit, stats_merge,
                     &t));
    if (s->json) {
        lk_str_append(&s->out, s->n_said++ ? ",\n  " : "\n  ");
        show_tally_json(path, &t, &s->out);
    } else {
        show_tally(path, &t, &s->out);
    }
done:
    lk_free(&t.channel);
    lk_free(&m.values);
    return st;
}

lk_status lk_survey_stats(const char *where, int json, const lk_share *share, char **text)
{
    return run(where, json, share, "datasets", false, stats_of, text);
}

/* ---- verify ---- */

enum { HASH = 4 }; /* words of 32 bits, each in a double */

static void put_hash(XXH128_hash_t hash, double *row)
{
    uint64_t half[2] = {hash.high64, hash.low64};
    for (int i = 0; i < HASH; i++) row[i] = (double)(uint32_t)(half[i / 2] >> (i % 2 ? 0 : 32));
}

static void take_hash(void *context, const double *row)
{
    uint32_t word[HASH];
    for (int i = 0; i < HASH; i++) word[i] = (uint32_t)row[i];
    XXH3_128bits_update(context, word, sizeof word);
}

typedef struct hashing {
    char      *bytes;   /* owned */
    size_t     element; /* bytes of one, as it is hashed */
    bool       number;
    lk_h5_type type;
} hashing;

static lk_status hash_unit(survey *s, const char *path, const cut *c, int64_t unit, void *work, double *row)
{
    hashing  *h = work;
    int64_t   start[LK_H5_MAX_AXES], count[LK_H5_MAX_AXES], n = unit_box(c, unit, start, count);
    lk_status st = h->number ? lk_h5_read(s->listing.h5, path, start, count, h->type, h->bytes)
                             : lk_h5_read_raw(s->listing.h5, path, start, count, h->bytes);
    if (st == LK_OK) put_hash(XXH3_128bits(h->bytes, (size_t)n * h->element), row);
    return st;
}

/* What is no number is hashed as it is stored. */
static lk_status prepare_raw(survey *s, const char *path, lk_h5_info *info, hashing *h)
{
    lk_status st = lk_h5_stat_raw(s->listing.h5, path, info, &h->element);
    if (st == LK_OK && h->element == 0)
        st = lk_fail(LK_E_DATA, "%s: %s holds lists of varying length", s->listing.file, path);
    return st;
}

static lk_status hash_texts(survey *s, const char *path, XXH3_state_t *all)
{
    char    **texts = NULL;
    int64_t   n = 0;
    lk_status st = lk_h5_read_strings(s->listing.h5, path, &texts, &n);
    for (int64_t i = 0; st == LK_OK && i < n; i++) {
        XXH3_128bits_update(all, texts[i], strlen(texts[i]) + 1);
        lk_free(&texts[i]);
    }
    lk_free(&texts);
    return st;
}

/* A dataset's values by units. *known: what it is was found out. Numbers are hashed in this machine's order, so that byte
 * order, layout and packing make no difference. */
static lk_status hash_values(survey *s, const char *path, lk_h5_info *info, bool *known, XXH3_state_t *all)
{
    lk_status st = LK_OK;
    hashing   h = {0};
    LK_TRY(all_found(s, lk_h5_stat(s->listing.h5, path, info), known));
    if (*known && info->type == LK_H5_STRING && info->n_axes <= 1)
        return lk_share_agree(s->share, hash_texts(s, path, all));
    h.number = *known && info->type != LK_H5_STRING;
    if (h.number) {
        h.type = lk_decode_memory_type(info->type);
        h.element = (size_t)lk_decode_memory_bytes(info->type);
    } else {
        LK_TRY(all_found(s, prepare_raw(s, path, info, &h), known));
        if (!*known) goto done;
    }
    cut c = make_cut(info);
    LK_TRY(lk_share_agree(s->share, lk_alloc_array((size_t)c.most, h.element, (void **)&h.bytes)));
    LK_TRY(each_unit(s, path, &c, HASH, &h, hash_unit, take_hash, all));
done:
    lk_free(&h.bytes);
    return st;
}

static lk_status hash_attribute(void *context, const char *name, const void *bytes, size_t size)
{
    XXH3_128bits_update(context, name, strlen(name) + 1);
    XXH3_128bits_update(context, &size, sizeof size);
    XXH3_128bits_update(context, bytes, size);
    return LK_OK;
}

static void hex_of(XXH3_state_t *state, char hex[33])
{
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static void show_hash(survey *s, const char *hex, const char *path, const lk_h5_info *info)
{
    lk_str_printf(&s->hashes, "%s %s\n", path, hex);
    if (s->json) {
        lk_str_append(&s->out, s->n_said++ ? ",\n  {\"path\": " : "\n  {\"path\": ");
        lk_str_append_json(&s->out, path);
        lk_str_printf(&s->out, ", \"xxh3\": \"%s\"}", hex);
        return;
    }
    lk_str_printf(&s->out, "  %s  %-24s ", hex, path);
    if (info) lk_put_sizes(info, "x", &s->out);
    lk_str_append(&s->out, info ? "\n" : "group\n");
}

/* One object: shape, type and values of a dataset, and its attributes. */
static lk_status verify_object(survey *s, const char *path)
{
    lk_status    st = LK_OK;
    lk_h5_info   info = {0};
    bool         known = true, group = lk_h5_is_group(s->listing.h5, path);
    char         hex[33];
    lk_str       shape;
    XXH3_state_t state;
    lk_str_init(&shape);
    XXH3_128bits_reset(&state);
    if (!group) LK_TRY(hash_values(s, path, &info, &known, &state));
    if (!known) {
        refuse(s, path);
        goto done;
    }
    lk_str_printf(&shape, "%s ", group ? "group" : lk_decode_type_name(info.type));
    lk_put_sizes(&info, "x", &shape);
    LK_TRY(lk_share_agree(s->share, lk_str_whole(&shape)));
    XXH3_128bits_update(&state, lk_str_text(&shape), shape.size);
    LK_TRY(lk_share_agree(s->share, lk_h5_each_attribute(s->listing.h5, path, hash_attribute, &state)));
    hex_of(&state, hex);
    show_hash(s, hex, path, group ? NULL : &info);
done:
    lk_str_clear(&shape);
    return st;
}

lk_status lk_survey_verify(const char *where, int json, const lk_share *share, char **text)
{
    return run(where, json, share, "objects", true, verify_object, text);
}
