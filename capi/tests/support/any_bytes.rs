//! Any bytes into every function that takes buffers: for the fuzzer and its short form in the tests.

use keyferry::{
    KF_OK, KF_PANIC, kf_attachment_decrypt, kf_attachment_encrypt, kf_base32_decode, kf_base32_encode,
    kf_buffer, kf_buffer_free, kf_decrypt, kf_encrypt, kf_master_key, kf_master_key_hash,
    kf_private_key_close, kf_private_key_open, kf_records_decrypt, kf_records_encrypt, kf_rsa_encrypt,
    kf_status, kf_status_name, kf_totp,
};
use std::ffi::c_void;

type Part<'a> = &'a [u8];

fn lent(part: Part<'_>) -> (*const c_void, usize) {
    (part.as_ptr().cast(), part.len())
}

/// Takes the first byte as the function and splits the rest among its inputs. Whatever comes, a call answers
/// with a code of its own, a result where that is `KF_OK`, and none where it is not.
///
/// # Panics
/// Where that does not hold.
pub fn into_any_function(bytes: &[u8]) {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let Some((&cut, rest)) = rest.split_first() else { return };
    let (a, b) = rest.split_at(usize::from(cut).min(rest.len()));
    let mut outs = [const { kf_buffer { data: std::ptr::null(), len: 0 } }; 3];
    let [first, second, third] = &mut outs;
    let ((pa, la), (pb, lb)) = (lent(a), lent(b));
    let status: kf_status = match choice % 12 {
        0 => kf_encrypt(pa, la, pb, lb, first),
        1 => kf_decrypt(pa, la, pb, lb, first),
        2 => kf_base32_encode(pa, la, first),
        3 => kf_base32_decode(pa, la, first),
        // Options that fuzzing finds would cost seconds each: these are always wrong.
        4 => kf_master_key(pa, la, pb, lb.min(8), first),
        5 => kf_master_key_hash(pa, la, first),
        6 => kf_rsa_encrypt(pa, la, pb, lb, first),
        7 => {
            let mut key = 0;
            let status = kf_private_key_open(pa, la, &raw mut key);
            assert_eq!(status == KF_OK, key != 0);
            assert!(key == 0 || kf_private_key_close(key) == KF_OK);
            assert!(known(status));
            return;
        }
        8 => kf_totp(pa, la, u64::from(cut), first),
        9 => kf_attachment_encrypt(pa, la, pb, lb, first, second, third),
        10 => kf_attachment_decrypt(pa, la, pb, lb, pa, la, pb, lb, first),
        _ if cut % 2 == 0 => kf_records_encrypt(pa, la, pb, lb, first),
        _ => kf_records_decrypt(pa, la, pb, lb, first),
    };
    assert!(known(status), "{status}");
    assert_ne!(status, KF_PANIC);
    assert_eq!(status == KF_OK, !outs[0].data.is_null());
    for out in &mut outs {
        assert_eq!(kf_buffer_free(out), KF_OK);
    }
}

fn known(status: kf_status) -> bool {
    // The word of what is none is one static text.
    kf_status_name(status) != kf_status_name(-1)
}
