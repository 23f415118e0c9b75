/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer-ends.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FUNCTION_FORMAT "%s/sys/bus/pci/devices/%s"
/* What is asked of the provider; one page when it has no more. */
#define MEMORY_BYTES 65536U
#define SECTOR_BYTES 512U

/* Below another root plain files stand for devices: there is no O_DIRECT and no device number. */
static bool is_this_machine(const char *from)
{
        return strcmp(from, "/") == 0;
}

static int say(struct text *why, int error, const char *sentence, const char *what)
{
        text_addf(why, sentence, what);
        if (error)
                text_addf(why, ": %s", strerror(error));
        return error ? -error : -ENODEV;
}

/* The number at the start of a small file; false without one. */
static bool read_number(const char *path, uint64_t *ret)
{
        char line[32];
        FILE *file = fopen(path, "re");
        bool found = file && fgets(line, sizeof(line), file) && line[0] >= '0' && line[0] <= '9';

        if (file)
                fclose(file);
        if (found)
                *ret = strtoull(line, NULL, 10);
        return found;
}

static bool exists(const char *path)
{
        return access(path, F_OK) == 0;
}

static int explain_no_memory(const char *from, const char *provider, int error, struct text *why)
{
        struct text path = {0};
        int r;

        text_addf(&path, FUNCTION_FORMAT "/p2pmem", from, provider);
        if (error == EACCES || error == EPERM)
                r = say(why, error, "the memory of %s is for root to map", provider);
        else if (error != ENOENT)
                r = say(why, error, "the peer-to-peer memory of %s cannot be mapped", provider);
        else if (!exists(text_get(&path)))
                r = say(why, 0,
                        "%s has no peer-to-peer memory: its driver gave none to the kernel (an "
                        "NVMe controller has some with a controller memory buffer)",
                        provider);
        else
                r = say(why, 0,
                        "this kernel cannot map the peer-to-peer memory of %s for a process (Linux "
                        "6.2 and later can)",
                        provider);
        text_clear(&path);
        return r;
}

static int open_memory(struct transfer_ends *e, const char *from, const char *provider,
                       struct text *why)
{
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        struct text path = {0};
        void *memory = MAP_FAILED;
        int fd, error = 0;

        text_addf(&path, FUNCTION_FORMAT "/p2pmem/allocate", from, provider);
        fd = open(text_get(&path), O_RDWR | O_CLOEXEC);
        text_clear(&path);
        if (fd < 0)
                return explain_no_memory(from, provider, errno, why);
        for (e->memory_bytes = MEMORY_BYTES > page ? MEMORY_BYTES : page;; e->memory_bytes = page) {
                memory = mmap(NULL, e->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                error = memory == MAP_FAILED ? errno : 0;
                if (!error || e->memory_bytes == page)
                        break;
        }
        close(fd);
        if (error)
                return explain_no_memory(from, provider, error == ENOENT ? ENODEV : error, why);
        e->memory = memory;
        return 0;
}

/* Whether this child of an NVMe controller is a disk that one can open; *hidden counts those that
 * exist but are paths of a multipath disk, which does not say by which controller it reads. */
static bool is_disk(const char *directory, const char *name, unsigned *hidden)
{
        struct text path = {0};
        uint64_t value;
        bool found;

        if (strncmp(name, "nvme", 4) != 0)
                return false;
        text_addf(&path, "%s/%s/size", directory, name);
        found = read_number(text_get(&path), &value) && value > 0;
        text_reset(&path);
        text_addf(&path, "%s/%s/hidden", directory, name);
        if (found && read_number(text_get(&path), &value) && value != 0) {
                (*hidden)++;
                found = false;
        }
        text_clear(&path);
        return found;
}

/* Directories below this one whose name is_disk(), the first by name, into disk. */
static void find_disk(const char *directory, char *disk, size_t size, unsigned *hidden)
{
        struct dirent **names;
        int n = scandir(directory, &names, NULL, versionsort);

        for (int i = 0; i < n; i++) {
                if (!disk[0] && strlen(names[i]->d_name) < size &&
                    is_disk(directory, names[i]->d_name, hidden))
                        memcpy(disk, names[i]->d_name, strlen(names[i]->d_name) + 1);
                free(names[i]);
        }
        if (n >= 0)
                free(names);
}

static int find_namespace(const char *from, const char *client, struct text *ret_directory,
                          char *disk, size_t size, struct text *why)
{
        struct text nvme = {0};
        struct dirent **names;
        unsigned hidden = 0;
        int n;

        text_addf(&nvme, FUNCTION_FORMAT "/nvme", from, client);
        disk[0] = '\0';
        n = scandir(text_get(&nvme), &names, NULL, versionsort);
        for (int i = 0; i < n; i++) {
                if (!disk[0] && names[i]->d_name[0] != '.') {
                        text_reset(ret_directory);
                        text_addf(ret_directory, "%s/%s", text_get(&nvme), names[i]->d_name);
                        find_disk(text_get(ret_directory), disk, size, &hidden);
                }
                free(names[i]);
        }
        if (n >= 0)
                free(names);
        text_clear(&nvme);
        if (disk[0])
                return 0;
        if (n < 0)
                return say(why, 0,
                           "%s is no NVMe controller with a driver: only those can be told to make "
                           "a transfer without writing to a disk",
                           client);
        return say(why, 0,
                   hidden ? "the disks of %s are shared by several controllers (multipath): which "
                            "of them reads cannot be chosen"
                          : "%s has no namespace to read from",
                   client);
}

/* Is what was opened the very device that sysfs speaks of. */
static bool is_that_device(int fd, const char *directory, const char *disk)
{
        struct text path = {0};
        unsigned major, minor;
        struct stat st;
        FILE *file;
        bool same;

        text_addf(&path, "%s/%s/dev", directory, disk);
        file = fopen(text_get(&path), "re");
        text_clear(&path);
        same = file && fscanf(file, "%u:%u", &major, &minor) == 2 && fstat(fd, &st) == 0 &&
               S_ISBLK(st.st_mode) && st.st_rdev == makedev(major, minor);
        if (file)
                fclose(file);
        return same;
}

static int open_disk(struct transfer_ends *e, const char *from, const char *directory,
                     struct text *why)
{
        const bool real = is_this_machine(from);
        struct text path = {0};
        uint64_t sectors = 0, block = SECTOR_BYTES;
        int error;

        text_addf(&path, "%s/%s/size", directory, e->disk);
        (void)read_number(text_get(&path), &sectors);
        text_reset(&path);
        text_addf(&path, "%s/%s/queue/logical_block_size", directory, e->disk);
        (void)read_number(text_get(&path), &block);
        text_reset(&path);
        text_addf(&path, "%s/dev/%s", from, e->disk);
        e->disk_bytes = sectors <= UINT64_MAX / SECTOR_BYTES / 2 ? sectors * SECTOR_BYTES : 0;
        e->block_bytes = (size_t)block;
        e->disk_fd = open(text_get(&path), O_RDONLY | O_CLOEXEC | (real ? O_DIRECT : 0));
        error = errno;
        text_clear(&path);
        if (e->disk_fd < 0)
                return say(why, error, "/dev/%s cannot be opened for reading", e->disk);
        if (real && !is_that_device(e->disk_fd, directory, e->disk))
                return say(why, 0, "/dev/%s is not the device that sysfs names so", e->disk);
        return 0;
}

int transfer_ends_open(struct transfer_ends *e, const char *from, const char *provider,
                       const char *client, struct text *why)
{
        struct text directory = {0};
        int r;

        r = open_memory(e, from, provider, why);
        if (r == 0)
                r = find_namespace(from, client, &directory, e->disk, sizeof(e->disk), why);
        if (r == 0)
                r = open_disk(e, from, text_get(&directory), why);
        text_clear(&directory);
        return r;
}

void transfer_ends_close(struct transfer_ends *e)
{
        if (e->memory)
                munmap(e->memory, e->memory_bytes);
        if (e->disk_fd >= 0)
                close(e->disk_fd);
        *e = (struct transfer_ends)TRANSFER_ENDS_NONE;
}
