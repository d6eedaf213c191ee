/*
 * stack.c - says how large the stack is that a thread of the core gets by
 * default, in kilobytes.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "request/request.h"

static sem_t told;

static void *tell(void *arg)
{
    pthread_attr_t attributes;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &size);
        pthread_attr_destroy(&attributes);
    }
    printf("%zu\n", size >> 10);
    sem_post(&told);
    return arg;
}

int main(void)
{
    sem_init(&told, 0, 0);
    if (wsgi_process_add_thread(tell, NULL, 0) != 0)
        return 1;
    return sem_wait(&told);
}
