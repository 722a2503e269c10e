// keyferry.h for C++17: what the library lends is freed and closed by destructors, and errors are exceptions.
// Header only: include it, and link libkeyferry.

#ifndef KEYFERRY_HPP
#define KEYFERRY_HPP

#include "keyferry.h"

#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace keyferry {

/// A call that failed: its code, its word, and a sentence that says what, where, why, and what to do next.
class Error : public std::runtime_error {
public:
    explicit Error(kf_status status) : std::runtime_error(kf_last_error()), status_(status) {}

    kf_status status() const noexcept { return status_; }
    const char *name() const noexcept { return kf_status_name(status_); }

private:
    kf_status status_;
};

inline void check(kf_status status) {
    if (status != KF_OK) {
        throw Error(status);
    }
}

/// Throws unless the header and the library that is loaded belong together. Call it once, first.
inline void check_abi() {
    if (kf_abi_version() != KF_ABI_VERSION) {
        throw std::runtime_error("libkeyferry has another ABI than the header");
    }
}

/// Bytes that the library made; wiped when destroyed.
class Buffer {
public:
    Buffer() noexcept = default;
    Buffer(Buffer &&other) noexcept : buffer_(std::exchange(other.buffer_, kf_buffer{nullptr, 0})) {}
    Buffer &operator=(Buffer &&other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { kf_buffer_free(&buffer_); }

    std::string_view view() const noexcept { return {reinterpret_cast<const char *>(buffer_.data), buffer_.len}; }
    /// A copy, which is not wiped.
    std::string str() const { return std::string(view()); }
    /// For the functions of keyferry.h; what was in it is freed.
    kf_buffer *out() noexcept {
        kf_buffer_free(&buffer_);
        return &buffer_;
    }

private:
    kf_buffer buffer_{nullptr, 0};
};

// One value at a time.

inline Buffer encrypt(std::string_view data, std::string_view passphrase) {
    Buffer out;
    check(kf_encrypt(data.data(), data.size(), passphrase.data(), passphrase.size(), out.out()));
    return out;
}

inline Buffer decrypt(std::string_view envelope, std::string_view passphrase) {
    Buffer out;
    check(kf_decrypt(envelope.data(), envelope.size(), passphrase.data(), passphrase.size(), out.out()));
    return out;
}

inline Buffer base32_encode(std::string_view data) {
    Buffer out;
    check(kf_base32_encode(data.data(), data.size(), out.out()));
    return out;
}

inline Buffer base32_decode(std::string_view text) {
    Buffer out;
    check(kf_base32_decode(text.data(), text.size(), out.out()));
    return out;
}

inline Buffer generate_key() {
    Buffer out;
    check(kf_generate_key(out.out()));
    return out;
}

inline Buffer master_key(std::string_view password, std::string_view options) {
    Buffer out;
    check(kf_master_key(password.data(), password.size(), options.data(), options.size(), out.out()));
    return out;
}

inline Buffer master_key_hash(std::string_view master_key) {
    Buffer out;
    check(kf_master_key_hash(master_key.data(), master_key.size(), out.out()));
    return out;
}

inline Buffer totp(std::string_view secret, std::uint64_t unix_seconds) {
    Buffer out;
    check(kf_totp(secret.data(), secret.size(), unix_seconds, out.out()));
    return out;
}

struct KeyPair {
    Buffer public_pem;
    Buffer private_pem;
};

inline KeyPair rsa_generate() {
    KeyPair pair;
    check(kf_rsa_generate(pair.public_pem.out(), pair.private_pem.out()));
    return pair;
}

inline Buffer rsa_encrypt(std::string_view data, std::string_view public_pem) {
    Buffer out;
    check(kf_rsa_encrypt(data.data(), data.size(), public_pem.data(), public_pem.size(), out.out()));
    return out;
}

struct SealedAttachment {
    Buffer encrypted_key;
    Buffer encrypted_data;
    Buffer hash;
};

inline SealedAttachment attachment_encrypt(std::string_view content, std::string_view record_key) {
    SealedAttachment sealed;
    check(kf_attachment_encrypt(content.data(), content.size(), record_key.data(), record_key.size(),
                                sealed.encrypted_key.out(), sealed.encrypted_data.out(), sealed.hash.out()));
    return sealed;
}

inline Buffer attachment_decrypt(std::string_view encrypted_key, std::string_view encrypted_data,
                                 std::string_view hash, std::string_view record_key) {
    Buffer out;
    check(kf_attachment_decrypt(encrypted_key.data(), encrypted_key.size(), encrypted_data.data(),
                                encrypted_data.size(), hash.data(), hash.size(), record_key.data(),
                                record_key.size(), out.out()));
    return out;
}

// Many records at once, as JSON lines.

inline Buffer records_encrypt(std::string_view records, std::string_view vault_key) {
    Buffer out;
    check(kf_records_encrypt(records.data(), records.size(), vault_key.data(), vault_key.size(), out.out()));
    return out;
}

inline Buffer records_decrypt(std::string_view items, std::string_view vault_key) {
    Buffer out;
    check(kf_records_decrypt(items.data(), items.size(), vault_key.data(), vault_key.size(), out.out()));
    return out;
}

namespace detail {

/// A handle that closes itself.
template <kf_status (*close)(std::uint64_t)> class Handle {
public:
    Handle() noexcept = default;
    Handle(Handle &&other) noexcept : number_(std::exchange(other.number_, 0)) {}
    Handle &operator=(Handle &&other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() {
        if (number_ != 0) {
            close(number_);
        }
    }

    /// For the functions of keyferry.h.
    std::uint64_t get() const noexcept { return number_; }

protected:
    std::uint64_t number_ = 0;
};

/// A C++ function behind a C callback: its exception waits until the library has returned.
template <typename Function> struct Guarded {
    Function function;
    std::exception_ptr thrown;

    template <typename... Given> std::int32_t operator()(Given... given) noexcept {
        try {
            return function(given...) ? 0 : 1;
        } catch (...) {
            thrown = std::current_exception();
            return 1;
        }
    }

    void rethrow() const {
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    }
};

} // namespace detail

/// A private key, parsed once; any number of threads may use it.
class PrivateKey : public detail::Handle<kf_private_key_close> {
public:
    explicit PrivateKey(std::string_view pem) { check(kf_private_key_open(pem.data(), pem.size(), &number_)); }

    Buffer decrypt(std::string_view wrapped) const {
        Buffer out;
        check(kf_rsa_decrypt(number_, wrapped.data(), wrapped.size(), out.out()));
        return out;
    }
};

/// An environment; any number of threads may use it.
class Environment : public detail::Handle<kf_environment_close> {
public:
    explicit Environment(const std::string &location, kf_credentials credentials = {}) {
        credentials.size = sizeof credentials;
        check(kf_environment_open(location.c_str(), &credentials, &number_));
    }

    /// Names as JSON.
    Buffer tree() const {
        Buffer out;
        check(kf_environment_tree(number_, out.out()));
        return out;
    }

    /// Gives each record, one line of JSON, to `take`, until that answers false or throws.
    template <typename Take> void records(const std::string &path, const std::string &options, Take take) const {
        bool ended = false;
        auto function = [&](std::string_view line) {
            ended = !take(line);
            return !ended;
        };
        detail::Guarded<decltype(function)> guarded{function, nullptr};
        kf_status status = kf_environment_records(
            number_, path.c_str(), options.c_str(),
            [](void *context, const void *line, std::size_t len) {
                auto &guarded = *static_cast<detail::Guarded<decltype(function)> *>(context);
                return guarded(std::string_view(static_cast<const char *>(line), len));
            },
            &guarded);
        guarded.rethrow();
        if (!(ended && status == KF_CALLBACK)) {
            check(status);
        }
    }
};

/// How a job ended: `KF_OK`, `KF_LEFT_OUT` or `KF_DIFFERENT`; the report is JSON.
struct Ended {
    kf_status status = KF_OK;
    Buffer report;

    bool complete() const noexcept { return status == KF_OK; }
};

/// Jobs with progress, a passphrase for archives, and a way to stop them from another thread.
class Job : public detail::Handle<kf_job_close> {
public:
    /// Told the step, the records done and their number (0: not known); false cancels the job.
    using Progress = std::function<bool(std::int32_t step, std::uint64_t done, std::uint64_t total)>;

    Job() { check(kf_job_open(&number_)); }

    void progress(Progress progress) { progress_ = std::move(progress); }
    void archive_passphrase(std::string_view passphrase) {
        check(kf_job_set_archive_passphrase(number_, passphrase.data(), passphrase.size()));
    }
    void cancel() { check(kf_job_cancel(number_)); }

    Ended import(const std::string &file, const Environment &environment, const std::string &path = "",
                 const std::string &options = "") {
        return run([&](kf_buffer *report) {
            return kf_import(number_, file.c_str(), environment.get(), path.c_str(), options.c_str(), report);
        });
    }

    Ended export_to(const Environment &environment, const std::string &path, const std::string &file,
                    const std::string &options = "") {
        return run([&](kf_buffer *report) {
            return kf_export(number_, environment.get(), path.c_str(), file.c_str(), options.c_str(), report);
        });
    }

    Ended migrate(const Environment &source, const std::string &source_path, const Environment &sink,
                  const std::string &sink_path, const std::string &options = "") {
        return run([&](kf_buffer *report) {
            return kf_migrate(number_, source.get(), source_path.c_str(), sink.get(), sink_path.c_str(),
                              options.c_str(), report);
        });
    }

    Ended verify(const Environment &environment, const std::string &path, const std::string &file,
                 const std::string &options = "") {
        return run([&](kf_buffer *report) {
            return kf_verify(number_, environment.get(), path.c_str(), 0, file.c_str(), options.c_str(), report);
        });
    }

private:
    template <typename Call> Ended run(Call call) {
        detail::Guarded<Progress> guarded{progress_, nullptr};
        if (progress_) {
            check(kf_job_set_progress(
                number_,
                [](void *context, std::int32_t step, std::uint64_t done, std::uint64_t total) {
                    return (*static_cast<detail::Guarded<Progress> *>(context))(step, done, total);
                },
                &guarded));
        }
        Ended ended;
        ended.status = call(ended.report.out());
        // `guarded` ends with this call, and the handle may live on.
        kf_job_set_progress(number_, nullptr, nullptr);
        guarded.rethrow();
        if (ended.status != KF_LEFT_OUT && ended.status != KF_DIFFERENT) {
            check(ended.status);
        }
        return ended;
    }

    Progress progress_;
};

} // namespace keyferry

#endif
