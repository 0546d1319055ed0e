/* A PKCS#11 library that misbehaves on request.
 *
 * It is compiled by the tests, for Windows by MinGW: there the structures are packed and CK_ULONG has 32 bits, as the
 * standard and every vendor have it (PKCS#11 2.40, 3; pkcs11.h). The file named by the environment variable
 * CONFIG_VARIABLE holds "name value" lines and is read again at every call, so a test can change the behaviour while the
 * library is loaded:
 *   load|list|login|context|sign  ok | crash | hang | garbage | error | device_error | pulled (out, at that moment)
 *                          what happens at that step; context = the login that CKA_ALWAYS_AUTHENTICATE asks for
 *   cert PATH  (DER)   n HEX   d HEX                               the one certificate and its key
 *   context_pin TEXT                                               a PIN of its own for signatures
 *   slots N                                                        tokens, in the slots 7, 8, …
 *   NAME.8 …                                                       a setting of the token in slot 8 only
 *   label_hex HEX                                                  the label's bytes
 *   pin TEXT   flags HEX   mechanisms sha256|plain|none   always_auth 0|1   present 0|1
 *   prints 0|1                                                     whether C_Initialize writes to the standard output
 *   log PATH                                                       one line per C_Login: "login <user type> <PIN length> <slot>"
 *   tries N                                                        PIN tries until locked; counted in the log
 *   login not_initialized | expired | already                      what C_Login answers instead; "already" means success
 *   no_flags HEX                                                   flags of the token that it does not have
 *   init locking | plain | already | reserved | wait               wants CKF_OS_LOCKING_OK, no arguments, NSS' parameters;
 *                          says it was initialised before; takes until this changes
 *   late MS   late_info MS                                         lists no token for so long after C_Initialize, or lists
 *                          it and says that it is not there
 *   grows 1                                                        one token more at the second C_GetSlotList
 *   forks 1                                                        leaves a process behind when it is loaded: "forked PID"
 *   slot_info|token_info|open|search|value error | …              what fails, of one slot with NAME.8
 *   search login | hidden                                          the search, or the certificate, wants a login first
 *   first_cert HOW   more_certs PATH                               a certificate before that one, whose value fails;
 *                          further ones, each behind its length in 4 bytes, big endian
 *   cert_zeros N   no_cert_id 1                                    zero bytes behind the DER; no CKA_ID
 *   private_key 0   public_key 1   key_id HEX                      what keys there are
 *   modulus public   can_sign 0 | missing                          what the private key does not tell
 *   strict 1                                                       unknown attribute types: CKR_ARGUMENTS_BAD
 *   init_refuses|sign_refuses sha256 | plain | all                 though C_GetMechanismList has it
 *   null_sign refused | ends | huge                                what C_Sign without a buffer does
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef CONFIG_VARIABLE
#define CONFIG_VARIABLE "FAKEP11"
#endif

#ifdef _WIN32
#include <windows.h>
#define NAP() Sleep(10)
#define MILLISECONDS() ((double)GetTickCount64())
#pragma pack(push, 1)
#define EXPORTED __declspec(dllexport)
#define NOWHERE "NUL"
#define WAIT_FOR_EVER() Sleep(INFINITE)
/* raise() would only end the process there, and quietly. */
#define CRASH() (*(volatile int *)0 = 0)
#else
#include <time.h>
#include <unistd.h>
#define NAP() usleep(10000)
#define EXPORTED
#define NOWHERE "/dev/null"
#define WAIT_FOR_EVER() pause()
#define CRASH() raise(SIGSEGV)
#endif

typedef unsigned long ulong_t;
typedef unsigned char byte;
typedef struct { byte major, minor; } version_t;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute_t;
typedef struct { ulong_t mechanism; void *parameter; ulong_t length; } mechanism_t;
typedef struct { void *mutexes[4]; ulong_t flags; const char *reserved; } init_t;
typedef struct { version_t cryptoki; byte manufacturer[32]; ulong_t flags; byte description[32]; version_t library; } info_t;
typedef struct { byte description[64], manufacturer[32]; ulong_t flags; version_t hardware, firmware; } slot_info_t;
typedef struct {
    byte label[32], manufacturer[32], model[16], serial[16];
    ulong_t flags, numbers[10];
    version_t hardware, firmware;
    byte utc[16];
} token_info_t;

enum { OK = 0, GENERAL_ERROR = 5, ARGUMENTS_BAD = 7, CANT_LOCK = 10, NOT_PERMITTED = 0x68, OPERATION_NOT_INITIALIZED = 0x91,
       ALREADY_LOGGED_IN = 0x100, PIN_NOT_INITIALIZED = 0x102, PIN_EXPIRED = 0xA3, ALREADY_INITIALIZED = 0x191, DEVICE_ERROR = 0x30, ATTRIBUTE_TYPE_INVALID = 0x12, NOT_SUPPORTED = 0x54, MECHANISM_INVALID = 0x70,
       PIN_INCORRECT = 0xA0, PIN_LOCKED = 0xA4, TOKEN_NOT_PRESENT = 0xE0, BUFFER_TOO_SMALL = 0x150,
       NOT_LOGGED_IN = 0x101, FUNCTION_CANCELED = 0x50 };
enum { F_LOGIN_REQUIRED = 4, F_USER_PIN_INITIALIZED = 8, F_PROTECTED = 0x100, F_INITIALIZED = 0x400,
       F_COUNT_LOW = 0x10000, F_FINAL_TRY = 0x20000, F_LOCKED = 0x40000 };

#ifndef _WIN32
static double MILLISECONDS(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}
#endif

static int logged_in, context_login, pulled, signing;
static double initialized_at;
static ulong_t current;
static ulong_t wanted_class, found_next, sign_mechanism;

static const char *setting(const char *name, const char *fallback)
{
    static char buffers[16][4096];
    static int turn;
    char line[4096], *result = buffers[turn = (turn + 1) % 16];
    FILE *file = fopen(getenv(CONFIG_VARIABLE), "r");
    snprintf(result, 4096, "%s", fallback);
    while (file && fgets(line, sizeof line, file)) {
        size_t length = strlen(name);
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, name, length) && line[length] == ' ') snprintf(result, 4096, "%s", line + length + 1);
    }
    if (file) fclose(file);
    return result;
}

/* The session's number is its slot's: a setting of that slot goes before the one of all. */
static const char *of_slot(ulong_t slot, const char *name, const char *fallback)
{
    char own[64];
    snprintf(own, sizeof own, "%s.%lu", name, slot);
    return setting(own, setting(name, fallback));
}

static ulong_t answer(const char *how);
static ulong_t behave(const char *step) { return answer(setting(step, "ok")); }
static ulong_t behave_at(ulong_t slot, const char *step) { return answer(of_slot(slot, step, "ok")); }
static ulong_t answer(const char *how)
{
    if (!strcmp(how, "crash")) CRASH();
    if (!strcmp(how, "hang")) {
        FILE *file = fopen(setting("log", NOWHERE), "a");
        fprintf(file, "hanging\n");
        fclose(file);
        for (;;) WAIT_FOR_EVER();
    }
    if (!strcmp(how, "pulled")) { pulled = 1; return GENERAL_ERROR; }
    if (!strcmp(how, "error")) return GENERAL_ERROR;
    if (!strcmp(how, "device_error")) return DEVICE_ERROR;
    if (!strcmp(how, "not_initialized")) return PIN_NOT_INITIALIZED;
    if (!strcmp(how, "expired")) return PIN_EXPIRED;
    if (!strcmp(how, "garbage")) return 0x5EEDBEEF;
    return OK;
}

static void pad(byte *target, size_t size, const char *text)
{
    memset(target, ' ', size);
    memcpy(target, text, strlen(text) < size ? strlen(text) : size);
}

static int logins_failed(void)
{
    char line[128];
    int failed = 0;
    FILE *file = fopen(setting("log", NOWHERE), "r");
    while (file && fgets(line, sizeof line, file)) failed = strstr(line, "accepted") ? 0 : failed + !strncmp(line, "login", 5);
    if (file) fclose(file);
    return failed;
}

static ulong_t token_flags(ulong_t slot)
{
    ulong_t flags = strtoul(of_slot(slot, "flags", "0"), NULL, 16) | F_LOGIN_REQUIRED | F_USER_PIN_INITIALIZED | F_INITIALIZED;
    flags &= ~strtoul(of_slot(slot, "no_flags", "0"), NULL, 16);
    int tries = atoi(setting("tries", "0")), failed = tries ? logins_failed() : 0;
    if (tries && failed) flags |= F_COUNT_LOW;
    if (tries && failed == tries - 1) flags |= F_FINAL_TRY;
    if (tries && failed >= tries) flags |= F_LOCKED;
    return flags;
}

/* --- RSA: plain Montgomery multiplication, 32-bit limbs --- */
#define LIMBS 128
static int size_limbs;
static uint32_t modulus[LIMBS], minus_inverse;

static int from_hex(uint32_t *out, const char *hex)
{
    int digits = strlen(hex), i;
    memset(out, 0, 4 * LIMBS);
    for (i = 0; i < digits; i++) {
        char c = hex[digits - 1 - i];
        uint32_t v = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
        out[i / 8] |= v << (4 * (i % 8));
    }
    return (digits + 7) / 8;
}

static void multiply(uint32_t *out, const uint32_t *a, const uint32_t *b)
{
    uint32_t t[LIMBS + 2] = {0};
    int i, j;
    for (i = 0; i < size_limbs; i++) {
        uint64_t carry = 0, m;
        for (j = 0; j < size_limbs; j++) { carry += t[j] + (uint64_t)a[j] * b[i]; t[j] = carry; carry >>= 32; }
        carry += t[size_limbs]; t[size_limbs] = carry; t[size_limbs + 1] = carry >> 32;
        m = (uint32_t)(t[0] * minus_inverse);
        carry = (t[0] + m * modulus[0]) >> 32;
        for (j = 1; j < size_limbs; j++) { carry += t[j] + m * modulus[j]; t[j - 1] = carry; carry >>= 32; }
        carry += t[size_limbs]; t[size_limbs - 1] = carry;
        t[size_limbs] = t[size_limbs + 1] + (carry >> 32);
    }
    int64_t borrow = 0;
    uint32_t reduced[LIMBS];
    for (j = 0; j < size_limbs; j++) {
        borrow += (int64_t)t[j] - modulus[j]; reduced[j] = borrow; borrow >>= 32;
    }
    memcpy(out, (int64_t)t[size_limbs] + borrow >= 0 ? reduced : t, 4 * size_limbs);
}

static void rsa(byte *out, const byte *block, int bytes)
{
    uint32_t exponent[LIMBS], base[LIMBS], result[LIMBS], one[LIMBS] = {1};
    int i, bits;
    size_limbs = from_hex(modulus, of_slot(current, "n", "0"));
    from_hex(exponent, of_slot(current, "d", "0"));
    for (minus_inverse = 1, i = 0; i < 5; i++) minus_inverse *= 2 - modulus[0] * minus_inverse;
    minus_inverse = -minus_inverse;
    memset(base, 0, sizeof base);
    for (i = 0; i < bytes; i++) base[i / 4] |= (uint32_t)block[bytes - 1 - i] << (8 * (i % 4));
    /* into Montgomery form by doubling: x * 2^(32 * size) mod n */
    memset(result, 0, sizeof result); result[0] = 1;
    for (bits = 0; bits < 2 * 32 * size_limbs; bits++) {
        uint32_t carry = 0; int64_t borrow = 0; uint32_t reduced[LIMBS];
        for (i = 0; i < size_limbs; i++) { uint32_t next = result[i] >> 31; result[i] = result[i] << 1 | carry; carry = next; }
        for (i = 0; i < size_limbs; i++) { borrow += (int64_t)result[i] - modulus[i]; reduced[i] = borrow; borrow >>= 32; }
        if ((int64_t)carry + borrow >= 0) memcpy(result, reduced, 4 * size_limbs);
    }
    uint32_t square[LIMBS];
    memcpy(square, result, sizeof square);
    multiply(base, base, square);
    multiply(result, one, square);
    for (bits = 32 * size_limbs - 1; bits >= 0; bits--) {
        multiply(result, result, result);
        if (exponent[bits / 32] >> (bits % 32) & 1) multiply(result, result, base);
    }
    multiply(result, result, one);
    for (i = 0; i < bytes; i++) out[bytes - 1 - i] = result[i / 4] >> (8 * (i % 4));
}

/* --- SHA-256, for CKM_SHA256_RSA_PKCS --- */
static const uint32_t K[64] = {
0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,0xd807aa98,0x12835b01,0x243185be,
0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,
0x5cb0a9dc,0x76f988da,0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,0x27b70a85,
0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,
0xd192e819,0xd6990624,0xf40e3585,0x106aa070,0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,
0x682e6ff3,0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2};
#define ROT(x, n) ((x) >> (n) | (x) << (32 - (n)))

static void sha256(byte *out, const byte *data, size_t length)
{
    uint32_t h[8] = {0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19};
    size_t total = (length + 9 + 63) / 64 * 64, at;
    byte *padded = calloc(1, total);
    int i;
    memcpy(padded, data, length);
    padded[length] = 0x80;
    for (i = 0; i < 8; i++) padded[total - 1 - i] = (uint64_t)length * 8 >> (8 * i);
    for (at = 0; at < total; at += 64) {
        uint32_t w[64], v[8];
        for (i = 0; i < 16; i++)
            w[i] = (uint32_t)padded[at + 4 * i] << 24 | padded[at + 4 * i + 1] << 16 | padded[at + 4 * i + 2] << 8 | padded[at + 4 * i + 3];
        for (; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (ROT(w[i - 15], 7) ^ ROT(w[i - 15], 18) ^ w[i - 15] >> 3)
                 + (ROT(w[i - 2], 17) ^ ROT(w[i - 2], 19) ^ w[i - 2] >> 10);
        memcpy(v, h, sizeof v);
        for (i = 0; i < 64; i++) {
            uint32_t a = v[7] + (ROT(v[4], 6) ^ ROT(v[4], 11) ^ ROT(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
            uint32_t b = (ROT(v[0], 2) ^ ROT(v[0], 13) ^ ROT(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += a; v[0] = a + b;
        }
        for (i = 0; i < 8; i++) h[i] += v[i];
    }
    free(padded);
    for (i = 0; i < 32; i++) out[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

/* --- the functions --- */
static ulong_t initialize(init_t *arguments)
{
    const char *wants = setting("init", "ok");
    initialized_at = MILLISECONDS();
    while (!strcmp(setting("init", "ok"), "wait")) NAP();
    if (!strcmp(wants, "locking") && !(arguments && arguments->flags & 2)) return CANT_LOCK;
    if (!strcmp(wants, "plain") && arguments) return ARGUMENTS_BAD;
    if (!strcmp(wants, "reserved") && !(arguments && arguments->reserved && strstr(arguments->reserved, "configdir="))) return ARGUMENTS_BAD;
    if (!strcmp(wants, "already")) return ALREADY_INITIALIZED;
    if (atoi(setting("prints", "0"))) {
        static const char noise[] = "vendor's debugging output\n";
#ifdef _WIN32
        /* As a C runtime of its own would: past the descriptors of the program's. */
        DWORD written;
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), noise, sizeof noise - 1, &written, NULL);
#endif
        fputs(noise, stdout);
        fflush(stdout);
    }
    return behave("load");
}
static ulong_t finalize(void *reserved) { (void)reserved; return OK; }
static ulong_t get_info(info_t *info)
{
    memset(info, 0, sizeof *info);
    info->cryptoki.major = 2; info->cryptoki.minor = 40;
    pad(info->manufacturer, 32, "Tests"); pad(info->description, 32, "Misbehaving library");
    return OK;
}
static ulong_t get_slots(byte present, ulong_t *slots, ulong_t *count)
{
    ulong_t result = behave("list");
    (void)present;
    if (result) { *count = (ulong_t)1 << (sizeof *count == 8 ? 50 : 30); return result == 0x5EEDBEEF ? OK : result; }
    ulong_t slot, found = 0, last = 6 + atoi(setting("slots", "1"));
    for (slot = 7; slot <= last; slot++)
        if (!pulled && atoi(of_slot(slot, "present", "1"))) {
            if (slots && found < *count) slots[found] = slot;
            found++;
        }
    if (MILLISECONDS() - initialized_at < atof(setting("late", "0"))) found = 0;
    if (!slots && found && atoi(setting("grows", "0"))) found--;
    result = slots && *count < found ? BUFFER_TOO_SMALL : OK;
    *count = found;
    return result;
}
static ulong_t get_slot_info(ulong_t slot, slot_info_t *info)
{
    ulong_t result = behave_at(slot, "slot_info");
    if (result) return result;
    memset(info, 0, sizeof *info);
    pad(info->description, 64, "Fake slot"); pad(info->manufacturer, 32, "Tests");
    info->flags = 3;
    return OK;
}
static ulong_t get_token_info(ulong_t slot, token_info_t *info)
{
    const char *hex = of_slot(slot, "label_hex", "");
    size_t i;
    ulong_t result = behave_at(slot, "token_info");
    if (result) return result;
    if (pulled || !atoi(of_slot(slot, "present", "1"))) return TOKEN_NOT_PRESENT;
    if (MILLISECONDS() - initialized_at < atof(setting("late_info", "0"))) return TOKEN_NOT_PRESENT;
    memset(info, 0, sizeof *info);
    pad(info->label, 32, of_slot(slot, "label", "Fake token")); pad(info->manufacturer, 32, "Tests"); pad(info->model, 16, "F1");
    for (i = 0; i < strlen(hex) / 2; i++) { unsigned value; sscanf(hex + 2 * i, "%2x", &value); info->label[i] = value; }
    pad(info->serial, 16, of_slot(slot, "serial", "FAKE0001"));
    info->flags = token_flags(slot);
    return OK;
}
static ulong_t get_mechanisms(ulong_t slot, ulong_t *list, ulong_t *count)
{
    const char *which = setting("mechanisms", "sha256");
    (void)slot;
    ulong_t all[2] = {!strcmp(which, "sha256") || !strcmp(which, "both") ? 0x40 : !strcmp(which, "plain") ? 1 : 0x1041, 1};
    ulong_t given = list ? *count : 0, there = !strcmp(which, "both") ? 2 : 1;
    *count = there;
    if (list && given < there) return BUFFER_TOO_SMALL;
    if (list) memcpy(list, all, there * sizeof *all);
    return OK;
}
static ulong_t open_session(ulong_t slot, ulong_t flags, void *application, void *notify, ulong_t *session)
{
    (void)flags; (void)application; (void)notify;
    ulong_t result = behave_at(slot, "open");
    if (result) return result;
    *session = current = slot;
    return OK;
}
static ulong_t close_session(ulong_t session) { (void)session; return OK; }
static ulong_t login(ulong_t session, ulong_t user, const byte *pin, ulong_t length)
{
    const char *expected = user == 2 ? setting("context_pin", of_slot(session, "pin", "")) : of_slot(session, "pin", "");
    FILE *file = fopen(setting("log", NOWHERE), "a");
    ulong_t flags = token_flags(session), result;
    int right = (flags & F_PROTECTED) ? !strcmp(setting("pad_answer", "ok"), "ok")
                                      : length == strlen(expected) && !memcmp(pin, expected, length);
    fprintf(file, "login %lu %lu %lu %s\n", user, length, session, pin ? "" : "null");
    fclose(file);
    if (user != 2 && !strcmp(setting("login", "ok"), "already")) { logged_in = 1; return ALREADY_LOGGED_IN; }
    if ((result = behave(user == 2 ? "context" : "login"))) return result;
    if ((flags & F_PROTECTED) && !right) return FUNCTION_CANCELED;
    if (flags & F_LOCKED) return PIN_LOCKED;
    if (!right) return (token_flags(session) & F_LOCKED) ? PIN_LOCKED : PIN_INCORRECT;
    file = fopen(setting("log", NOWHERE), "a");
    fprintf(file, "accepted\n");
    fclose(file);
    if (user == 2) context_login = 1; else logged_in = 1;
    return OK;
}
static ulong_t logout(ulong_t session) { (void)session; logged_in = 0; return OK; }

static ulong_t copy_out(attribute_t *target, const void *value, ulong_t length)
{
    if (target->value && target->length >= length) memcpy(target->value, value, length);
    target->length = length;
    return OK;
}
/* Objects: 1 the certificate before, 2 the certificate, 3 the private key, 4 the public key, 100 … further certificates. */
enum { FIRST = 1, CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, MORE = 100, LAST = 300 };

static ulong_t file_bytes(byte *buffer, ulong_t size, const char *path, ulong_t number)
{
    FILE *file = fopen(path, "rb");
    byte head[4];
    ulong_t length = file && !number ? fread(buffer, 1, size, file) : 0;
    while (file && number && fread(head, 1, 4, file) == 4) {
        length = (ulong_t)head[2] << 8 | head[3];
        if (fread(buffer, 1, length, file) != length || !--number) break;
        length = 0;
    }
    if (file) fclose(file);
    return length;
}
static ulong_t class_of(ulong_t object) { return object == PRIVATE_KEY ? 3 : object == PUBLIC_KEY ? 2 : 1; }
static int is_there(ulong_t object)
{
    static byte buffer[65536];
    if (object == FIRST) return strcmp(of_slot(current, "first_cert", "none"), "none") != 0;
    if (object == CERTIFICATE && !file_bytes(buffer, sizeof buffer, of_slot(current, "cert", ""), 0)) return 0;
    if (object == CERTIFICATE) return logged_in || strcmp(of_slot(current, "search", "ok"), "hidden");
    if (object == PRIVATE_KEY) return logged_in && atoi(of_slot(current, "private_key", "1"));
    if (object == PUBLIC_KEY) return atoi(of_slot(current, "public_key", "0"));
    return object >= MORE && file_bytes(buffer, sizeof buffer, of_slot(current, "more_certs", NOWHERE), object - MORE + 1) > 0;
}
static ulong_t read_attribute(ulong_t object, attribute_t *target)
{
    static byte buffer[65536];
    ulong_t number, result;
    byte flag, id;
    uint32_t limbs[LIMBS];
    int i, count;
    const char *can_sign = of_slot(current, "can_sign", "1");
    memset(buffer, 0, sizeof buffer);
    switch (target->type) {
    case 0x00: number = class_of(object); return copy_out(target, &number, sizeof number);
    case 0x01: flag = 1; return copy_out(target, &flag, 1);
    case 0x02: case 0x103: flag = object == PRIVATE_KEY; return copy_out(target, &flag, 1);
    case 0x108:
        if (!strcmp(can_sign, "missing")) break;
        flag = object == PRIVATE_KEY && atoi(can_sign); return copy_out(target, &flag, 1);
    case 0x03: return copy_out(target, "label", 5);
    case 0x80: number = 0; return copy_out(target, &number, sizeof number);
    case 0x100: number = 0; return copy_out(target, &number, sizeof number);
    case 0x102:
        if (object == CERTIFICATE && atoi(of_slot(current, "no_cert_id", "0"))) break;
        id = object == PRIVATE_KEY || object == PUBLIC_KEY ? strtoul(of_slot(current, "key_id", "42"), NULL, 16) : 0x42;
        return copy_out(target, &id, 1);
    case 0x202: flag = atoi(of_slot(current, "always_auth", "0")); return copy_out(target, &flag, 1);
    case 0x11:
        if ((result = answer(of_slot(current, object == FIRST ? "first_cert" : "value", "ok")))) return result;
        if (class_of(object) != 1) break;
        number = object >= MORE ? file_bytes(buffer, sizeof buffer, of_slot(current, "more_certs", NOWHERE), object - MORE + 1)
                                : file_bytes(buffer, sizeof buffer, of_slot(current, "cert", ""), 0);
        if (!number) break;
        return copy_out(target, buffer, number + atoi(of_slot(current, "cert_zeros", "0")));
    case 0x120:
        if (object == PRIVATE_KEY && !strcmp(of_slot(current, "modulus", "private"), "public")) break;
        count = from_hex(limbs, of_slot(current, "n", "0"));
        for (i = 0; i < 4 * count; i++) buffer[4 * count - 1 - i] = limbs[i / 4] >> (8 * (i % 4));
        return copy_out(target, buffer, 4 * count);
    }
    target->length = (ulong_t)-1;
    return atoi(of_slot(current, "strict", "0")) ? ARGUMENTS_BAD : ATTRIBUTE_TYPE_INVALID;
}
static ulong_t get_attributes(ulong_t session, ulong_t object, attribute_t *template, ulong_t count)
{
    ulong_t result = OK, i;
    (void)session;
    for (i = 0; i < count; i++) { ulong_t one = read_attribute(object, template + i); if (one) result = one; }
    return result;
}
static ulong_t find_init(ulong_t session, attribute_t *template, ulong_t count)
{
    ulong_t i, result;
    const char *search = of_slot(session, "search", "ok");
    if (!strcmp(search, "login") && !logged_in) return NOT_LOGGED_IN;
    if ((result = answer(search))) return result;
    wanted_class = 0;
    for (i = 0; i < count; i++)
        if (template[i].type == 0) wanted_class = *(ulong_t *)template[i].value;
        else if (atoi(of_slot(session, "strict", "0"))) return ARGUMENTS_BAD;
    found_next = 1;
    return OK;
}
static ulong_t find(ulong_t session, ulong_t *objects, ulong_t maximum, ulong_t *count)
{
    (void)session;
    for (*count = 0; found_next <= LAST && *count < maximum; found_next++)
        if (wanted_class == class_of(found_next) && is_there(found_next)) objects[(*count)++] = found_next;
    return OK;
}
static ulong_t find_final(ulong_t session) { (void)session; return OK; }
static int refuses(const char *step)
{
    const char *which = setting(step, "none");
    return !strcmp(which, "all") || !strcmp(which, sign_mechanism == 0x40 ? "sha256" : "plain");
}
static ulong_t sign_init(ulong_t session, mechanism_t *mechanism, ulong_t key)
{
    const char *which = setting("mechanisms", "sha256");
    (void)session; (void)key;
    sign_mechanism = mechanism->mechanism; context_login = 0;
    if (!atoi(of_slot(current, "can_sign", "1")) && strcmp(of_slot(current, "can_sign", "1"), "missing")) return NOT_PERMITTED;
    if (refuses("init_refuses")) return MECHANISM_INVALID;
    signing = !strcmp(which, "both") || sign_mechanism == (!strcmp(which, "sha256") ? 0x40 : 1);
    return signing ? OK : MECHANISM_INVALID;
}
static ulong_t sign(ulong_t session, const byte *data, ulong_t length, byte *out, ulong_t *out_length)
{
    static const byte info[] = {0x30,0x31,0x30,0x0d,0x06,0x09,0x60,0x86,0x48,0x01,0x65,0x03,0x04,0x02,0x01,0x05,0x00,0x04,0x20};
    byte block[4 * LIMBS], digest_info[sizeof info + 32];
    ulong_t bytes = strlen(of_slot(current, "n", "0")) / 2, result;
    (void)session;
    const char *without_buffer = setting("null_sign", "ok");
    if (!signing) return OPERATION_NOT_INITIALIZED;
    if (!out && !strcmp(without_buffer, "refused")) return ARGUMENTS_BAD;
    if (!out && !strcmp(without_buffer, "ends")) signing = 0;
    if (!out && !strcmp(without_buffer, "huge")) { *out_length = ~(ulong_t)0 / 4; return OK; }
    if (!out || *out_length < bytes) { *out_length = bytes; return out ? BUFFER_TOO_SMALL : OK; }
    signing = 0;
    if (refuses("sign_refuses")) return MECHANISM_INVALID;
    *out_length = bytes;
    if ((result = behave("sign"))) { memset(out, 0x5A, bytes); return result == 0x5EEDBEEF ? OK : result; }
    if (!logged_in || (atoi(of_slot(current, "always_auth", "0")) && !context_login)) return NOT_LOGGED_IN;
    if (sign_mechanism == 0x40) {
        memcpy(digest_info, info, sizeof info); sha256(digest_info + sizeof info, data, length);
        data = digest_info; length = sizeof digest_info;
    }
    memset(block, 0xFF, bytes);
    block[0] = 0; block[1] = 1; block[bytes - length - 1] = 0;
    memcpy(block + bytes - length, data, length);
    rsa(out, block, bytes);
    return OK;
}
static ulong_t nothing(void) { return NOT_SUPPORTED; }

/* CK_FUNCTION_LIST: the version, then 68 functions in the order of the standard (PKCS#11 2.40, pkcs11f.h). */
static struct { version_t version; void *functions[68]; } list;

#ifdef NEEDS_ANOTHER
int needed(void);
#endif

#ifdef _WIN32
/* `rundll32 THIS,stay` */
EXPORTED void CALLBACK stay(HWND window, HINSTANCE instance, LPSTR words, int show)
{
    (void)window; (void)instance; (void)words; (void)show;
    WAIT_FOR_EVER();
}
#endif

static void leave_a_process(void)
{
    static int left;
    if (left++ || !atoi(setting("forks", "0"))) return;
    FILE *file = fopen(setting("log", NOWHERE), "a");
#ifdef _WIN32
    STARTUPINFOA how = {sizeof how};
    PROCESS_INFORMATION made;
    HMODULE own;
    char path[MAX_PATH], command[2 * MAX_PATH];
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (void *)stay, &own);
    GetModuleFileNameA(own, path, sizeof path);
    snprintf(command, sizeof command, "rundll32.exe \"%s\",stay", path);
    if (CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &how, &made))
        fprintf(file, "forked %lu\n", made.dwProcessId);
#else
    pid_t child = fork();
    if (!child) for (;;) WAIT_FOR_EVER();
    fprintf(file, "forked %d\n", (int)child);
#endif
    fclose(file);
}

EXPORTED ulong_t C_GetFunctionList(void **target)
{
    int i;
    leave_a_process();
#ifdef NEEDS_ANOTHER
    if (needed() != 7) return GENERAL_ERROR;
#endif
    list.version.major = 2; list.version.minor = 40;
    for (i = 0; i < 68; i++) list.functions[i] = (void *)nothing;
    list.functions[0] = initialize; list.functions[1] = finalize; list.functions[2] = get_info;
    list.functions[3] = C_GetFunctionList; list.functions[4] = get_slots; list.functions[5] = get_slot_info;
    list.functions[6] = get_token_info; list.functions[7] = get_mechanisms; list.functions[12] = open_session;
    list.functions[13] = close_session; list.functions[18] = login; list.functions[19] = logout;
    list.functions[24] = get_attributes; list.functions[26] = find_init; list.functions[27] = find;
    list.functions[28] = find_final; list.functions[42] = sign_init; list.functions[43] = sign;
    *target = &list;
    return OK;
}
