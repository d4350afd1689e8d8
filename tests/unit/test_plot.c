/* Charts: what stands where, and what is refused. */
#include "lk_test.h"

#include "plot/axis.h"
#include "plot/plot.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most))

static lk_str svg;

static const char *draw(const lk_plot *plot)
{
    lk_str_clear(&svg);
    assert_ok(lk_plot_svg(plot, &svg));
    return lk_str_text(&svg);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++) n++;
    return n;
}

static void assert_has(const char *text, const char *what)
{
    if (!strstr(text, what)) fail_msg("'%s' is not in:\n%s", what, text);
}

static const double four[] = {1, 2, 3, 4}, squares[] = {1, 4, 9, 16};

static void ticks_are_round_and_reach_over_the_values(void **state)
{
    (void)state;
    lk_axis axis = lk_axis_make(LK_PLOT_LINEAR, 0.13, 0.87, 100, 500);
    assert_near(axis.low, 0, 1e-12);
    assert_near(axis.high, 1, 1e-12);
    assert_int_equal(axis.n_ticks, 6);
    assert_near(lk_axis_tick(&axis, 1), 0.2, 1e-12);
    assert_near(lk_axis_place(&axis, 0.25), 200, 1e-9);
    axis = lk_axis_make(LK_PLOT_LINEAR, 7, 7, 0, 1); /* one value: some axis around it */
    assert_true(axis.low <= 7 && axis.high > 7);
}

static void ratios_are_distances_on_logarithmic_axes(void **state)
{
    (void)state;
    lk_axis axis = lk_axis_make(LK_PLOT_LOG2, 1, 8, 0, 300);
    assert_int_equal(axis.n_ticks, 4);
    assert_near(lk_axis_tick(&axis, 3), 8, 1e-12);
    assert_near(lk_axis_place(&axis, 4) - lk_axis_place(&axis, 2), 100, 1e-9);
    axis = lk_axis_make(LK_PLOT_LOG10, 0.02, 300, 0, 1);
    assert_near(lk_axis_tick(&axis, 0), 0.01, 1e-12);
    assert_near(lk_axis_tick(&axis, axis.n_ticks - 1), 1000, 1e-9);
    axis = lk_axis_make(LK_PLOT_LOG2, 1, 4096, 0, 1); /* not a tick for each of twelve powers */
    assert_int_equal(axis.n_ticks, 7);
}

/* The paper's plot area is x 76 to 566 and y 380 up to 62: 1 to 4 on an axis of 1 to 4, 1 to 16 on one of 0 to 20. */
static void points_and_error_bars_stand_where_the_axes_say(void **state)
{
    (void)state;
    double         low[] = {1, 4, 8, 14}, high[] = {1, 4, 10, 20};
    lk_plot_series series = {.name = "n", .n = 4, .x = four, .y = squares, .low = low, .high = high};
    lk_plot        plot = {
               .x = {.label = "ranks"}, .y = {.label = "rate", .from_zero = true}, .series = &series, .n_series = 1};
    const char *text = draw(&plot);
    assert_has(text, "<circle cx=\"76.00\" cy=\"364.10\"");
    assert_has(text, "<circle cx=\"566.00\" cy=\"125.60\"");
    assert_has(text, "<line x1=\"566.00\" y1=\"157.40\" x2=\"566.00\" y2=\"62.00\" stroke");
    assert_int_equal(count(text, "<circle"), 4);
    assert_has(text, ">ranks</text>");
    assert_has(text, ">rate</text>");
}

static void bars_stand_on_each_other(void **state)
{
    (void)state;
    const char    *names[] = {"1", "2"};
    double         at[] = {0, 1}, first[] = {2, 4}, second[] = {6, 6};
    lk_plot_series series[] = {
        {.name = "forward", .kind = LK_PLOT_STACK, .n = 2, .x = at, .y = first},
        {.name = "backward", .kind = LK_PLOT_STACK, .colour = 1, .n = 2, .x = at, .y = second}};
    lk_plot plot = {
        .x = {.names = names, .n_names = 2}, .y = {.label = "ms"}, .series = series, .n_series = 2};
    const char *text = draw(&plot);
    /* 0 to 10 ms are 318 pixels: 4 ms above 0, then 6 ms above those up to the top. */
    assert_has(text, "y=\"252.80\" width=\"64.00\" height=\"127.20\" fill=\"#0072b2\"");
    assert_has(text, "y=\"62.00\" width=\"64.00\" height=\"190.80\" fill=\"#d55e00\"");
    assert_true(strstr(text, ">backward<") < strstr(text, ">forward<")); /* the legend from the top down */
}

static void missing_points_part_the_line(void **state)
{
    (void)state;
    double         y[] = {1, (double)NAN, 9, 16};
    lk_plot_series series = {.n = 4, .x = four, .y = y};
    lk_plot        plot = {.series = &series, .n_series = 1};
    const char    *path = strstr(draw(&plot), "<path fill=\"none\" d=\"");
    char           line[256];
    assert_int_equal(sscanf(path, "<path fill=\"none\" d=\"%255[^\"]", line), 1);
    assert_int_equal(count(line, "M"), 2);
    assert_int_equal(count(line, "L"), 1);
    assert_int_equal(count(path, "<circle"), 3);
}

static void a_band_is_closed_and_reaches_its_edges(void **state)
{
    (void)state;
    double         low[] = {0, 1, 2, 3}, high[] = {10, 10, 10, 10};
    lk_plot_series series = {.kind = LK_PLOT_BAND, .n = 4, .x = four, .low = low, .high = high};
    lk_plot        plot = {.series = &series, .n_series = 1};
    assert_has(draw(&plot),
               "M76.00 380.00L239.33 348.20L402.67 316.40L566.00 284.60L566.00 62.00L402.67 62.00L239.33 "
               "62.00L76.00 62.00Z");
}

static void names_are_text_and_no_markup(void **state)
{
    (void)state;
    lk_plot_series series = {.name = "<b> & co", .n = 4, .x = four, .y = squares};
    lk_plot        plot = {.title = "a < b", .series = &series, .n_series = 1};
    const char    *text = draw(&plot);
    assert_has(text, ">&lt;b&gt; &amp; co</text>");
    assert_has(text, ">a &lt; b</text>");
    assert_null(strstr(text, "<b>"));
}

static void equal_data_give_equal_bytes(void **state)
{
    (void)state;
    lk_plot_series series = {.name = "n", .n = 4, .x = four, .y = squares};
    lk_plot        plot = {
               .x = {.scale = LK_PLOT_LOG2}, .y = {.scale = LK_PLOT_LOG10}, .series = &series, .n_series = 1};
    char *first = strdup(draw(&plot));
    assert_string_equal(first, draw(&plot));
    free(first);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
    (void)state;
    const double   nan = (double)NAN;
    double         none[] = {nan, nan, nan, nan}, zero[] = {1, 0, 1, 1};
    lk_plot_series series = {.n = 4, .x = four, .y = none};
    lk_plot        plot = {.title = "speed-up", .series = &series, .n_series = 1};
    lk_str_clear(&svg);
    assert_status(lk_plot_svg(&plot, &svg), LK_E_DATA);
    assert_has(lk_error_message(), "speed-up");
    series.y = zero;
    plot.y = (lk_plot_axis){.label = "time (ms)", .scale = LK_PLOT_LOG10};
    assert_status(lk_plot_svg(&plot, &svg), LK_E_DATA);
    assert_has(lk_error_message(), "time (ms)");
}

static int tear_down(void **state)
{
    (void)state;
    lk_str_clear(&svg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_round_and_reach_over_the_values),
        cmocka_unit_test(ratios_are_distances_on_logarithmic_axes),
        cmocka_unit_test(points_and_error_bars_stand_where_the_axes_say),
        cmocka_unit_test(bars_stand_on_each_other),
        cmocka_unit_test(missing_points_part_the_line),
        cmocka_unit_test(a_band_is_closed_and_reaches_its_edges),
        cmocka_unit_test(names_are_text_and_no_markup),
        cmocka_unit_test(equal_data_give_equal_bytes),
        cmocka_unit_test(what_cannot_be_drawn_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
