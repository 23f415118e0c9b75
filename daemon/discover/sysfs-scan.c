/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"
#include "platform.h"
#include "sysfs-walk.h"
#include "udev-list.h"

#define DEVICES "sys/bus/pci/devices"

/* Addresses found so far. */
struct found {
        struct p2p_machine *machine;
        struct p2p_address *addresses;
        size_t n, room;
        bool is_out_of_memory;
        char *paths; /* as the walk gave them, each with its NUL; NULL without a walk */
        size_t n_paths, paths_room;
};

static void found_deinit(struct found *found)
{
        free(found->addresses);
        free(found->paths);
}

static int add_found(struct found *found, struct p2p_address address)
{
        if (found->n == found->room) {
                size_t room = found->room * 2 + 64;
                struct p2p_address *p = reallocarray(found->addresses, room, sizeof(*p));

                if (!p) {
                        found->is_out_of_memory = true;
                        return -ENOMEM;
                }
                found->addresses = p;
                found->room = room;
        }
        found->addresses[found->n++] = address;
        return 0;
}

static int note_name(const char *name, void *userdata)
{
        struct found *found = userdata;
        char canonical[P2P_ADDRESS_STRING_MAX];
        struct p2p_address address;

        /* Written otherwise than the kernel does ("00000000:00:00.0"), it would not be found. */
        if (p2p_text_address(name, strlen(name), &address) < 0 ||
            strcmp(p2p_address_format(address, canonical), name)) {
                p2p_machine_warn(found->machine, NULL, DEVICES ": \"%.64s\" is no address", name);
                return 0;
        }
        return add_found(found, address);
}

static int note_entry(const char *name, enum p2pd_entry_type type, void *userdata)
{
        (void)type;
        return note_name(name, userdata);
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
        return add_found(found, address);
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
        if (p->config_fn)
                return p2pd_udev_list_pci(note_name, found);
        return p2pd_dir_list(devices, entries, sizeof(entries), note_entry, found);
}

/* The few texts that many functions share, kept once. */
#define INTERN_MAX 32U

struct intern {
        const char *texts[INTERN_MAX];
        uint32_t n;
};

static const char *intern(struct p2p_machine *m, struct intern *in, const char *text)
{
        const char *copy;

        for (uint32_t i = 0; i < in->n; i++)
                if (!strcmp(in->texts[i], text))
                        return in->texts[i];
        copy = p2p_machine_strndup(m, text, strlen(text));
        if (copy && in->n < INTERN_MAX)
                in->texts[in->n++] = copy;
        return copy;
}

struct job {
        const struct p2pd_sysfs_scan_params *params;
        struct p2pd_scan scan;
        struct p2pd_sysfs *readers;
        unsigned n_readers;
        struct intern strings;
        char iommu[32]; /* an IOMMU that a function links to */
        bool has_p2pmem;
};

static void read_one(uint32_t i, unsigned worker, void *userdata)
{
        struct job *job = userdata;

        p2pd_sysfs_read_function(&job->readers[worker], &job->scan, i);
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

/* What the machine's memory is needed for, which the threads may not share. */
static int take_strings(struct job *job, uint32_t i)
{
        struct p2p_machine *m = job->scan.machine;
        const struct p2pd_scratch *x = &job->scan.scratch[i];
        struct p2p_function *f = &m->functions[i];
        struct p2pd_sysfs_strings s = p2pd_sysfs_get_strings(&job->readers[x->reader], x);

        if (s.driver[0] && !(f->driver = intern(m, &job->strings, s.driver)))
                return -ENOMEM;
        if (s.cpulist[0] && !(f->cpulist = intern(m, &job->strings, s.cpulist)))
                return -ENOMEM;
        if (s.iommu[0] && !job->iommu[0])
                strcpy(job->iommu, s.iommu);
        job->has_p2pmem |= p2p_fact_is_known(f->p2pmem_size_bytes);
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
        job->n_readers = job->params->config_fn ? 1 : p2pd_workers_for(n);
        job->readers = malloc(job->n_readers * sizeof(*job->readers));
        if (!job->readers)
                return -ENOMEM;
        for (unsigned i = 0; i < job->n_readers; i++) {
                p2pd_sysfs_init(&job->readers[i], job->params->tree, devices, (uint8_t)i);
                job->readers[i].config_fn = job->params->config_fn;
                job->readers[i].config_userdata = job->params->config_userdata;
                job->readers[i].previous = job->params->previous;
        }
        p2pd_parallel(n, job->n_readers, read_one, job);
        for (unsigned i = 0; i < job->n_readers; i++)
                if (job->readers[i].error < 0)
                        r = job->readers[i].error;
        return r;
}

static int join(struct job *job)
{
        struct p2pd_scan *s = &job->scan;
        int r;

        p2pd_scan_drop_gone(s);
        for (uint32_t i = 0; i < s->machine->n_functions; i++) {
                r = take_strings(job, i);
                if (r < 0)
                        return r;
        }
        r = take_groups(job);
        if (r < 0)
                return r;
        p2pd_place_virtual_functions(s);
        r = p2pd_place_functions(s, job->params->config_fn ? P2P_WHY_GONE : P2P_WHY_NO_FILE);
        if (r < 0)
                return r;
        p2pd_settle(s);
        p2pd_scan_warn(s);
        r = p2pd_groups_read(job->params->tree, s->machine);
        if (r < 0)
                return r;
        return p2pd_platform_read(job->params->tree, job->has_p2pmem, job->iommu, s->machine);
}

static void job_deinit(struct job *job)
{
        for (unsigned i = 0; job->readers && i < job->n_readers; i++)
                p2pd_sysfs_deinit(&job->readers[i]);
        free(job->readers);
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
                r = p2pd_scan_add_functions(m, found.addresses, found.n);
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
