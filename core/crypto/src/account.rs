//! The keys that a new user brings to an environment.

use crate::error::Result;
use crate::secret::SecretString;
use crate::{envelope, generate, master_key};

/// What a new user brings to an environment.
#[derive(Debug)]
pub struct NewAccount {
    /// 88 characters of base64.
    pub master_key: SecretString,
    /// Hexadecimal SHA-256 of the master key.
    pub master_key_hash: String,
    /// `pbkdf:sha256:300000:64:<salt>`.
    pub master_key_options: String,
    /// `SubjectPublicKeyInfo`, PEM.
    pub public_pem: String,
    /// The private key's PKCS#8 PEM in an envelope under the master key.
    pub private_encrypted: String,
}

/// Makes the keys of a new user.
pub fn generate(master_password: &SecretString) -> Result<NewAccount> {
    let options = master_key::Options::new(generate::salt(generate::MASTER_KEY_SALT_CHARACTERS)?);
    let master_key = master_key::derive(master_password, &options);
    let (public_pem, pem) = generate::key_pair()?;
    Ok(NewAccount {
        master_key_hash: master_key::hash(&master_key),
        master_key_options: options.to_string(),
        public_pem,
        private_encrypted: envelope::encrypt_text(pem.expose(), &master_key)?,
        master_key,
    })
}
