/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lspci-dump.h"

#include <errno.h>
#include <fcntl.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config-parse.h"
#include "dump-text.h"
#include "libpci-guard.h"
#include "scan.h"
#include "tree.h"

static void fclosep(FILE **f)
{
        if (*f)
                (void)fclose(*f);
}

/* A file that is looked at before it is opened for reading: opening some things acts. */
static int open_dump(const char *path)
{
        struct stat st;
        int fd;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > P2PD_DUMP_BYTES_MAX) {
                (void)close(fd);
                return S_ISREG(st.st_mode) ? -EFBIG : -EINVAL;
        }
        return fd;
}

int p2pd_lspci_dump_check(const char *path)
{
        int fd = open_dump(path);

        if (fd < 0)
                return fd;
        (void)close(fd);
        return 0;
}

struct dump {
        struct p2pd_dump_text text;
        struct pci_access *access;
        struct p2pd_scan scan;
};

static void dump_deinit(struct dump *d)
{
        if (d->access && d->access->methods)
                pci_cleanup(d->access);
        p2pd_dump_text_deinit(&d->text);
        p2pd_scan_deinit(&d->scan);
}

static int prepare_lines(struct dump *d, FILE *in, FILE *out)
{
        char line[1024];
        size_t n = 0, total = 0;
        int c, r = 0;

        /* A text editor's byte order mark would hide the first function, which stands for the root
         * bus. */
        while (n < 3 && (c = getc_unlocked(in)) == (uint8_t) "\xef\xbb\xbf"[n])
                n++;
        if (n < 3)
                (void)ungetc(c, in);
        n = 0;
        /* What is past the buffer of a long line is no byte row and no address. */
        while (r == 0 && (c = getc_unlocked(in)) != EOF && total++ < P2PD_DUMP_BYTES_MAX) {
                if (c != '\n') {
                        if (n < sizeof(line))
                                line[n++] = (char)c;
                        continue;
                }
                r = p2pd_dump_text_line(&d->text, line, n, 0, out);
                n = 0;
        }
        if (r == 0 && n)
                r = p2pd_dump_text_line(&d->text, line, n, 1, out);
        if (r == 0 && (ferror(in) || fflush(out) || ferror(out)))
                r = -EIO;
        return r;
}

/* The text for libpci, in a file of memory. The descriptor is the caller's. */
static int prepare(struct dump *d, const char *path)
{
        __attribute__((cleanup(fclosep))) FILE *in = NULL, *out = NULL;
        int fd, memory, r;

        fd = open_dump(path);
        if (fd < 0)
                return fd;
        in = fdopen(fd, "r");
        if (!in) {
                (void)close(fd);
                return -ENOMEM;
        }
        memory = memfd_create("p2pd-dump", MFD_CLOEXEC);
        if (memory < 0)
                return -errno;
        fd = dup(memory);
        out = fd < 0 ? NULL : fdopen(fd, "w");
        r = out ? prepare_lines(d, in, out) : -ENOMEM;
        if (r < 0) {
                (void)close(memory);
                return r;
        }
        return memory;
}

static void init_access(void *userdata)
{
        pci_init(userdata);
}

static int load(struct dump *d, int memory)
{
        char path[64], message[160];

        d->access = p2pd_libpci_alloc();
        if (!d->access)
                return -ENOMEM;
        d->access->method = PCI_ACCESS_DUMP;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
        if (pci_set_param(d->access, (char[]){"dump.name"}, path) < 0)
                return -EIO;
        return p2pd_libpci_run(init_access, d->access, message, sizeof(message));
}

static bool address_of(const struct dump *d, const struct pci_dev *dev, struct p2p_address *ret)
{
        if (dev->domain < 0 || (size_t)dev->domain >= d->text.n_segments || dev->dev > 0x1f ||
            dev->func > 7)
                return false;
        *ret = (struct p2p_address){
                .segment = d->text.segments[dev->domain],
                .bus = dev->bus,
                .devfn = (uint8_t)(dev->dev << 3 | dev->func),
        };
        return true;
}

/* How many bytes of the function there are: libpci reads a block whole or not at all. */
static uint32_t read_bytes(struct pci_dev *dev, uint8_t *bytes)
{
        uint32_t low = 0, high = P2P_CONFIG_EXTENDED_BYTES;

        while (low < high) {
                uint32_t middle = low + (high - low + 1) / 2;

                if (pci_read_block(dev, 0, bytes, (int)middle))
                        low = middle;
                else
                        high = middle - 1;
        }
        return low && pci_read_block(dev, 0, bytes, (int)low) ? low : 0;
}

static int collect(struct dump *d, struct p2p_machine *m)
{
        struct p2pd_found *found;
        size_t n = 0;
        int r;

        found = calloc((size_t)d->text.n_functions + 1, sizeof(*found));
        if (!found)
                return -ENOMEM;
        for (const struct pci_dev *dev = d->access->devices; dev; dev = dev->next)
                if (n < d->text.n_functions && address_of(d, dev, &found[n].address))
                        n++;
        r = p2pd_scan_add_functions(m, found, n);
        free(found);
        if (r == 0 && m->n_functions < n)
                p2p_machine_warn(m, NULL, "dump: %zu functions appear more than once",
                                 n - m->n_functions);
        return r;
}

/* A VF's vendor and device id read ffff, the rest of its header does not. */
static bool looks_like_vf(const uint8_t *bytes, uint32_t n)
{
        static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

        return n >= sizeof(ones) && !memcmp(bytes, ones, 4) && memcmp(bytes, ones, sizeof(ones));
}

static void parse_all(struct dump *d)
{
        struct p2p_machine *m = d->scan.machine;
        uint8_t bytes[P2P_CONFIG_EXTENDED_BYTES];

        for (struct pci_dev *dev = d->access->devices; dev; dev = dev->next) {
                struct p2p_config_input in = {
                        .bytes = bytes,
                        .conventional_why = P2P_WHY_NOT_CAPTURED,
                };
                struct p2p_address address;
                uint32_t i;

                if (!address_of(d, dev, &address))
                        continue;
                i = p2p_machine_find(m, address);
                in.n_bytes = read_bytes(dev, bytes);
                in.is_vf = looks_like_vf(bytes, in.n_bytes);
                in.short_why = in.n_bytes == P2P_CONFIG_EXTENDED_BYTES ? P2P_WHY_KNOWN
                                                                       : P2P_WHY_NOT_CAPTURED;
                m->functions[i].is_vf = in.is_vf;
                m->functions[i].driver_why = P2P_WHY_NOT_IN_SOURCE;
                p2pd_scan_parse_config(&d->scan, i, &in);
                p2pd_scan_bars_from_registers(&d->scan, i, P2P_WHY_NOT_IN_SOURCE);
                d->scan.scratch[i].place_why = P2P_WHY_NOT_IN_SOURCE;
        }
}

static int build(struct dump *d, struct p2p_machine *m)
{
        int r;

        r = collect(d, m);
        if (r < 0)
                return r;
        r = p2pd_scan_init(&d->scan, m);
        if (r < 0)
                return r;
        parse_all(d);
        if (d->text.n_broken)
                p2p_machine_warn(m, NULL, "dump: the bytes of %u functions break off",
                                 (unsigned)d->text.n_broken);
        p2pd_place_virtual_functions(&d->scan);
        r = p2pd_place_functions(&d->scan, P2P_WHY_NOT_CAPTURED);
        if (r < 0)
                return r;
        p2pd_settle(&d->scan);
        p2pd_scan_warn(&d->scan);
        return p2p_machine_finish(m);
}

int p2pd_lspci_dump_scan(const char *path, struct p2p_machine **ret, const char **ret_error)
{
        __attribute__((cleanup(p2p_machine_freep))) struct p2p_machine *m = NULL;
        __attribute__((cleanup(dump_deinit))) struct dump d = {0};
        __attribute__((cleanup(p2pd_closep))) int memory = -1;
        int r;

        *ret_error = "the dump cannot be read";
        memory = prepare(&d, path);
        if (memory < 0) {
                r = memory;
                memory = -1;
                return r;
        }
        if (!d.text.n_with_bytes) {
                *ret_error = d.text.n_functions
                                     ? "the dump has no config space: make it with lspci -xxxx"
                                     : "the file is no output of lspci";
                return -EINVAL;
        }
        r = load(&d, memory);
        if (r < 0) {
                *ret_error = "libpci does not take the dump";
                return r;
        }
        *ret_error = "out of memory";
        m = p2p_machine_new(P2P_SOURCE_LSPCI);
        if (!m)
                return -ENOMEM;
        r = build(&d, m);
        if (r < 0)
                return r;
        *ret = m;
        m = NULL;
        return 0;
}
