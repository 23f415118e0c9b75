/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies what p2pd reads of a machine, by the table discover/attributes.h, into a directory that
 * reads the same. Faults of the writing side end it; what cannot be read is noted and left out.
 */

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/* A file that could not be read, and why (a positive errno). */
struct capture_missing {
        char *path;
        int error;
};

struct capture {
        int from_fd, to_fd; /* the two roots */
        bool no_serials;
        size_t n_functions;
        size_t n_config_cut; /* of them: config space cut for want of privilege */
        size_t n_gone;       /* went away meanwhile */
        size_t n_serials;    /* serial numbers in config space that were zeroed */
        size_t n_macs;       /* interface names that were replaced */
        bool blanked_command_line, blanked_cpuinfo;
        struct capture_missing *missing;
        size_t n_missing, size_missing;
        struct text failed_path; /* what could not be written */
};

/* Copies everything. from_fd, to_fd and no_serials are set, the rest is zero. 0 or a negative
 * errno, then failed_path names the file. */
int capture_run(struct capture *c);

void capture_clear(struct capture *c);

/* Writes a whole file below to_fd, replacing it. 0 or a negative errno with failed_path. */
int capture_write_file(struct capture *c, const char *path, const void *bytes, size_t n);
