/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs-reading.h"

void p2pd_sysfs_init(struct p2pd_sysfs *r, const struct p2pd_tree *tree, int devices,
                     uint8_t number)
{
        memset(r, 0, offsetof(struct p2pd_sysfs, entries));
        r->tree = tree;
        r->devices = devices;
        r->number = number;
        r->port = -1;
}

void p2pd_sysfs_deinit(struct p2pd_sysfs *r)
{
        p2pd_closep(&r->port);
        free(r->text);
        r->text = NULL;
}

static void take_fact(struct p2p_fact *fact, struct p2p_fact from)
{
        if (p2p_fact_is_known(from))
                *fact = from;
}

/* What the kernel says a function is counts more than its registers: quirks correct them, and a VF
 * has none. */
static void read_identity(struct p2pd_reading *g)
{
        struct p2p_function *f = g->f;
        struct p2p_uevent u;

        if (p2pd_reading_text(g, P2PD_ENTRY_UEVENT) == P2P_WHY_KNOWN) {
                p2p_text_uevent(g->r->line, &u);
                p2pd_reading_note_malformed(g, u.class_code, P2PD_PROBLEM_UEVENT);
                p2pd_reading_note_malformed(g, u.vendor, P2PD_PROBLEM_UEVENT);
                take_fact(&f->class_code, u.class_code);
                take_fact(&f->vendor, u.vendor);
                take_fact(&f->device, u.device);
                if (!p2p_fact_is_absent(f->subsystem_vendor)) {
                        take_fact(&f->subsystem_vendor, u.subsystem_vendor);
                        take_fact(&f->subsystem_device, u.subsystem_device);
                }
                g->uevent_tells_driver = p2p_fact_is_known(u.vendor);
                if (u.driver.text && u.driver.length < sizeof(g->driver)) {
                        memcpy(g->driver, u.driver.text, u.driver.length);
                        g->driver[u.driver.length] = '\0';
                }
        } else {
                u.vendor = u.class_code = u.subsystem_vendor = p2p_fact_without(P2P_WHY_NO_FILE);
        }
        if (!p2p_fact_is_known(u.class_code) && p2pd_reading_has(g, P2PD_ENTRY_CLASS))
                take_fact(&f->class_code, p2pd_reading_number(g, P2PD_ENTRY_CLASS, 16, 0xffffff));
        if (!p2p_fact_is_known(u.vendor) && p2pd_reading_has(g, P2PD_ENTRY_VENDOR)) {
                take_fact(&f->vendor, p2pd_reading_number(g, P2PD_ENTRY_VENDOR, 16, UINT16_MAX));
                take_fact(&f->device, p2pd_reading_number(g, P2PD_ENTRY_DEVICE, 16, UINT16_MAX));
        }
        if (!p2p_fact_is_known(u.subsystem_vendor) && p2p_fact_is_unknown(f->subsystem_vendor)) {
                take_fact(&f->subsystem_vendor,
                          p2pd_reading_number(g, P2PD_ENTRY_SUBSYSTEM_VENDOR, 16, UINT16_MAX));
                take_fact(&f->subsystem_device,
                          p2pd_reading_number(g, P2PD_ENTRY_SUBSYSTEM_DEVICE, 16, UINT16_MAX));
        }
        if (!p2p_fact_is_known(f->revision))
                take_fact(&f->revision, p2pd_reading_number(g, P2PD_ENTRY_REVISION, 16, UINT8_MAX));
}

/* The link decides whether a driver is bound. Both it and uevent show the same field of the kernel,
 * so where it was not looked for, uevent does. */
static void read_driver(struct p2pd_reading *g)
{
        const char *name;
        enum p2p_why why;

        if (g->type[P2PD_ENTRY_DRIVER] == P2PD_ENTRY_UNLISTED && g->uevent_tells_driver) {
                g->f->driver_why = g->driver[0] ? P2P_WHY_KNOWN : P2P_WHY_ABSENT;
                return;
        }
        why = p2pd_reading_link(g, P2PD_ENTRY_DRIVER, &name);
        if (why == P2P_WHY_KNOWN && strlen(name) < sizeof(g->driver))
                strcpy(g->driver, name);
        else if (why == P2P_WHY_KNOWN)
                why = P2P_WHY_MALFORMED;
        else if (why == P2P_WHY_ABSENT && g->driver[0])
                why = P2P_WHY_KNOWN;
        if (why != P2P_WHY_KNOWN)
                g->driver[0] = '\0';
        g->f->driver_why = why;
}

static void read_group(struct p2pd_reading *g)
{
        const char *name;
        uint64_t number;
        enum p2p_why why = p2pd_reading_link(g, P2PD_ENTRY_GROUP, &name);

        if (why == P2P_WHY_KNOWN) {
                if (p2p_text_parse_u64(name, 10, &number) < 0 || number >= UINT32_MAX) {
                        g->x->problems |= P2PD_PROBLEM_LINK;
                        why = P2P_WHY_MALFORMED;
                } else {
                        g->x->group_number = (uint32_t)number;
                }
        }
        g->f->group_why = why;
        /* Only where the class directory does not tell it is this asked for; one will do. */
        if (p2pd_reading_has(g, P2PD_ENTRY_IOMMU) && !g->f->is_vf &&
            p2pd_reading_link(g, P2PD_ENTRY_IOMMU, &name) == P2P_WHY_KNOWN &&
            strlen(name) < sizeof(g->iommu))
                strcpy(g->iommu, name);
}

/* Joins a BAR's line of `resource` (CPU side) with its register (bus side). */
static void fill_bar(struct p2pd_reading *g, unsigned k, const struct p2p_resource *line)
{
        struct p2p_bar *bar = &g->f->bars[k];
        const struct p2p_config_extra *x = g->x->extra;
        const struct p2p_config_bar *reg = &x->bars[k];

        if (!line->start && !line->end && !line->flags && !line->is_malformed) {
                bar->kind = P2P_BAR_ABSENT;
                bar->phys_why = bar->bus_why = P2P_WHY_ABSENT;
                bar->size_bytes = p2p_fact_without(P2P_WHY_ABSENT);
                return;
        }
        if (line->is_malformed || !(line->flags & (P2P_RESOURCE_IO | P2P_RESOURCE_MEMORY)) ||
            line->end - line->start == UINT64_MAX) {
                g->x->problems |= P2PD_PROBLEM_RESOURCE;
                bar->kind = P2P_BAR_UNKNOWN;
                bar->phys_why = bar->bus_why = P2P_WHY_MALFORMED;
                bar->size_bytes = p2p_fact_without(P2P_WHY_MALFORMED);
                return;
        }
        bar->kind = line->flags & P2P_RESOURCE_MEMORY ? P2P_BAR_MEMORY : P2P_BAR_IO;
        bar->is_64bit = line->flags & P2P_RESOURCE_MEM_64;
        bar->prefetchable = line->flags & P2P_RESOURCE_PREFETCH;
        bar->assigned = !(line->flags & (P2P_RESOURCE_UNSET | P2P_RESOURCE_DISABLED));
        bar->size_bytes = p2p_fact_known(line->end - line->start + 1);
        bar->phys_why = bar->assigned ? P2P_WHY_KNOWN : P2P_WHY_NOT_REPORTED;
        bar->phys_start.val = bar->assigned ? line->start : 0;
        if (g->f->is_vf) {
                bar->bus_why = P2P_WHY_NOT_REPORTED;
                return;
        }
        if (x->bars_why != P2P_WHY_KNOWN)
                bar->bus_why = x->bars_why;
        else if (!bar->assigned || !p2p_fact_is_known(reg->bus_start))
                bar->bus_why = P2P_WHY_NOT_REPORTED;
        else
                bar->bus_why = reg->kind == bar->kind ? P2P_WHY_KNOWN : P2P_WHY_MALFORMED;
        bar->bus_start.val = bar->bus_why == P2P_WHY_KNOWN ? reg->bus_start.val : 0;
}

static void read_bars(struct p2pd_reading *g)
{
        struct p2p_resource lines[P2P_BARS_MAX];
        enum p2p_why why = p2pd_reading_text(g, P2PD_ENTRY_RESOURCE);
        size_t n = 0;

        if (why == P2P_WHY_KNOWN)
                n = p2p_text_resources(g->r->line, lines, P2P_BARS_MAX);
        if (why != P2P_WHY_KNOWN) {
                p2pd_scan_bars_from_registers(g->s, g->index, why);
                return;
        }
        for (unsigned k = 0; k < P2P_BARS_MAX; k++) {
                if (k >= n)
                        lines[k] = (struct p2p_resource){.is_malformed = true};
                fill_bar(g, k, &lines[k]);
        }
}

static void read_link_files(struct p2pd_reading *g)
{
        static const struct {
                enum p2pd_entry entry;
                size_t offset;
                struct p2p_fact (*parse)(const char *text);
        } files[] = {
                {P2PD_ENTRY_CURRENT_SPEED, offsetof(struct p2p_function, link_speed_mts),
                 p2p_text_link_speed_mts},
                {P2PD_ENTRY_CURRENT_WIDTH, offsetof(struct p2p_function, link_width_lanes),
                 p2p_text_link_width},
                {P2PD_ENTRY_MAX_SPEED, offsetof(struct p2p_function, link_speed_max_mts),
                 p2p_text_link_speed_mts},
                {P2PD_ENTRY_MAX_WIDTH, offsetof(struct p2p_function, link_width_max_lanes),
                 p2p_text_link_width},
        };

        /* A VF has its PF's link, which is set later. */
        if (g->f->is_vf)
                return;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                struct p2p_fact *fact = (void *)((char *)g->f + files[i].offset), read;

                if (!p2p_fact_is_unknown(*fact) || !p2pd_reading_has(g, files[i].entry) ||
                    p2pd_reading_text(g, files[i].entry) != P2P_WHY_KNOWN)
                        continue;
                read = files[i].parse(g->r->line);
                p2pd_reading_note_malformed(g, read, P2PD_PROBLEM_NUMBER);
                *fact = read;
        }
}

/* What the registers would say as well, from the kernel's files where they could not be read. */
static void read_fallbacks(struct p2pd_reading *g)
{
        struct p2p_function *f = g->f;

        read_link_files(g);
        if (p2p_fact_is_unknown(f->secondary_bus) && p2pd_reading_has(g, P2PD_ENTRY_SECONDARY)) {
                take_fact(&f->secondary_bus,
                          p2pd_reading_number(g, P2PD_ENTRY_SECONDARY, 10, UINT8_MAX));
                take_fact(&f->subordinate_bus,
                          p2pd_reading_number(g, P2PD_ENTRY_SUBORDINATE, 10, UINT8_MAX));
        }
        if (p2p_fact_is_unknown(f->sriov_total_vfs) &&
            p2pd_reading_has(g, P2PD_ENTRY_SRIOV_TOTALVFS)) {
                take_fact(&f->sriov_total_vfs,
                          p2pd_reading_number(g, P2PD_ENTRY_SRIOV_TOTALVFS, 10, UINT16_MAX));
                take_fact(&f->sriov_num_vfs,
                          p2pd_reading_number(g, P2PD_ENTRY_SRIOV_NUMVFS, 10, UINT16_MAX));
        }
        /* Usually the port above tells this; its bytes may be missing where this one's are. */
        if (f->config_bytes <= P2P_CONFIG_HEADER_BYTES && p2pd_reading_has(g, P2PD_ENTRY_ARI))
                f->ari = p2pd_reading_number(g, P2PD_ENTRY_ARI, 10, 1);
}

static void read_p2pmem(struct p2pd_reading *g)
{
        static const char *const names[] = {"size", "available", "published"};
        struct p2p_fact *const facts[] = {&g->f->p2pmem_size_bytes, &g->f->p2pmem_available_bytes,
                                          &g->f->p2pmem_published};
        __attribute__((cleanup(p2pd_closep))) int dir = -ENOENT;

        if (p2pd_reading_has(g, P2PD_ENTRY_P2PMEM))
                dir = p2pd_dir_open_dir(g->dir, p2pd_entry_names[P2PD_ENTRY_P2PMEM]);
        for (unsigned i = 0; i < 3; i++) {
                ssize_t n;

                if (dir == -ENOENT) {
                        *facts[i] = p2p_fact_without(P2P_WHY_ABSENT);
                        continue;
                }
                n = dir < 0 ? dir
                            : p2pd_dir_read_text(dir, names[i], false, g->r->line,
                                                 sizeof(g->r->line));
                *facts[i] = n < 0 ? p2p_fact_without(p2pd_why_from_errno((int)n))
                                  : p2p_text_number(g->r->line, 10, UINT64_MAX);
                p2pd_reading_note_malformed(g, *facts[i], P2PD_PROBLEM_NUMBER);
        }
}

/* The kernel derives the list from the node, so one function of each node is asked. Of functions
 * without node each is, apart from VFs, which take over their PF's. */
static void read_cpulist(struct p2pd_reading *g)
{
        struct p2p_fact node = g->f->numa_node;
        bool cached = p2p_fact_is_known(node) && node.val < P2PD_NODES_MAX;
        struct p2p_slice line;

        if (cached && g->r->node_cpulist[node.val]) {
                const char *text = g->r->text + g->r->node_cpulist[node.val] - 1;

                memcpy(g->cpulist, text, strlen(text) + 1);
                return;
        }
        if ((g->f->is_vf && !cached) || !p2pd_reading_has(g, P2PD_ENTRY_CPULIST) ||
            p2pd_reading_text(g, P2PD_ENTRY_CPULIST) != P2P_WHY_KNOWN)
                return;
        line = p2p_text_line(g->r->line);
        if (line.length >= sizeof(g->cpulist))
                return;
        memcpy(g->cpulist, line.text, line.length);
        g->cpulist[line.length] = '\0';
}

/* Linux takes a function's node from its bus, and a VF's bus has the node of its PF's: thousands of
 * VFs are not asked, p2pd_settle() gives them their PF's. */
static void read_numa_node(struct p2pd_reading *g)
{
        enum p2p_why why;

        if (g->f->is_vf && g->x->has_physfn) {
                g->f->numa_node = p2p_fact_without(P2P_WHY_NO_FILE);
                return;
        }
        why = p2pd_reading_text(g, P2PD_ENTRY_NUMA_NODE);
        g->f->numa_node =
                why == P2P_WHY_KNOWN ? p2p_text_numa_node(g->r->line) : p2p_fact_without(why);
        p2pd_reading_note_malformed(g, g->f->numa_node, P2PD_PROBLEM_NUMBER);
}

static void read_platform(struct p2pd_reading *g)
{
        read_numa_node(g);
        g->f->dma_mask_bits = p2pd_reading_number(g, P2PD_ENTRY_DMA_MASK, 10, 64);
        read_cpulist(g);
}

static int note_name(const struct p2pd_listed *entry, void *userdata)
{
        struct p2pd_reading *g = userdata;
        size_t n = strlen(entry->name) + 1;

        if (g->n_names == P2PD_NAMES_MAX || n > P2PD_NAMES_TEXT_MAX - g->names_used) {
                g->x->problems |= P2PD_PROBLEM_NAMES;
                return 1;
        }
        memcpy(g->names + g->names_used, entry->name, n);
        g->name_at[g->n_names++] = g->names_used;
        g->names_used = (uint16_t)(g->names_used + n);
        return 0;
}

static void read_names_in(struct p2pd_reading *g, int dir, const char *name)
{
        __attribute__((cleanup(p2pd_closep))) int children = p2pd_dir_open_dir(dir, name);

        if (children >= 0)
                (void)p2pd_dir_list(children, g->r->entries, sizeof(g->r->entries), note_name, g);
}

static void sort_names(struct p2pd_reading *g)
{
        /* A few at most. */
        for (unsigned i = 1; i < g->n_names; i++)
                for (unsigned k = i; k > 0; k--) {
                        uint16_t a = g->name_at[k - 1], b = g->name_at[k];

                        if (strcmp(g->names + a, g->names + b) <= 0)
                                break;
                        g->name_at[k - 1] = b;
                        g->name_at[k] = a;
                }
}

static void read_names(struct p2pd_reading *g)
{
        for (unsigned e = P2PD_ENTRY_ACCEL; e < P2PD_ENTRY_MAX; e++)
                if (p2pd_reading_has(g, e))
                        read_names_in(g, g->dir, p2pd_entry_names[e]);
        for (uint32_t i = 0; i < g->n_virtio; i++) {
                __attribute__((cleanup(p2pd_closep))) int virtio = -1;
                char name[24];

                (void)snprintf(name, sizeof(name), "virtio%u", (unsigned)g->virtio[i]);
                virtio = p2pd_dir_open_dir(g->dir, name);
                if (virtio >= 0)
                        read_names_in(g, virtio, "net");
        }
        sort_names(g);
}

static char *reserve_text(struct p2pd_sysfs *r, size_t n)
{
        if (r->text_room - r->n_text < n) {
                size_t room = r->text_room * 2 + n + 4096;
                char *text = realloc(r->text, room);

                if (!text || room > UINT32_MAX) {
                        r->text = text ? text : r->text;
                        r->error = -ENOMEM;
                        return NULL;
                }
                r->text = text;
                r->text_room = room;
        }
        return r->text + r->n_text;
}

static void keep_strings(struct p2pd_reading *g)
{
        struct p2pd_sysfs *r = g->r;
        const char *const first[] = {g->driver, g->cpulist, g->iommu};
        size_t n = g->names_used;
        char *at;

        for (unsigned i = 0; i < 3; i++)
                n += strlen(first[i]) + 1;
        at = reserve_text(r, n);
        if (!at)
                return;
        g->x->reader = r->number;
        g->x->text_at = (uint32_t)r->n_text;
        g->x->n_names = g->n_names;
        if (g->cpulist[0] && p2p_fact_is_known(g->f->numa_node) &&
            g->f->numa_node.val < P2PD_NODES_MAX)
                r->node_cpulist[g->f->numa_node.val] =
                        (uint32_t)(r->n_text + strlen(g->driver) + 1 + 1);
        for (unsigned i = 0; i < 3; i++)
                at = stpcpy(at, first[i]) + 1;
        for (unsigned i = 0; i < g->n_names; i++)
                at = stpcpy(at, g->names + g->name_at[i]) + 1;
        r->n_text += n;
}

struct p2pd_sysfs_strings p2pd_sysfs_get_strings(const struct p2pd_sysfs *r,
                                                 const struct p2pd_scratch *x)
{
        struct p2pd_sysfs_strings s;

        s.driver = r->text + x->text_at;
        s.cpulist = s.driver + strlen(s.driver) + 1;
        s.iommu = s.cpulist + strlen(s.cpulist) + 1;
        s.names = s.iommu + strlen(s.iommu) + 1;
        return s;
}

/* A function of which nothing but its address is known. */
static void set_unreadable(struct p2pd_reading *g, enum p2p_why why)
{
        const struct p2p_config_input in = {.short_why = why};
        const struct p2p_fact fact = p2p_fact_without(why);
        struct p2p_function *f = g->f;

        p2pd_scan_parse_config(g->s, g->index, &in);
        p2pd_scan_bars_from_registers(g->s, g->index, why);
        f->driver_why = f->group_why = why;
        f->numa_node = f->dma_mask_bits = f->ari = fact;
        f->p2pmem_size_bytes = f->p2pmem_available_bytes = f->p2pmem_published = fact;
}

static void set_identity_unknown(struct p2p_function *f, enum p2p_why why)
{
        const struct p2p_fact fact = p2p_fact_without(why);

        f->class_code = f->vendor = f->device = f->revision = f->subsystem_vendor =
                f->subsystem_device = fact;
}

void p2pd_sysfs_read_function(struct p2pd_sysfs *r, struct p2pd_scan *s, uint32_t i)
{
        struct p2pd_reading g = {
                .r = r,
                .s = s,
                .index = i,
                .f = &s->machine->functions[i],
                .x = &s->scratch[i],
                .dir = -1,
        };
        int error;

        g.dir = p2pd_reading_open(&g);
        if (g.dir >= 0)
                g.f->is_vf = p2pd_reading_is_vf(&g);
        error = g.dir < 0 ? g.dir : p2pd_reading_list(&g);
        if (error < 0) {
                g.x->is_gone = r->config_fn && (error == -ENOENT || error == -ENODEV);
                g.x->problems |= P2PD_PROBLEM_DIRECTORY;
                set_unreadable(&g, p2pd_why_from_errno(error));
                keep_strings(&g);
                p2pd_closep(&g.dir);
                return;
        }
        if (g.f->is_vf)
                set_identity_unknown(g.f, P2P_WHY_NO_FILE);
        p2pd_reading_config(&g);
        read_identity(&g);
        read_driver(&g);
        read_group(&g);
        read_bars(&g);
        read_fallbacks(&g);
        read_p2pmem(&g);
        read_platform(&g);
        read_names(&g);
        keep_strings(&g);
        p2pd_closep(&g.dir);
}
