//! What a call came to.

use keyferry_core::ErrorKind;
use std::ffi::{CStr, c_char};

/// What a call came to: `KF_OK`, or one of the codes below. Codes keep their numbers for ever.
pub type kf_status = i32;

/// Done.
pub const KF_OK: kf_status = 0;

/// A job ran to its end, and its report is there; some records were skipped or rejected. It names them.
pub const KF_LEFT_OUT: kf_status = 1;
/// A job ran to its end, and its report is there; the two sides are not equal. It names what differs.
pub const KF_DIFFERENT: kf_status = 2;

/// An argument is NULL that must not be.
pub const KF_NULL: kf_status = 10;
/// A text is not UTF-8.
pub const KF_NOT_UTF8: kf_status = 11;
/// An input is longer than 4 GiB.
pub const KF_TOO_LONG: kf_status = 12;
/// A handle is 0, was closed already, or is one of another kind.
pub const KF_BAD_HANDLE: kf_status = 13;
/// A buffer is none of the library's, or was freed already.
pub const KF_BAD_BUFFER: kf_status = 14;
/// A callback answered that it failed.
pub const KF_CALLBACK: kf_status = 15;
/// A promise of the library's own was broken: please report it. The library can still be used.
pub const KF_PANIC: kf_status = 19;

/// The call itself is wrong: an option that is none, locations that do not go together.
pub const KF_USAGE: kf_status = 20;
/// A file or folder could not be read or written.
pub const KF_IO: kf_status = 21;
/// Input is malformed: a file's syntax, an address, a key.
pub const KF_INPUT: kf_status = 22;

/// Ciphertext is damaged, or was made with another key.
pub const KF_DECRYPT: kf_status = 30;
/// The master password or master key is not the one this was encrypted for, or none was given.
pub const KF_LOCKED: kf_status = 31;
/// The session has ended or never was.
pub const KF_NOT_AUTHENTICATED: kf_status = 32;
/// The user may not do this.
pub const KF_NOT_ALLOWED: kf_status = 33;

/// There is no such thing.
pub const KF_NOT_FOUND: kf_status = 40;
/// A record with this place and name is there already, with other content.
pub const KF_CONFLICT: kf_status = 41;
/// The environment refused the content of a request.
pub const KF_REFUSED: kf_status = 42;

/// No connection could be made: nothing was sent.
pub const KF_UNREACHABLE: kf_status = 50;
/// The answer never came: the environment may have acted, or may still act.
pub const KF_UNANSWERED: kf_status = 51;
/// The environment asks to slow down.
pub const KF_BUSY: kf_status = 52;
/// The environment failed by its own account.
pub const KF_SERVER: kf_status = 53;
/// What comes from an environment makes no sense: its answer, a key, the options of a master key.
pub const KF_PROTOCOL: kf_status = 54;

/// The job was cancelled. What was in flight has ended; `kf_resume` goes on.
pub const KF_INTERRUPTED: kf_status = 60;
/// A promise of the core's own was broken: please report it.
pub const KF_INTERNAL: kf_status = 90;

/// Every code with its word.
const WORDS: &[(kf_status, &CStr)] = &[
    (KF_OK, c"ok"),
    (KF_LEFT_OUT, c"left-out"),
    (KF_DIFFERENT, c"different"),
    (KF_NULL, c"null"),
    (KF_NOT_UTF8, c"not-utf8"),
    (KF_TOO_LONG, c"too-long"),
    (KF_BAD_HANDLE, c"bad-handle"),
    (KF_BAD_BUFFER, c"bad-buffer"),
    (KF_CALLBACK, c"callback"),
    (KF_PANIC, c"panic"),
    (KF_USAGE, c"usage"),
    (KF_IO, c"io"),
    (KF_INPUT, c"input"),
    (KF_DECRYPT, c"decrypt"),
    (KF_LOCKED, c"locked"),
    (KF_NOT_AUTHENTICATED, c"not-authenticated"),
    (KF_NOT_ALLOWED, c"not-allowed"),
    (KF_NOT_FOUND, c"not-found"),
    (KF_CONFLICT, c"conflict"),
    (KF_REFUSED, c"refused"),
    (KF_UNREACHABLE, c"unreachable"),
    (KF_UNANSWERED, c"unanswered"),
    (KF_BUSY, c"busy"),
    (KF_SERVER, c"server"),
    (KF_PROTOCOL, c"protocol"),
    (KF_INTERRUPTED, c"interrupted"),
    (KF_INTERNAL, c"internal"),
];

/// The word of a code, such as "not-found", or "unknown". Static: never freed.
#[unsafe(no_mangle)]
pub extern "C" fn kf_status_name(status: kf_status) -> *const c_char {
    let known = WORDS.iter().find(|(code, _)| *code == status);
    known.map_or(c"unknown", |(_, word)| word).as_ptr()
}

/// The code of a kind of error.
pub fn of(kind: ErrorKind) -> kf_status {
    match kind {
        ErrorKind::Usage => KF_USAGE,
        ErrorKind::Io => KF_IO,
        ErrorKind::Input => KF_INPUT,
        ErrorKind::Decrypt => KF_DECRYPT,
        ErrorKind::Locked => KF_LOCKED,
        ErrorKind::NotAuthenticated => KF_NOT_AUTHENTICATED,
        ErrorKind::NotAllowed => KF_NOT_ALLOWED,
        ErrorKind::NotFound => KF_NOT_FOUND,
        ErrorKind::Conflict => KF_CONFLICT,
        ErrorKind::Refused => KF_REFUSED,
        ErrorKind::Unreachable => KF_UNREACHABLE,
        ErrorKind::Unanswered => KF_UNANSWERED,
        ErrorKind::Busy => KF_BUSY,
        ErrorKind::Server => KF_SERVER,
        ErrorKind::Protocol => KF_PROTOCOL,
        ErrorKind::Different => KF_DIFFERENT,
        ErrorKind::Interrupted => KF_INTERRUPTED,
        // The enum may grow; the test below sees to it that this never catches a kind with a code of its own.
        _ => KF_INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_kind_of_error_has_a_code_of_its_name() {
        for kind in ErrorKind::ALL {
            let word = WORDS.iter().find(|(code, _)| *code == of(*kind)).unwrap().1;
            assert_eq!(word.to_str().unwrap(), kind.name());
        }
    }

    #[test]
    fn no_code_or_word_stands_twice() {
        let codes: HashSet<_> = WORDS.iter().map(|(code, _)| code).collect();
        let words: HashSet<_> = WORDS.iter().map(|(_, word)| word).collect();
        assert_eq!((codes.len(), words.len()), (WORDS.len(), WORDS.len()));
        let constants = include_str!("status.rs").lines().filter(|line| line.starts_with("pub const KF_"));
        assert_eq!(constants.count(), WORDS.len(), "each code has its word");
    }
}
