#include "comm/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool exists(const char *name, const char *what)
{
    char path[300];
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, what);
    return access(path, F_OK) == 0;
}

static int read_speed(const char *name)
{
    char  path[300];
    int   mbits = 0;
    FILE *file = NULL;
    snprintf(path, sizeof path, "/sys/class/net/%s/speed", name);
    file = fopen(path, "re");
    if (!file) return 0;
    if (fscanf(file, "%d", &mbits) != 1 || mbits < 0) mbits = 0;
    fclose(file);
    return mbits;
}

/* A bridge none of whose ports is a device. */
static bool leads_nowhere(const char *name)
{
    char           path[300];
    bool           card = false;
    struct dirent *port;
    if (!exists(name, "bridge")) return false;
    snprintf(path, sizeof path, "/sys/class/net/%s/brif", name);
    DIR *ports = opendir(path);
    if (!ports) return false;
    while ((port = readdir(ports))) card = card || (port->d_name[0] != '.' && exists(port->d_name, "device"));
    closedir(ports);
    return !card;
}

int lk_network_list(lk_network *list, int most)
{
    struct ifaddrs *all = NULL;
    int             n = 0;
    if (getifaddrs(&all) != 0) return 0;
    for (const struct ifaddrs *i = all; i && n < most; i = i->ifa_next) {
        if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != AF_INET) continue;
        if (!(i->ifa_flags & IFF_UP)) continue;
        struct sockaddr_in address, mask; /* copied: the pointers promise no alignment */
        memcpy(&address, i->ifa_addr, sizeof address);
        memcpy(&mask, i->ifa_netmask, sizeof mask);
        lk_network *it = &list[n++];
        memset(it, 0, sizeof *it);
        snprintf(it->name, sizeof it->name, "%s", i->ifa_name);
        it->address = ntohl(address.sin_addr.s_addr);
        it->prefix = __builtin_popcount(ntohl(mask.sin_addr.s_addr));
        it->running = (i->ifa_flags & IFF_RUNNING) != 0;
        it->loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
        it->inside = leads_nowhere(it->name);
        it->mbits = read_speed(it->name);
    }
    freeifaddrs(all);
    return n;
}

void lk_network_settings_read(lk_network_settings *settings)
{
    const char *include = getenv("OMPI_MCA_btl_tcp_if_include");
    const char *exclude = getenv("OMPI_MCA_btl_tcp_if_exclude");
    snprintf(settings->include, sizeof settings->include, "%s", include ? include : "");
    snprintf(settings->exclude, sizeof settings->exclude, "%s", exclude ? exclude : "");
}

/* One word of a list: a name, or "10.0.0.0/24". */
static bool word_means(const char *word, size_t length, const lk_network *network)
{
    char           text[64], *slash;
    struct in_addr net;
    if (length == 0 || length >= sizeof text) return false;
    memcpy(text, word, length);
    text[length] = '\0';
    if (!strcmp(text, network->name)) return true;
    slash = strchr(text, '/');
    if (!slash) return false;
    *slash = '\0';
    long prefix = strtol(slash + 1, NULL, 10);
    if (prefix < 1 || prefix > 32 || inet_pton(AF_INET, text, &net) != 1) return false;
    uint32_t mask = 0xffffffffu << (32 - prefix);
    return ((ntohl(net.s_addr) ^ network->address) & mask) == 0;
}

static bool listed(const char *list, const lk_network *network)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        if (word_means(list, length, network)) return true;
        list += length + (list[length] == ',');
    }
    return false;
}

bool lk_network_allowed(const lk_network *network, const lk_network_settings *settings)
{
    if (*settings->include) return listed(settings->include, network);
    if (*settings->exclude) return !listed(settings->exclude, network);
    return !network->loopback;
}

const lk_network *lk_network_best(const lk_network *list, int n)
{
    const lk_network *best = NULL;
    for (int i = 0; i < n; i++) {
        const lk_network *it = &list[i];
        if (it->running && !it->loopback && !it->inside && (!best || it->mbits > best->mbits)) best = it;
    }
    return best;
}

void lk_network_address(uint32_t address, char text[16])
{
    snprintf(text, 16, "%u.%u.%u.%u", address >> 24 & 255, address >> 16 & 255, address >> 8 & 255,
             address & 255);
}

void lk_network_describe(const lk_network *list, int n, const lk_network_settings *settings, lk_str *text)
{
    const char *comma = "";
    for (int i = 0; i < n; i++) {
        char address[16];
        if (!lk_network_allowed(&list[i], settings)) continue;
        lk_network_address(list[i].address, address);
        lk_str_printf(text, "%s%s %s/%d%s", comma, list[i].name, address, list[i].prefix,
                      list[i].loopback || list[i].inside ? " (inside this host)" : "");
        comma = ", ";
    }
    if (!*comma) lk_str_append(text, "none");
}
