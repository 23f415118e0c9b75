/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root-builder.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct root root_new(void)
{
        struct root r = {.path = "/tmp/p2pd-root-XXXXXX"};

        assert_non_null(mkdtemp(r.path));
        return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

void root_free(struct root *r)
{
        assert_int_equal(nftw(r->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The whole path, after making what leads to it. */
static const char *prepare(const struct root *r, const char *path, char full[512])
{
        int n = snprintf(full, 512, "%s/%s", r->path, path);

        assert_true(n > 0 && n < 512);
        for (char *slash = full + strlen(r->path); (slash = strchr(slash + 1, '/'));) {
                *slash = '\0';
                (void)mkdir(full, 0755);
                *slash = '/';
        }
        return full;
}

void root_file(const struct root *r, const char *path, const void *data, size_t n)
{
        char full[512];
        FILE *f = fopen(prepare(r, path, full), "w");

        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

void root_text(const struct root *r, const char *path, const char *text)
{
        root_file(r, path, text, strlen(text));
}

void root_link(const struct root *r, const char *path, const char *target)
{
        char full[512];

        assert_int_equal(symlink(target, prepare(r, path, full)), 0);
}

void root_dir(const struct root *r, const char *path)
{
        char full[512];

        assert_int_equal(mkdir(prepare(r, path, full), 0755), 0);
}

void root_fifo(const struct root *r, const char *path)
{
        char full[512];

        assert_int_equal(mkfifo(prepare(r, path, full), 0644), 0);
}

void root_remove(const struct root *r, const char *path)
{
        char full[512];

        assert_int_equal(remove(prepare(r, path, full)), 0);
}

void root_attribute(const struct root *r, const char *place, const char *name, const char *text)
{
        char path[400];

        (void)snprintf(path, sizeof(path), "sys/devices/%s/%s", place, name);
        root_text(r, path, text);
}

void root_function(const struct root *r, const char *place, const struct config *c)
{
        const char *slash = strrchr(place, '/'), *name = slash ? slash + 1 : place;
        const uint8_t *b = c->bytes;
        char path[400], text[400];

        (void)snprintf(path, sizeof(path), "sys/devices/%s/config", place);
        root_file(r, path, b, c->n_bytes);
        (void)snprintf(text, sizeof(text), "PCI_CLASS=%X\nPCI_ID=%02X%02X:%02X%02X\n",
                       b[11] << 16 | b[10] << 8 | b[9], b[1], b[0], b[3], b[2]);
        root_attribute(r, place, "uevent", text);
        root_attribute(r, place, "numa_node", "0\n");
        root_attribute(r, place, "dma_mask_bits", "64\n");
        root_attribute(r, place, "local_cpulist", "0-7\n");
        root_attribute(r, place, "resource",
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
        (void)snprintf(text, sizeof(text), "../../../devices/%s", place);
        root_link(r, path, text);
}
