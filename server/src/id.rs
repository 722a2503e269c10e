//! Identifiers: 24 hexadecimal digits, one type per kind, so that they cannot be mixed up.

use crate::error::{Refusal, Result};
use keyferry_sql::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use std::str::FromStr;

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    Ok(bytes)
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Four bytes of time, so that neighbours in time are neighbours in the index, and eight random ones.
fn fresh() -> Result<String> {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&now().to_be_bytes()[4..]);
    bytes[4..].copy_from_slice(&random::<8>()?);
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = concat!("The identifier of a ", $what, ".")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct $name(String);

        impl $name {
            pub fn fresh() -> Result<Self> {
                fresh().map(Self)
            }
        }

        impl FromStr for $name {
            type Err = Refusal;

            /// What is not an identifier names nothing.
            fn from_str(text: &str) -> Result<Self> {
                if text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    Ok(Self(text.to_ascii_lowercase()))
                } else {
                    Err(Refusal::not_found($what))
                }
            }
        }

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                String::column_result(value).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
    };
}

id!(UserId, "user");
id!(VaultId, "vault");
id!(FolderId, "folder");
id!(ItemId, "item");
id!(AttachmentId, "attachment");
id!(BinItemId, "bin item");
id!(SnapshotId, "snapshot");
id!(ShortcutId, "shortcut");
id!(LinkId, "link");
id!(InboxItemId, "inbox item");
id!(VaultTypeId, "vault type");
id!(UserGroupId, "group");
id!(UserRoleId, "role");
