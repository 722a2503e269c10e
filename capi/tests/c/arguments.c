/* Every wrong argument to every function: an error code, no crash. arguments LOCATION FILE SCRATCH [light] */

#include <keyferry.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/resource.h>
#endif

#define LEN(text) (sizeof(text) - 1)
#define T(text) text, LEN(text)

static int checked;

/* Insists on a status, and on cleared results wherever a call failed. */
#define EXPECT(status, call) expect(status, call, #call, __LINE__)

static void expect(kf_status wanted, kf_status got, const char *call, int line) {
    checked++;
    if (got != wanted) {
        fprintf(stderr, "line %d: %s: %s (%s), not %s\n", line, call, kf_status_name(got), kf_last_error(),
                kf_status_name(wanted));
        exit(1);
    }
    if (got != KF_OK && kf_last_error()[0] == '\0') {
        fprintf(stderr, "line %d: %s: no sentence\n", line, call);
        exit(1);
    }
}

static void cleared(const kf_buffer *buffer, int line) {
    if (buffer->data != NULL || buffer->len != 0) {
        fprintf(stderr, "line %d: a result of a call that failed\n", line);
        exit(1);
    }
}

static int wrong(int line) {
    fprintf(stderr, "line %d: not what it should be\n", line);
    return 1;
}

static int32_t refuse(void *context, const void *data, size_t len) {
    (void)data, (void)len;
    ++*(int *)context;
    return 1;
}

static int64_t nothing(void *context, void *buffer, size_t capacity) {
    (void)context, (void)buffer, (void)capacity;
    return 0;
}

static int64_t broken(void *context, void *buffer, size_t capacity) {
    (void)context, (void)buffer, (void)capacity;
    return -1;
}

static int64_t boastful(void *context, void *buffer, size_t capacity) {
    (void)context, (void)buffer;
    return (int64_t)capacity + 1;
}

static const char *RECORD = "{\"name\":\"n\",\"password\":\"p\"}\n";

static int64_t record(void *context, void *buffer, size_t capacity) {
    int *sent = context;
    size_t len = strlen(RECORD);
    if (*sent || capacity < len) {
        return 0;
    }
    *sent = 1;
    memcpy(buffer, RECORD, len);
    return (int64_t)len;
}

static int32_t stop(void *context, int32_t step, uint64_t done, uint64_t total) {
    (void)context, (void)step, (void)done, (void)total;
    return 1;
}

int main(int count, char **words) {
    const char *location = words[1], *file = words[2];
    const char bad[] = "\xff\xfe";
    const size_t huge = SIZE_MAX;
    kf_buffer a = {NULL, 0}, b = {NULL, 0}, c = {NULL, 0};
    kf_environment environment = 0;
    kf_private_key key = 0;
    kf_job job = 0;
    uint64_t number = 0;
    int called = 0;
    kf_credentials credentials;
    char headless[4096];
    FILE *written;
    int light = count > 4;

    if (strcmp(kf_status_name(12345), "unknown") != 0 || strcmp(kf_status_name(KF_OK), "ok") != 0 ||
        kf_last_error()[0] != '\0' || kf_abi_version() != KF_ABI_VERSION || kf_version()[0] == '\0') {
        return wrong(__LINE__);
    }

    /* Bytes and texts: NULL, not UTF-8, none, too long. Each result place: NULL. */
    EXPECT(KF_NULL, kf_encrypt(NULL, 1, T("k"), &a));
    EXPECT(KF_NULL, kf_encrypt(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_encrypt(T("x"), T("k"), NULL));
    EXPECT(KF_NOT_UTF8, kf_encrypt(T("x"), bad, 2, &a));
    EXPECT(KF_TOO_LONG, kf_encrypt("x", huge, T("k"), &a));
    EXPECT(KF_TOO_LONG, kf_encrypt(T("x"), "k", huge, &a));
    EXPECT(KF_TOO_LONG, kf_encrypt("x", ((size_t)1 << 32) + 1, T("k"), &a));
    cleared(&a, __LINE__);
    EXPECT(KF_OK, kf_encrypt(NULL, 0, NULL, 0, &a));
    EXPECT(KF_OK, kf_decrypt(a.data, a.len, NULL, 0, &b));
    if (b.len != 0 || b.data == NULL || b.data[0] != 0 || a.data[a.len] != 0) {
        return wrong(__LINE__);
    }
    EXPECT(KF_OK, kf_buffer_free(&b));
    cleared(&b, __LINE__);
    EXPECT(KF_OK, kf_buffer_free(&b));
    EXPECT(KF_OK, kf_buffer_free(NULL));
    b = a;
    EXPECT(KF_OK, kf_buffer_free(&a));
    EXPECT(KF_BAD_BUFFER, kf_buffer_free(&b)); /* a copy of what was freed */
    b.data = (const uint8_t *)words;
    EXPECT(KF_BAD_BUFFER, kf_buffer_free(&b));

    EXPECT(KF_DECRYPT, kf_decrypt(T("no envelope"), T("k"), &a));
    EXPECT(KF_DECRYPT, kf_decrypt(NULL, 0, T("k"), &a));
    EXPECT(KF_NOT_UTF8, kf_decrypt(bad, 2, T("k"), &a));
    EXPECT(KF_NULL, kf_decrypt(NULL, 1, T("k"), &a));
    EXPECT(KF_NULL, kf_decrypt(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_decrypt(T("x"), T("k"), NULL));
    EXPECT(KF_TOO_LONG, kf_decrypt("x", huge, T("k"), &a));

    EXPECT(KF_NULL, kf_base32_encode(NULL, 1, &a));
    EXPECT(KF_NULL, kf_base32_encode(T("x"), NULL));
    EXPECT(KF_TOO_LONG, kf_base32_encode("x", huge, &a));
    EXPECT(KF_NULL, kf_base32_decode(NULL, 1, &a));
    EXPECT(KF_NULL, kf_base32_decode(T("x"), NULL));
    EXPECT(KF_NOT_UTF8, kf_base32_decode(bad, 2, &a));
    EXPECT(KF_OK, kf_base32_encode(T("\0\1\2"), &a));
    EXPECT(KF_OK, kf_base32_decode(a.data, a.len, &b));
    if (b.len != 3 || memcmp(b.data, "\0\1\2", 3) != 0) {
        return wrong(__LINE__);
    }
    kf_buffer_free(&a), kf_buffer_free(&b);

    EXPECT(KF_NULL, kf_generate_key(NULL));
    EXPECT(KF_OK, kf_generate_key(&a));
    if (a.len != 100) {
        return wrong(__LINE__);
    }
    kf_buffer_free(&a);

    EXPECT(KF_NULL, kf_master_key(NULL, 1, T("x"), &a));
    EXPECT(KF_NULL, kf_master_key(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_master_key(T("x"), T("x"), NULL));
    EXPECT(KF_NOT_UTF8, kf_master_key(bad, 2, T("pbkdf:sha256:300000:64:abcdefghijabcdefghij"), &a));
    EXPECT(KF_NOT_UTF8, kf_master_key(T("x"), bad, 2, &a));
    EXPECT(KF_PROTOCOL, kf_master_key(T("x"), T("nonsense"), &a));
    EXPECT(KF_PROTOCOL, kf_master_key(T("x"), T("pbkdf:sha256:4000000000:64:abcdefghijabcdefghij"), &a));
    EXPECT(KF_NOT_ALLOWED, kf_master_key(T("x"), T("pbkdf:sha256:1:64:abcdefghijabcdefghij"), &a));
    EXPECT(KF_NULL, kf_master_key_hash(NULL, 1, &a));
    EXPECT(KF_NULL, kf_master_key_hash(T("x"), NULL));
    EXPECT(KF_NOT_UTF8, kf_master_key_hash(bad, 2, &a));
    cleared(&a, __LINE__);

    EXPECT(KF_NULL, kf_rsa_generate(NULL, &b));
    EXPECT(KF_NULL, kf_rsa_generate(&a, NULL));
    EXPECT(KF_NULL, kf_rsa_encrypt(NULL, 1, T("x"), &a));
    EXPECT(KF_NULL, kf_rsa_encrypt(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_rsa_encrypt(T("x"), T("x"), NULL));
    EXPECT(KF_PROTOCOL, kf_rsa_encrypt(T("x"), T("no PEM"), &a));
    EXPECT(KF_NOT_UTF8, kf_rsa_encrypt(T("x"), bad, 2, &a));
    EXPECT(KF_NULL, kf_private_key_open(NULL, 1, &key));
    EXPECT(KF_NULL, kf_private_key_open(T("x"), NULL));
    EXPECT(KF_DECRYPT, kf_private_key_open(T("no PEM"), &key));
    EXPECT(KF_BAD_HANDLE, kf_private_key_close(0));
    EXPECT(KF_BAD_HANDLE, kf_rsa_decrypt(0, T("x"), &a));
    if (!light) {
        EXPECT(KF_OK, kf_rsa_generate(&a, &b));
        EXPECT(KF_OK, kf_private_key_open(b.data, b.len, &key));
        EXPECT(KF_OK, kf_rsa_encrypt(T("secret"), a.data, a.len, &c));
        kf_buffer_free(&b);
        EXPECT(KF_OK, kf_rsa_decrypt(key, c.data, c.len, &b));
        if (b.len != 6 || memcmp(b.data, "secret", 6) != 0) {
            return wrong(__LINE__);
        }
        kf_buffer_free(&a), kf_buffer_free(&b), kf_buffer_free(&c);
        EXPECT(KF_NULL, kf_rsa_decrypt(key, NULL, 1, &a));
        EXPECT(KF_NULL, kf_rsa_decrypt(key, T("x"), NULL));
        EXPECT(KF_DECRYPT, kf_rsa_decrypt(key, T("AAAA"), &a));
        EXPECT(KF_NOT_UTF8, kf_rsa_decrypt(key, bad, 2, &a));
        EXPECT(KF_BAD_HANDLE, kf_environment_close(key)); /* one of another kind */
        EXPECT(KF_OK, kf_private_key_close(key));
        EXPECT(KF_BAD_HANDLE, kf_private_key_close(key));
        EXPECT(KF_BAD_HANDLE, kf_rsa_decrypt(key, T("x"), &a));
    }

    EXPECT(KF_NULL, kf_totp(NULL, 1, 0, &a));
    EXPECT(KF_NULL, kf_totp(T("x"), 0, NULL));
    EXPECT(KF_NOT_UTF8, kf_totp(bad, 2, 0, &a));
    EXPECT(KF_INPUT, kf_totp(T("!!"), 0, &a));
    EXPECT(KF_OK, kf_totp(T("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), 59, &a)); /* RFC 6238's first vector */
    if (strcmp((const char *)a.data, "287082") != 0) {
        return wrong(__LINE__);
    }
    kf_buffer_free(&a);

    EXPECT(KF_NULL, kf_attachment_encrypt(NULL, 1, T("k"), &a, &b, &c));
    EXPECT(KF_NULL, kf_attachment_encrypt(T("x"), NULL, 1, &a, &b, &c));
    EXPECT(KF_NULL, kf_attachment_encrypt(T("x"), T("k"), NULL, &b, &c));
    EXPECT(KF_NULL, kf_attachment_encrypt(T("x"), T("k"), &a, NULL, &c));
    EXPECT(KF_NULL, kf_attachment_encrypt(T("x"), T("k"), &a, &b, NULL));
    EXPECT(KF_TOO_LONG, kf_attachment_encrypt("x", huge, T("k"), &a, &b, &c));
    EXPECT(KF_OK, kf_attachment_encrypt(T("\1\2\xff"), T("k"), &a, &b, &c));
    {
        kf_buffer back = {NULL, 0};
        EXPECT(KF_OK, kf_attachment_decrypt(a.data, a.len, b.data, b.len, c.data, c.len, T("k"), &back));
        if (back.len != 3 || memcmp(back.data, "\1\2\xff", 3) != 0) {
            return wrong(__LINE__);
        }
        kf_buffer_free(&back);
        EXPECT(KF_DECRYPT, kf_attachment_decrypt(a.data, a.len, b.data, b.len, T("00"), T("k"), &back));
        EXPECT(KF_NULL, kf_attachment_decrypt(NULL, 1, b.data, b.len, c.data, c.len, T("k"), &back));
        EXPECT(KF_NULL, kf_attachment_decrypt(a.data, a.len, NULL, 1, c.data, c.len, T("k"), &back));
        EXPECT(KF_NULL, kf_attachment_decrypt(a.data, a.len, b.data, b.len, NULL, 1, T("k"), &back));
        EXPECT(KF_NULL, kf_attachment_decrypt(a.data, a.len, b.data, b.len, c.data, c.len, NULL, 1, &back));
        EXPECT(KF_NULL, kf_attachment_decrypt(a.data, a.len, b.data, b.len, c.data, c.len, T("k"), NULL));
        cleared(&back, __LINE__);
    }
    kf_buffer_free(&a), kf_buffer_free(&b), kf_buffer_free(&c);

    /* Bulk. */
    EXPECT(KF_NULL, kf_records_encrypt(NULL, 1, T("k"), &a));
    EXPECT(KF_NULL, kf_records_encrypt(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_records_encrypt(T("x"), T("k"), NULL));
    EXPECT(KF_TOO_LONG, kf_records_encrypt("x", huge, T("k"), &a));
    EXPECT(KF_INPUT, kf_records_encrypt(T("x"), T("k"), &a));
    EXPECT(KF_INPUT, kf_records_encrypt(bad, 2, T("k"), &a));
    EXPECT(KF_OK, kf_records_encrypt(NULL, 0, T("k"), &a));
    kf_buffer_free(&a);
    EXPECT(KF_OK, kf_records_encrypt(RECORD, strlen(RECORD), NULL, 0, &a));
    EXPECT(KF_OK, kf_records_decrypt(a.data, a.len, NULL, 0, &b));
    kf_buffer_free(&a), kf_buffer_free(&b);
    EXPECT(KF_NULL, kf_records_decrypt(NULL, 1, T("k"), &a));
    EXPECT(KF_NULL, kf_records_decrypt(T("x"), NULL, 1, &a));
    EXPECT(KF_NULL, kf_records_decrypt(T("x"), T("k"), NULL));
    EXPECT(KF_INPUT, kf_records_decrypt(T("x"), T("k"), &a));
    EXPECT(KF_DECRYPT, kf_records_decrypt(T("{\"name\":\"n\",\"passwordEncrypted\":\"x\",\"keyEncrypted\":\"x\"}"), T("k"), &a));
    cleared(&a, __LINE__);
    EXPECT(KF_NULL, kf_records_encrypt_stream(NULL, refuse, &called, T("k"), &number));
    EXPECT(KF_NULL, kf_records_encrypt_stream(nothing, NULL, &called, T("k"), &number));
    EXPECT(KF_NULL, kf_records_encrypt_stream(nothing, refuse, &called, NULL, 1, &number));
    EXPECT(KF_CALLBACK, kf_records_encrypt_stream(broken, refuse, &called, T("k"), &number));
    EXPECT(KF_CALLBACK, kf_records_encrypt_stream(boastful, refuse, &called, T("k"), &number));
    EXPECT(KF_OK, kf_records_encrypt_stream(nothing, refuse, &called, T("k"), NULL));
    called = 0;
    EXPECT(KF_CALLBACK, kf_records_encrypt_stream(record, refuse, &called, T("k"), &number));
    EXPECT(KF_NULL, kf_records_decrypt_stream(NULL, refuse, &called, T("k"), &number));
    EXPECT(KF_NULL, kf_records_decrypt_stream(nothing, NULL, &called, T("k"), &number));
    EXPECT(KF_CALLBACK, kf_records_decrypt_stream(broken, refuse, &called, T("k"), &number));
    EXPECT(KF_OK, kf_records_decrypt_stream(nothing, refuse, &called, NULL, 0, &number));

    /* Environments. */
    memset(&credentials, 0, sizeof credentials);
    EXPECT(KF_NULL, kf_environment_open(NULL, NULL, &environment));
    EXPECT(KF_NULL, kf_environment_open(location, NULL, NULL));
    EXPECT(KF_NOT_UTF8, kf_environment_open(bad, NULL, &environment));
    EXPECT(KF_USAGE, kf_environment_open(location, &credentials, &environment));
    EXPECT(KF_USAGE, kf_environment_open("neither", NULL, &environment));
    EXPECT(KF_USAGE, kf_environment_open("", NULL, &environment));
    EXPECT(KF_USAGE, kf_environment_open("http://user:word@127.0.0.1", NULL, &environment));
    EXPECT(KF_NOT_AUTHENTICATED, kf_environment_open("http://127.0.0.1:1", NULL, &environment));
    EXPECT(KF_NOT_FOUND, kf_environment_open("embedded:/nowhere", NULL, &environment));
    credentials.size = sizeof credentials;
    credentials.token = "token";
    EXPECT(KF_UNREACHABLE, kf_environment_open("http://127.0.0.1:1", &credentials, &environment));
    credentials.token = bad;
    EXPECT(KF_NOT_UTF8, kf_environment_open(location, &credentials, &environment));
    credentials.token = NULL;
    credentials.master_key = "wrong";
    EXPECT(KF_LOCKED, kf_environment_open(location, &credentials, &environment));
    if (environment != 0) {
        return wrong(__LINE__);
    }
    credentials.master_key = NULL;
    EXPECT(KF_OK, kf_environment_open(location, NULL, &environment)); /* names only */
    EXPECT(KF_OK, kf_environment_tree(environment, &a));
    kf_buffer_free(&a);
    EXPECT(KF_LOCKED, kf_environment_records(environment, NULL, NULL, refuse, &called));
    EXPECT(KF_LOCKED, kf_import(0, file, environment, NULL, NULL, NULL));
    EXPECT(KF_OK, kf_environment_close(environment));
    EXPECT(KF_BAD_HANDLE, kf_environment_close(environment));
    EXPECT(KF_BAD_HANDLE, kf_environment_close(0));
    EXPECT(KF_BAD_HANDLE, kf_environment_close(UINT64_MAX));
    EXPECT(KF_BAD_HANDLE, kf_environment_tree(environment, &a));
    EXPECT(KF_BAD_HANDLE, kf_environment_tokens(environment, &a, &b));
    EXPECT(KF_BAD_HANDLE, kf_environment_records(environment, NULL, NULL, refuse, &called));
    EXPECT(KF_BAD_HANDLE, kf_import(0, file, environment, NULL, NULL, NULL));
    EXPECT(KF_BAD_HANDLE, kf_verify(0, environment, NULL, 0, file, NULL, NULL));
    credentials.master_password = getenv("KEYFERRY_MASTER_PASSWORD");
    EXPECT(KF_OK, kf_environment_open(location, &credentials, &environment));
    EXPECT(KF_NULL, kf_environment_tree(environment, NULL));
    EXPECT(KF_NULL, kf_environment_tokens(environment, NULL, &a));
    EXPECT(KF_NULL, kf_environment_tokens(environment, &a, NULL));
    EXPECT(KF_OK, kf_environment_tokens(environment, &a, &b));
    kf_buffer_free(&a), kf_buffer_free(&b);
    EXPECT(KF_NULL, kf_environment_records(environment, NULL, NULL, NULL, NULL));
    EXPECT(KF_NOT_UTF8, kf_environment_records(environment, bad, NULL, refuse, &called));
    EXPECT(KF_NOT_UTF8, kf_environment_records(environment, NULL, bad, refuse, &called));
    EXPECT(KF_USAGE, kf_environment_records(environment, NULL, "no JSON", refuse, &called));
    EXPECT(KF_USAGE, kf_environment_records(environment, NULL, "{\"unknown\": 1}", refuse, &called));

    /* Jobs. */
    EXPECT(KF_NULL, kf_job_open(NULL));
    EXPECT(KF_BAD_HANDLE, kf_job_close(0));
    EXPECT(KF_BAD_HANDLE, kf_job_cancel(0));
    EXPECT(KF_BAD_HANDLE, kf_job_cancel(environment)); /* one of another kind */
    EXPECT(KF_BAD_HANDLE, kf_job_set_progress(0, stop, NULL));
    EXPECT(KF_BAD_HANDLE, kf_job_set_archive_passphrase(0, T("x")));
    EXPECT(KF_OK, kf_job_open(&job));
    EXPECT(KF_NULL, kf_job_set_archive_passphrase(job, NULL, 1));
    EXPECT(KF_NOT_UTF8, kf_job_set_archive_passphrase(job, bad, 2));
    EXPECT(KF_BAD_HANDLE, kf_import(job + 1000, file, environment, NULL, NULL, NULL));
    EXPECT(KF_NULL, kf_import(job, NULL, environment, NULL, NULL, &a));
    EXPECT(KF_NULL, kf_import(0, NULL, 0, NULL, NULL, &a));
    EXPECT(KF_NOT_UTF8, kf_import(job, bad, environment, NULL, NULL, &a));
    EXPECT(KF_NOT_UTF8, kf_import(job, file, environment, bad, NULL, &a));
    EXPECT(KF_NOT_UTF8, kf_import(job, file, environment, NULL, bad, &a));
    EXPECT(KF_USAGE, kf_import(job, file, environment, NULL, "[]", &a));
    EXPECT(KF_USAGE, kf_import(job, file, environment, NULL, "{\"on_conflict\": \"maybe\"}", &a));
    EXPECT(KF_USAGE, kf_import(job, file, environment, NULL, "{\"verify\": \"maybe\"}", &a));
    EXPECT(KF_IO, kf_import(job, "/nowhere.csv", environment, NULL, NULL, &a));
    /* Without a header the first record stands where names are expected: the message shows none of it. */
    snprintf(headless, sizeof headless, "%s.headless.csv", file);
    written = fopen(headless, "w");
    if (written == NULL || fputs("Router,admin,planted-1\nSwitch,admin,planted-2\n", written) < 0 || fclose(written) != 0) {
        return wrong(__LINE__);
    }
    EXPECT(KF_INPUT, kf_import(job, headless, environment, NULL, NULL, &a));
    if (strstr(kf_last_error(), "planted") != NULL) {
        return wrong(__LINE__);
    }
    EXPECT(KF_NULL, kf_export(job, environment, NULL, NULL, NULL, &a));
    EXPECT(KF_USAGE, kf_export(job, environment, NULL, "out.csv", NULL, &a)); /* in the clear, without permission */
    EXPECT(KF_NULL, kf_migrate(job, 0, NULL, environment, NULL, NULL, &a));
    EXPECT(KF_NULL, kf_migrate(job, environment, NULL, 0, NULL, NULL, &a));
    EXPECT(KF_NULL, kf_verify(job, 0, NULL, environment, NULL, NULL, &a));
    EXPECT(KF_NOT_FOUND, kf_resume(job, 12345, 0, file, environment, NULL, NULL, &a));
    EXPECT(KF_NOT_FOUND, kf_resume(job, -1, 0, file, environment, NULL, NULL, &a));
    cleared(&a, __LINE__);
    EXPECT(KF_INPUT, kf_verify(job, environment, NULL, 0, file, NULL, &a)); /* nothing is there to compare */
    EXPECT(KF_DIFFERENT, kf_verify(job, environment, NULL, 0, file, "{\"allow_empty\": true, \"exact\": true}", &a));
    if (a.data == NULL || strstr((const char *)a.data, "only there") == NULL) {
        return wrong(__LINE__);
    }
    kf_buffer_free(&a);
    EXPECT(KF_OK, kf_job_set_progress(job, stop, NULL));
    EXPECT(KF_OK, kf_job_cancel(job));
    EXPECT(KF_INTERRUPTED, kf_import(job, file, environment, NULL, NULL, &a));
    EXPECT(KF_INTERRUPTED, kf_import(job, file, environment, NULL, NULL, &a)); /* it stays cancelled */
    EXPECT(KF_OK, kf_job_close(job));
    EXPECT(KF_BAD_HANDLE, kf_job_close(job));
    EXPECT(KF_BAD_HANDLE, kf_import(job, file, environment, NULL, NULL, &a));
    cleared(&a, __LINE__);
    EXPECT(KF_OK, kf_import(0, file, environment, NULL, NULL, &a));
    kf_buffer_free(&a);
    EXPECT(KF_LEFT_OUT, kf_import(0, file, environment, NULL, "{\"on_conflict\": \"skip\", \"map\": {\"url\": \"description\", \"notes\": \"url\"}}", &a));
    kf_buffer_free(&a);
    called = 0;
    EXPECT(KF_CALLBACK, kf_environment_records(environment, NULL, NULL, refuse, &called));
    if (called != 1) {
        return wrong(__LINE__);
    }
    EXPECT(KF_OK, kf_set_log(NULL, NULL));
    EXPECT(KF_OK, kf_environment_close(environment));
    kf_disable_core_dumps();
#ifdef __linux__
    {
        struct rlimit limit;
        if (prctl(PR_GET_DUMPABLE) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 0) {
            return wrong(__LINE__);
        }
        prctl(PR_SET_DUMPABLE, 1); /* the leak sanitizer reads this process */
    }
#endif
    printf("arguments: %d calls behaved\n", checked);
    return 0;
}
