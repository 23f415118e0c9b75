/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"
#include "platform.h"
#include "sysfs-keep.h"
#include "sysfs-walk.h"
#include "udev-list.h"

#define DEVICES "sys/bus/pci/devices"

/* Functions found so far. */
struct found {
        struct p2p_machine *machine;
        struct p2pd_found *list;
        size_t n, room;
        char *paths; /* as the walk gave them, each with its NUL; NULL without a walk */
        size_t n_paths, paths_room;
};

static void found_deinit(struct found *found)
{
        free(found->list);
        free(found->paths);
}

static int add_found(struct found *found, struct p2p_address address, uint64_t incarnation)
{
        if (found->n == found->room) {
                size_t room = found->room * 2 + 64;
                struct p2pd_found *p = reallocarray(found->list, room, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                found->list = p;
                found->room = room;
        }
        found->list[found->n++] = (struct p2pd_found){address, incarnation};
        return 0;
}

static int note_entry(const struct p2pd_listed *entry, void *userdata)
{
        struct found *found = userdata;
        char canonical[P2P_ADDRESS_STRING_MAX];
        struct p2p_address address;

        /* Written otherwise than the kernel does ("00000000:00:00.0"), it would not be found. */
        if (p2p_text_address(entry->name, strlen(entry->name), &address) < 0 ||
            strcmp(p2p_address_format(address, canonical), entry->name)) {
                p2p_machine_warn(found->machine, NULL, DEVICES ": \"%.64s\" is no address",
                                 entry->name);
                return 0;
        }
        return add_found(found, address, entry->inode);
}

static int note_udev(const char *name, void *userdata)
{
        struct p2p_address address;

        /* What is no address was noticed in the directory. */
        return p2p_text_address(name, strlen(name), &address) < 0 ? 0
                                                                  : add_found(userdata, address, 0);
}

static int note_path(const char *path, struct p2p_address address, void *userdata)
{
        struct found *found = userdata;
        size_t n = strlen(path) + 1;

        if (found->paths_room - found->n_paths < n) {
                size_t room = found->paths_room * 2 + n + 4096;
                char *p = realloc(found->paths, room);

                if (!p)
                        return -ENOMEM;
                found->paths = p;
                found->paths_room = room;
        }
        memcpy(found->paths + found->n_paths, path, n);
        found->n_paths += n;
        return add_found(found, address, 0);
}

/* Gives each function the path that the walk found. */
static void take_paths(const struct found *found, struct p2pd_scan *s)
{
        for (const char *at = found->paths; at && at < found->paths + found->n_paths;
             at += strlen(at) + 1) {
                const char *name = strrchr(at, '/') + 1;
                struct p2p_address address;

                if (p2p_text_address(name, strlen(name), &address) == 0)
                        s->scratch[p2p_machine_find(s->machine, address)].path = at;
        }
}

static int find_functions(const struct p2pd_sysfs_scan_params *p, int devices, struct found *found)
{
        _Alignas(uint64_t) char entries[8192];
        int r;

        if (devices < 0) {
                r = p2pd_sysfs_walk(p->tree, note_path, found);
                if (r == 0 && found->n)
                        p2p_machine_warn(found->machine, NULL,
                                         "there is no " DEVICES ": functions are those of "
                                         "sys/devices");
                return r == 0 && !found->n ? -ENOENT : r;
        }
        r = p2pd_dir_list(devices, entries, sizeof(entries), note_entry, found);
        return r == 0 && p->config_fn && !p->scope ? p2pd_udev_list_pci(note_udev, found) : r;
}

struct job {
        const struct p2pd_sysfs_scan_params *params;
        struct p2pd_scan scan;
        struct p2pd_sysfs *readers;
        unsigned n_readers;
        struct p2pd_strings strings;
        struct p2pd_keep keep; /* in use if something is kept */
        char iommu[32];        /* an IOMMU that a function links to */
        bool has_p2pmem;
};

static bool keeps_some(const struct job *job)
{
        return job->keep.previous != NULL;
}

static void read_one(uint32_t i, unsigned worker, void *userdata)
{
        struct job *job = userdata;

        p2pd_sysfs_read_function(&job->readers[worker], &job->scan, i);
}

/* Only what has to be: one after the other, because each may name more. */
static void read_some(struct job *job)
{
        uint32_t i;

        while ((i = p2pd_keep_next(&job->keep)) != P2P_NONE) {
                read_one(i, 0, job);
                p2pd_keep_follow(&job->keep, i);
        }
}

static int take_names(struct p2p_machine *m, struct p2p_function *f, const char *names, uint32_t n)
{
        const char **copies;

        if (!n)
                return 0;
        copies = p2p_machine_alloc(m, n, sizeof(*copies));
        if (!copies)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                size_t length = strlen(names);

                copies[i] = p2p_machine_strndup(m, names, length);
                if (!copies[i])
                        return -ENOMEM;
                names += length + 1;
        }
        f->names = copies;
        f->n_names = n;
        return 0;
}

/* Of a function that was read: what the machine's memory is needed for, which the threads may not
 * share. */
static int take_strings(struct job *job, uint32_t i)
{
        struct p2p_machine *m = job->scan.machine;
        const struct p2pd_scratch *x = &job->scan.scratch[i];
        struct p2p_function *f = &m->functions[i];
        struct p2pd_sysfs_strings s = p2pd_sysfs_get_strings(&job->readers[x->reader], x);

        if (s.driver[0] && !(f->driver = p2pd_strings_copy(&job->strings, m, s.driver)))
                return -ENOMEM;
        if (s.cpulist[0] && !(f->cpulist = p2pd_strings_copy(&job->strings, m, s.cpulist)))
                return -ENOMEM;
        if (s.iommu[0] && !job->iommu[0])
                strcpy(job->iommu, s.iommu);
        return take_names(m, f, s.names, x->n_names);
}

static int compare_numbers(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/* Adds the groups of all functions in order of number, then gives each function its group. */
static int take_groups(struct job *job)
{
        struct p2p_machine *m = job->scan.machine;
        uint32_t *numbers = malloc(((size_t)m->n_functions + 1) * sizeof(*numbers));
        uint32_t n = 0;
        int r = 0;

        if (!numbers)
                return -ENOMEM;
        for (uint32_t i = 0; i < m->n_functions; i++)
                if (m->functions[i].group_why == P2P_WHY_KNOWN)
                        numbers[n++] = job->scan.scratch[i].group_number;
        qsort(numbers, n, sizeof(*numbers), compare_numbers);
        for (uint32_t i = 0; i < n && r == 0; i++)
                if ((i == 0 || numbers[i] != numbers[i - 1]) &&
                    p2p_machine_add_group(m, numbers[i]) == P2P_NONE)
                        r = -ENOMEM;
        free(numbers);
        for (uint32_t i = 0; i < m->n_functions && r == 0; i++) {
                uint32_t low = 0, high = m->n_groups;

                if (m->functions[i].group_why != P2P_WHY_KNOWN)
                        continue;
                while (high - low > 1) {
                        uint32_t middle = low + (high - low) / 2;

                        if (m->groups[middle].number <= job->scan.scratch[i].group_number)
                                low = middle;
                        else
                                high = middle;
                }
                m->functions[i].group = low;
        }
        return r;
}

static int read_functions(struct job *job, int devices)
{
        uint32_t n = job->scan.machine->n_functions;
        int r = 0;

        /* The one that reads live config space is asked by one thread only. */
        job->n_readers = job->params->config_fn || keeps_some(job) ? 1 : p2pd_workers_for(n);
        job->readers = malloc(job->n_readers * sizeof(*job->readers));
        if (!job->readers)
                return -ENOMEM;
        for (unsigned i = 0; i < job->n_readers; i++) {
                p2pd_sysfs_init(&job->readers[i], job->params->tree, devices, (uint8_t)i);
                job->readers[i].config_fn = job->params->config_fn;
                job->readers[i].config_userdata = job->params->config_userdata;
                job->readers[i].previous = job->params->previous;
        }
        if (keeps_some(job))
                read_some(job);
        else
                p2pd_parallel(n, job->n_readers, read_one, job);
        for (unsigned i = 0; i < job->n_readers; i++)
                if (job->readers[i].error < 0)
                        r = job->readers[i].error;
        return r;
}

static int take_functions(struct job *job)
{
        const struct p2pd_scan *s = &job->scan;
        int r = keeps_some(job) ? p2pd_keep_take(&job->keep, &job->strings) : 0;

        for (uint32_t i = 0; i < s->machine->n_functions && r == 0; i++) {
                if (!s->scratch[i].is_kept)
                        r = take_strings(job, i);
                job->has_p2pmem |= p2p_fact_is_known(s->machine->functions[i].p2pmem_size_bytes);
        }
        return r;
}

static int read_groups(struct job *job)
{
        struct p2p_machine *m = job->scan.machine;
        uint32_t *which, n = m->n_groups;
        int r;

        if (!keeps_some(job))
                return p2pd_groups_read(job->params->tree, m, NULL, n);
        which = calloc((size_t)n + 1, sizeof(*which));
        if (!which)
                return -ENOMEM;
        r = p2pd_keep_groups(&job->keep, which, &n);
        if (r == 0)
                r = p2pd_groups_read(job->params->tree, m, which, n);
        free(which);
        return r;
}

static int read_platform(struct job *job)
{
        const struct p2pd_platform_params params = {
                .tree = job->params->tree,
                .previous = job->keep.previous,
                .has_p2pmem = job->has_p2pmem,
                .iommu_device = job->iommu,
        };

        return p2pd_platform_read(&params, job->scan.machine);
}

static int join(struct job *job)
{
        struct p2pd_scan *s = &job->scan;
        int r;

        p2pd_scan_drop_gone(s);
        r = take_functions(job);
        if (r < 0)
                return r;
        r = take_groups(job);
        if (r < 0)
                return r;
        p2pd_place_virtual_functions(s);
        r = p2pd_place_functions(s, job->params->config_fn ? P2P_WHY_GONE : P2P_WHY_NO_FILE);
        if (r < 0)
                return r;
        p2pd_settle(s);
        p2pd_scan_warn(s);
        r = read_groups(job);
        return r < 0 ? r : read_platform(job);
}

static void job_deinit(struct job *job)
{
        for (unsigned i = 0; job->readers && i < job->n_readers; i++)
                p2pd_sysfs_deinit(&job->readers[i]);
        free(job->readers);
        p2pd_keep_deinit(&job->keep);
        p2pd_scan_deinit(&job->scan);
}

static int scan_into(const struct p2pd_sysfs_scan_params *p, struct p2p_machine *m,
                     const char **ret_error)
{
        __attribute__((cleanup(p2pd_closep))) int devices = -1;
        __attribute__((cleanup(job_deinit))) struct job job = {.params = p};
        __attribute__((cleanup(found_deinit))) struct found found = {.machine = m};
        int r;

        devices = p2pd_tree_open_dir(p->tree, DEVICES);
        if (devices < 0 && (devices != -ENOENT || p->config_fn)) {
                r = devices;
                *ret_error = r == -ENOENT ? "there is no " DEVICES : DEVICES " cannot be opened";
                return r;
        }
        r = find_functions(p, devices, &found);
        if (r == 0)
                r = p2pd_scan_add_functions(m, found.list, found.n);
        if (r < 0) {
                *ret_error = r == -ENOMEM  ? "out of memory"
                             : devices < 0 ? "there is no " DEVICES
                                             " and no function in sys/devices"
                                           : "the PCI functions cannot be listed";
                return r;
        }
        *ret_error = "out of memory";
        r = p2pd_scan_init(&job.scan, m);
        if (r < 0)
                return r;
        take_paths(&found, &job.scan);
        if (p->scope && p->previous && devices >= 0 && !p->scope->everything) {
                r = p2pd_keep_init(&job.keep, &job.scan, p->previous, p->scope);
                if (r < 0)
                        return r;
        }
        r = read_functions(&job, devices);
        if (r < 0)
                return r;
        r = join(&job);
        if (r < 0)
                return r;
        return p2p_machine_finish(m);
}

int p2pd_sysfs_scan(const struct p2pd_sysfs_scan_params *params, struct p2p_machine **ret,
                    const char **ret_error)
{
        __attribute__((cleanup(p2p_machine_freep))) struct p2p_machine *m =
                p2p_machine_new(params->config_fn ? P2P_SOURCE_LIVE : P2P_SOURCE_ROOT);
        int r;

        if (!m) {
                *ret_error = "out of memory";
                return -ENOMEM;
        }
        r = scan_into(params, m, ret_error);
        if (r < 0)
                return r;
        *ret = m;
        m = NULL;
        return 0;
}
