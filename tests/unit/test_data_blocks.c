/* Blocks that several readers share: each is read once, holds what was read, and nobody waits for ever. */
#include "data/blocks.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rng.h"
#include "lk_test.h"

enum { READERS = 4, BLOCKS = 60, SLOT_BYTES = 512, TAKES = 3000, BAD = 17 };

typedef struct notes {
    _Atomic int reads[BLOCKS];
} notes;

typedef struct wish {
    notes  *seen;
    int64_t number;
    bool    breaks;
} wish;

static lk_status read_it(void *context, char *slot)
{
    const wish *it = context;
    memset(slot, 0, SLOT_BYTES);
    usleep(20); /* so that others meet a block that is being read */
    if (it->breaks) return lk_fail(LK_E_DATA, "block %lld is damaged", (long long)it->number);
    memset(slot, (int)it->number, SLOT_BYTES);
    atomic_fetch_add(&it->seen->reads[it->number], 1);
    return LK_OK;
}

static bool holds(lk_blocks *blocks, int32_t slot, int64_t number)
{
    const char *bytes = lk_blocks_slot(blocks, slot);
    for (int i = 0; i < SLOT_BYTES; i++)
        if (bytes[i] != (char)number) return false;
    return true;
}

static bool read_many(lk_blocks *blocks, notes *seen, int reader)
{
    lk_rng rng = lk_rng_make(7, LK_RNG_TEST, reader, 0, 0);
    bool   fine = true;
    for (int i = 0; i < TAKES && fine; i++) {
        int32_t slot;
        wish    it = {seen, (int64_t)(lk_rng_word(&rng, (uint64_t)i) % BLOCKS), false};
        fine =
            lk_blocks_take(blocks, it.number, read_it, &it, &slot) == LK_OK && holds(blocks, slot, it.number);
        if (i % 7 == 0) usleep(5);
        fine = fine && holds(blocks, slot, it.number); /* while it is held it stays */
        lk_blocks_give(blocks, slot);
    }
    return fine;
}

/* Processes, not threads: that is what shares them. Returns how many blocks were read. */
static int read_together(int32_t n_slots)
{
    lk_blocks_shape shape = {.n_blocks = BLOCKS, .slot_bytes = SLOT_BYTES, .n_slots = n_slots};
    size_t          bytes = lk_blocks_bytes(&shape);
    void           *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    notes *seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED && seen != MAP_FAILED);
    assert_ok(lk_blocks_init(&shape, memory));
    pid_t child[READERS];
    for (int r = 0; r < READERS; r++) {
        child[r] = fork();
        if (child[r] == 0) {
            alarm(60); /* one that waits for ever ends, and fails the test */
            _exit(read_many(memory, seen, r) ? 0 : 1);
        }
    }
    for (int r = 0; r < READERS; r++) {
        int how = -1;
        assert_true(waitpid(child[r], &how, 0) == child[r]);
        assert_int_equal(how, 0);
    }
    int total = 0;
    for (int i = 0; i < BLOCKS; i++) {
        assert_true(seen->reads[i] > 0);
        total += seen->reads[i];
    }
    munmap(memory, bytes);
    munmap(seen, sizeof *seen);
    return total;
}

static void with_room_for_all_each_block_is_read_once(void **state)
{
    (void)state;
    assert_int_equal(read_together(BLOCKS), BLOCKS);
}

static void as_many_slots_as_readers_are_enough(void **state)
{
    (void)state;
    assert_true(read_together(READERS) > BLOCKS);
}

static void a_block_that_cannot_be_read_is_tried_again(void **state)
{
    (void)state;
    lk_blocks_shape shape = {.n_blocks = BLOCKS, .slot_bytes = SLOT_BYTES, .n_slots = 2};
    void           *memory = calloc(1, lk_blocks_bytes(&shape));
    notes           seen = {0};
    int32_t         slot = 5;
    assert_non_null(memory);
    assert_ok(lk_blocks_init(&shape, memory));
    for (int i = 0; i < 5; i++) { /* a slot is not lost by it */
        assert_int_equal(lk_blocks_take(memory, BAD, read_it, &(wish){&seen, BAD, true}, &slot), LK_E_DATA);
        assert_int_equal(slot, -1);
    }
    assert_string_equal(lk_error_message(), "block 17 is damaged");
    assert_ok(lk_blocks_take(memory, BAD, read_it, &(wish){&seen, BAD, false}, &slot));
    assert_true(holds(memory, slot, BAD));
    lk_blocks_give(memory, slot);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_for_all_each_block_is_read_once),
        cmocka_unit_test(as_many_slots_as_readers_are_enough),
        cmocka_unit_test(a_block_that_cannot_be_read_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
