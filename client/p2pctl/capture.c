/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blank.h"
#include "discover/attributes.h"

#define FUNCTIONS_DIRECTORY "sys/bus/pci/devices/"
#define CONFIG_SHORT_BYTES 256U

#define N_ATTRIBUTES(array) (sizeof(array) / sizeof((array)[0]))

static int fail(struct capture *c, const char *path, int error)
{
        text_reset(&c->failed_path);
        text_add(&c->failed_path, path);
        return -error;
}

static void note_missing(struct capture *c, const char *path, int error)
{
        if (c->n_missing == c->size_missing) {
                c->size_missing = c->size_missing ? c->size_missing * 2 : 32;
                c->missing =
                        must_have(reallocarray(c->missing, c->size_missing, sizeof(*c->missing)));
        }
        c->missing[c->n_missing++] = (struct capture_missing){must_have(strdup(path)), error};
}

void capture_clear(struct capture *c)
{
        for (size_t i = 0; i < c->n_missing; i++)
                free(c->missing[i].path);
        free(c->missing);
        text_clear(&c->failed_path);
}

/* Makes the directories above path, and path itself if whole. */
static int make_directories(struct capture *c, const char *path, bool whole)
{
        char buf[PATH_MAX];
        size_t n = strlen(path);

        if (n >= sizeof(buf))
                return fail(c, path, ENAMETOOLONG);
        memcpy(buf, path, n + 1);
        for (char *at = buf; *at; at++) {
                if (*at != '/')
                        continue;
                *at = '\0';
                if (mkdirat(c->to_fd, buf, 0777) < 0 && errno != EEXIST)
                        return fail(c, buf, errno);
                *at = '/';
        }
        if (whole && mkdirat(c->to_fd, buf, 0777) < 0 && errno != EEXIST)
                return fail(c, path, errno);
        return 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t written = write(fd, bytes, n);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                bytes += written;
                n -= (size_t)written;
        }
        return 0;
}

int capture_write_file(struct capture *c, const char *path, const void *bytes, size_t n)
{
        int fd, r;

        r = make_directories(c, path, false);
        if (r < 0)
                return r;
        fd = openat(c->to_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
                return fail(c, path, errno);
        r = write_all(fd, bytes, n);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        return r < 0 ? fail(c, path, -r) : 0;
}

/* Reads at most max bytes. The count, or a negative errno; *ret_size: how long the file says to be.
 */
static ssize_t read_file(struct capture *c, const char *path, char *buf, size_t max,
                         off_t *ret_size)
{
        struct stat st;
        size_t n = 0;
        int fd, error = 0;

        fd = openat(c->from_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                error = errno;
        else if (!S_ISREG(st.st_mode))
                error = EINVAL;
        while (error == 0 && n < max) {
                ssize_t got = read(fd, buf + n, max - n);

                if (got == 0)
                        break;
                if (got < 0 && errno != EINTR)
                        error = errno;
                if (got > 0)
                        n += (size_t)got;
        }
        close(fd);
        if (error)
                return -error;
        *ret_size = st.st_size;
        return (ssize_t)n;
}

/* Only the line that tells whether the kernel has P2PDMA. The new length. */
static size_t keep_p2pdma_lines(char *text, size_t n)
{
        size_t out = 0, at = 0;

        while (at < n) {
                const char *newline = memchr(text + at, '\n', n - at);
                size_t length = newline ? (size_t)(newline - (text + at)) + 1 : n - at;

                if (memmem(text + at, length, "CONFIG_PCI_P2PDMA", 17)) {
                        memmove(text + out, text + at, length);
                        out += length;
                }
                at += length;
        }
        return out;
}

/* Takes out what is not to leave the machine. The new length. */
static size_t edit(struct capture *c, const char *path, const struct p2p_attribute *attribute,
                   char *bytes, size_t n)
{
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

        if (attribute->kind == P2P_ATTRIBUTE_KERNEL_CONFIG)
                return keep_p2pdma_lines(bytes, n);
        if (!c->no_serials)
                return n;
        if (strcmp(path, "proc/cmdline") == 0)
                return blank_command_line(bytes, n, &c->blanked_command_line);
        if (strcmp(path, "proc/cpuinfo") == 0)
                return blank_cpuinfo(bytes, n, &c->blanked_cpuinfo);
        if (strcmp(name, "config") == 0 && blank_config((uint8_t *)bytes, n))
                c->n_serials++;
        return n;
}

/* The kernel's release stands in two files; one will do. */
static bool is_spared(struct capture *c, const char *path, int error)
{
        const char *other = strcmp(path, "proc/version") == 0 ? "proc/sys/kernel/osrelease"
                            : strcmp(path, "proc/sys/kernel/osrelease") == 0 ? "proc/version"
                                                                             : NULL;

        return error == ENOENT && other && faccessat(c->from_fd, other, R_OK, 0) == 0;
}

static int copy_file(struct capture *c, const char *path, const struct p2p_attribute *attribute)
{
        char *bytes = must_have(malloc(attribute->max_bytes));
        off_t size = 0;
        ssize_t n;
        int r = 0;

        n = read_file(c, path, bytes, attribute->max_bytes, &size);
        if (n < 0) {
                if ((n != -ENOENT || !(attribute->flags & P2P_ATTRIBUTE_OPTIONAL)) &&
                    !is_spared(c, path, (int)-n))
                        note_missing(c, path, (int)-n);
        } else {
                if (attribute->kind == P2P_ATTRIBUTE_BINARY &&
                    ((size_t)n < CONFIG_SHORT_BYTES || (off_t)n < size))
                        c->n_config_cut++;
                r = capture_write_file(c, path, bytes, edit(c, path, attribute, bytes, (size_t)n));
        }
        free(bytes);
        return r;
}

/* Copies a link as it is; target receives where it points. 1, 0 if there is none, or a negative
 * errno. */
static int copy_link(struct capture *c, const char *path, unsigned int flags, char target[PATH_MAX])
{
        ssize_t n;
        int r;

        n = readlinkat(c->from_fd, path, target, PATH_MAX - 1);
        if (n < 0) {
                if (errno != ENOENT || !(flags & P2P_ATTRIBUTE_OPTIONAL))
                        note_missing(c, path, errno);
                return 0;
        }
        target[n] = '\0';
        r = make_directories(c, path, false);
        if (r < 0)
                return r;
        if (symlinkat(target, c->to_fd, path) < 0)
                return fail(c, path, errno);
        return 1;
}

static DIR *open_directory(struct capture *c, const char *path)
{
        DIR *directory;
        int fd;

        fd = openat(c->from_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        directory = fdopendir(fd);
        if (!directory)
                close(fd);
        return directory;
}

/* The next name, without dot files; NULL at the end. */
static const struct dirent *next_entry(DIR *directory)
{
        const struct dirent *entry;

        do {
                entry = readdir(directory);
        } while (entry && entry->d_name[0] == '.');
        return entry;
}

/* A name that holds a MAC address becomes a number, so that names stay distinct. */
static void choose_name(struct capture *c, const char *name, bool serial, char buf[NAME_MAX + 1])
{
        if (c->no_serials && serial && is_mac_name(name))
                snprintf(buf, NAME_MAX + 1, "%.3s%012zx", name, ++c->n_macs);
        else
                snprintf(buf, NAME_MAX + 1, "%s", name);
}

static int copy_names(struct capture *c, const char *path, unsigned int flags)
{
        const struct dirent *entry;
        DIR *directory;
        int r;

        directory = open_directory(c, path);
        if (!directory) {
                if (errno != ENOENT || !(flags & P2P_ATTRIBUTE_OPTIONAL))
                        note_missing(c, path, errno);
                return 0;
        }
        r = make_directories(c, path, true);
        while (r == 0 && (entry = next_entry(directory))) {
                char name[NAME_MAX + 1];
                struct text t = {0};

                choose_name(c, entry->d_name, flags & P2P_ATTRIBUTE_SERIAL, name);
                text_addf(&t, "%s/%s", path, name);
                if (entry->d_type == DT_REG)
                        r = capture_write_file(c, text_get(&t), "", 0);
                else
                        r = make_directories(c, text_get(&t), true);
                text_clear(&t);
        }
        closedir(directory);
        return r;
}

/* "Linux version 6.1.0-13-amd64 (...)": the third word. */
static void read_release(struct capture *c, char release[256])
{
        char version[512];
        off_t size;
        ssize_t n;

        release[0] = '\0';
        n = read_file(c, "proc/sys/kernel/osrelease", release, 255, &size);
        if (n > 0) {
                release[n] = '\0';
                release[strcspn(release, "\n")] = '\0';
                return;
        }
        n = read_file(c, "proc/version", version, sizeof(version) - 1, &size);
        if (n > 0) {
                version[n] = '\0';
                if (sscanf(version, "Linux version %255s", release) != 1)
                        release[0] = '\0';
        }
}

static int copy_kernel_config(struct capture *c, const struct p2p_attribute *attribute)
{
        const char *star = strchr(attribute->path, '*');
        struct text path = {0};
        char release[256];
        int r;

        read_release(c, release);
        if (release[0] == '\0' || strchr(release, '/'))
                return 0;
        text_addf(&path, "%.*s%s%s", (int)(star - attribute->path), attribute->path, release,
                  star + 1);
        r = copy_file(c, text_get(&path), attribute);
        text_clear(&path);
        return r;
}

static int copy_one(struct capture *c, const char *path, const struct p2p_attribute *attribute)
{
        char target[PATH_MAX];
        int r;

        switch (attribute->kind) {
        case P2P_ATTRIBUTE_TEXT:
        case P2P_ATTRIBUTE_BINARY:
                return copy_file(c, path, attribute);
        case P2P_ATTRIBUTE_LINK:
                r = copy_link(c, path, attribute->flags, target);
                return r < 0 ? r : 0;
        case P2P_ATTRIBUTE_NAMES:
                return copy_names(c, path, attribute->flags);
        case P2P_ATTRIBUTE_KERNEL_CONFIG:
                return copy_kernel_config(c, attribute);
        }
        return 0;
}

static bool is_virtio(const char *name)
{
        size_t digits = strncmp(name, "virtio", 6) == 0 ? strspn(name + 6, "0123456789") : 0;

        return digits > 0 && name[6 + digits] == '\0';
}

/* "virtioN/net": for each entry of the function's directory that is so called. */
static int copy_below_virtio(struct capture *c, const char *place,
                             const struct p2p_attribute *attribute)
{
        const char *rest = strchr(attribute->path, '/');
        const struct dirent *entry;
        DIR *directory;
        int r = 0;

        directory = open_directory(c, place);
        if (!directory)
                return 0;
        while (r == 0 && (entry = next_entry(directory))) {
                struct text t = {0};

                if (!is_virtio(entry->d_name))
                        continue;
                text_addf(&t, "%s/%s%s", place, entry->d_name, rest);
                r = copy_one(c, text_get(&t), attribute);
                text_clear(&t);
        }
        closedir(directory);
        return r;
}

/* place: the function's directory below sys/devices. */
static int copy_function(struct capture *c, const char *place)
{
        size_t n_missing = c->n_missing, n_cut = c->n_config_cut;
        int r;

        r = make_directories(c, place, true);
        for (size_t i = 0; r == 0 && i < N_ATTRIBUTES(p2p_function_attributes); i++) {
                const struct p2p_attribute *attribute = &p2p_function_attributes[i];
                struct text t = {0};

                if (strncmp(attribute->path, "virtioN/", 8) == 0) {
                        r = copy_below_virtio(c, place, attribute);
                        continue;
                }
                text_addf(&t, "%s/%s", place, attribute->path);
                r = copy_one(c, text_get(&t), attribute);
                text_clear(&t);
        }
        if (r == 0 && faccessat(c->from_fd, place, F_OK, 0) < 0) {
                c->n_gone++;
                c->n_config_cut = n_cut;
                while (c->n_missing > n_missing)
                        free(c->missing[--c->n_missing].path);
                note_missing(c, place, ENODEV);
        }
        return r;
}

/* Where a link of sys/bus/pci/devices points, below the root: "../../../devices/x" is
 * "sys/devices/x". NULL for any other form: nothing outside is to be read. */
static const char *resolve_place(const char *target, struct text *out)
{
        static const char up[] = "../../../devices/";

        if (strncmp(target, up, sizeof(up) - 1) != 0 || strstr(target + sizeof(up) - 1, ".."))
                return NULL;
        text_addf(out, "sys/devices/%s", target + sizeof(up) - 1);
        return text_get(out);
}

static int copy_functions(struct capture *c)
{
        const struct dirent *entry;
        DIR *directory;
        int r;

        directory = open_directory(c, FUNCTIONS_DIRECTORY);
        if (!directory) {
                note_missing(c, FUNCTIONS_DIRECTORY, errno);
                return 0;
        }
        r = make_directories(c, FUNCTIONS_DIRECTORY, false);
        while (r == 0 && (entry = next_entry(directory))) {
                struct text path = {0}, place = {0};
                char target[PATH_MAX];

                text_addf(&path, FUNCTIONS_DIRECTORY "%s", entry->d_name);
                r = copy_link(c, text_get(&path), 0, target);
                if (r > 0) {
                        c->n_functions++;
                        r = 0;
                        if (resolve_place(target, &place))
                                r = copy_function(c, text_get(&place));
                        else
                                note_missing(c, text_get(&path), EXDEV);
                }
                text_clear(&path);
                text_clear(&place);
        }
        closedir(directory);
        return r;
}

/* "a/?/b" with a '*' as one whole name. */
static int copy_pattern(struct capture *c, const struct p2p_attribute *attribute)
{
        const char *star = strchr(attribute->path, '*');
        const struct dirent *entry;
        struct text above = {0};
        DIR *directory;
        int r = 0;

        text_addf(&above, "%.*s", (int)(star - attribute->path), attribute->path);
        directory = open_directory(c, text_get(&above));
        while (directory && r == 0 && (entry = next_entry(directory))) {
                struct text path = {0};

                text_addf(&path, "%s%s%s", text_get(&above), entry->d_name, star + 1);
                r = copy_one(c, text_get(&path), attribute);
                text_clear(&path);
        }
        if (directory)
                closedir(directory);
        text_clear(&above);
        return r;
}

int capture_run(struct capture *c)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < N_ATTRIBUTES(p2p_machine_attributes); i++) {
                const struct p2p_attribute *attribute = &p2p_machine_attributes[i];

                if (strcmp(attribute->path, FUNCTIONS_DIRECTORY "*") == 0)
                        r = copy_functions(c);
                else if (strchr(attribute->path, '*') &&
                         attribute->kind != P2P_ATTRIBUTE_KERNEL_CONFIG)
                        r = copy_pattern(c, attribute);
                else
                        r = copy_one(c, attribute->path, attribute);
        }
        return r;
}
