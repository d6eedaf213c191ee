/*
 * head.c - the head of a response, as start_response is given it.
 *
 * start_response checks and copies the head at once. So the head can be sent
 * without Python's lock, and the application cannot change it afterwards.
 */
#include "wsgi.h"

/* ---- Checks ----------------------------------------------------------- */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The bytes of a native string, or NULL with an exception that names it. */
static const char *text_of(PyObject *object, const char *what, size_t *size)
{
    if (WSGI_NATIVE_CHECK(object))
        return wsgi_native_data(object, size);
    PyErr_Format(PyExc_TypeError, "%s must be str, not %.200s", what,
                 Py_TYPE(object)->tp_name);
    return NULL;
}

/* ---- Taking it over --------------------------------------------------- */

/* Returns the number of the status, or -1. */
static int take_status(PyObject *status, size_t *size)
{
    const char *text = text_of(status, "the status", size);
    int number;

    if (text == NULL)
        return -1;
    number = wsgi_check_status(text, *size);
    if (number > 0)
        return number;
    return wsgi_refuse("the status is not of the form '200 OK', a number of "
                       "three digits, one space and a reason",
                       status);
}

/* Checks the list and its tuples, and adds up the bytes of their texts. */
static int measure(PyObject *headers, size_t *total)
{
    Py_ssize_t i, count;

    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "headers must be a list, not %.200s",
                     Py_TYPE(headers)->tp_name);
        return -1;
    }
    count = PyList_GET_SIZE(headers);
    *total += (size_t)count * sizeof(wsgi_header);
    for (i = 0; i < count; i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i);
        size_t name, value;

        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_Format(PyExc_TypeError,
                         "header %zd is not a tuple (name, value)", i);
            return -1;
        }
        if (text_of(PyTuple_GET_ITEM(pair, 0), "a header's name", &name) ==
                NULL ||
            text_of(PyTuple_GET_ITEM(pair, 1), "a header's value", &value) ==
                NULL)
            return -1;
        *total += name + value + 2;
    }
    return 0;
}

/* Copies a text into a buffer that has room for it. */
static const char *copy_text(wsgi_buffer *to, PyObject *text, size_t *size)
{
    const char *from = wsgi_native_data(text, size);
    char *copy = to->data + to->size;

    memcpy(copy, from, *size);
    copy[*size] = '\0';
    to->size += *size + 1;
    return copy;
}

static int take_length(wsgi_head *head, const char *text, PyObject *value)
{
    int64_t length = 0;
    const char *c;

    for (c = text; is_digit(*c) && length < INT64_MAX / 10 - 1; c++)
        length = length * 10 + (*c - '0');
    if (c == text || *c != '\0')
        return wsgi_refuse("Content-Length is not a number of bytes", value);
    if (head->content_length >= 0)
        return wsgi_refuse("a second Content-Length", value);
    head->content_length = length;
    return 0;
}

/* Checks a header and puts it where it belongs in the head. */
static int take_header(wsgi_head *head, wsgi_header *headers, wsgi_buffer *to,
                       PyObject *pair)
{
    PyObject *name_object = PyTuple_GET_ITEM(pair, 0);
    PyObject *value_object = PyTuple_GET_ITEM(pair, 1);
    size_t name_size, value_size;
    const char *name = copy_text(to, name_object, &name_size);
    const char *value = copy_text(to, value_object, &value_size);

    if (!wsgi_check_name(name, name_size))
        return wsgi_refuse("a header's name is not a token of HTTP",
                           name_object);
    if (!wsgi_check_value(value, value_size))
        return wsgi_refuse("a header's value has a control character", pair);
    if (wsgi_check_is_hop_by_hop(name, name_size))
        return wsgi_refuse("a hop-by-hop header is the server's to send",
                           name_object);
    if (wsgi_check_is_named(name, name_size, "content-length"))
        return take_length(head, value, value_object);
    if (wsgi_check_is_named(name, name_size, "content-type")) {
        if (head->content_type != NULL)
            return wsgi_refuse("a second Content-Type", value_object);
        head->content_type = value;
        return 0;
    }
    headers[head->header_count].name = name;
    headers[head->header_count++].value = value;
    return 0;
}

int wsgi_head_take(wsgi_call *call, PyObject *status, PyObject *headers)
{
    wsgi_buffer *to = &call->visit->head;
    wsgi_head head = {.content_length = -1};
    wsgi_header *all;
    size_t size, total = 0;
    Py_ssize_t i;

    head.status = take_status(status, &size);
    if (head.status < 0 || measure(headers, &total) < 0)
        return -1;
    if (wsgi_buffer_reserve(to, total + size + 1) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    all = (wsgi_header *)(void *)to->data;
    to->size = (size_t)PyList_GET_SIZE(headers) * sizeof *all;
    head.headers = all;
    for (i = 0; i < PyList_GET_SIZE(headers); i++)
        if (take_header(&head, all, to, PyList_GET_ITEM(headers, i)) < 0)
            return -1;
    head.status_line = copy_text(to, status, &size);
    if (head.status < 200)
        return wsgi_refuse("an interim status is the server's to send",
                           status);
    if (head.status == 204) /* RFC 9110, 8.6: it must not have one */
        head.content_length = -1;
    call->head = head;
    return 0;
}
