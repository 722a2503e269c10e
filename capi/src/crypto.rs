//! Passwork's cryptography, one value at a time.

use crate::boundary::{Out, Outcome, bytes, call, optional_secret, secret, secret_bytes, text};
use crate::buffer::kf_buffer;
use crate::handle::Table;
use crate::status::kf_status;
use keyferry_core::crypto::keychain::{Keychain, PublicKey};
use keyferry_core::crypto::{attachment, base32, envelope, generate, master_key, totp};
use keyferry_core::model::Attachment;
use std::ffi::c_void;

/// A private key, parsed once. 0 is none.
pub type kf_private_key = u64;

static PRIVATE_KEYS: Table<Keychain> = Table::new("private key");

fn give(out: &Out<kf_buffer>, made: impl Into<Vec<u8>>) {
    out.set(kf_buffer::lend(made.into()));
}

/// Seals bytes in an envelope (text) under a passphrase: a record key, a vault key, a master key.
#[unsafe(no_mangle)]
pub extern "C" fn kf_encrypt(
    data: *const c_void,
    data_len: usize,
    passphrase: *const c_void,
    passphrase_len: usize,
    envelope: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(envelope, "envelope")?;
        let data = secret_bytes(data, data_len, "data")?;
        give(&out, envelope::encrypt(&data, &secret(passphrase, passphrase_len, "passphrase")?)?);
        Ok(())
    })
}

/// Opens an envelope. One wrong passphrase in 256 is not noticed, and gives other bytes: the format has no
/// authentication.
#[unsafe(no_mangle)]
pub extern "C" fn kf_decrypt(
    envelope: *const c_void,
    envelope_len: usize,
    passphrase: *const c_void,
    passphrase_len: usize,
    data: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(data, "data")?;
        let sealed = text(envelope, envelope_len, "envelope")?;
        let opened = envelope::decrypt(sealed, &secret(passphrase, passphrase_len, "passphrase")?)?;
        give(&out, opened.expose());
        Ok(())
    })
}

/// Bytes as text of Passwork's own base32 (its alphabet is not RFC 4648's).
#[unsafe(no_mangle)]
pub extern "C" fn kf_base32_encode(
    data: *const c_void,
    data_len: usize,
    encoded: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(encoded, "encoded")?;
        give(&out, base32::encode(bytes(data, data_len, "data")?));
        Ok(())
    })
}

/// The reverse of `kf_base32_encode`. What is not of the alphabet is skipped, as Passwork's clients do.
#[unsafe(no_mangle)]
pub extern "C" fn kf_base32_decode(
    encoded: *const c_void,
    encoded_len: usize,
    data: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(data, "data")?;
        give(&out, base32::decode(text(encoded, encoded_len, "encoded")?));
        Ok(())
    })
}

/// A new record or vault key: 100 random characters.
#[unsafe(no_mangle)]
pub extern "C" fn kf_generate_key(key: *mut kf_buffer) -> kf_status {
    call(|| {
        let out = Out::new(key, "key")?;
        give(&out, generate::key()?.expose());
        Ok(())
    })
}

/// The master key of a master password. `options` is the environment's text, such as
/// "pbkdf:sha256:300000:64:SALT"; fewer than 100,000 and more than 10,000,000 rounds are refused (`KF_PROTOCOL`).
#[unsafe(no_mangle)]
pub extern "C" fn kf_master_key(
    password: *const c_void,
    password_len: usize,
    options: *const c_void,
    options_len: usize,
    master_key: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(master_key, "master_key")?;
        let password = secret(password, password_len, "password")?;
        let options = text(options, options_len, "options")?.parse::<master_key::Options>()?.check()?;
        give(&out, master_key::derive(&password, &options).expose());
        Ok(())
    })
}

/// The hash of a master key that an environment may know: it proves the key and does not give it away.
#[unsafe(no_mangle)]
pub extern "C" fn kf_master_key_hash(
    master_key: *const c_void,
    master_key_len: usize,
    hash: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(hash, "hash")?;
        give(&out, master_key::hash(&secret(master_key, master_key_len, "master_key")?));
        Ok(())
    })
}

/// A new RSA key pair of 2048 bits, as PEM. Takes some tenths of a second.
#[unsafe(no_mangle)]
pub extern "C" fn kf_rsa_generate(public_pem: *mut kf_buffer, private_pem: *mut kf_buffer) -> kf_status {
    call(|| {
        let (public_out, private_out) =
            (Out::new(public_pem, "public_pem"), Out::new(private_pem, "private_pem"));
        let (public_out, private_out) = (public_out?, private_out?);
        let (public, private) = generate::key_pair()?;
        give(&public_out, public);
        give(&private_out, private.expose());
        Ok(())
    })
}

/// Wraps a text, such as a vault key, for the owner of a public key (PEM): base64 of RSA-OAEP with SHA-256, or
/// of PKCS#1 v1.5 where the text is too long for that.
#[unsafe(no_mangle)]
pub extern "C" fn kf_rsa_encrypt(
    data: *const c_void,
    data_len: usize,
    public_pem: *const c_void,
    public_pem_len: usize,
    wrapped: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(wrapped, "wrapped")?;
        let data = secret(data, data_len, "data")?;
        let key = PublicKey::from_pem(text(public_pem, public_pem_len, "public_pem")?)?;
        give(&out, key.wrap(&data)?);
        Ok(())
    })
}

/// Parses a private key (PEM), which takes longer than anything that is done with it: keep it. Close it with
/// `kf_private_key_close`. Any number of threads may use it at once.
#[unsafe(no_mangle)]
pub extern "C" fn kf_private_key_open(
    private_pem: *const c_void,
    private_pem_len: usize,
    key: *mut kf_private_key,
) -> kf_status {
    call(|| {
        let out = Out::new(key, "key")?;
        let keychain = Keychain::from_pem(&secret(private_pem, private_pem_len, "private_pem")?)?;
        out.set(PRIVATE_KEYS.open(keychain));
        Ok(())
    })
}

/// Closes a private key. It is wiped once no call uses it any more.
#[unsafe(no_mangle)]
pub extern "C" fn kf_private_key_close(key: kf_private_key) -> kf_status {
    call(|| PRIVATE_KEYS.close(key))
}

/// Unwraps what `kf_rsa_encrypt` or any client of Passwork wrapped (base64).
#[unsafe(no_mangle)]
pub extern "C" fn kf_rsa_decrypt(
    key: kf_private_key,
    wrapped: *const c_void,
    wrapped_len: usize,
    data: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(data, "data")?;
        let key = PRIVATE_KEYS.get(key)?;
        give(&out, key.unwrap(text(wrapped, wrapped_len, "wrapped")?)?.expose());
        Ok(())
    })
}

/// The one-time code of a secret (base32 of RFC 4648) or an `otpauth://totp/` address, at a time in Unix
/// seconds.
#[unsafe(no_mangle)]
pub extern "C" fn kf_totp(
    secret: *const c_void,
    secret_len: usize,
    unix_seconds: u64,
    code: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(code, "code")?;
        let totp = totp::Totp::parse(&crate::boundary::secret(secret, secret_len, "secret")?)?;
        give(&out, totp.code(unix_seconds).expose());
        Ok(())
    })
}

/// Encrypts a file for an item: what its members `encryptedKey`, `encryptedData` and `hash` hold. `record_key`
/// NULL or empty: an environment without client-side encryption, `encrypted_key` is empty then.
#[unsafe(no_mangle)]
pub extern "C" fn kf_attachment_encrypt(
    content: *const c_void,
    content_len: usize,
    record_key: *const c_void,
    record_key_len: usize,
    encrypted_key: *mut kf_buffer,
    encrypted_data: *mut kf_buffer,
    hash: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let outs = [(encrypted_key, "encrypted_key"), (encrypted_data, "encrypted_data"), (hash, "hash")];
        let outs = outs.map(|(place, what)| Out::new(place, what));
        let [key_out, data_out, hash_out] = outs;
        let (key_out, data_out, hash_out) = (key_out?, data_out?, hash_out?);
        let content = secret_bytes(content, content_len, "content")?;
        let key = optional_secret(record_key, record_key_len, "record_key")?;
        let sealed = attachment::encrypt(&Attachment { name: String::new(), content }, key.as_ref())?;
        give(&key_out, sealed.encrypted_key);
        give(&data_out, sealed.encrypted_data);
        give(&hash_out, sealed.hash);
        Ok(())
    })
}

/// Decrypts an attachment, and checks its content against its hash.
#[unsafe(no_mangle)]
pub extern "C" fn kf_attachment_decrypt(
    encrypted_key: *const c_void,
    encrypted_key_len: usize,
    encrypted_data: *const c_void,
    encrypted_data_len: usize,
    hash: *const c_void,
    hash_len: usize,
    record_key: *const c_void,
    record_key_len: usize,
    content: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(content, "content")?;
        let part = |data, len, what| -> Outcome<String> { text(data, len, what).map(str::to_owned) };
        let sealed = keyferry_api::item::Attachment {
            id: None,
            name: String::new(),
            encrypted_key: part(encrypted_key, encrypted_key_len, "encrypted_key")?,
            encrypted_data: part(encrypted_data, encrypted_data_len, "encrypted_data")?,
            hash: part(hash, hash_len, "hash")?,
        };
        let key = optional_secret(record_key, record_key_len, "record_key")?;
        give(&out, attachment::decrypt(&sealed, key.as_ref())?.content.expose());
        Ok(())
    })
}
