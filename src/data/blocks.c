#include "data/blocks.h"

#include <pthread.h>
#include <string.h>

enum { ALIGN = 64, PAGE = 4096 };

typedef struct slot {
    int64_t block; /* -1: none */
    int32_t users; /* readers that hold it, or the one that fills it */
    bool    ready; /* filled */
    bool    used;  /* since the hand passed */
} slot;

/* Then come slots [n_slots], slot_of [n_blocks] (-1: the block is not here), and what the slots hold. */
struct lk_blocks {
    pthread_mutex_t mutex;
    pthread_cond_t  changed; /* a slot was filled, emptied or given back */
    lk_blocks_shape shape;
    int32_t         hand;
};

static size_t align(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static size_t slots_at(void)
{
    return align(sizeof(lk_blocks), ALIGN);
}

static size_t slot_of_at(const lk_blocks_shape *shape)
{
    return slots_at() + align((size_t)shape->n_slots * sizeof(slot), ALIGN);
}

static size_t data_at(const lk_blocks_shape *shape)
{
    return slot_of_at(shape) + align((size_t)shape->n_blocks * sizeof(int32_t), ALIGN);
}

static slot *slots_of(lk_blocks *blocks)
{
    return (slot *)(void *)((char *)blocks + slots_at());
}

static int32_t *slot_of(lk_blocks *blocks, int64_t block)
{
    return (int32_t *)(void *)((char *)blocks + slot_of_at(&blocks->shape)) + block;
}

size_t lk_blocks_bytes(const lk_blocks_shape *shape)
{
    return align(data_at(shape) + (size_t)shape->n_slots * (size_t)shape->slot_bytes, PAGE);
}

lk_status lk_blocks_init(const lk_blocks_shape *shape, void *memory)
{
    lk_status           st = LK_OK;
    lk_blocks          *blocks = memory;
    pthread_mutexattr_t mutex;
    pthread_condattr_t  changed;
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&changed);
    LK_CHECK(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED) == 0 &&
                 pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED) == 0 &&
                 pthread_mutex_init(&blocks->mutex, &mutex) == 0 &&
                 pthread_cond_init(&blocks->changed, &changed) == 0,
             LK_E_BUG, "no lock that processes share on this system");
    blocks->shape = *shape;
    blocks->hand = 0;
    for (int32_t i = 0; i < shape->n_slots; i++) slots_of(blocks)[i] = (slot){.block = -1};
    for (int64_t i = 0; i < shape->n_blocks; i++) *slot_of(blocks, i) = -1;
done:
    pthread_mutexattr_destroy(&mutex);
    pthread_condattr_destroy(&changed);
    return st;
}

/* The first slot that nobody holds and nobody used since the hand last came by; -1 if all are held. */
static int32_t find_slot(lk_blocks *blocks)
{
    int32_t n = blocks->shape.n_slots;
    for (int32_t i = 0; i < 2 * n; i++) {
        int32_t at = blocks->hand;
        slot   *it = &slots_of(blocks)[at];
        blocks->hand = (at + 1) % n;
        if (it->users > 0) continue;
        if (!it->used) return at;
        it->used = false;
    }
    return -1;
}

/* Called and left under the lock, which is open while the block is read. */
static lk_status fill(lk_blocks *blocks, int64_t number, int32_t at, lk_blocks_read *read, void *context)
{
    slot *it = &slots_of(blocks)[at];
    if (it->block >= 0) *slot_of(blocks, it->block) = -1;
    *it = (slot){.block = number, .users = 1, .used = true};
    *slot_of(blocks, number) = at;
    pthread_mutex_unlock(&blocks->mutex);
    lk_status st =
        read(context, (char *)blocks + data_at(&blocks->shape) + (int64_t)at * blocks->shape.slot_bytes);
    pthread_mutex_lock(&blocks->mutex);
    it->ready = st == LK_OK;
    if (st != LK_OK) { /* whoever waits for it will try, and have the message, itself */
        *slot_of(blocks, number) = -1;
        *it = (slot){.block = -1};
    }
    pthread_cond_broadcast(&blocks->changed);
    return st;
}

lk_status lk_blocks_take(lk_blocks *blocks, int64_t number, lk_blocks_read *read, void *context, int32_t *out)
{
    lk_status st = LK_OK;
    pthread_mutex_lock(&blocks->mutex);
    for (;;) {
        int32_t at = *slot_of(blocks, number);
        if (at >= 0 && slots_of(blocks)[at].ready) {
            slots_of(blocks)[at].users++;
            slots_of(blocks)[at].used = true;
            *out = at;
            break;
        }
        if (at < 0 && (at = find_slot(blocks)) >= 0) {
            st = fill(blocks, number, at, read, context);
            *out = st == LK_OK ? at : -1;
            break;
        }
        pthread_cond_wait(&blocks->changed, &blocks->mutex);
    }
    pthread_mutex_unlock(&blocks->mutex);
    return st;
}

bool lk_blocks_has(lk_blocks *blocks, int64_t number)
{
    pthread_mutex_lock(&blocks->mutex);
    bool has = *slot_of(blocks, number) >= 0;
    pthread_mutex_unlock(&blocks->mutex);
    return has;
}

void lk_blocks_give(lk_blocks *blocks, int32_t at)
{
    pthread_mutex_lock(&blocks->mutex);
    if (--slots_of(blocks)[at].users == 0) pthread_cond_broadcast(&blocks->changed);
    pthread_mutex_unlock(&blocks->mutex);
}

const char *lk_blocks_slot(lk_blocks *blocks, int32_t at)
{
    return (const char *)blocks + data_at(&blocks->shape) + (int64_t)at * blocks->shape.slot_bytes;
}
