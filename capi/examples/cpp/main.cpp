// Opens an environment, imports a file, reads a record, compares: main LOCATION FILE

#include <cstdlib>
#include <iostream>
#include <keyferry.hpp>

int main(int count, char **words) {
    if (count != 3) {
        std::cerr << "main LOCATION FILE\n";
        return 2;
    }
    try {
        keyferry::check_abi();
        kf_credentials credentials{};
        credentials.master_password = std::getenv("KEYFERRY_MASTER_PASSWORD");
        keyferry::Environment environment(words[1], credentials);

        keyferry::Job job;
        // Every record is encrypted here, sent, read back, decrypted and compared.
        keyferry::Ended imported = job.import(words[2], environment);
        std::cout << (imported.complete() ? "imported" : imported.report.str()) << "\n";

        environment.records("Infra/Databases", R"({"query": "primary"})", [](std::string_view line) {
            std::cout << line;
            return true;
        });

        keyferry::Ended compared = job.verify(environment, "", words[2]);
        std::cout << "verified: " << (compared.complete() ? "equal" : compared.report.str()) << "\n";
    } catch (const keyferry::Error &error) {
        std::cerr << error.name() << ": " << error.what() << "\n";
        return 1;
    }
}
