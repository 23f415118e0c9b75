/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discover/tree.h"
#include "root-builder.h"

/* Both ways of looking things up: by the kernel, and in steps. */
static const bool manual[] = {false, true};

static void build(const struct root *r)
{
        root_text(r, "sys/a/file", "inside\n");
        root_link(r, "sys/relative", "a/file");
        root_link(r, "sys/absolute", "/sys/a/file");
        root_link(r, "sys/up", "../../../../../../../../sys/a/file");
        root_link(r, "sys/dir", "../sys/./a");
        root_link(r, "sys/out", "/etc/hostname");
        root_link(r, "sys/passwd", "../../../../../../../etc/passwd");
        root_link(r, "sys/loop", "loop");
        root_link(r, "sys/ping", "pong");
        root_link(r, "sys/pong", "ping");
        root_link(r, "sys/slash", "/");
        root_link(r, "sys/magic", "/proc/self/root/etc/passwd");
        root_fifo(r, "sys/fifo");
        root_dir(r, "sys/directory");
}

static void test_lookups(void **state)
{
        static const struct {
                const char *path;
                int r; /* 0: "inside\n" */
        } rows[] = {
                {"sys/a/file", 0},
                {"sys//a/./file", 0},
                {"sys/relative", 0},
                {"sys/absolute", 0},
                {"sys/up", 0},
                {"sys/dir/file", 0},
                {"sys/dir/../a/file", 0},
                {"sys/slash/sys/slash/sys/a/file", 0},
                {"sys/../../../sys/a/file", 0},
                {"sys/out", -ENOENT},
                {"sys/passwd", -ENOENT},
                {"sys/magic", -ENOENT},
                {"sys/loop", -ELOOP},
                {"sys/ping", -ELOOP},
                {"sys/fifo", -EINVAL},
                {"sys/directory", -EISDIR},
                {"sys/none", -ENOENT},
                {"sys/a/file/more", -ENOTDIR},
        };
        struct root r = root_new();
        struct p2pd_tree *t;

        (void)state;
        build(&r);
        assert_int_equal(p2pd_tree_new_root(r.path, &t), 0);
        for (unsigned k = 0; k < 2; k++) {
                p2pd_tree_set_manual(t, manual[k]);
                for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                        char text[64];
                        ssize_t n = p2pd_tree_read_text(t, rows[i].path, text, sizeof(text));

                        if (rows[i].r < 0 ? n != rows[i].r : n != 7)
                                fail_msg("%s, %s: %zd", manual[k] ? "in steps" : "by the kernel",
                                         rows[i].path, n);
                        if (n >= 0)
                                assert_string_equal(text, "inside\n");
                }
        }
        assert_null(p2pd_tree_free(t));
        root_free(&r);
}

static void test_deep(void **state)
{
        struct root r = root_new();
        struct p2pd_tree *t;
        char path[400] = "sys";

        (void)state;
        for (unsigned i = 0; i < 70; i++)
                strcat(path, "/dd");
        strcat(path, "/file");
        root_text(&r, path, "deep");
        assert_int_equal(p2pd_tree_new_root(r.path, &t), 0);
        for (unsigned k = 0; k < 2; k++) {
                char text[16];
                ssize_t n;

                p2pd_tree_set_manual(t, manual[k]);
                n = p2pd_tree_read_text(t, path, text, sizeof(text));
                assert_true(n == 4 || n == -ENAMETOOLONG);
        }
        assert_null(p2pd_tree_free(t));
        root_free(&r);
}

struct listing {
        unsigned n, n_files, n_dirs, n_links, n_others, stop_after;
};

static int count(const struct p2pd_listed *entry, void *userdata)
{
        struct listing *l = userdata;

        assert_true(strcmp(entry->name, ".") && strcmp(entry->name, ".."));
        l->n++;
        l->n_files += entry->type == P2PD_ENTRY_FILE;
        l->n_dirs += entry->type == P2PD_ENTRY_DIR;
        l->n_links += entry->type == P2PD_ENTRY_LINK;
        l->n_others += entry->type == P2PD_ENTRY_OTHER;
        return l->n == l->stop_after ? 5 : 0;
}

static void test_directories(void **state)
{
        struct root r = root_new();
        _Alignas(uint64_t) char entries[1024];
        struct listing l = {0};
        struct p2pd_tree *t;
        char buf[64];
        int dir;

        (void)state;
        build(&r);
        for (unsigned i = 0; i < 200; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "sys/many/entry-with-a-long-name-%u", i);
                root_text(&r, path, "x");
        }
        assert_int_equal(p2pd_tree_new_root(r.path, &t), 0);
        dir = p2pd_tree_open_dir(t, "sys");
        assert_true(dir >= 0);
        assert_int_equal(p2pd_dir_list(dir, entries, sizeof(entries), count, &l), 0);
        assert_int_equal(l.n_dirs, 3);
        assert_int_equal(l.n_others, 1);
        assert_int_equal(l.n_links, 11);
        assert_int_equal(p2pd_dir_read(dir, "fifo", false, buf, sizeof(buf)), -EINVAL);
        assert_int_equal(p2pd_dir_read(dir, "relative", false, buf, sizeof(buf)), -ELOOP);
        assert_int_equal(p2pd_dir_read(dir, "directory", false, buf, sizeof(buf)), -EISDIR);
        assert_int_equal(p2pd_dir_open_dir(dir, "slash"), -ENOTDIR);
        assert_int_equal(p2pd_dir_read_link(dir, "relative", buf, sizeof(buf)), 6);
        assert_string_equal(buf, "a/file");
        assert_int_equal(p2pd_dir_read_link(dir, "relative", buf, 6), -ENAMETOOLONG);
        assert_int_equal(p2pd_dir_read_link(dir, "directory", buf, sizeof(buf)), -EINVAL);
        p2pd_closep(&dir);
        dir = p2pd_tree_open_dir(t, "sys/many");
        l = (struct listing){0};
        assert_int_equal(p2pd_dir_list(dir, entries, sizeof(entries), count, &l), 0);
        assert_int_equal(l.n_files, 200);
        p2pd_closep(&dir);
        dir = p2pd_tree_open_dir(t, "sys/many");
        l = (struct listing){.stop_after = 3};
        assert_int_equal(p2pd_dir_list(dir, entries, sizeof(entries), count, &l), 5);
        assert_int_equal(l.n, 3);
        p2pd_closep(&dir);
        assert_int_equal(p2pd_tree_open_dir(t, "sys/a/file"), -ENOTDIR);
        assert_null(p2pd_tree_free(t));
        root_free(&r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lookups),
                cmocka_unit_test(test_deep),
                cmocka_unit_test(test_directories),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
