/**
 * The networks of this machine, as far as they matter to MPI over TCP. An interface that leads nowhere (a
 * container's bridge with the same address on every host) makes MPI wait for ever without a word.
 */
#ifndef LK_COMM_NETWORK_H
#define LK_COMM_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

enum { LK_NETWORKS = 8, LK_NETWORK_SETTING_BYTES = 96 };

typedef struct lk_network {
    char     name[16];
    uint32_t address; /* IPv4, host byte order */
    int      prefix;  /* 24 of 10.0.0.1/24 */
    int      mbits;   /* what the interface says of its speed; 0: nothing */
    bool     running; /* there is a carrier */
    bool     loopback;
    bool     inside; /* a bridge without a network card: it leads to containers on this machine only */
} lk_network;

/** What MPI was told about networks, by mpirun, the environment or a file: NULL-terminated, "" if nothing. */
typedef struct lk_network_settings {
    char include[LK_NETWORK_SETTING_BYTES], exclude[LK_NETWORK_SETTING_BYTES];
} lk_network_settings;

/** Interfaces that are up (MPI asks no more of them) and have an IPv4 address, at most `most`; returns their number. Local. */
int lk_network_list(lk_network *list, int most);

/** By the environment alone, so that it can be asked at any time. Local. */
void lk_network_settings_read(lk_network_settings *settings);

/** Whether MPI may use it: named in `include`, or not in `exclude` (by default the loopback), as name or net/prefix. */
bool lk_network_allowed(const lk_network *network, const lk_network_settings *settings);

/** The one to name as a cure: the fastest that leads out of the machine; NULL without one. */
const lk_network *lk_network_best(const lk_network *list, int n);

/** "10.0.0.1" */
void lk_network_address(uint32_t address, char text[16]);

/** "e0 10.0.0.1/24, docker0 172.17.0.1/16 (inside this host)": those that MPI may use, or "none". */
void lk_network_describe(const lk_network *list, int n, const lk_network_settings *settings, lk_str *text);

#endif
