/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Placement against a look at every choice, on the captured machines: their archives are the
 * arguments. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decide/place.h"
#include "discover/source.h"
#include "place-brute.h"

static char **archives;
static int n_archives;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static void unpack(const char *archive, const char *directory)
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                execlp("tar", "tar", "-xJf", archive, "-C", directory, (char *)NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct p2p_machine *read_machine(const char *archive)
{
        char directory[] = "/tmp/p2pd-test-XXXXXX", root[64];
        struct p2pd_source *source = NULL;
        struct p2p_machine *m = NULL;
        const char *error = NULL;

        assert_non_null(mkdtemp(directory));
        unpack(archive, directory);
        (void)snprintf(root, sizeof(root), "%s/root", directory);
        if (access(root, F_OK) < 0)
                (void)snprintf(root, sizeof(root), "%s", directory);
        assert_int_equal(p2pd_source_new(P2P_SOURCE_ROOT, root, NULL, &source), 0);
        assert_int_equal(p2pd_source_scan(source, NULL, NULL, &m, &error), 0);
        p2pd_source_free(source);
        assert_int_equal(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        return m;
}

static void compare(const struct p2p_machine *m, const struct p2p_place_request *request,
                    unsigned *n_compared)
{
        struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        struct p2p_verdicts *v = p2p_verdicts_new(m, rules);
        struct p2p_place *got = NULL;
        struct brute want;

        assert_non_null(v);
        brute_place(m, &rules, request, 4000, &want);
        if (!want.too_many) {
                assert_int_equal(p2p_place_new(m, v, request, &got), 0);
                assert_int_equal(got->refusal.gate, want.refusal.gate);
                assert_int_equal(got->n_answers,
                                 want.n < request->n_best ? want.n : request->n_best);
                for (uint32_t i = 0; i < got->n_answers; i++) {
                        const struct p2p_place_answer *a = &got->answers[i];
                        const uint32_t *f = want.choices[i].functions;

                        assert_memory_equal(a->items, f, got->n_items * sizeof(*f));
                        assert_memory_equal(a->companions, f + got->n_items,
                                            got->n_items * got->n_per_item * sizeof(*f));
                        ++*n_compared;
                }
                p2p_place_free(got);
        }
        brute_free(&want);
        p2p_verdicts_free(v);
}

/* Each kind with each kind, one to three items, own and shared companions. */
static void ask_all(const struct p2p_machine *m, unsigned *n_compared)
{
        static const char *const kinds[] = {"gpu", "nic", "nvme", "class=08,class=00,class=ff"};
        struct p2p_selector *selectors[4];

        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(
                        p2p_selector_parse(kinds[i], strlen(kinds[i]), &selectors[i], NULL), 0);
        for (unsigned i = 0; i < 4 * 4 * 3 * 2; i++) {
                struct p2p_place_request request = P2P_PLACE_REQUEST_INIT;
                struct p2p_place_rule rule = {
                        .of = selectors[i / 4 % 4],
                        .n = 1,
                        .shared = i / 48 == 1,
                };

                request.of = selectors[i % 4];
                request.n_items = 1 + i / 16 % 3;
                request.rules = &rule;
                request.n_rules = 1;
                request.n_best = 5;
                compare(m, &request, n_compared);
                request.allow_bad = true;
                compare(m, &request, n_compared);
        }
        for (unsigned i = 0; i < 4; i++)
                p2p_selector_free(selectors[i]);
}

static void test_captured_machines(void **state)
{
        unsigned n_all = 0;

        (void)state;
        assert_true(n_archives > 0);
        for (int i = 0; i < n_archives; i++) {
                struct p2p_machine *m = read_machine(archives[i]);
                unsigned n = 0;

                ask_all(m, &n);
                print_message("%s: %u functions, %u answers compared\n", archives[i],
                              m->n_functions, n);
                n_all += n;
                p2p_machine_free(m);
        }
        assert_true(n_all > 100);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_captured_machines),
        };

        archives = argv + 1;
        n_archives = argc - 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
