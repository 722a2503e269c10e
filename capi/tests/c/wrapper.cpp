// Every function of keyferry.hpp, its exceptions, and exceptions of callbacks: wrapper LOCATION FILE ARCHIVE

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <keyferry.hpp>
#include <vector>

static void insist(bool holds, const char *what) {
    if (!holds) {
        std::cerr << what << "\n";
        std::exit(1);
    }
}

template <typename Call> static kf_status status_of(Call call) {
    try {
        call();
        return KF_OK;
    } catch (const keyferry::Error &error) {
        return error.status();
    }
}

int main(int, char **words) {
    using namespace keyferry;
    check_abi();

    Buffer key = generate_key();
    insist(decrypt(encrypt("text", key.view()).view(), key.view()).view() == "text", "envelope");
    insist(status_of([&] { decrypt("no envelope", key.view()); }) == KF_DECRYPT, "damaged");
    insist(base32_decode(base32_encode("abc").view()).str() == "abc", "base32");
    insist(totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59).view() == "287082", "one-time code");
    Buffer master = master_key("password", "pbkdf:sha256:300000:64:abcdefghijabcdefghij");
    insist(master_key_hash(master.view()).view().size() == 64, "master key");
    KeyPair pair = rsa_generate();
    PrivateKey opened(pair.private_pem.view());
    insist(opened.decrypt(rsa_encrypt("secret", pair.public_pem.view()).view()).view() == "secret", "RSA");
    SealedAttachment file = attachment_encrypt("content", key.view());
    insist(attachment_decrypt(file.encrypted_key.view(), file.encrypted_data.view(), file.hash.view(), key.view())
                   .view() == "content",
           "attachment");
    Buffer items = records_encrypt("{\"name\":\"n\",\"password\":\"p\"}\n", key.view());
    insist(records_decrypt(items.view(), key.view()).view().find("\"password\":\"p\"") != std::string_view::npos, "bulk");
    Buffer moved = std::move(items);
    insist(items.view().empty() && !moved.view().empty(), "moving");

    kf_credentials credentials{};
    credentials.master_password = std::getenv("KEYFERRY_MASTER_PASSWORD");
    Environment environment(words[1], credentials);
    Job job;
    std::vector<std::int32_t> steps;
    job.progress([&](std::int32_t step, std::uint64_t, std::uint64_t) {
        steps.push_back(step);
        return true;
    });
    insist(status_of([&] { job.verify(environment, "", words[2]); }) == KF_INPUT, "nothing is there to compare yet");
    insist(job.verify(environment, "", words[2], R"({"allow_empty": true, "exact": true})").status == KF_DIFFERENT, "all is only there");
    insist(job.import(words[2], environment).complete() && steps.back() == KF_STEP_VERIFYING, "import");
    insist(job.verify(environment, "", words[2]).complete(), "verify");
    const std::string bare = std::string(words[3]) + ".csv";
    std::ofstream(bare) << "name,login\nsomething,somebody\n";
    insist(status_of([&] { job.verify(environment, "", bare); }) == KF_INPUT, "no column is a secret");
    insist(job.verify(environment, "", bare, R"({"no_password": true})").status == KF_DIFFERENT, "other records");
    insist(status_of([&] { job.export_to(environment, "", "out.csv"); }) == KF_USAGE, "no plaintext unasked");
    insist(environment.tree().view().find("mysql-primary") != std::string_view::npos, "tree");

    const std::string exported = std::string(words[3]) + ".json";
    std::ofstream(exported) << R"({"encrypted":false,"folders":[],"items":[{"type":1,"name":"here","login":{"password":"p"}},)"
                            << R"({"type":1,"name":"gone","deletedDate":"2026-01-01T00:00:00Z","login":{"password":"p"}}]})";
    const auto created = [&](const char *options, const char *count) {
        return job.import(exported, environment, "", options).report.str().find(count) != std::string::npos;
    };
    insist(created("", "\"created\":1,"), "what lies in the bin stays there");
    insist(created(R"({"include_trash": true})", "\"created\":1,"), "and comes along where it is asked for");
    const std::string codes = std::string(words[3]) + ".txt";
    std::ofstream(codes) << "otpauth://totp/here:me?secret=JBSWY3DPEHPK3PXP&issuer=here\n";
    const auto matched = R"({"match_codes": true})";
    insist(status_of([&] { job.export_to(environment, "", codes, matched); }) == KF_USAGE, "codes go into an environment");
    insist(job.import(codes, environment, "", matched).complete(), "codes of an authenticator, matched to records");
    const std::string database = std::string(words[3]) + ".kdbx";
    setenv("KEYFERRY_FILE_PASSPHRASE", "a phrase", 1);
    job.export_to(environment, "", database);
    insist(job.verify(environment, "", database).complete(), "a database of KeePass, by the passphrase of the process");
    setenv("KEYFERRY_FILE_PASSPHRASE", "another", 1);
    insist(status_of([&] { job.verify(environment, "", database); }) == KF_LOCKED, "and by no other");
    unsetenv("KEYFERRY_FILE_PASSPHRASE");

    Job archived;
    archived.archive_passphrase("a phrase");
    insist(archived.export_to(environment, "", words[3]).complete(), "export to an archive");
    insist(archived.verify(environment, "", words[3]).complete(), "an archive is compared");
    insist(archived.import(words[3], environment, "Restored").complete(), "import from an archive");
    Ended copied = Job().migrate(environment, "Infra", environment, "Copy", R"({"query": "mysql"})");
    insist(copied.complete() && copied.report.view().find("\"created\":2,") != std::string_view::npos, "migrate");

    int seen = 0;
    environment.records("", "", [&](std::string_view) { return ++seen < 2; });
    insist(seen == 2, "stopping is no error");
    try {
        environment.records("", "", [](std::string_view) -> bool { throw std::out_of_range("mine"); });
        insist(false, "an exception gets out");
    } catch (const std::out_of_range &) {
    }
    Job other;
    other.progress([](std::int32_t, std::uint64_t, std::uint64_t) -> bool { throw std::out_of_range("mine"); });
    try {
        other.import(words[2], environment);
        insist(false, "an exception gets out of progress");
    } catch (const std::out_of_range &) {
    }
    Job cancelled;
    cancelled.cancel();
    insist(status_of([&] { cancelled.import(words[2], environment, "Elsewhere"); }) == KF_INTERRUPTED, "cancelled");
    std::cout << "wrapper: ok\n";
}
