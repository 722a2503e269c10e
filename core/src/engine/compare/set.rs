//! One digest of many: of a multiset whose order does not matter.
//!
//! `Σ SHA-256(length ‖ bytes ‖ …) mod 2^256` over its members. Of records only keyed digests go in, so that nobody without the
//! key can choose members, and the sum tells nothing about any of them; besides those, names.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// A sum that members are added to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetDigest([u64; 4]);

impl SetDigest {
    /// Adds a member, given by its parts.
    pub(crate) fn add<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let member: [u8; 32] = hash.finalize().into();
        let mut carry = false;
        // The least significant limb first.
        for (limb, bytes) in self.0.iter_mut().zip(member.as_chunks::<8>().0) {
            let (sum, over) = limb.overflowing_add(u64::from_le_bytes(*bytes));
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, over || again);
        }
    }

    /// 64 hexadecimal digits.
    pub(crate) fn to_hex(&self) -> String {
        self.0.iter().map(|limb| HEXLOWER.encode(&limb.to_le_bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &[&str]) -> String {
        let mut set = SetDigest::default();
        for member in members {
            set.add([member.as_bytes()]);
        }
        set.to_hex()
    }

    #[test]
    fn order_does_not_matter_and_repetition_does() {
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "b", "b"]));
        assert_ne!(of(&["a", "a", "b", "b"]), of(&["c", "c", "b", "b"]));
        assert_ne!(of(&[]), of(&[""]));
        assert_eq!(of(&[]).len(), 64);
    }

    #[test]
    fn a_sum_carries_from_limb_to_limb() {
        let mut set = SetDigest([u64::MAX, u64::MAX, u64::MAX, 0]);
        let before = set.clone();
        set.add([&b"member"[..]]);
        let mut alone = SetDigest::default();
        alone.add([&b"member"[..]]);
        // One less than 2^192 was there: the top limb grows by one unless the lower three were nought.
        assert_eq!(set.0[3], alone.0[3].wrapping_add(1));
        assert_ne!(set, before);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let mut one = SetDigest::default();
        one.add([&b"ab"[..], b"c"]);
        let mut other = SetDigest::default();
        other.add([&b"a"[..], b"bc"]);
        assert_ne!(one, other);
    }
}
