/* 32 threads on one environment, one key and one job: threads LOCATION FILE SCRATCH [light] */

#include <keyferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 32 };

static kf_environment environment;
static const char *file;
static int rounds;
static atomic_int lines, said;

static void insist(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, kf_last_error());
        exit(1);
    }
}

static int32_t count(void *context, const void *line, size_t len) {
    (void)line;
    insist(len > 0 && context == &lines, "a line");
    atomic_fetch_add(&lines, 1);
    return 0;
}

static void hear(void *context, int32_t level, const char *sentence) {
    (void)level;
    insist(context == &said && sentence != NULL, "the log");
    atomic_fetch_add(&said, 1);
}

static void *work(void *number) {
    char wanted[32], text[32];
    int mine = (int)(size_t)number;

    for (int round = 0; round < rounds; round++) {
        kf_buffer sealed = {NULL, 0}, opened = {NULL, 0}, tree = {NULL, 0};
        int len = snprintf(text, sizeof text, "thread %d round %d", mine, round);
        insist(kf_encrypt(text, (size_t)len, "k", 1, &sealed) == KF_OK, "encrypt");
        insist(kf_decrypt(sealed.data, sealed.len, "k", 1, &opened) == KF_OK, "decrypt");
        insist(strcmp((const char *)opened.data, text) == 0, "its own text");
        insist(kf_environment_records(environment, "Infra", NULL, count, &lines) == KF_OK, "records");
        insist(kf_environment_tree(environment, &tree) == KF_OK, "tree");
        insist(kf_verify(0, environment, NULL, 0, file, "{\"vaults\": [\"Infra\", \"Office\"]}", NULL) == KF_OK, "verify");
        kf_buffer_free(&sealed), kf_buffer_free(&opened), kf_buffer_free(&tree);

        /* An error is the thread's own. */
        snprintf(wanted, sizeof wanted, "embedded:/nowhere-%d", mine);
        kf_environment none = 0;
        insist(kf_environment_open(wanted, NULL, &none) == KF_NOT_FOUND, "nowhere");
        insist(strstr(kf_last_error(), wanted + 9) != NULL, "its own error");
    }
    return NULL;
}

static void *cancel(void *job) {
    insist(kf_job_cancel(*(kf_job *)job) == KF_OK, "cancel");
    return NULL;
}

static int32_t on_step(void *context, int32_t step, uint64_t done, uint64_t total) {
    (void)step, (void)done, (void)total;
    /* From another thread, while the job runs. The next call comes as well, which does no harm. */
    pthread_t other;
    pthread_create(&other, NULL, cancel, context);
    pthread_join(other, NULL);
    return 0;
}

/* A file whose import takes longer than its progress takes to be told. */
static const char *large(const char *path, int records) {
    FILE *out = fopen(path, "w");
    insist(out != NULL, "a file");
    fputs("vault,name,password\n", out);
    for (int i = 0; i < records; i++) {
        fprintf(out, "V,name %d,secret %d\n", i, i);
    }
    insist(fclose(out) == 0, "a file");
    return path;
}

int main(int words, char **word) {
    pthread_t threads[THREADS];
    kf_credentials credentials = {sizeof credentials, NULL, NULL, NULL, NULL, 0};
    kf_job job = 0;
    long long number = 0;

    file = word[2];
    rounds = words > 4 ? 1 : 4;
    credentials.master_password = getenv("KEYFERRY_MASTER_PASSWORD");
    insist(kf_set_log(hear, &said) == KF_OK, "log");
    insist(kf_environment_open(word[1], &credentials, &environment) == KF_OK, "open");

    insist(kf_job_open(&job) == KF_OK && kf_job_set_progress(job, on_step, &job) == KF_OK, "job");
    insist(kf_import(job, large(word[3], words > 4 ? 2000 : 20000), environment, "Large", NULL, NULL) == KF_INTERRUPTED, "cancelled meanwhile");
    insist(strstr(kf_last_error(), "kf_resume") != NULL, "how to go on");
    insist(sscanf(strstr(kf_last_error(), "the number "), "the number %lld", &number) == 1, "which job");
    insist(kf_job_close(job) == KF_OK, "close the job");
    insist(kf_resume(0, number, 0, word[3], environment, "Large", NULL, NULL) == KF_OK, "resume");
    insist(kf_verify(0, environment, "Large", 0, word[3], NULL, NULL) == KF_OK, "all of it");
    insist(kf_import(0, file, environment, NULL, NULL, NULL) == KF_OK, "import");

    for (size_t i = 0; i < THREADS; i++) {
        insist(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "a thread");
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    insist(atomic_load(&lines) == 3 * THREADS * rounds, "every thread saw every record");
    insist(kf_environment_close(environment) == KF_OK, "close");
    insist(kf_set_log(NULL, NULL) == KF_OK, "log");
    printf("threads: %d of them, %d records seen\n", THREADS, atomic_load(&lines));
    return 0;
}
