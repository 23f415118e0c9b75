/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table-descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2pd/table.h"

/* Room for more than the one that is expected; what does not even fit here, the kernel closes. */
#define DESCRIPTORS_MAX 8

static void keep_first(struct p2pd_passed *passed, const struct cmsghdr *c)
{
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
                if (passed->fd < 0)
                        passed->fd = fd;
                else
                        close(fd);
        }
}

ssize_t p2pd_passed_receive(struct p2pd_passed *passed, int fd, void *data, size_t size)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
        struct iovec part = {data, size};
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        /* Without room for them the kernel takes none in. */
        if (!passed->wanted)
                return recv(fd, data, size, 0);
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return n;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        keep_first(passed, c);
        /* One was sent, and this process cannot have more. */
        if (message.msg_flags & MSG_CTRUNC && passed->fd < 0)
                passed->error = -EMFILE;
        return n;
}

int p2pd_passed_take(struct p2pd_passed *passed)
{
        int fd = passed->fd >= 0 ? passed->fd : passed->error ? passed->error : -EBADMSG;

        passed->fd = -1;
        passed->error = 0;
        return fd;
}

void p2pd_passed_clear(struct p2pd_passed *passed)
{
        int fd = p2pd_passed_take(passed);

        if (fd >= 0)
                close(fd);
}

/* The seal is looked at first: from then on the size can only grow. */
static bool can_be_mapped(int fd, uint64_t size_bytes)
{
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
               S_ISREG(st.st_mode) && size_bytes > 0 && size_bytes <= SIZE_MAX && st.st_size >= 0 &&
               size_bytes <= (uint64_t)st.st_size;
}

/* What the header says, if it is the header of a table. */
static int read_header(struct p2pd_table_mapping *m)
{
        const struct p2p_table_header *h = m->memory;
        struct p2p_table table;

        switch (p2p_table_attach(&table, m->memory, m->bytes)) {
        case P2P_TABLE_OK:
                break;
        case P2P_TABLE_VERSION_UNKNOWN:
                return -EPROTONOSUPPORT;
        default:
                return -EBADMSG;
        }
        for (int i = 0; i < 2; i++)
                m->instance[i] = p2p_table_load64(&h->instance[i]);
        m->id_bits = p2p_table_load32(&h->id_bits);
        return 0;
}

static int map(int fd, uint64_t size_bytes, struct p2pd_table_mapping *m)
{
        void *memory;

        if (!can_be_mapped(fd, size_bytes))
                return -EBADMSG;
        memory = mmap(NULL, (size_t)size_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return errno == EACCES || errno == EPERM ? -EBADMSG : -errno;
        m->memory = memory;
        m->bytes = size_bytes;
        return read_header(m);
}

int p2pd_table_mapping_new(int fd, uint64_t size_bytes, struct p2pd_table_mapping **ret)
{
        struct p2pd_table_mapping *m = calloc(1, sizeof(*m));
        int r = m ? map(fd, size_bytes, m) : -ENOMEM;

        close(fd);
        if (r < 0) {
                p2pd_table_mapping_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

struct p2pd_table_mapping *p2pd_table_mapping_free(struct p2pd_table_mapping *m)
{
        while (m) {
                struct p2pd_table_mapping *older = m->next;

                if (m->memory)
                        munmap((void *)m->memory, (size_t)m->bytes);
                free(m);
                m = older;
        }
        return NULL;
}
