//! Who is signed in where: what a report says of an environment besides its name.

use crate::engine::environment::Environment;
use crate::error::Result;
use data_encoding::HEXLOWER;
use serde::Serialize;

/// One environment of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The address or folder, as one and the same environment always has it.
    pub address: String,
    /// The user's name by the word of the server.
    pub user: String,
    /// What the user is there, where the server tells.
    pub role: Option<String>,
    /// `SHA-256(SubjectPublicKeyInfo)` of the user's public key in hexadecimal, where there is one.
    pub public_key: Option<String>,
    /// `SHA-256(certificate in DER)` of the server in hexadecimal, where it was spoken to over TLS.
    pub certificate: Option<String>,
}

impl Environment {
    /// Asks the server who is signed in.
    pub(crate) async fn identity(&self) -> Result<Identity> {
        let user = self.client().user_info().await?;
        let name = if user.username.is_empty() { user.login } else { user.username };
        // Roles have ids of their own; people know them by their names.
        let role = match user.user_role_id {
            Some(id) => {
                let known = self.client().user_roles().await.unwrap_or_default();
                Some(known.into_iter().find(|role| role.id == id).map_or(id, |role| role.name))
            }
            None => None,
        };
        let key = self.public_key().ok().map(crate::crypto::keychain::PublicKey::fingerprint).transpose()?;
        Ok(Identity {
            address: self.place().to_owned(),
            user: name,
            role,
            public_key: key.map(|key| HEXLOWER.encode(&key)),
            certificate: self.client().certificate().map(|seen| HEXLOWER.encode(&seen)),
        })
    }
}
