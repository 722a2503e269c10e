// keyferry: Passwork's cryptography, bulk encryption, environments and jobs, for any language that speaks C.
//
// Errors    Every function gives a `kf_status`, but for those that give static text. A result is set to NULL or 0 as the
//           call begins, and written when it succeeds, so it may be freed whatever happened. `kf_last_error()` says
//           what went wrong. No error ends the process, and nothing is printed.
// Inputs    Bytes and texts are a pointer and a length in bytes; NULL with length 0 is empty. Names, paths and JSON
//           options end with a NUL. Texts are UTF-8. All are read during the call alone, and may be wiped after it.
// Results   Buffers are freed with `kf_buffer_free`, which wipes them. Handles (`kf_environment`, `kf_job`,
//           `kf_private_key`) are numbers, closed with their own function; one that is wrong, or was closed before, is
//           `KF_BAD_HANDLE` and never somebody else's. Closing one while a call uses it is safe: it ends with the call.
// Threads   Any function may be called from any thread, and any handle used by several at once.
// Callbacks get their `context` as it was given. They run on the thread that called the library (but for the log's),
//           must return (no exception, no longjmp), and may call the library, except from the log's.
// Forking   A child of fork() must not call the library before it has called exec().
// Units     Lengths are bytes, times are seconds, moments are Unix seconds.
//
// Made from the library's source: `make header`.


#ifndef KEYFERRY_H
#define KEYFERRY_H

#include <stddef.h>
#include <stdint.h>

// The version of the ABI that this header describes. It changes when a program that was compiled against
// an older header would no longer work; functions are added without a change.
#define KF_ABI_VERSION 1

// The source, and what the sink holds already, are read.
#define KF_STEP_READING 1

// Records are encrypted and sent, or written to a file.
#define KF_STEP_WRITING 2

// What was written is read back and compared.
#define KF_STEP_VERIFYING 3

// The level of what a user should know although nothing is wrong.
#define KF_LOG_INFO 1

// The level of what is wrong.
#define KF_LOG_ERROR 2

// What a call came to: `KF_OK`, or one of the codes below. Codes keep their numbers for ever.
typedef int32_t kf_status;

// Bytes that the library made. Good until `kf_buffer_free`; to be read, not written. After `len` bytes stands
// a NUL that does not count, so that a text can be used as a C string. `data` is NULL after a call that failed.
typedef struct kf_buffer {
    // The bytes, or NULL.
    const uint8_t *data;
    // How many.
    size_t len;
} kf_buffer;

// Fills `buffer` with up to `capacity` bytes of input: how many, 0 at the end, negative where it failed. Called
// on the thread that called the library.
typedef int64_t (*kf_read_callback)(void *context,
                                    void *buffer,
                                    size_t capacity);

// Takes `len` bytes of output, whole: 0, or anything else where it failed. Called on the thread that called the
// library.
typedef int32_t (*kf_write_callback)(void *context,
                                     const void *data,
                                     size_t len);

// A private key, parsed once. 0 is none.
typedef uint64_t kf_private_key;

// How to sign in to an environment, and what unlocks it. Each text is NUL-terminated UTF-8 or NULL, is copied, and
// may be wiped as soon as the call has returned. Clear the struct before you fill it, so that members of later
// versions are none: `kf_credentials c = {sizeof c};`
typedef struct kf_credentials {
    // `sizeof(kf_credentials)` as your compiler sees it.
    size_t size;
    // The session's access token. An embedded environment needs none.
    const char *token;
    // What renews it.
    const char *refresh_token;
    // What unlocks the user's private key. Without one only names can be read.
    const char *master_key;
    // The same, to be derived first.
    const char *master_password;
    // Seconds that one request may take; 0 stands for 120.
    uint64_t timeout_seconds;
} kf_credentials;

// An environment that is signed in and, where a key was given, unlocked. 0 is none.
typedef uint64_t kf_environment;

// Listens to jobs and stops them: make one for each job that is to be watched, or give 0. 0 is none.
typedef uint64_t kf_job;

// Hears how far a job has come, at most twenty times a second: the step, the records through it, and their number
// (0: not known). Called on the thread that called the library. An answer other than 0 cancels the job.
typedef int32_t (*kf_progress_callback)(void *context,
                                        int32_t step,
                                        uint64_t done,
                                        uint64_t total);

// Hears a sentence of UTF-8 without secrets, good for the time of the call. May be called from any thread, from
// several at once, and must not call the library.
typedef void (*kf_log_callback)(void *context,
                                int32_t level,
                                const char *sentence);

// Done.
#define KF_OK 0

// A job ran to its end, and its report is there; some records were skipped or rejected. It names them.
#define KF_LEFT_OUT 1

// A job ran to its end, and its report is there; the two sides are not equal. It names what differs.
#define KF_DIFFERENT 2

// An argument is NULL that must not be.
#define KF_NULL 10

// A text is not UTF-8.
#define KF_NOT_UTF8 11

// An input is longer than 4 GiB.
#define KF_TOO_LONG 12

// A handle is 0, was closed already, or is one of another kind.
#define KF_BAD_HANDLE 13

// A buffer is none of the library's, or was freed already.
#define KF_BAD_BUFFER 14

// A callback answered that it failed.
#define KF_CALLBACK 15

// A promise of the library's own was broken: please report it. The library can still be used.
#define KF_PANIC 19

// The call itself is wrong: an option that is none, locations that do not go together.
#define KF_USAGE 20

// A file or folder could not be read or written.
#define KF_IO 21

// Input is malformed: a file's syntax, an address, a key.
#define KF_INPUT 22

// Ciphertext is damaged, or was made with another key.
#define KF_DECRYPT 30

// The master password or master key is not the one this was encrypted for, or none was given.
#define KF_LOCKED 31

// The session has ended or never was.
#define KF_NOT_AUTHENTICATED 32

// The user may not do this.
#define KF_NOT_ALLOWED 33

// There is no such thing.
#define KF_NOT_FOUND 40

// A record with this place and name is there already, with other content.
#define KF_CONFLICT 41

// The environment refused the content of a request.
#define KF_REFUSED 42

// No connection could be made: nothing was sent.
#define KF_UNREACHABLE 50

// The answer never came: the environment may have acted, or may still act.
#define KF_UNANSWERED 51

// The environment asks to slow down.
#define KF_BUSY 52

// The environment failed by its own account.
#define KF_SERVER 53

// What comes from an environment makes no sense: its answer, a key, the options of a master key.
#define KF_PROTOCOL 54

// The job was cancelled. What was in flight has ended; `kf_resume` goes on.
#define KF_INTERRUPTED 60

// A promise of the core's own was broken: please report it.
#define KF_INTERNAL 90

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The ABI version of the library that is loaded: compare it with `KF_ABI_VERSION` once, before anything else.
uint32_t kf_abi_version(void);

// The library's version, such as "0.1.0". Static: never freed.
const char *kf_version(void);

// Keeps this process's memory out of core dumps and from debuggers of the same user. Never done unasked: the process is
// its program's.
void kf_disable_core_dumps(void);

// Wipes and frees a buffer, and clears `buffer`. (Items of `kf_records_encrypt` are ciphertext, and freed as they are.) Freeing a cleared buffer, or NULL, does nothing; one that is
// none of the library's is `KF_BAD_BUFFER`, and left alone. Any thread may free what another was given.
kf_status kf_buffer_free(struct kf_buffer *buffer);

// Encrypts records on every core. `records` has one JSON object a line: `name`, `login`, `password`, `url`,
// `description`, `tags`, `color`, `favorite`, `customs` (`name`, `type`, `value`), `attachments` (`name`, `data` in
// base64). `items` gets one line for each: the body of Passwork's `POST /api/v1/items`, to which only `vaultId` and
// `folderId` are missing. `vault_key` NULL or empty: an environment without client-side encryption.
kf_status kf_records_encrypt(const void *records,
                             size_t records_len,
                             const void *vault_key,
                             size_t vault_key_len,
                             struct kf_buffer *items);

// Decrypts items of one vault on every core: the reverse of `kf_records_encrypt`. A line may also be the answer of
// `GET /api/v1/items/{id}`. An item that cannot be read is `KF_DECRYPT`, and `kf_last_error` names it.
kf_status kf_records_decrypt(const void *items,
                             size_t items_len,
                             const void *vault_key,
                             size_t vault_key_len,
                             struct kf_buffer *records);

// `kf_records_encrypt` for any number of records, in bounded memory: lines come from `read` and go to `write`, both
// with `context`. `count`, where it is not NULL, gets the number of items written.
kf_status kf_records_encrypt_stream(kf_read_callback read,
                                    kf_write_callback write,
                                    void *context,
                                    const void *vault_key,
                                    size_t vault_key_len,
                                    uint64_t *count);

// `kf_records_decrypt` for any number of items, in bounded memory; see `kf_records_encrypt_stream`.
kf_status kf_records_decrypt_stream(kf_read_callback read,
                                    kf_write_callback write,
                                    void *context,
                                    const void *vault_key,
                                    size_t vault_key_len,
                                    uint64_t *count);

// Seals bytes in an envelope (text) under a passphrase: a record key, a vault key, a master key.
kf_status kf_encrypt(const void *data,
                     size_t data_len,
                     const void *passphrase,
                     size_t passphrase_len,
                     struct kf_buffer *envelope);

// Opens an envelope. One wrong passphrase in 256 is not noticed, and gives other bytes: the format has no
// authentication.
kf_status kf_decrypt(const void *envelope,
                     size_t envelope_len,
                     const void *passphrase,
                     size_t passphrase_len,
                     struct kf_buffer *data);

// Bytes as text of Passwork's own base32 (its alphabet is not RFC 4648's).
kf_status kf_base32_encode(const void *data,
                           size_t data_len,
                           struct kf_buffer *encoded);

// The reverse of `kf_base32_encode`. What is not of the alphabet is skipped, as Passwork's clients do.
kf_status kf_base32_decode(const void *encoded,
                           size_t encoded_len,
                           struct kf_buffer *data);

// A new record or vault key: 100 random characters.
kf_status kf_generate_key(struct kf_buffer *key);

// The master key of a master password. `options` is the environment's text, such as
// "pbkdf:sha256:300000:64:SALT"; fewer than 100,000 and more than 10,000,000 rounds are refused (`KF_PROTOCOL`).
kf_status kf_master_key(const void *password,
                        size_t password_len,
                        const void *options,
                        size_t options_len,
                        struct kf_buffer *master_key);

// The hash of a master key that an environment may know: it proves the key and does not give it away.
kf_status kf_master_key_hash(const void *master_key,
                             size_t master_key_len,
                             struct kf_buffer *hash);

// A new RSA key pair of 2048 bits, as PEM. Takes some tenths of a second.
kf_status kf_rsa_generate(struct kf_buffer *public_pem,
                          struct kf_buffer *private_pem);

// Wraps a text, such as a vault key, for the owner of a public key (PEM): base64 of RSA-OAEP with SHA-256, or
// of PKCS#1 v1.5 where the text is too long for that.
kf_status kf_rsa_encrypt(const void *data,
                         size_t data_len,
                         const void *public_pem,
                         size_t public_pem_len,
                         struct kf_buffer *wrapped);

// Parses a private key (PEM), which takes longer than anything that is done with it: keep it. Close it with
// `kf_private_key_close`. Any number of threads may use it at once.
kf_status kf_private_key_open(const void *private_pem,
                              size_t private_pem_len,
                              kf_private_key *key);

// Closes a private key. It is wiped once no call uses it any more.
kf_status kf_private_key_close(kf_private_key key);

// Unwraps what `kf_rsa_encrypt` or any client of Passwork wrapped (base64).
kf_status kf_rsa_decrypt(kf_private_key key,
                         const void *wrapped,
                         size_t wrapped_len,
                         struct kf_buffer *data);

// The one-time code of a secret (base32 of RFC 4648) or an `otpauth://totp/` address, at a time in Unix
// seconds.
kf_status kf_totp(const void *secret,
                  size_t secret_len,
                  uint64_t unix_seconds,
                  struct kf_buffer *code);

// Encrypts a file for an item: what its members `encryptedKey`, `encryptedData` and `hash` hold. `record_key`
// NULL or empty: an environment without client-side encryption, `encrypted_key` is empty then.
kf_status kf_attachment_encrypt(const void *content,
                                size_t content_len,
                                const void *record_key,
                                size_t record_key_len,
                                struct kf_buffer *encrypted_key,
                                struct kf_buffer *encrypted_data,
                                struct kf_buffer *hash);

// Decrypts an attachment, and checks its content against its hash.
kf_status kf_attachment_decrypt(const void *encrypted_key,
                                size_t encrypted_key_len,
                                const void *encrypted_data,
                                size_t encrypted_data_len,
                                const void *hash,
                                size_t hash_len,
                                const void *record_key,
                                size_t record_key_len,
                                struct kf_buffer *content);

// Opens `https://…` or `embedded:DIR`. `credentials` may be NULL. Close it with `kf_environment_close`. Any number of
// threads may use it at once. Its keys are compared with those that `KEYFERRY_PINS`, the file that `KEYFERRY_PINS_FILE`
// names, or the journal that `KEYFERRY_JOURNAL` names have seen before; `KEYFERRY_REQUIRE_PINS` refuses new ones.
// `KEYFERRY_MARKS=write` has what is written carry marks, `require` refuses records without.
kf_status kf_environment_open(const char *location,
                              const struct kf_credentials *credentials,
                              kf_environment *environment);

// Closes an environment. Its keys are wiped once no call uses it any more.
kf_status kf_environment_close(kf_environment environment);

// Every vault, folder and record by name, as JSON: a list of `{"name", "encrypted", "folders", "records"}`. Needs no
// key.
kf_status kf_environment_tree(kf_environment environment,
                              struct kf_buffer *tree);

// The tokens as they are now: a refresh ends the old ones, so keep these. Empty where there are none.
kf_status kf_environment_tokens(kf_environment environment,
                                struct kf_buffer *token,
                                struct kf_buffer *refresh_token);

// Decrypts records one by one while the next ones are on their way; memory stays bounded. Each goes to `write` as one
// line of JSON (as `kf_records_decrypt` has it, with `vault` and `path`), on this thread; an answer other than 0 ends
// the call with `KF_CALLBACK`. `path` is a vault and folders, such as "Infra/databases", where a backslash makes the
// next `/`, `#`, `:` or backslash part of a name; NULL is everything. `options` is NULL or JSON with any of `vaults`,
// `folder`, `tags` (lists of names), `query` (text), `changed_since` (Unix seconds), `exclude` (a list of
// paths).
//
// A record that cannot be read ends the call with `KF_DECRYPT` once the others are through.
kf_status kf_environment_records(kf_environment environment,
                                 const char *path,
                                 const char *options,
                                 kf_write_callback write,
                                 void *context);

// Makes a handle to give to a job. Close it with `kf_job_close`.
kf_status kf_job_open(kf_job *job);

// Closes a handle. A job that runs goes on.
kf_status kf_job_close(kf_job job);

// Who hears of the progress of the jobs that begin with this handle from now on. NULL: nobody.
kf_status kf_job_set_progress(kf_job job,
                              kf_progress_callback callback,
                              void *context);

// What an archive is sealed with or opened by, besides the key of the environment's user. Empty: nothing.
kf_status kf_job_set_archive_passphrase(kf_job job,
                                        const void *passphrase,
                                        size_t passphrase_len);

// Stops the jobs of this handle, from any thread: what is in flight ends, the journal is written, and the call that
// runs the job returns `KF_INTERRUPTED`. A cancelled handle stays cancelled.
kf_status kf_job_cancel(kf_job job);

// Brings a file's records into an environment, then reads back and compares. `file` is whatever `keyferry formats` lists or an
// archive (`.kfa`), found by content and ending, or named: "csv:people.txt"; or a folder; or a server of HashiCorp Vault or OpenBao,
// `vault://HOST:8200/secret`, with the token of the variable `KEYFERRY_VAULT_TOKEN`. `path` is a vault and folder to put
// them in, or NULL. `options` is NULL or JSON; see `kf_migrate`. `report`, where it is not NULL, gets JSON: counts, names
// and reasons, no secrets.
kf_status kf_import(kf_job job,
                    const char *file,
                    kf_environment environment,
                    const char *path,
                    const char *options,
                    struct kf_buffer *report);

// Writes an environment's records to a file; the reverse of `kf_import`. A file in the clear needs
// `"allow_plaintext": true` and is readable by its owner alone. An archive (`.kfa`) needs no permission: it is sealed for
// the environment's user, and for the job's passphrase.
kf_status kf_export(kf_job job,
                    kf_environment environment,
                    const char *path,
                    const char *file,
                    const char *options,
                    struct kf_buffer *report);

// Moves every record of a source into a sink, then reads back and compares. Each side is an environment with a path in
// it (NULL: everything), or 0 with the path of a file. Members of `options`, all of which may be missing:
//
// - `on_conflict`: what to do where a record's place and name are taken by other content: "skip", "update",
//   "duplicate", or "fail" (the default: nothing is written at all);
// - `verify`: read back "full" (the default), "sample" (400 records), or "none";
// - `rewrap`: true keeps ciphertext as it is and wraps only record keys anew;
// - `allow_plaintext`, `allow_unencrypted_target`, `trust_administrators`, `allow_empty`, `no_password`: true permits
//   what would be refused;
// - `vaults`, `folder`, `tags`, `query`, `changed_since`, `exclude` (a list of paths): which records of the source count;
// - `structure`: `below` (the default), `keep`, `flatten`: where the source's vaults and folders stand in the sink;
// - `include_trash`: what lies in the bin of a manager's file comes along, in a folder `Trash`;
// - `match_codes`: one-time codes of an authenticator's file go into the records of the sink that they belong to, by issuer and
//   account; those that fit none, or several, are records of their own;
// - `gpg`: `gpg` opens the entries of a store of pass, with its own keyring and agent;
// - `key_file`: the key file of a KDBX; its passphrase, and that of every file that another program encrypted, comes from the
//   variable `KEYFERRY_FILE_PASSPHRASE`, or from the file that `KEYFERRY_FILE_PASSPHRASE_FILE` names;
// - `map`: an object of CSV columns and the fields that they are;
// - `more_files`: a list of files and folders that are read as one source with the one that was given;
// - `rejects`: a file for a list of what could not be taken;
// - `journal`: the journal's file, or `postgres://USER@HOST:PORT/DATABASE` with its password in `KEYFERRY_JOURNAL_PASSWORD`;
//   by default that of the command line, `KEYFERRY_JOURNAL` included, so that `keyferry jobs` and `keyferry undo` know this
//   job too.
//
// `KF_LEFT_OUT` and `KF_DIFFERENT` are ends with a report; any other code but `KF_OK` has none. A job that stopped on
// its way is named in `kf_last_error`; go on with `kf_resume`.
kf_status kf_migrate(kf_job job,
                     kf_environment source,
                     const char *source_path,
                     kf_environment sink,
                     const char *sink_path,
                     const char *options,
                     struct kf_buffer *report);

// Goes on with a job that stopped, by its number in the journal: `kf_migrate` with the places and options that it had.
kf_status kf_resume(kf_job job,
                    int64_t number,
                    kf_environment source,
                    const char *source_path,
                    kf_environment sink,
                    const char *sink_path,
                    const char *options,
                    struct kf_buffer *report);

// Compares two places record by record and field by field: `KF_OK` where everything of the first is in the second, equal;
// else `KF_DIFFERENT`, and the report names records and fields, never values. What only the second holds is counted in
// its `only_there`; with the option `"exact": true` it is a difference too. Each side is as in `kf_migrate`; of its
// `options` those that choose records and say how a file is read count.
kf_status kf_verify(kf_job job,
                    kf_environment a,
                    const char *a_path,
                    kf_environment b,
                    const char *b_path,
                    const char *options,
                    struct kf_buffer *report);

// What went wrong in the last call on this thread that failed: what, where, why, and what to do next, in one
// line of UTF-8 without secrets; "" where none has failed yet. Owned by the library, and good until the next
// call on this thread fails or the thread ends.
const char *kf_last_error(void);

// Sends what the library has to tell to `callback`, or nowhere where that is NULL. The library prints nothing
// by itself. `context` is handed to the callback as it is, and must live until another call of this function
// has returned.
kf_status kf_set_log(kf_log_callback callback,
                     void *context);

// The word of a code, such as "not-found", or "unknown". Static: never freed.
const char *kf_status_name(kf_status status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KEYFERRY_H */
