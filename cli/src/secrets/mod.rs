//! Secrets in use: which one a word names, texts that hold such words, and where a value is put.
//!
//! | file | what it does |
//! |---|---|
//! | `reference` | `[NAME:]Vault/folder/record[#field]` |
//! | `environments` | opens each environment that references name, once |
//! | `fetch` | fetches the records that references name, in batches |
//! | `template`, `dotenv` | files with references in them |
//! | `quoting` | a value where it must not end a word, a text or an address |
//! | `kubernetes` | a Secret as `kubectl apply -f` takes it |

pub mod dotenv;
pub mod environments;
pub mod fetch;
pub mod kubernetes;
pub mod quoting;
pub mod reference;
pub mod template;
