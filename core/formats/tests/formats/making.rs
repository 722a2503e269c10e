//! KDBX files of every kind, made here from the public description of the format, apart from the code that reads them.
#![expect(clippy::unwrap_used, reason = "tests")]

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{
    BlockCipherEncrypt as _, BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _,
};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

pub const AES: [u8; 16] = *b"\x31\xc1\xf2\xe6\xbf\x71\x43\x50\xbe\x58\x05\x21\x6a\xfc\x5a\xff";
pub const TWOFISH: [u8; 16] = *b"\xad\x68\xf2\x9f\x57\x6f\x4b\xb9\xa3\x6a\xd4\x7a\xf9\x65\x34\x6c";
pub const CHACHA20: [u8; 16] = *b"\xd6\x03\x8a\x2b\x8b\x6f\x4c\xb5\xa5\x24\x33\x9a\x31\xdb\xb5\x9a";
const AES_KDF: [u8; 16] = *b"\xc9\xd9\xf3\x9a\x62\x8a\x44\x60\xbf\x74\x0d\x08\xc1\x8a\x4f\xea";
const ARGON2D: [u8; 16] = *b"\xef\x63\x6d\xdf\x8c\x29\x44\x4b\x91\xf7\xa9\xa4\x03\xe3\x0a\x0c";
const ARGON2ID: [u8; 16] = *b"\x9e\x29\x8b\x19\x56\xdb\x47\x73\xb2\x3d\xfc\x3e\xc6\xf0\xa1\xe6";

const SEED: [u8; 32] = [4; 32];

/// How a key is derived: rounds, or memory in KiB and passes.
#[derive(Clone, Copy, Debug)]
pub enum Kdf {
    Aes(u64),
    Argon2 { id: bool, version: u32, memory: u64, passes: u64, lanes: u32 },
}

/// A file to be made.
#[derive(Clone, Debug)]
pub struct File {
    pub major: u16,
    pub cipher: [u8; 16],
    pub gzip: bool,
    pub kdf: Kdf,
    /// 0 none, 2 Salsa20, 3 `ChaCha20`.
    pub stream: u32,
    pub passphrase: Option<String>,
    /// The key itself, not the file.
    pub key: Option<[u8; 32]>,
    /// With the plain text of protected values in their place.
    pub xml: String,
    pub binaries: Vec<Vec<u8>>,
    /// Bytes of a block.
    pub block: usize,
}

impl Default for File {
    fn default() -> Self {
        Self {
            major: 4,
            cipher: CHACHA20,
            gzip: true,
            kdf: Kdf::Argon2 { id: true, version: 0x13, memory: 64, passes: 1, lanes: 2 },
            stream: 3,
            passphrase: Some("open sesame".to_owned()),
            key: None,
            xml: document("<Entry/>"),
            binaries: Vec::new(),
            block: 1 << 20,
        }
    }
}

/// A document around entries.
pub fn document(entries: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<KeePassFile><Meta></Meta><Root><Group><Name>Vault</Name>{entries}</Group></Root></KeePassFile>"
    )
}

/// An entry of these strings; a key that begins with `*` is protected.
pub fn entry(strings: &[(&str, &str)]) -> String {
    let mut out = "<Entry>".to_owned();
    for (key, value) in strings {
        let (key, mark) = key.strip_prefix('*').map_or((*key, ""), |key| (key, " Protected=\"True\""));
        out += &["<String><Key>", key, "</Key><Value", mark, ">", value, "</Value></String>"].concat();
    }
    out + "</Entry>"
}

impl File {
    /// The bytes of the file.
    pub fn made(&self) -> Vec<u8> {
        match self.major {
            3 => self.made_3(),
            _ => self.made_4(),
        }
    }

    fn vector(&self) -> Vec<u8> {
        (1..=if self.cipher == CHACHA20 { 12 } else { 16 }).collect()
    }

    fn composite(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        if let Some(phrase) = &self.passphrase {
            hash.update(Sha256::digest(phrase));
        }
        if let Some(key) = self.key {
            hash.update(key);
        }
        hash.finalize().into()
    }

    fn derived(&self) -> [u8; 32] {
        let mut key = self.composite();
        match self.kdf {
            Kdf::Aes(rounds) => {
                let cipher = aes::Aes256::new(&[5; 32].into());
                for half in key.chunks_exact_mut(16) {
                    let mut block = aes::Block::try_from(&*half).unwrap();
                    (0..rounds).for_each(|_| cipher.encrypt_block(&mut block));
                    half.copy_from_slice(&block);
                }
                Sha256::digest(key).into()
            }
            Kdf::Argon2 { id, version, memory, passes, lanes } => {
                let algorithm = if id { Algorithm::Argon2id } else { Algorithm::Argon2d };
                let version = if version == 0x10 { Version::V0x10 } else { Version::V0x13 };
                let params =
                    Params::new(memory.try_into().unwrap(), passes.try_into().unwrap(), lanes, Some(32))
                        .unwrap();
                let mut out = [0; 32];
                Argon2::new(algorithm, version, params).hash_password_into(&key, &[6; 32], &mut out).unwrap();
                out
            }
        }
    }

    /// The document with its protected values protected.
    fn protected(&self, key: &[u8]) -> Vec<u8> {
        let mut salsa = None;
        let mut chacha = None;
        match self.stream {
            2 => {
                let nonce = [0xe8, 0x30, 0x09, 0x4b, 0x97, 0x20, 0x5d, 0x2a];
                salsa = Some(salsa20::Salsa20::new_from_slices(&Sha256::digest(key), &nonce).unwrap());
            }
            3 => {
                let derived = Sha512::digest(key);
                chacha = Some(chacha20::ChaCha20::new_from_slices(&derived[..32], &derived[32..44]).unwrap());
            }
            _ => {}
        }
        let mut out = String::new();
        let mut rest = self.xml.as_str();
        while let Some(at) = rest.find("Protected=\"True\"") {
            let start = at + rest[at..].find('>').unwrap() + 1;
            out += &rest[..start];
            rest = &rest[start..];
            if out.ends_with("/>") {
                continue;
            }
            let end = rest.find('<').unwrap();
            let mut bytes = rest.as_bytes()[..end].to_vec();
            if let Some(stream) = &mut salsa {
                stream.apply_keystream(&mut bytes);
            }
            if let Some(stream) = &mut chacha {
                stream.apply_keystream(&mut bytes);
            }
            out += &BASE64_STANDARD.encode(bytes);
            rest = &rest[end..];
        }
        (out + rest).into_bytes()
    }

    fn encrypted(&self, key: &[u8], mut plain: Vec<u8>) -> Vec<u8> {
        let vector = self.vector();
        if self.cipher == CHACHA20 {
            chacha20::ChaCha20::new_from_slices(key, &vector).unwrap().apply_keystream(&mut plain);
            return plain;
        }
        let length = plain.len();
        plain.resize((length / 16 + 1) * 16, 0);
        if self.cipher == TWOFISH {
            let cipher = cbc::Encryptor::<twofish::Twofish>::new_from_slices(key, &vector).unwrap();
            cipher.encrypt_padded::<Pkcs7>(&mut plain, length).unwrap();
        } else {
            let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(key, &vector).unwrap();
            cipher.encrypt_padded::<Pkcs7>(&mut plain, length).unwrap();
        }
        plain
    }

    fn packed(&self, plain: Vec<u8>) -> Vec<u8> {
        if self.gzip { gzip(&plain) } else { plain }
    }

    /// The outer header of version 4.
    pub fn header(&self) -> Vec<u8> {
        let mut out = b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00".to_vec();
        out.extend(self.major.to_le_bytes());
        let mut field = |name: u8, value: &[u8]| {
            out.push(name);
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
            out.extend(value);
        };
        field(2, &self.cipher);
        field(3, &u32::from(self.gzip).to_le_bytes());
        field(4, &SEED);
        field(7, &self.vector());
        field(11, &self.dictionary());
        field(0, b"\r\n\r\n");
        out
    }

    fn made_4(&self) -> Vec<u8> {
        let mut out = self.header();
        let seed = SEED;
        let derived = self.derived();
        let key = Sha256::digest([&seed[..], &derived].concat());
        let base = Sha512::digest([&seed[..], &derived, &[1]].concat());
        let sign = |number: u64, parts: &[&[u8]]| {
            let key = Sha512::digest([&number.to_le_bytes()[..], &base].concat());
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes()
        };
        let tag = sign(u64::MAX, &[&out]);
        out.extend(Sha256::digest(&out));
        out.extend(tag);
        let mut inner = Vec::new();
        let mut field = |name: u8, value: &[u8]| {
            inner.push(name);
            inner.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
            inner.extend(value);
        };
        field(1, &self.stream.to_le_bytes());
        field(2, &[8; 64]);
        for binary in &self.binaries {
            field(3, &[&[1], &binary[..]].concat());
        }
        field(0, b"");
        inner.extend(self.protected(&[8; 64]));
        let sealed = self.encrypted(&key, self.packed(inner));
        for (number, block) in sealed.chunks(self.block).chain([&[][..]]).enumerate() {
            let number = number as u64;
            let length = u32::try_from(block.len()).unwrap().to_le_bytes();
            out.extend(sign(number, &[&number.to_le_bytes(), &length, block]));
            out.extend(length);
            out.extend(block);
        }
        out
    }

    fn dictionary(&self) -> Vec<u8> {
        let mut out = vec![0, 1];
        let mut add = |kind: u8, name: &str, value: &[u8]| {
            out.push(kind);
            out.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            out.extend(name.as_bytes());
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
            out.extend(value);
        };
        match self.kdf {
            Kdf::Aes(rounds) => {
                add(0x42, "$UUID", &AES_KDF);
                add(0x05, "R", &rounds.to_le_bytes());
                add(0x42, "S", &[5; 32]);
            }
            Kdf::Argon2 { id, version, memory, passes, lanes } => {
                add(0x42, "$UUID", if id { &ARGON2ID } else { &ARGON2D });
                add(0x05, "I", &passes.to_le_bytes());
                add(0x05, "M", &(memory * 1024).to_le_bytes());
                add(0x04, "P", &lanes.to_le_bytes());
                add(0x42, "S", &[6; 32]);
                add(0x04, "V", &version.to_le_bytes());
            }
        }
        out.push(0);
        out
    }

    fn made_3(&self) -> Vec<u8> {
        let Kdf::Aes(rounds) = self.kdf else { panic!("KDBX 3.1 has AES-KDF alone") };
        let (seed, start) = (SEED, [9; 32]);
        let mut out = b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00\x03\x00".to_vec();
        let mut field = |name: u8, value: &[u8]| {
            out.push(name);
            out.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            out.extend(value);
        };
        field(2, &self.cipher);
        field(3, &u32::from(self.gzip).to_le_bytes());
        field(4, &seed);
        field(5, &[5; 32]);
        field(6, &rounds.to_le_bytes());
        field(7, &self.vector());
        field(8, &[8; 32]);
        field(9, &start);
        field(10, &self.stream.to_le_bytes());
        field(0, b"\r\n\r\n");
        let key = Sha256::digest([&seed[..], &self.derived()].concat());
        let header = BASE64_STANDARD.encode(Sha256::digest(&out));
        let xml = self.xml.replacen("<Meta>", &format!("<Meta><HeaderHash>{header}</HeaderHash>"), 1);
        let content = self.packed(Self { xml, ..self.clone() }.protected(&[8; 32]));
        let mut plain = start.to_vec();
        for (number, block) in content.chunks(self.block).chain([&[][..]]).enumerate() {
            plain.extend(u32::try_from(number).unwrap().to_le_bytes());
            plain.extend(if block.is_empty() { [0; 32] } else { Sha256::digest(block).into() });
            plain.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
            plain.extend(block);
        }
        out.extend(self.encrypted(&key, plain));
        out
    }
}

/// One member of gzip.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(miniz_oxide::deflate::compress_to_vec(plain, 6));
    out.extend(crc32fast::hash(plain).to_le_bytes());
    out.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    out
}
