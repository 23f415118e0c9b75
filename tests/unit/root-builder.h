/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Captured roots in a temporary directory, for tests. Every function ends the test when the system
 * does not do as it is told. */

#include <stddef.h>
#include <sys/types.h>

#include "config-builder.h"

struct root {
        char path[64]; /* of the directory */
};

struct root root_new(void);
/* Removes everything. */
void root_free(struct root *r);

/* Paths are below the directory; directories on the way are made. */
void root_file(const struct root *r, const char *path, const void *data, size_t n);
void root_text(const struct root *r, const char *path, const char *text);
void root_link(const struct root *r, const char *path, const char *target);
void root_dir(const struct root *r, const char *path);
void root_fifo(const struct root *r, const char *path);
void root_remove(const struct root *r, const char *path);

/* A function at a place below sys/devices ("pci0000:00/0000:00:01.0"), with the config space, ids
 * and such that belong to it, and its link in sys/bus/pci/devices. */
void root_function(const struct root *r, const char *place, const struct config *c);

/* A file in the directory of the function that is there. */
void root_attribute(const struct root *r, const char *place, const char *name, const char *text);
