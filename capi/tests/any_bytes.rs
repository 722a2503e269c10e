//! The fuzzer's target, in a short form with inputs that start from valid ones.

#[path = "support/any_bytes.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::into_any_function;

/// What the functions understand, to be damaged.
const VALID: [&[u8]; 3] = [
    b"{\"name\":\"n\",\"password\":\"p\",\"customs\":[{\"name\":\"a\",\"type\":\"totp\",\"value\":\"b\"}]}\n",
    b"{\"name\":\"n\",\"passwordEncrypted\":\"x\",\"keyEncrypted\":\"\",\"customs\":[]}\n",
    b"otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=8&period=30",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..400)) {
        into_any_function(&bytes);
    }

    #[test]
    fn damaged_inputs_get_an_answer(
        which in 0..VALID.len(), function in any::<u8>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = VALID[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let cut = u8::try_from(bytes.len()).unwrap();
        into_any_function(&[&[function, cut][..], &bytes].concat());
    }
}
