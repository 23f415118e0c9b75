/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attributes.h"
#include "parallel.h"
#include "sysfs-text.h"

#define N_ATTRIBUTES(table) (sizeof(table) / sizeof((table)[0]))
#define CPUINFO_BYTES 16384U
#define REGIONS_MAX 64U

static int take_slice(struct p2p_machine *m, struct p2p_slice s, const char **ret)
{
        const char *copy = p2p_machine_strndup(m, s.text, s.length);

        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

static int read_cpu(const struct p2pd_tree *t, struct p2p_machine *m)
{
        char *text = malloc(CPUINFO_BYTES);
        struct p2p_cpu cpu;
        ssize_t n;
        int r = 0;

        if (!text)
                return -ENOMEM;
        n = p2pd_tree_read_text(t, "proc/cpuinfo", text, CPUINFO_BYTES);
        if (n < 0) {
                m->cpu_why = p2pd_why_from_errno((int)n);
                m->cpu_family = m->cpu_model = p2p_fact_without(m->cpu_why);
                goto out;
        }
        p2p_text_cpuinfo(text, &cpu);
        m->cpu_vendor = cpu.vendor;
        m->cpu_why = cpu.why;
        m->is_x86 = cpu.is_x86;
        m->cpu_family = cpu.family;
        m->cpu_model = cpu.model;
        if (cpu.why == P2P_WHY_MALFORMED)
                p2p_machine_warn(m, NULL, "proc/cpuinfo: names no processor that is understood");
        if (cpu.vendor_text.text)
                r = take_slice(m, cpu.vendor_text, &m->cpu_vendor_text);
out:
        free(text);
        return r;
}

static int read_kernel(const struct p2pd_tree *t, struct p2p_machine *m)
{
        char text[P2P_ATTRIBUTE_TEXT_MAX];
        struct p2p_slice release = {0};
        ssize_t n;
        int r = 0;

        n = p2pd_tree_read_text(t, "proc/sys/kernel/osrelease", text, sizeof(text));
        if (n > 0)
                release = p2p_text_line(text);
        if (!release.length) {
                n = p2pd_tree_read_text(t, "proc/version", text, sizeof(text));
                if (n >= 0)
                        release = p2p_text_version_release(text);
        }
        m->kernel_why = n < 0 ? p2pd_why_from_errno((int)n) : P2P_WHY_MALFORMED;
        if (release.length) {
                m->kernel_why = P2P_WHY_KNOWN;
                r = take_slice(m, release, &m->kernel_release);
        } else if (n >= 0) {
                p2p_machine_warn(m, NULL, "proc/version: does not name a kernel release");
        }
        if (r < 0)
                return r;
        n = p2pd_tree_read_text(t, "proc/cmdline", text, sizeof(text));
        return n < 0 ? 0 : take_slice(m, p2p_text_line(text), &m->kernel_command_line);
}

/* Looks through a kernel configuration in pieces. Lines longer than the buffer are not options. */
static struct p2p_fact find_option(int fd, const char *name)
{
        char buf[8192];
        size_t have = 0, total = 0;

        while (total < P2P_ATTRIBUTE_KERNEL_CONFIG_MAX) {
                ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);
                char *line = buf, *end;

                if (n < 0)
                        return p2p_fact_without(p2pd_why_from_errno(-errno));
                total += (size_t)n;
                have += (size_t)n;
                buf[have] = '\0';
                while ((end = memchr(line, '\n', have - (size_t)(line - buf)))) {
                        struct p2p_fact option;

                        *end = '\0';
                        option = p2p_text_kernel_option(line, name);
                        if (option.why != P2P_WHY_NO_FILE)
                                return option;
                        line = end + 1;
                }
                if (n == 0)
                        break;
                have -= (size_t)(line - buf);
                memmove(buf, line, have);
                if (have == sizeof(buf) - 1)
                        have = 0;
        }
        /* An option that cannot be chosen is not mentioned at all, but neither is one that was cut
         * off. */
        return p2p_fact_without(P2P_WHY_NOT_REPORTED);
}

/* proc/config.gz is left alone: its facts are not worth a decompressor. */
static struct p2p_fact read_kernel_option(const struct p2pd_tree *t, const char *release,
                                          const char *name)
{
        struct p2p_fact option = p2p_fact_without(P2P_WHY_NO_FILE);

        for (size_t i = 0; i < N_ATTRIBUTES(p2p_machine_attributes); i++) {
                const struct p2p_attribute *attribute = &p2p_machine_attributes[i];
                const char *star = strchr(attribute->path, '*');
                __attribute__((cleanup(p2pd_closep))) int fd = -1;
                char path[512];

                if (attribute->kind != P2P_ATTRIBUTE_KERNEL_CONFIG)
                        continue;
                (void)snprintf(path, sizeof(path), "%.*s%s%s", (int)(star - attribute->path),
                               attribute->path, release, star + 1);
                fd = p2pd_tree_open_file(t, path);
                option = fd < 0 ? p2p_fact_without(p2pd_why_from_errno(fd)) : find_option(fd, name);
                if (fd >= 0)
                        break;
        }
        return option;
}

static void read_p2pdma(const struct p2pd_tree *t, bool has_p2pmem, struct p2p_machine *m)
{
        if (has_p2pmem)
                m->kernel_has_p2pdma = p2p_fact_known(1);
        else if (!m->kernel_release || strchr(m->kernel_release, '/') ||
                 strlen(m->kernel_release) > 256)
                m->kernel_has_p2pdma = p2p_fact_without(P2P_WHY_NO_FILE);
        else
                m->kernel_has_p2pdma =
                        read_kernel_option(t, m->kernel_release, "CONFIG_PCI_P2PDMA");
}

static int count_node(const struct p2pd_listed *entry, void *userdata)
{
        struct p2p_fact *nodes = userdata;
        uint64_t number;

        if (!strncmp(entry->name, "node", 4) && !p2p_text_parse_u64(entry->name + 4, 10, &number))
                nodes->val++;
        return 0;
}

static void read_nodes(const struct p2pd_tree *t, struct p2p_machine *m)
{
        __attribute__((cleanup(p2pd_closep))) int dir = -1;
        _Alignas(uint64_t) char entries[4096];
        struct p2p_fact nodes = p2p_fact_known(0);
        int r;

        dir = p2pd_tree_open_dir(t, "sys/devices/system/node");
        r = dir < 0 ? dir : p2pd_dir_list(dir, entries, sizeof(entries), count_node, &nodes);
        if (r < 0)
                m->numa_nodes = p2p_fact_without(p2pd_why_from_errno(r));
        else
                m->numa_nodes = nodes.val ? nodes : p2p_fact_without(P2P_WHY_NOT_REPORTED);
}

/* Linux names IOMMUs after their driver: dmar0, ivhd0, virtio3, smmu3.0x2b400000. */
static const char *iommu_kind(const char *device)
{
        static const struct {
                const char *prefix, *kind;
        } kinds[] = {
                {"dmar", "intel"},
                {"ivhd", "amd"},
                {"virtio", "virtio"},
                {"smmu", "smmu"},
        };

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (!strncmp(device, kinds[i].prefix, strlen(kinds[i].prefix)))
                        return kinds[i].kind;
        return "other";
}

static int take_iommu(const struct p2pd_listed *entry, void *userdata)
{
        const char **kind = userdata;

        *kind = iommu_kind(entry->name);
        return 1;
}

static int take_text(struct p2p_machine *m, const char *text, const char **ret)
{
        return text ? take_slice(m, (struct p2p_slice){text, strlen(text)}, ret) : 0;
}

/* Without any IOMMU known by name, groups of functions tell that there is one; an empty directory
 * of IOMMUs tells that there is none. Functions that were not read now may have named it before. */
static int read_iommu(const struct p2pd_platform_params *p, struct p2p_machine *m)
{
        __attribute__((cleanup(p2pd_closep))) int dir = -1;
        _Alignas(uint64_t) char entries[1024];
        const char *kind = NULL;
        int r;

        dir = p2pd_tree_open_dir(p->tree, "sys/class/iommu");
        r = dir < 0 ? dir : p2pd_dir_list(dir, entries, sizeof(entries), take_iommu, &kind);
        if (!kind && p->iommu_device[0])
                kind = iommu_kind(p->iommu_device);
        if (!kind && p->previous && p->previous->n_groups && m->n_groups)
                return take_text(m, p->previous->iommu_kind, &m->iommu_kind);
        if (!kind && m->n_groups)
                kind = "other";
        if (!kind && r >= 0)
                kind = "none";
        m->iommu_kind = kind;
        return 0;
}

static int take_cpu(const struct p2p_machine *from, struct p2p_machine *m)
{
        m->cpu_vendor = from->cpu_vendor;
        m->cpu_why = from->cpu_why;
        m->is_x86 = from->is_x86;
        m->cpu_family = from->cpu_family;
        m->cpu_model = from->cpu_model;
        return take_text(m, from->cpu_vendor_text, &m->cpu_vendor_text);
}

static int take_kernel(const struct p2p_machine *from, struct p2p_machine *m)
{
        int r = take_text(m, from->kernel_release, &m->kernel_release);

        m->kernel_why = from->kernel_why;
        return r < 0 ? r : take_text(m, from->kernel_command_line, &m->kernel_command_line);
}

/* Whether the option is in the kernel's configuration does not change while it runs; a p2pmem
 * directory, which tells more, does. */
static bool can_take_p2pdma(const struct p2p_machine *from)
{
        for (uint32_t i = 0; i < from->n_functions; i++)
                if (p2p_fact_is_known(from->functions[i].p2pmem_size_bytes))
                        return false;
        return true;
}

int p2pd_platform_read(const struct p2pd_platform_params *p, struct p2p_machine *m)
{
        const struct p2p_machine *from = p->previous;
        int r;

        r = from && from->cpu_why == P2P_WHY_KNOWN ? take_cpu(from, m) : read_cpu(p->tree, m);
        if (r < 0)
                return r;
        r = from && from->kernel_why == P2P_WHY_KNOWN ? take_kernel(from, m)
                                                      : read_kernel(p->tree, m);
        if (r < 0)
                return r;
        if (from && !p->has_p2pmem && can_take_p2pdma(from))
                m->kernel_has_p2pdma = from->kernel_has_p2pdma;
        else
                read_p2pdma(p->tree, p->has_p2pmem, m);
        read_nodes(p->tree, m);
        return read_iommu(p, m);
}

/* A group as a worker read it: regions are copied into the machine afterwards. */
struct group_text {
        struct p2p_region *regions;
        uint32_t n_regions;
        bool is_malformed, is_out_of_memory;
};

struct groups_work {
        int dir;
        struct p2p_machine *machine;
        const uint32_t *which; /* NULL: all */
        struct group_text *texts;
};

static void parse_regions(const char *text, struct p2p_group *group, struct group_text *ret)
{
        struct p2p_region regions[REGIONS_MAX];
        uint32_t n = 0;
        int r;

        while (n < REGIONS_MAX && (r = p2p_text_next_region(&text, &regions[n])) != 0) {
                if (r < 0)
                        ret->is_malformed = true;
                else
                        n++;
        }
        /* A list that is not whole would hide a region. */
        if (ret->is_malformed || n == REGIONS_MAX) {
                ret->is_malformed = true;
                group->regions_why = P2P_WHY_MALFORMED;
                return;
        }
        group->regions_why = P2P_WHY_KNOWN;
        if (n == 0)
                return;
        ret->regions = malloc(n * sizeof(*regions));
        if (!ret->regions) {
                ret->is_out_of_memory = true;
                return;
        }
        memcpy(ret->regions, regions, n * sizeof(*regions));
        ret->n_regions = n;
}

static struct p2p_group *group_of(const struct groups_work *w, uint32_t i)
{
        return &w->machine->groups[w->which ? w->which[i] : i];
}

static void read_group(uint32_t i, unsigned worker, void *userdata)
{
        const struct groups_work *w = userdata;
        __attribute__((cleanup(p2pd_closep))) int dir = -1;
        struct p2p_group *group = group_of(w, i);
        char text[4096], name[16];
        ssize_t n;

        (void)worker;
        (void)snprintf(name, sizeof(name), "%u", (unsigned)group->number);
        dir = p2pd_dir_open_dir(w->dir, name);
        if (dir < 0) {
                group->type_why = group->regions_why = p2pd_why_from_errno(dir);
                return;
        }
        n = p2pd_dir_read_text(dir, "type", false, text, sizeof(text));
        if (n < 0)
                group->type_why = p2pd_why_from_errno((int)n);
        else
                group->type = p2p_text_group_type(text, &group->type_why);
        n = p2pd_dir_read_text(dir, "reserved_regions", false, text, sizeof(text));
        if (n < 0)
                group->regions_why = p2pd_why_from_errno((int)n);
        else if ((size_t)n == sizeof(text) - 1)
                w->texts[i].is_malformed = true;
        else
                parse_regions(text, group, &w->texts[i]);
}

static int keep_group(struct p2p_machine *m, struct p2p_group *group, const struct group_text *text)
{
        if (text->is_out_of_memory)
                return -ENOMEM;
        if (text->is_malformed) {
                group->regions_why = P2P_WHY_MALFORMED;
                p2p_machine_warn(m, NULL, "iommu_groups/%u: reserved_regions does not parse",
                                 (unsigned)group->number);
        }
        if (group->type_why == P2P_WHY_MALFORMED)
                p2p_machine_warn(m, NULL, "iommu_groups/%u: type is none that is understood",
                                 (unsigned)group->number);
        if (!text->n_regions)
                return 0;
        group->regions = p2p_machine_alloc(m, text->n_regions, sizeof(*group->regions));
        if (!group->regions)
                return -ENOMEM;
        memcpy(group->regions, text->regions, text->n_regions * sizeof(*group->regions));
        group->n_regions = text->n_regions;
        return 0;
}

int p2pd_groups_read(const struct p2pd_tree *t, struct p2p_machine *m, const uint32_t *which,
                     uint32_t n)
{
        __attribute__((cleanup(p2pd_closep))) int dir = -1;
        struct groups_work w = {.machine = m, .which = which};
        int r = 0;

        if (!n)
                return 0;
        dir = p2pd_tree_open_dir(t, "sys/kernel/iommu_groups");
        if (dir < 0)
                return 0;
        w.dir = dir;
        w.texts = calloc(n, sizeof(*w.texts));
        if (!w.texts)
                return -ENOMEM;
        p2pd_parallel(n, p2pd_workers_for(n), read_group, &w);
        for (uint32_t i = 0; i < n; i++) {
                if (r == 0)
                        r = keep_group(m, group_of(&w, i), &w.texts[i]);
                free(w.texts[i].regions);
        }
        free(w.texts);
        return r;
}
