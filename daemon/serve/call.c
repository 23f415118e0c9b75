/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/call.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "serve/connection.h"
#include "serve/job.h"
#include "serve/methods.h"
#include "serve/server-private.h"

struct p2pd_stream *p2pd_stream_free(struct p2pd_stream *stream)
{
        if (!stream)
                return NULL;
        p2pd_snapshot_unref(stream->snapshot);
        stream->free(stream);
        return NULL;
}

void p2pd_call_stream(struct p2pd_call *call, struct p2pd_stream *stream,
                      int (*produce)(struct p2pd_stream *stream, struct p2pd_writer *w),
                      void (*free_stream)(struct p2pd_stream *stream))
{
        stream->produce = produce;
        stream->free = free_stream;
        stream->snapshot = p2pd_snapshot_ref(call->snapshot);
        call->stream = stream;
}

void p2pd_call_submit(struct p2pd_call *call, struct p2pd_job *job)
{
        job->connection = call->connection;
        p2pd_jobs_submit(call->server->jobs, job, p2pd_connection_uid(call->connection), false);
        call->job = job;
        call->waits_for = P2PD_WAIT_JOB;
}

int p2pd_refuse(struct p2pd_call *call, enum p2pd_refused kind,
                const struct p2pd_refusal_value *values)
{
        call->server->counters.errors++;
        p2pd_refusal_write(call->writer, kind, values);
        return P2PD_CALL_REFUSED;
}

int p2pd_refuse_text(struct p2pd_call *call, enum p2pd_refused kind, struct p2pd_text text)
{
        const struct p2pd_refusal_value value = {.text = text};

        return p2pd_refuse(call, kind, &value);
}

int p2pd_refuse_too_much(struct p2pd_call *call, uint64_t entries, uint64_t limit)
{
        const struct p2pd_refusal_value values[] = {{.number = entries}, {.number = limit}};

        return p2pd_refuse(call, P2PD_REFUSED_TOO_MUCH, values);
}

void p2pd_reply_begin(struct p2pd_writer *w)
{
        static const char text[] = "{\"parameters\":{";

        p2pd_write_raw(w, text, sizeof(text) - 1);
        w->comma = false;
}

void p2pd_reply_end(struct p2pd_writer *w, bool continues)
{
        static const char last[] = "}}", not_last[] = "},\"continues\":true}";

        /* Both with their NUL byte, which ends the message. */
        if (continues)
                p2pd_write_raw(w, not_last, sizeof(not_last));
        else
                p2pd_write_raw(w, last, sizeof(last));
        w->comma = false;
}

int p2pd_call_run(struct p2pd_call *call)
{
        struct p2pd_text name = call->message.method;
        const char *dot = memrchr(name.data, '.', name.size);
        const struct p2pd_interface *interface;
        const struct p2pd_method *method;
        struct p2pd_text interface_name, method_name;

        if (!dot)
                return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text("method"));
        interface_name = (struct p2pd_text){name.data, (size_t)(dot - name.data)};
        method_name = (struct p2pd_text){dot + 1, name.size - interface_name.size - 1};
        interface = p2pd_interface_find(interface_name);
        if (!interface)
                return p2pd_refuse_text(call, P2PD_REFUSED_INTERFACE_NOT_FOUND, interface_name);
        method = p2pd_method_find(interface, method_name);
        if (!method)
                return p2pd_refuse_text(call, P2PD_REFUSED_METHOD_NOT_FOUND, name);
        if (method->flags & P2PD_METHOD_CHANGES && !p2pd_connection_may_change(call->connection))
                return p2pd_refuse(call, P2PD_REFUSED_PERMISSION_DENIED, NULL);
        /* No method gives the connection to another protocol. */
        if (call->message.upgrade)
                return p2pd_refuse_text(call, P2PD_REFUSED_METHOD_NOT_IMPLEMENTED, name);
        if (method->flags & P2PD_METHOD_NEEDS_MORE && !call->message.more)
                return p2pd_refuse(call, P2PD_REFUSED_EXPECTED_MORE, NULL);
        return method->run(call);
}

/*
 * Parameters. The text was checked as a whole before the call was run: the cursor can only find
 * what does not fit, never what is malformed.
 */

/* An array of which each element is of this type. */
static bool read_array(struct p2p_json *value, enum p2p_json_type type,
                       struct p2pd_argument *argument)
{
        struct p2p_json_items items = {0};
        int r;

        argument->array = *value;
        if (p2p_json_enter_array(value) < 0)
                return false;
        while ((r = p2p_json_next_element(value, &items)) > 0) {
                if (p2p_json_peek(value) != type || p2p_json_skip(value) < 0)
                        return false;
                argument->n_elements++;
        }
        return r == 0;
}

static bool read_object(struct p2p_json *value, struct p2pd_argument *argument)
{
        argument->array = *value;
        return p2p_json_peek(value) == P2P_JSON_OBJECT && p2p_json_skip(value) == 0;
}

static bool read_rules(struct p2p_json *value, struct p2pd_argument *argument)
{
        struct p2p_json_slice text;

        if (p2p_json_read_slice(value, &text) < 0)
                return false;
        for (enum p2p_rules_choice i = 0; i < P2P_RULES_MAX; i++) {
                if (p2p_json_is(&text, p2p_rules_choice_to_string(i))) {
                        argument->rules = i;
                        return true;
                }
        }
        return false;
}

static bool read_text(struct p2pd_call *call, struct p2p_json *value,
                      struct p2pd_argument *argument)
{
        struct p2p_json_slice text;

        if (p2p_json_read_slice(value, &text) < 0)
                return false;
        argument->text = p2pd_varlink_text(&call->message, &text);
        return true;
}

/* The value fits the parameter's type. */
static bool read_argument(struct p2pd_call *call, struct p2p_json *value,
                          enum p2pd_parameter_type type, struct p2pd_argument *argument)
{
        if (p2p_json_take_null(value))
                return true;
        argument->present = true;
        switch (type) {
        case P2PD_PARAMETER_STRING:
        case P2PD_PARAMETER_OPTIONAL_STRING:
                return read_text(call, value, argument);
        case P2PD_PARAMETER_INT:
        case P2PD_PARAMETER_OPTIONAL_INT:
                return p2p_json_read_int(value, &argument->number) == 0;
        case P2PD_PARAMETER_STRINGS:
        case P2PD_PARAMETER_OPTIONAL_STRINGS:
                return read_array(value, P2P_JSON_STRING, argument);
        case P2PD_PARAMETER_OBJECT:
        case P2PD_PARAMETER_OPTIONAL_OBJECT:
                return read_object(value, argument);
        case P2PD_PARAMETER_OPTIONAL_OBJECTS:
                return read_array(value, P2P_JSON_OBJECT, argument);
        case P2PD_PARAMETER_OPTIONAL_RULES:
                return read_rules(value, argument);
        case P2PD_PARAMETER_OPTIONAL_BOOL:
                return p2p_json_read_bool(value, &argument->yes) == 0;
        case P2PD_PARAMETER_OPTIONAL_HEX:
                return p2p_json_read_hex(value, &argument->hex) == 0;
        }
        return false;
}

static int refuse_parameter(struct p2pd_call *call, struct p2pd_text name)
{
        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, name);
}

static int read_members(struct p2pd_call *call, struct p2p_json *j,
                        const struct p2pd_parameter *parameters, size_t n,
                        struct p2pd_argument *arguments)
{
        bool seen[P2PD_PARAMETERS_MAX] = {false};
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return refuse_parameter(call, p2pd_text("parameters"));
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                size_t i = 0;

                while (i < n && !p2p_json_is(&key, parameters[i].name))
                        i++;
                if (i == n || seen[i] || !read_argument(call, j, parameters[i].type, &arguments[i]))
                        return refuse_parameter(call, p2pd_varlink_text(&call->message, &key));
                seen[i] = true;
        }
        return r < 0 ? refuse_parameter(call, p2pd_text("parameters")) : 0;
}

static bool is_required(enum p2pd_parameter_type type)
{
        return type == P2PD_PARAMETER_STRING || type == P2PD_PARAMETER_INT ||
               type == P2PD_PARAMETER_STRINGS || type == P2PD_PARAMETER_OBJECT;
}

/* j: NULL for an object without members. */
static int read_all(struct p2pd_call *call, struct p2p_json *j,
                    const struct p2pd_parameter *parameters, size_t n,
                    struct p2pd_argument *arguments)
{
        int r;

        assert(n <= P2PD_PARAMETERS_MAX);

        for (size_t i = 0; i < n; i++)
                arguments[i] = (struct p2pd_argument){.rules = call->server->status->rules};
        if (j) {
                r = read_members(call, j, parameters, n, arguments);
                if (r != 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++)
                if (!arguments[i].present && is_required(parameters[i].type))
                        return refuse_parameter(call, p2pd_text(parameters[i].name));
        return 0;
}

int p2pd_call_parameters(struct p2pd_call *call, const struct p2pd_parameter *parameters, size_t n,
                         struct p2pd_argument *arguments)
{
        return read_all(call, call->message.has_parameters ? &call->message.parameters : NULL,
                        parameters, n, arguments);
}

int p2pd_call_members(struct p2pd_call *call, struct p2p_json *object,
                      const struct p2pd_parameter *parameters, size_t n,
                      struct p2pd_argument *arguments)
{
        return read_all(call, object, parameters, n, arguments);
}

int p2pd_call_copy_text(struct p2pd_call *call, struct p2pd_text text, const char *name, char *buf,
                        size_t size)
{
        if (text.size >= size || memchr(text.data, '\0', text.size))
                return refuse_parameter(call, p2pd_text(name));
        memcpy(buf, text.data, text.size);
        buf[text.size] = '\0';
        return 0;
}

/*
 * Functions
 */

/* How many candidates an error names. */
#define CANDIDATES_MAX 64U

static int refuse_ambiguous(struct p2pd_call *call, const struct p2pd_function_index *index,
                            struct p2pd_text name)
{
        char addresses[CANDIDATES_MAX][P2P_ADDRESS_STRING_MAX];
        struct p2pd_text texts[CANDIDATES_MAX];
        uint32_t functions[CANDIDATES_MAX];
        size_t n = p2pd_function_index_candidates(index, name, functions, CANDIDATES_MAX);
        const struct p2pd_refusal_value values[] = {
                {.text = name},
                {.texts = texts, .n_texts = n < CANDIDATES_MAX ? n : CANDIDATES_MAX},
        };

        for (size_t i = 0; i < values[1].n_texts; i++)
                texts[i] = p2pd_text(p2p_address_format(
                        call->snapshot->machine->functions[functions[i]].address, addresses[i]));
        return p2pd_refuse(call, P2PD_REFUSED_FUNCTION_AMBIGUOUS, values);
}

int p2pd_call_resolve(struct p2pd_call *call, struct p2pd_text name, uint32_t *ret)
{
        const struct p2pd_function_index *index = p2pd_server_index(call->server);

        if (!index)
                return -ENOMEM;
        switch (p2pd_function_index_find(index, name, ret)) {
        case 0:
                return 0;
        case P2PD_FUNCTION_INDEX_E_AMBIGUOUS:
                return refuse_ambiguous(call, index, name);
        default:
                return p2pd_refuse_text(call, P2PD_REFUSED_FUNCTION_NOT_FOUND, name);
        }
}

static int resolve_strings(struct p2pd_call *call, struct p2p_json strings, uint32_t *functions)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice name;
        uint32_t n = 0;
        int r;

        if (p2p_json_enter_array(&strings) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(&strings, &items)) > 0) {
                r = p2p_json_read_slice(&strings, &name);
                if (r < 0)
                        return r;
                r = p2pd_call_resolve(call, p2pd_varlink_text(&call->message, &name),
                                      &functions[n++]);
                if (r != 0)
                        return r;
        }
        return r;
}

int p2pd_call_resolve_list(struct p2pd_call *call, const struct p2pd_argument *argument,
                           enum p2pd_default_list otherwise, uint32_t **ret, uint32_t *ret_n)
{
        const struct p2pd_function_index *index = p2pd_server_index(call->server);
        struct p2pd_function_list list = {.n = argument->n_elements};
        uint32_t *functions;
        int r;

        if (!index)
                return -ENOMEM;
        if (!argument->present)
                list = otherwise == P2PD_DEFAULT_ALL     ? p2pd_function_index_all(index)
                       : otherwise == P2PD_DEFAULT_SHOWN ? p2pd_function_index_shown(index)
                                                         : p2pd_function_index_endpoints(index);
        functions = calloc(list.n + 1U, sizeof(*functions));
        if (!functions)
                return -ENOMEM;
        if (!argument->present && list.n > 0)
                memcpy(functions, list.functions, list.n * sizeof(*functions));
        r = argument->present ? resolve_strings(call, argument->array, functions) : 0;
        if (r != 0) {
                free(functions);
                return r;
        }
        *ret = functions;
        *ret_n = list.n;
        return 0;
}

const struct p2p_verdicts *p2pd_call_verdicts(const struct p2pd_call *call,
                                              const struct p2pd_argument *rules)
{
        return call->snapshot->verdicts[rules->rules];
}
