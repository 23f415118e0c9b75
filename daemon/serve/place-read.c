/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parameters of Place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/connection.h"
#include "serve/place-job.h"

/* About what a selector takes besides its text. */
#define SELECTOR_BYTES 1024U

enum argument {
        ARGUMENT_COUNT,
        ARGUMENT_OF,
        ARGUMENT_COMPANIONS,
        ARGUMENT_CLIENTS,
        ARGUMENT_AVOID,
        ARGUMENT_WORST_PATH,
        ARGUMENT_LEAST_MBPS,
        ARGUMENT_NUMA_NODE,
        ARGUMENT_MUST_BE_BUS,
        ARGUMENT_ALLOW_NONE,
        ARGUMENT_INCLUDE_HELD,
        ARGUMENT_ANSWERS,
        ARGUMENT_RULES,
        ARGUMENT_HOLD,
        ARGUMENTS,
};

static const struct p2pd_parameter parameters[ARGUMENTS] = {
        [ARGUMENT_COUNT] = {"count", P2PD_PARAMETER_INT},
        [ARGUMENT_OF] = {"of", P2PD_PARAMETER_STRING},
        [ARGUMENT_COMPANIONS] = {"companions", P2PD_PARAMETER_OPTIONAL_OBJECTS},
        [ARGUMENT_CLIENTS] = {"clients", P2PD_PARAMETER_OPTIONAL_STRINGS},
        [ARGUMENT_AVOID] = {"avoid", P2PD_PARAMETER_OPTIONAL_STRINGS},
        [ARGUMENT_WORST_PATH] = {"worst_path", P2PD_PARAMETER_OPTIONAL_STRING},
        [ARGUMENT_LEAST_MBPS] = {"least_mbps", P2PD_PARAMETER_OPTIONAL_INT},
        [ARGUMENT_NUMA_NODE] = {"numa_node", P2PD_PARAMETER_OPTIONAL_INT},
        [ARGUMENT_MUST_BE_BUS] = {"must_be_bus", P2PD_PARAMETER_OPTIONAL_BOOL},
        [ARGUMENT_ALLOW_NONE] = {"allow_none", P2PD_PARAMETER_OPTIONAL_BOOL},
        [ARGUMENT_INCLUDE_HELD] = {"include_held", P2PD_PARAMETER_OPTIONAL_BOOL},
        [ARGUMENT_ANSWERS] = {"answers", P2PD_PARAMETER_OPTIONAL_INT},
        [ARGUMENT_RULES] = {"rules", P2PD_PARAMETER_OPTIONAL_RULES},
        [ARGUMENT_HOLD] = {"hold", P2PD_PARAMETER_OPTIONAL_OBJECT},
};

static int refuse(struct p2pd_call *call, const char *parameter)
{
        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text(parameter));
}

static int refuse_selector(struct p2pd_call *call, struct p2pd_text text, int refusal,
                           struct p2p_selector_part part)
{
        const struct p2pd_refusal_value values[] = {
                {.text = text},
                {.text = {text.data + part.offset, part.length}},
                {.text = p2pd_text(p2p_selector_error_to_string(refusal))},
        };

        return p2pd_refuse(call, P2PD_REFUSED_SELECTOR_INVALID, values);
}

static int read_selector(struct p2pd_call *call, struct p2pd_place_job *x, struct p2pd_text text,
                         struct p2pd_place_selector *ret)
{
        struct p2p_selector_part part = {0, 0};
        int r = p2p_selector_parse(text.data, text.size, &ret->selector, &part);

        if (r > 0)
                return refuse_selector(call, text, r, part);
        if (r < 0)
                return r;
        x->job.bytes += SELECTOR_BYTES + 2 * text.size;
        ret->text = strndup(text.data, text.size);
        return ret->text ? 0 : -ENOMEM;
}

static int read_companion(struct p2pd_call *call, struct p2p_json *object, struct p2pd_place_job *x)
{
        static const struct p2pd_parameter members[] = {
                {"of", P2PD_PARAMETER_STRING},
                {"count", P2PD_PARAMETER_INT},
                {"shared", P2PD_PARAMETER_OPTIONAL_BOOL},
        };
        const uint32_t i = x->request.n_rules;
        struct p2pd_argument arguments[3];
        int r;

        r = p2pd_call_members(call, object, members, 3, arguments);
        if (r == 0)
                r = read_selector(call, x, arguments[0].text, &x->companions[i]);
        if (r != 0)
                return r;
        if (arguments[1].number < 1 || arguments[1].number > P2P_PLACE_FUNCTIONS_MAX)
                return refuse(call, "count");
        x->rules[i] = (struct p2p_place_rule){
                .of = x->companions[i].selector,
                .n = (uint32_t)arguments[1].number,
                .shared = arguments[2].yes,
        };
        x->request.n_rules++;
        return 0;
}

static int read_companions(struct p2pd_call *call, const struct p2pd_argument *argument,
                           struct p2pd_place_job *x)
{
        struct p2p_json array = argument->array;
        struct p2p_json_items items = {0};
        int r;

        if (!argument->present)
                return 0;
        if (argument->n_elements > P2P_PLACE_RULES_MAX)
                return p2pd_refuse_too_much(call, argument->n_elements, P2P_PLACE_RULES_MAX);
        r = p2p_json_enter_array(&array);
        while (r == 0 && (r = p2p_json_next_element(&array, &items)) > 0)
                r = read_companion(call, &array, x);
        return r;
}

static int read_avoid(struct p2pd_call *call, const struct p2pd_argument *argument,
                      struct p2pd_place_job *x)
{
        struct p2p_json array = argument->array;
        struct p2p_json_items items = {0};
        struct p2p_json_slice text;
        int r;

        if (!argument->present)
                return 0;
        if (argument->n_elements > P2PD_PLACE_AVOID_MAX)
                return p2pd_refuse_too_much(call, argument->n_elements, P2PD_PLACE_AVOID_MAX);
        r = p2p_json_enter_array(&array);
        while (r == 0 && (r = p2p_json_next_element(&array, &items)) > 0) {
                r = p2p_json_read_slice(&array, &text);
                if (r == 0)
                        r = read_selector(call, x, p2pd_varlink_text(&call->message, &text),
                                          &x->avoid[x->request.n_avoid++]);
        }
        return r;
}

static int read_path(struct p2pd_call *call, const struct p2pd_argument *argument,
                     struct p2pd_place_job *x)
{
        if (!argument->present)
                return 0;
        for (enum p2p_path path = 0; path < P2P_PATH_MAX; path++) {
                if (p2pd_text_equal(argument->text, p2p_path_to_string(path))) {
                        x->request.path_max = path;
                        return 0;
                }
        }
        return refuse(call, "worst_path");
}

/* A number that is left out stays as it is. */
static int read_number(struct p2pd_call *call, const struct p2pd_argument *arguments,
                       enum argument which, int64_t min, int64_t max, uint32_t *ret)
{
        const struct p2pd_argument *argument = &arguments[which];

        if (!argument->present)
                return 0;
        if (argument->number < min || argument->number > max)
                return refuse(call, parameters[which].name);
        *ret = (uint32_t)argument->number;
        return 0;
}

static int read_limits(struct p2pd_call *call, const struct p2pd_argument *arguments,
                       struct p2pd_place_job *x)
{
        struct p2p_place_request *request = &x->request;
        int r;

        r = read_number(call, arguments, ARGUMENT_COUNT, 1, P2P_PLACE_FUNCTIONS_MAX,
                        &request->n_items);
        if (r == 0)
                r = read_number(call, arguments, ARGUMENT_LEAST_MBPS, 0, UINT32_MAX,
                                &request->bottleneck_min_mbps);
        if (r == 0)
                r = read_number(call, arguments, ARGUMENT_NUMA_NODE, 0, P2P_NONE - 1,
                                &request->numa_node);
        if (r == 0)
                r = read_number(call, arguments, ARGUMENT_ANSWERS, 1, P2P_PLACE_BEST_MAX,
                                &request->n_best);
        if (r == 0)
                r = read_path(call, &arguments[ARGUMENT_WORST_PATH], x);
        request->must_be_bus = arguments[ARGUMENT_MUST_BE_BUS].yes;
        request->allow_bad = arguments[ARGUMENT_ALLOW_NONE].yes;
        x->include_held = arguments[ARGUMENT_INCLUDE_HELD].yes;
        x->rules_choice = arguments[ARGUMENT_RULES].rules;
        return r;
}

/* What is held is offered for information, never to be held by somebody else. */
static int read_hold(struct p2pd_call *call, const struct p2pd_argument *argument,
                     struct p2pd_place_job *x)
{
        if (!argument->present)
                return 0;
        if (!p2pd_connection_may_change(call->connection))
                return p2pd_refuse(call, P2PD_REFUSED_PERMISSION_DENIED, NULL);
        if (x->include_held)
                return refuse(call, "include_held");
        x->holds = true;
        return p2pd_call_hold(call, argument, &x->hold);
}

int p2pd_place_read(struct p2pd_call *call, struct p2pd_place_job *x)
{
        struct p2pd_argument arguments[ARGUMENTS];
        int r;

        x->request = (struct p2p_place_request)P2P_PLACE_REQUEST_INIT;
        r = p2pd_call_parameters(call, parameters, ARGUMENTS, arguments);
        if (r == 0)
                r = read_limits(call, arguments, x);
        if (r == 0)
                r = read_hold(call, &arguments[ARGUMENT_HOLD], x);
        if (r == 0)
                r = read_selector(call, x, arguments[ARGUMENT_OF].text, &x->of);
        if (r == 0)
                r = read_companions(call, &arguments[ARGUMENT_COMPANIONS], x);
        if (r == 0)
                r = read_avoid(call, &arguments[ARGUMENT_AVOID], x);
        if (r == 0)
                r = p2pd_asked_read(call, &arguments[ARGUMENT_CLIENTS], "clients",
                                    P2P_PLACE_CLIENTS_MAX, &x->asked);
        return r;
}
