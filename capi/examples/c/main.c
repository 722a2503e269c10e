/* Opens an environment, imports a file, reads a record, compares: main LOCATION FILE */

#include <keyferry.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program where a call failed: what went wrong, and what to do next. */
static void check(kf_status status) {
    if (status != KF_OK) {
        fprintf(stderr, "%s: %s\n", kf_status_name(status), kf_last_error());
        exit(1);
    }
}

/* Takes a record's line of JSON; it ends with a line break. */
static int32_t show(void *context, const void *line, size_t len) {
    (void)context;
    return fwrite(line, 1, len, stdout) == len ? 0 : 1;
}

int main(int count, char **words) {
    kf_credentials credentials = {sizeof credentials, NULL, NULL, NULL, NULL, 0};
    kf_environment environment = 0;

    if (count != 3 || kf_abi_version() != KF_ABI_VERSION) {
        fprintf(stderr, "main LOCATION FILE, with a library of ABI %d\n", KF_ABI_VERSION);
        return 2;
    }
    credentials.master_password = getenv("KEYFERRY_MASTER_PASSWORD");
    check(kf_environment_open(words[1], &credentials, &environment));

    /* Every record is encrypted here, sent, read back, decrypted and compared. */
    check(kf_import(0, words[2], environment, NULL, NULL, NULL));
    printf("imported\n");

    check(kf_environment_records(environment, "Infra/Databases", "{\"query\": \"primary\"}", show, NULL));

    check(kf_verify(0, environment, NULL, 0, words[2], NULL, NULL));
    printf("verified: equal\n");
    check(kf_environment_close(environment));
    return 0;
}
