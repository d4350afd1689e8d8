#include "core/span.h"

#include <string.h>

#include "core/alloc.h"

lk_status lk_span_table_add(lk_span_table *table, const lk_span *span)
{
    lk_status st = LK_OK;
    lk_span  *grown = NULL;
    bool      late = span->kind == LK_SPAN_PARAMETER && table->total_floats > table->parameter_floats;
    LK_CHECK(!late, LK_E_BUG, "span %s: parameters come before statistics", span->name);
    if ((table->n_spans & (table->n_spans - 1)) == 0) { /* full at powers of two */
        LK_TRY(LK_ALLOC(table->n_spans ? 2 * table->n_spans : 1, &grown));
        if (table->n_spans) memcpy(grown, table->spans, (size_t)table->n_spans * sizeof *grown);
        lk_free(&table->spans);
        table->spans = grown;
    }
    lk_span *slot = &table->spans[table->n_spans];
    *slot = *span;
    slot->offset = table->total_floats;
    slot->count = lk_shape_count(&span->shape);
    table->n_spans++;
    table->total_floats += (slot->count + LK_SPAN_ALIGN - 1) / LK_SPAN_ALIGN * LK_SPAN_ALIGN;
    if (span->kind == LK_SPAN_PARAMETER) {
        table->parameter_floats = table->total_floats;
        table->n_parameters += slot->count;
    }
done:
    return st;
}

void lk_span_table_clear(lk_span_table *table)
{
    lk_free(&table->spans);
    *table = (lk_span_table){0};
}

lk_status lk_span_table_tiles(const lk_span_table *table, lk_tile **tiles, int *n_tiles)
{
    int64_t n = 0;
    *tiles = NULL;
    *n_tiles = 0;
    for (int i = 0; i < table->n_spans; i++)
        n += (table->spans[i].count + LK_TILE_FLOATS - 1) / LK_TILE_FLOATS;
    lk_status st = LK_ALLOC(n, tiles);
    if (st != LK_OK) return st;
    for (int i = 0; i < table->n_spans; i++) {
        const lk_span *span = &table->spans[i];
        for (int64_t done = 0; done < span->count; done += LK_TILE_FLOATS) {
            int64_t left = span->count - done;
            (*tiles)[*n_tiles] = (lk_tile){.offset = span->offset + done,
                                           .count = left < LK_TILE_FLOATS ? left : LK_TILE_FLOATS,
                                           .span = i,
                                           .index = *n_tiles};
            ++*n_tiles;
        }
    }
    return LK_OK;
}
