/*
 * tsan.h - tells ThreadSanitizer about the locks of a free-threaded Python.
 *
 * ThreadSanitizer does not see the locks inside a Python that was not built
 * for it. So these macros tell it when the lock of a critical section is taken
 * and released, and that a thread which waits releases all it has. python.h
 * includes this file in builds with profile=tsan. tests/tsan.supp says which
 * reports are ignored.
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
        if (place & 2) /* a section of two objects */
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

/* ThreadSanitizer also does not see that memory now belongs to another object.
   So freed memory is not reused. */
#define WSGI_REUSES_MEMORY 0

#endif
