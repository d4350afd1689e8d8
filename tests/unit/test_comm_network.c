/* Which networks MPI may use, by what it was told. */
#include "lk_test.h"

#include "comm/network.h"

static const lk_network E0 = {
    .name = "e0", .address = 0x0a4d0001, .prefix = 24, .mbits = 1000, .running = true};
static const lk_network E1 = {
    .name = "e1", .address = 0x0a4e0001, .prefix = 16, .mbits = 25000, .running = true};
static const lk_network DOWN = {.name = "ib0", .address = 0x0a4f0001, .prefix = 16, .mbits = 100000};
static const lk_network LO = {
    .name = "lo", .address = 0x7f000001, .prefix = 8, .running = true, .loopback = true};
static const lk_network DOCKER = {
    .name = "docker0", .address = 0xac110001, .prefix = 16, .mbits = 100000, .running = true, .inside = true};

static bool allowed(const lk_network *network, const char *include, const char *exclude)
{
    lk_network_settings settings = {.include = ""};
    snprintf(settings.include, sizeof settings.include, "%s", include);
    snprintf(settings.exclude, sizeof settings.exclude, "%s", exclude);
    return lk_network_allowed(network, &settings);
}

static void all_but_the_loopback_by_default(void **state)
{
    (void)state;
    assert_true(allowed(&E0, "", ""));
    assert_true(allowed(&DOCKER, "", ""));
    assert_false(allowed(&LO, "", ""));
}

static void names_and_networks_are_understood(void **state)
{
    (void)state;
    assert_true(allowed(&E0, "e0", ""));
    assert_true(allowed(&E0, "e1,e0", ""));
    assert_false(allowed(&E0, "e1", ""));
    assert_false(allowed(&E0, "e01,e", ""));
    assert_true(allowed(&LO, "lo", ""));
    assert_true(allowed(&E0, "10.77.0.0/24", ""));
    assert_false(allowed(&E1, "10.77.0.0/24", ""));
    assert_true(allowed(&E1, "10.0.0.0/8", ""));
    assert_true(allowed(&E0, "10.77.0.1/32", ""));
    assert_false(allowed(&DOCKER, "", "docker0,lo"));
    assert_true(allowed(&E0, "", "docker0,lo"));
    assert_false(allowed(&DOCKER, "", "lo,172.17.0.0/16"));
    assert_true(allowed(&LO, "", "docker0")); /* an exclusion replaces the default one: Open MPI's trap */
    assert_false(allowed(&E0, "10.77.0.0/0,10.77.0.0/33,/8,10.77/16,,", ""));
}

static void the_cure_is_the_fastest_that_leads_out(void **state)
{
    (void)state;
    lk_network all[] = {LO, DOCKER, E0, DOWN, E1};
    assert_string_equal(lk_network_best(all, 5)->name, "e1");
    assert_string_equal(lk_network_best(all, 3)->name, "e0");
    assert_null(lk_network_best(all, 2));
}

static void a_host_is_described_by_what_mpi_may_use(void **state)
{
    (void)state;
    lk_network          all[] = {LO, E0, DOCKER};
    lk_network_settings settings = {.include = ""};
    lk_str              text;
    lk_str_init(&text);
    lk_network_describe(all, 3, &settings, &text);
    assert_string_equal(lk_str_text(&text), "e0 10.77.0.1/24, docker0 172.17.0.1/16 (inside this host)");
    lk_str_clear(&text);
    snprintf(settings.include, sizeof settings.include, "eth77");
    lk_network_describe(all, 3, &settings, &text);
    assert_string_equal(lk_str_text(&text), "none");
    lk_str_clear(&text);
}

/* The loopback is up wherever this runs. */
static void this_machine_has_a_loopback(void **state)
{
    (void)state;
    lk_network list[LK_NETWORKS];
    int        n = lk_network_list(list, LK_NETWORKS), found = 0;
    for (int i = 0; i < n; i++)
        found += list[i].loopback && list[i].address == LO.address && list[i].prefix == 8;
    if (n == 0) skip(); /* a namespace without any network */
    assert_int_equal(found, 1);
    assert_int_equal(lk_network_list(list, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_but_the_loopback_by_default),
        cmocka_unit_test(names_and_networks_are_understood),
        cmocka_unit_test(the_cure_is_the_fastest_that_leads_out),
        cmocka_unit_test(a_host_is_described_by_what_mpi_may_use),
        cmocka_unit_test(this_machine_has_a_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
