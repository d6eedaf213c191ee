/*
 * tsan.h - what ThreadSanitizer has to be told of a free-threaded Python.
 *
 * It does not see the locks inside of a Python that was not built for it, so
 * it is told of those behind critical sections: when one is taken and given
 * back, and that a thread which waits gives back all it has. Part of python.h
 * in builds with profile=tsan; tests/tsan.supp says what is not looked at.
 */
#ifndef WSGI_TSAN_H
#define WSGI_TSAN_H

#include <sanitizer/tsan_interface.h>

static inline void wsgi_tell_sections(void (*tell)(void *))
{
    uintptr_t place = PyThreadState_Get()->critical_section;

    while ((place & ~(uintptr_t)3) != 0) {
        PyCriticalSection2 *section = (void *)(place & ~(uintptr_t)3);

        tell(section->_cs_base._cs_mutex);
        if (place & 2) /* one of two objects */
            tell(section->_cs_mutex2);
        place = section->_cs_base._cs_prev;
    }
}

#undef Py_BEGIN_CRITICAL_SECTION
#undef Py_END_CRITICAL_SECTION
#undef Py_BEGIN_CRITICAL_SECTION2
#undef Py_END_CRITICAL_SECTION2
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_CRITICAL_SECTION(op)                                         \
    {                                                                         \
        PyCriticalSection _py_cs;                                             \
        wsgi_tell_sections(__tsan_release);                                   \
        PyCriticalSection_Begin(&_py_cs, _PyObject_CAST(op));                 \
        wsgi_tell_sections(__tsan_acquire)
#define Py_END_CRITICAL_SECTION()                                             \
    wsgi_tell_sections(__tsan_release);                                       \
    PyCriticalSection_End(&_py_cs);                                           \
    wsgi_tell_sections(__tsan_acquire);                                       \
    }
#define Py_BEGIN_CRITICAL_SECTION2(a, b)                                      \
    {                                                                         \
        PyCriticalSection2 _py_cs;                                            \
        wsgi_tell_sections(__tsan_release);                                   \
        PyCriticalSection2_Begin(&_py_cs, _PyObject_CAST(a),                  \
                                 _PyObject_CAST(b));                          \
        wsgi_tell_sections(__tsan_acquire)
#define Py_END_CRITICAL_SECTION2()                                            \
    wsgi_tell_sections(__tsan_release);                                       \
    PyCriticalSection2_End(&_py_cs);                                          \
    wsgi_tell_sections(__tsan_acquire);                                       \
    }
#define Py_BEGIN_ALLOW_THREADS                                                \
    {                                                                         \
        PyThreadState *_save;                                                 \
        wsgi_tell_sections(__tsan_release);                                   \
        _save = PyEval_SaveThread();
#define Py_END_ALLOW_THREADS                                                  \
    PyEval_RestoreThread(_save);                                              \
    wsgi_tell_sections(__tsan_acquire);                                       \
    }

/* Nor does it see that memory is another object's by now. */
#define WSGI_REUSES_MEMORY 0

#endif
