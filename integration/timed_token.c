/* A PKCS#11 library that takes its time: it passes every call on, and a signature takes as long as that of a USB token.
 *
 * Environment: TIMED_TOKEN_LIBRARY, the library that does the work; TIMED_TOKEN_MS, milliseconds of one signature (the
 * work included, so that a signature takes this long and no longer); TIMED_TOKEN_LOG, a file that gets a line for each
 * signature: microseconds (CLOCK_REALTIME) at which it was asked for and was there.
 *
 * A function list is a version and 68 pointers in the order of the standard (PKCS#11 2.40, pkcs11f.h): it is copied, and
 * two of the pointers are replaced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ulong_t;
typedef ulong_t (*function_t)(void);
typedef ulong_t (*sign_t)(ulong_t session, void *data, ulong_t length, void *signature, ulong_t *room);
typedef ulong_t (*sign_final_t)(ulong_t session, void *signature, ulong_t *room);

enum { GET_FUNCTION_LIST = 3, SIGN = 43, SIGN_FINAL = 45, FUNCTIONS = 68, OK = 0, GENERAL_ERROR = 5, ARGUMENTS_BAD = 7 };

typedef struct { unsigned char major, minor; function_t functions[FUNCTIONS]; } function_list_t;

static function_list_t *real, ours;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* One token makes one signature at a time. */
static pthread_mutex_t token = PTHREAD_MUTEX_INITIALIZER;
static long milliseconds;
static int log_file = -1;

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void end(ulong_t result, const void *signature, int64_t begun, int64_t asked) {
    if (result != OK || signature == NULL) return; /* a question for the length, or a refusal */
    int64_t until = begun + milliseconds * INT64_C(1000000);
    struct timespec t = {until / 1000000000, until % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {}
    if (log_file >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%lld %lld\n", (long long)(asked / 1000), (long long)(now(CLOCK_REALTIME) / 1000));
        if (write(log_file, line, length) != length) abort();
    }
}

static ulong_t timed_sign(ulong_t session, void *data, ulong_t length, void *signature, ulong_t *room) {
    pthread_mutex_lock(&token);
    int64_t begun = now(CLOCK_MONOTONIC), asked = now(CLOCK_REALTIME);
    ulong_t result = ((sign_t)real->functions[SIGN])(session, data, length, signature, room);
    end(result, signature, begun, asked);
    pthread_mutex_unlock(&token);
    return result;
}

static ulong_t timed_sign_final(ulong_t session, void *signature, ulong_t *room) {
    pthread_mutex_lock(&token);
    int64_t begun = now(CLOCK_MONOTONIC), asked = now(CLOCK_REALTIME);
    ulong_t result = ((sign_final_t)real->functions[SIGN_FINAL])(session, signature, room);
    end(result, signature, begun, asked);
    pthread_mutex_unlock(&token);
    return result;
}

ulong_t C_GetFunctionList(function_list_t **list);

static void load(void) {
    const char *name = getenv("TIMED_TOKEN_LIBRARY"), *time = getenv("TIMED_TOKEN_MS"), *log = getenv("TIMED_TOKEN_LOG");
    void *library = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    ulong_t (*get)(function_list_t **) = library ? (ulong_t (*)(function_list_t **))dlsym(library, "C_GetFunctionList") : NULL;
    if (get == NULL || get(&real) != OK) return;
    milliseconds = time ? atol(time) : 0;
    if (log) log_file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    ours = *real;
    ours.functions[GET_FUNCTION_LIST] = (function_t)C_GetFunctionList;
    ours.functions[SIGN] = (function_t)timed_sign;
    ours.functions[SIGN_FINAL] = (function_t)timed_sign_final;
}

ulong_t C_GetFunctionList(function_list_t **list) {
    pthread_once(&once, load);
    if (list == NULL) return ARGUMENTS_BAD;
    if (real == NULL) return GENERAL_ERROR;
    *list = &ours;
    return OK;
}
