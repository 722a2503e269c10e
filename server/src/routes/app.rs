//! What this server can do.

use super::Context;
use crate::error::Result;
use crate::json::text;
use keyferry_api::app::{Complexity, Feature, Settings};

pub(super) fn features(context: &Context<'_>) -> Result<Vec<u8>> {
    let mut features = Vec::new();
    if context.client_encryption {
        features.push(Feature { name: "clientSideEncryption".to_owned() });
    }
    text(&features)
}

pub(super) fn settings() -> Result<Vec<u8>> {
    let complexity = Complexity {
        min_length: 8,
        is_digits_required: false,
        is_uppercase_required: false,
        is_special_characters_required: false,
    };
    text(&Settings { auth_password_complexity: complexity.clone(), master_password_complexity: complexity })
}
