//! What this server can do.

use super::{Context, Request};
use crate::error::Result;
use crate::json::text;
use crate::store::vault;
use keyferry_api::app::{Complexity, Feature, Settings};

pub(super) fn features(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let mut features = Vec::new();
    if context.visit.environment.client_encryption() {
        features.push(Feature { name: "clientSideEncryption".to_owned() });
    }
    if !vault::types(context.conn)?.is_empty() {
        features.push(Feature { name: "vaultType".to_owned() });
    }
    text(&features)
}

pub(super) fn settings(_: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let complexity = Complexity {
        min_length: 8,
        is_digits_required: false,
        is_uppercase_required: false,
        is_special_characters_required: false,
    };
    text(&Settings { auth_password_complexity: complexity.clone(), master_password_complexity: complexity })
}
