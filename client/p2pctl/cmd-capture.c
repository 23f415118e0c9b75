/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "commands.h"
#include "text.h"

/* capture: the directory, the copy, and an honest word on what is not in it. */

#define MANIFEST "p2pd-capture.txt"
#define UNFINISHED "This capture was not finished.\n"
#define MISSING_SHOWN 10U

static bool is_empty(int fd)
{
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = copy < 0 ? NULL : fdopendir(copy);
        const struct dirent *entry;
        bool empty = directory;

        while (empty && (entry = readdir(directory)))
                empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (directory)
                closedir(directory);
        else if (copy >= 0)
                close(copy);
        return empty;
}

/* The directory to write to: new, or empty. The descriptor, or -1 after the user was told. */
static int open_target(const char *path)
{
        int fd;

        if (mkdir(path, 0777) < 0 && errno != EEXIST) {
                fprintf(stderr, "p2pctl: cannot make %s: %s\n", path, strerror(errno));
                return -1;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                fprintf(stderr, "p2pctl: cannot open %s: %s\n", path, strerror(errno));
                return -1;
        }
        if (!is_empty(fd)) {
                fprintf(stderr, "p2pctl: %s is not empty: name a new directory\n", path);
                close(fd);
                return -1;
        }
        return fd;
}

static const char *why(int error)
{
        return error == ENODEV  ? "went away meanwhile"
               : error == EXDEV ? "points outside the tree"
                                : strerror(error);
}

/* What was taken out, in words; nothing if nothing was. */
static void add_blanked(const struct capture *c, struct text *t)
{
        if (c->n_serials > 0)
                text_addf(t, "serial numbers in config space zeroed: %zu\n", c->n_serials);
        if (c->n_macs > 0)
                text_addf(t, "network names with a MAC address replaced: %zu\n", c->n_macs);
        if (c->blanked_command_line)
                text_add(t, "kernel command line: only parameters of PCI, IOMMU and VFIO kept\n");
        if (c->blanked_cpuinfo)
                text_add(t, "cpuinfo: serial number left out\n");
}

static void add_summary(const struct capture *c, struct text *t)
{
        text_addf(t, "functions: %zu\n", c->n_functions);
        if (c->n_config_cut > 0)
                text_addf(
                        t,
                        "config space: cut on %zu functions, for want of privilege; their ACS will"
                        " be unknown\n",
                        c->n_config_cut);
        else
                text_add(t, "config space: complete\n");
        if (c->n_gone > 0)
                text_addf(t, "went away meanwhile: %zu functions\n", c->n_gone);
        if (c->no_serials)
                add_blanked(c, t);
        else
                text_add(t, "serial numbers: kept\n");
}

static void add_missing(const struct capture *c, struct text *t, size_t max)
{
        for (size_t i = 0; i < c->n_missing && i < max; i++) {
                text_add(t, "missing: ");
                text_add_safe(t, c->missing[i].path, true);
                text_addf(t, ": %s\n", why(c->missing[i].error));
        }
}

static int write_manifest(struct capture *c)
{
        struct text t = {0};
        int r;

        text_add(&t, "Captured root of p2pd; read it with `p2pctl --root`.\n");
        add_summary(c, &t);
        add_missing(c, &t, c->n_missing);
        r = capture_write_file(c, MANIFEST, text_get(&t), t.length);
        text_clear(&t);
        return r;
}

static void print_summary(const struct session *s, const struct capture *c, const char *directory)
{
        struct text t = {0};

        add_summary(c, &t);
        add_missing(c, &t, MISSING_SHOWN);
        if (c->n_missing > MISSING_SHOWN)
                text_addf(&t, "and %zu more: see %s/" MANIFEST "\n", c->n_missing - MISSING_SHOWN,
                          directory);
        if (c->n_config_cut > 0)
                text_add(&t, "Run it as root for a complete capture.\n");
        /* Standard output is for answers: here there is none, but with --json. */
        fputs(text_get(&t), stderr);
        text_clear(&t);
        (void)s;
}

static void print_json(const struct session *s, const struct capture *c, const char *directory)
{
        struct json_object *o = must_have(json_object_new_object());
        struct json_object *missing = must_have(json_object_new_array());

        for (size_t i = 0; i < c->n_missing; i++) {
                struct json_object *m = must_have(json_object_new_object());

                json_object_object_add(m, "path", json_object_new_string(c->missing[i].path));
                json_object_object_add(m, "why", json_object_new_string(why(c->missing[i].error)));
                json_object_array_add(missing, m);
        }
        json_object_object_add(o, "directory", json_object_new_string(directory));
        json_object_object_add(o, "functions", json_object_new_int64((int64_t)c->n_functions));
        json_object_object_add(o, "config_cut", json_object_new_int64((int64_t)c->n_config_cut));
        json_object_object_add(o, "gone", json_object_new_int64((int64_t)c->n_gone));
        json_object_object_add(o, "serials_kept", json_object_new_boolean(!c->no_serials));
        json_object_object_add(o, "missing", missing);
        session_print_json(s, o);
        json_object_put(o);
}

static int run(struct session *s, struct capture *c, const char *directory)
{
        int r;

        r = capture_write_file(c, MANIFEST, UNFINISHED, strlen(UNFINISHED));
        if (r == 0)
                r = capture_run(c);
        if (r == 0 && c->n_functions == 0) {
                fprintf(stderr, "p2pctl: there are no PCI functions to capture in %s\n",
                        s->from ? s->from : "/");
                return EXIT_FAILED;
        }
        if (r == 0)
                r = write_manifest(c);
        if (r < 0) {
                fprintf(stderr,
                        "p2pctl: cannot write %s/%s: %s\nThe capture in %s is incomplete.\n",
                        directory, text_get(&c->failed_path), strerror(-r), directory);
                return EXIT_FAILED;
        }
        if (s->json)
                print_json(s, c, directory);
        else
                print_summary(s, c, directory);
        return EXIT_OK;
}

int command_capture(struct session *s, int n, char **arguments)
{
        const char *from = s->from ? s->from : "/";
        struct capture c = {.no_serials = s->no_serials};
        int r;

        (void)n;
        if (s->root || s->lspci || s->socket_path) {
                fputs("p2pctl: capture reads this machine itself:"
                      " it takes no --root, --lspci or --socket\n",
                      stderr);
                return EXIT_USAGE;
        }
        c.from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c.from_fd < 0) {
                fprintf(stderr, "p2pctl: cannot read %s: %s\n", from, strerror(errno));
                return EXIT_FAILED;
        }
        c.to_fd = open_target(arguments[0]);
        if (c.to_fd < 0) {
                close(c.from_fd);
                return EXIT_FAILED;
        }
        r = run(s, &c, arguments[0]);
        capture_clear(&c);
        close(c.from_fd);
        close(c.to_fd);
        return r;
}
