/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <string.h>

#include "parameters.h"

/* The blocking calls on one pair, and on the machine as a whole. Replies may gain members: unknown
 * ones are passed over. */

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Goes through the members of the reply's parameters. */
struct members {
        struct p2p_json json;
        struct p2p_json_items items;
        struct p2p_json_slice key;
};

static int members_begin(struct members *m, const struct p2pd_reply *reply)
{
        *m = (struct members){.json = p2pd_reply_json(reply)};
        return p2p_json_enter_object(&m->json);
}

static int members_next(struct members *m)
{
        return p2p_json_next_member(&m->json, &m->items, &m->key);
}

static char *pair_parameters(const char *provider, const char *client, enum p2pd_rules rules)
{
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_string(&t, "provider", provider);
        p2pd_parameters_add_string(&t, "client", client);
        p2pd_parameters_add_rules(&t, rules);
        return p2pd_parameters_end(&t);
}

P2PD_PUBLIC int p2pd_client_get_distance(struct p2pd_client *client, const char *provider,
                                         const char *client_function, enum p2pd_rules rules,
                                         int timeout_msec, struct p2pd_verdict *ret)
{
        _cleanup_(p2pd_string_freep) char *parameters =
                pair_parameters(provider, client_function, rules);
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        struct p2p_json j;
        int r;

        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, "io.p2pd.GetDistance", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        j = p2pd_reply_json(reply);
        return p2pd_read_verdict(&j, ret);
}

static int read_answer(struct p2p_json *j, enum p2pd_answer *ret)
{
        struct p2p_json_slice s;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        if (p2p_json_is(&s, "yes"))
                *ret = P2PD_ANSWER_YES;
        else if (p2p_json_is(&s, "no"))
                *ret = P2PD_ANSWER_NO;
        else if (p2p_json_is(&s, "unknown"))
                *ret = P2PD_ANSWER_UNKNOWN;
        else
                return -EBADMSG;
        return 0;
}

/* The member "because" of the first checked pair. */
static int read_because(struct p2p_json *j, char *buf, size_t size)
{
        struct p2p_json_items pairs = {0}, items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        r = p2p_json_next_element(j, &pairs);
        if (r <= 0)
                return r;
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "because") && !p2p_json_take_null(j))
                        r = p2p_json_read_string(j, buf, size);
                else if (!p2p_json_is(&key, "because"))
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        while (r == 0 && (r = p2p_json_next_element(j, &pairs)) > 0)
                r = p2p_json_skip(j);
        return r;
}

P2PD_PUBLIC int p2pd_client_check(struct p2pd_client *client, const char *provider,
                                  const char *client_function,
                                  const struct p2pd_check_options *options, int timeout_msec,
                                  enum p2pd_answer *ret, char *because, size_t because_size)
{
        static const struct p2pd_check_options defaults = {.size = sizeof(defaults)};
        _cleanup_(p2pd_string_freep) char *parameters = NULL;
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        enum p2pd_answer answer = P2PD_ANSWER_UNKNOWN;
        char sentence[512] = "";
        bool answered = false;
        struct p2pd_text t;
        struct members m;
        int r;

        if (!options)
                options = &defaults;
        if (options->size != sizeof(*options))
                return -EINVAL;
        p2pd_parameters_begin(&t);
        p2pd_parameters_add_strings(&t, "providers", provider);
        p2pd_parameters_add_strings(&t, "clients", client_function);
        p2pd_parameters_add_rules(&t, options->rules);
        if (options->min_bar_bytes > 0)
                p2pd_parameters_add_hex(&t, "min_bar_bytes", options->min_bar_bytes);
        if (options->allow_slow_link)
                p2pd_parameters_add_true(&t, "allow_slow_link");
        parameters = p2pd_parameters_end(&t);
        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, "io.p2pd.Check", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        if (members_begin(&m, reply) < 0)
                return -EBADMSG;
        while ((r = members_next(&m)) > 0) {
                if (p2p_json_is(&m.key, "result")) {
                        r = read_answer(&m.json, &answer);
                        answered = true;
                } else if (p2p_json_is(&m.key, "pairs")) {
                        r = read_because(&m.json, sentence, sizeof(sentence));
                } else {
                        r = p2p_json_skip(&m.json);
                }
                if (r < 0)
                        return r;
        }
        if (r < 0 || !answered)
                return -EBADMSG;
        if (because && because_size > 0) {
                size_t n = strnlen(sentence, because_size - 1);

                memcpy(because, sentence, n);
                because[n] = '\0';
        }
        *ret = answer;
        return 0;
}

/* The member "text" of each object of an array, a line each. */
static int append_sentences(struct p2p_json *j, struct p2pd_text *out)
{
        struct p2p_json_items elements = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &elements)) > 0) {
                struct p2p_json_items items = {0};
                struct p2p_json_slice key;

                if (p2p_json_enter_object(j) < 0)
                        return -EBADMSG;
                while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                        _cleanup_(p2pd_string_freep) char *text = NULL;

                        if (!p2p_json_is(&key, "text"))
                                r = p2p_json_skip(j);
                        else
                                r = p2p_json_read_new_string(j, &text);
                        if (r < 0)
                                return r;
                        if (text) {
                                p2pd_text_append(out, text, strlen(text));
                                p2pd_text_append(out, "\n", 1);
                        }
                }
                if (r < 0)
                        return r;
        }
        return r;
}

/* Inside of the explanation: the sentences of its reasons and constraints. */
static int read_explanation(struct p2p_json *j, struct p2pd_text *out)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "reasons") || p2p_json_is(&key, "constraints"))
                        r = append_sentences(j, out);
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r;
}

P2PD_PUBLIC int p2pd_client_explain_text(struct p2pd_client *client, const char *provider,
                                         const char *client_function, enum p2pd_rules rules,
                                         int timeout_msec, char **ret)
{
        _cleanup_(p2pd_string_freep) char *parameters =
                pair_parameters(provider, client_function, rules);
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        struct p2pd_text out = {0};
        struct members m;
        int r;

        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, "io.p2pd.Explain", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        if (members_begin(&m, reply) < 0)
                return -EBADMSG;
        p2pd_text_append(&out, "", 0);
        while ((r = members_next(&m)) > 0) {
                if (p2p_json_is(&m.key, "explanation"))
                        r = read_explanation(&m.json, &out);
                else
                        r = p2p_json_skip(&m.json);
                if (r < 0)
                        break;
        }
        if (r == 0 && out.failed)
                r = -ENOMEM;
        if (r < 0) {
                free(out.data);
                return r;
        }
        *ret = out.data;
        return 0;
}

static int read_rules(struct p2p_json *j, enum p2pd_rules *ret)
{
        struct p2p_json_slice s;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        *ret = p2p_json_is(&s, "newest") ? P2PD_RULES_NEWEST : P2PD_RULES_RUNNING;
        return 0;
}

static int read_status_member(struct p2p_json *j, const struct p2p_json_slice *key,
                              struct p2pd_summary *s)
{
        if (p2p_json_is(key, "functions"))
                return p2pd_read_count(j, &s->functions);
        if (p2p_json_is(key, "endpoints"))
                return p2pd_read_count(j, &s->endpoints);
        if (p2p_json_is(key, "acs_unknown"))
                return p2pd_read_count(j, &s->acs_unknown);
        if (p2p_json_is(key, "rules"))
                return read_rules(j, &s->rules);
        if (p2p_json_is(key, "version"))
                return p2p_json_read_string(j, s->version, sizeof(s->version));
        if (p2p_json_is(key, "source"))
                return p2p_json_read_string(j, s->source, sizeof(s->source));
        if (p2p_json_is(key, "kernel_release"))
                return p2pd_read_text(j, s->kernel_release, sizeof(s->kernel_release));
        return p2p_json_skip(j);
}

static int read_status(struct p2p_json *j, struct p2pd_summary *s)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                r = read_status_member(j, &key, s);
                if (r < 0)
                        return r;
        }
        return r;
}

P2PD_PUBLIC int p2pd_client_get_summary(struct p2pd_client *client, int timeout_msec,
                                        struct p2pd_summary *ret)
{
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        struct p2pd_summary s = {0};
        struct members m;
        int r;

        r = p2pd_client_ask(client, "io.p2pd.GetStatus", NULL, timeout_msec, &reply);
        if (r < 0)
                return r;
        if (members_begin(&m, reply) < 0)
                return -EBADMSG;
        while ((r = members_next(&m)) > 0) {
                if (p2p_json_is(&m.key, "generation"))
                        r = p2pd_read_count(&m.json, &s.generation);
                else if (p2p_json_is(&m.key, "status"))
                        r = read_status(&m.json, &s);
                else
                        r = p2p_json_skip(&m.json);
                if (r < 0)
                        return r;
        }
        if (r < 0 || s.generation == 0)
                return -EBADMSG;
        *ret = s;
        return 0;
}
