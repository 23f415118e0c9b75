/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding a function's directory, which files are in it, and their texts. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs-reading.h"

const char *const p2pd_entry_names[P2PD_ENTRY_MAX] = {
        [P2PD_ENTRY_ARI] = "ari_enabled",
        [P2PD_ENTRY_CLASS] = "class",
        [P2PD_ENTRY_CONFIG] = "config",
        [P2PD_ENTRY_CURRENT_SPEED] = "current_link_speed",
        [P2PD_ENTRY_CURRENT_WIDTH] = "current_link_width",
        [P2PD_ENTRY_DEVICE] = "device",
        [P2PD_ENTRY_DMA_MASK] = "dma_mask_bits",
        [P2PD_ENTRY_DRIVER] = "driver",
        [P2PD_ENTRY_IOMMU] = "iommu",
        [P2PD_ENTRY_GROUP] = "iommu_group",
        [P2PD_ENTRY_CPULIST] = "local_cpulist",
        [P2PD_ENTRY_MAX_SPEED] = "max_link_speed",
        [P2PD_ENTRY_MAX_WIDTH] = "max_link_width",
        [P2PD_ENTRY_NUMA_NODE] = "numa_node",
        [P2PD_ENTRY_P2PMEM] = "p2pmem",
        [P2PD_ENTRY_PHYSFN] = "physfn",
        [P2PD_ENTRY_POWER] = "power",
        [P2PD_ENTRY_RESOURCE] = "resource",
        [P2PD_ENTRY_REVISION] = "revision",
        [P2PD_ENTRY_SECONDARY] = "secondary_bus_number",
        [P2PD_ENTRY_SRIOV_NUMVFS] = "sriov_numvfs",
        [P2PD_ENTRY_SRIOV_TOTALVFS] = "sriov_totalvfs",
        [P2PD_ENTRY_SUBORDINATE] = "subordinate_bus_number",
        [P2PD_ENTRY_SUBSYSTEM_DEVICE] = "subsystem_device",
        [P2PD_ENTRY_SUBSYSTEM_VENDOR] = "subsystem_vendor",
        [P2PD_ENTRY_UEVENT] = "uevent",
        [P2PD_ENTRY_VENDOR] = "vendor",
        [P2PD_ENTRY_ACCEL] = "accel",
        [P2PD_ENTRY_DRM] = "drm",
        [P2PD_ENTRY_INFINIBAND] = "infiniband",
        [P2PD_ENTRY_NET] = "net",
        [P2PD_ENTRY_NVME] = "nvme",
};

bool p2pd_reading_has(const struct p2pd_reading *g, enum p2pd_entry e)
{
        return g->type[e] != P2PD_ENTRY_MISSING;
}

static int note_entry(const struct p2pd_listed *entry, void *userdata)
{
        const char *name = entry->name;
        struct p2pd_reading *g = userdata;
        uint64_t number;

        for (unsigned e = 0; e < P2PD_ENTRY_MAX; e++)
                if (name[0] == p2pd_entry_names[e][0] && !strcmp(name, p2pd_entry_names[e])) {
                        g->type[e] = (uint8_t)entry->type;
                        return 0;
                }
        if (entry->type == P2PD_ENTRY_DIR && !strncmp(name, "virtio", 6) &&
            g->n_virtio < P2PD_VIRTIO_MAX && !p2p_text_parse_u64(name + 6, 10, &number) &&
            number <= UINT32_MAX)
                g->virtio[g->n_virtio++] = (uint32_t)number;
        return 0;
}

/* The text of a file of the function in r->line, or why not. */
enum p2p_why p2pd_reading_text(struct p2pd_reading *g, enum p2pd_entry e)
{
        ssize_t n;

        if (!p2pd_reading_has(g, e))
                return P2P_WHY_NO_FILE;
        n = p2pd_dir_read_text(g->dir, p2pd_entry_names[e], g->type[e] == P2PD_ENTRY_FILE,
                               g->r->line, sizeof(g->r->line));
        if (n >= 0)
                return P2P_WHY_KNOWN;
        return p2pd_why_from_errno((int)n);
}

void p2pd_reading_note_malformed(struct p2pd_reading *g, struct p2p_fact fact, uint32_t problem)
{
        if (fact.why == P2P_WHY_MALFORMED)
                g->x->problems |= problem;
}

struct p2p_fact p2pd_reading_number(struct p2pd_reading *g, enum p2pd_entry e, unsigned base,
                                    uint64_t max)
{
        enum p2p_why why = p2pd_reading_text(g, e);
        struct p2p_fact fact = why == P2P_WHY_KNOWN ? p2p_text_number(g->r->line, base, max)
                                                    : p2p_fact_without(why);

        p2pd_reading_note_malformed(g, fact, P2PD_PROBLEM_NUMBER);
        return fact;
}

/* Last component of where a link of the function points, in r->line. */
enum p2p_why p2pd_reading_link(struct p2pd_reading *g, enum p2pd_entry e, const char **ret)
{
        ssize_t n;
        char *slash;

        if (!p2pd_reading_has(g, e))
                return P2P_WHY_ABSENT;
        n = p2pd_dir_read_link(g->dir, p2pd_entry_names[e], g->r->line, sizeof(g->r->line));
        if (n == -ENOENT)
                return P2P_WHY_ABSENT;
        if (n < 0) {
                g->x->problems |= n == -EINVAL ? P2PD_PROBLEM_LINK : 0;
                return p2pd_why_from_errno((int)n);
        }
        slash = strrchr(g->r->line, '/');
        *ret = slash ? slash + 1 : g->r->line;
        if (!**ret) {
                g->x->problems |= P2PD_PROBLEM_LINK;
                return P2P_WHY_MALFORMED;
        }
        return P2P_WHY_KNOWN;
}

/* The path below sys/devices that a link in sys/bus/pci/devices names, or NULL: the kernel writes
 * "../../../devices/...". */
static const char *devices_path(const char *target)
{
        const char *at = target, *sys = strstr(target, "/sys/devices/");

        /* A copy may have been given absolute links, with the path that it had itself in front. */
        if (target[0] == '/' && sys)
                at = sys + 5;
        while (!strncmp(at, "../", 3))
                at += 3;
        if (strncmp(at, "devices/", 8) || strstr(at, "/../"))
                return NULL;
        return at + 8;
}

/* A function that stands in the directory of the last one's port hangs there too. */
static int open_below_port(struct p2pd_reading *g, const char *name)
{
        int dir;

        if (g->r->port < 0)
                return -ENOENT;
        dir = p2pd_dir_open_dir(g->r->port, name);
        if (dir >= 0) {
                g->x->place = g->r->port_place;
                g->x->place_why = P2P_WHY_KNOWN;
        }
        return dir;
}

/* Opens the directory that the function is in, for those to come, and then the function's own. */
static int open_port(struct p2pd_reading *g, const char *place, const char *name)
{
        struct p2pd_sysfs *r = g->r;
        char path[1100];

        p2pd_closep(&r->port);
        (void)snprintf(path, sizeof(path), "sys/devices/%.*s", (int)(strlen(place) - strlen(name)),
                       place);
        r->port = p2pd_tree_open_dir(r->tree, path);
        if (r->port < 0)
                return r->port;
        r->port_place = g->x->place;
        return p2pd_dir_open_dir(r->port, name);
}

/* Opens the function's directory and notes its place. A link is followed by its text, which spares
 * the kernel climbing; if that leads nowhere, by the kernel. */
int p2pd_reading_open(struct p2pd_reading *g)
{
        char link[1024], path[64], name[P2P_ADDRESS_STRING_MAX];
        const char *place = NULL;
        ssize_t n;
        int dir;

        (void)p2p_address_format(g->f->address, name);
        dir = open_below_port(g, name);
        if (dir >= 0)
                return dir;
        g->x->place_why = P2P_WHY_MALFORMED;
        n = g->x->path ? 0 : p2pd_dir_read_link(g->r->devices, name, link, sizeof(link));
        place = n > 0 ? devices_path(link) : g->x->path;
        if (place && !p2p_text_place(place, g->f->address, &g->x->place)) {
                g->x->place_why = P2P_WHY_KNOWN;
                dir = open_port(g, place, name);
                if (dir >= 0)
                        return dir;
        } else {
                g->x->problems |= P2PD_PROBLEM_PLACE;
        }
        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
        return p2pd_tree_open_dir(g->r->tree, path);
}

/* Notes whether this is a virtual function, and whose. */
bool p2pd_reading_is_vf(struct p2pd_reading *g)
{
        const char *name;

        g->type[P2PD_ENTRY_PHYSFN] = P2PD_ENTRY_UNLISTED;
        switch (p2pd_reading_link(g, P2PD_ENTRY_PHYSFN, &name)) {
        case P2P_WHY_ABSENT:
                return false;
        case P2P_WHY_KNOWN:
                g->x->has_physfn = !p2p_text_address(name, strlen(name), &g->x->physfn);
                if (!g->x->has_physfn)
                        g->x->problems |= P2PD_PROBLEM_LINK;
                return true;
        default:
                return true;
        }
}

/* Which files there are. */
int p2pd_reading_list(struct p2pd_reading *g)
{
        struct stat st;

        if (!g->f->is_vf) {
                memset(g->type, P2PD_ENTRY_MISSING, sizeof(g->type));
                return p2pd_dir_list(g->dir, g->r->entries, sizeof(g->r->entries), note_entry, g);
        }
        memset(g->type, P2PD_ENTRY_UNLISTED, sizeof(g->type));
        /* A directory with two links has no directories inside (some file systems do not count,
         * and say 1). */
        if (fstat(g->dir, &st) < 0)
                return -errno;
        if (st.st_nlink == 2) {
                memset(&g->type[P2PD_ENTRY_ACCEL], P2PD_ENTRY_MISSING,
                       P2PD_ENTRY_MAX - P2PD_ENTRY_ACCEL);
                g->type[P2PD_ENTRY_P2PMEM] = g->type[P2PD_ENTRY_POWER] = P2PD_ENTRY_MISSING;
                return 0;
        }
        /* Children may have any number. */
        return p2pd_dir_list(g->dir, g->r->entries, sizeof(g->r->entries), note_entry, g);
}
