//! What this server can do.

use super::{Context, Request};
use crate::error::Result;
use crate::json::text;
use crate::store::vault;
use keyferry_api::app::{AdditionalSettings, Complexity, Feature, Settings};

pub(super) fn features(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let mut features = Vec::new();
    if context.visit.environment.client_encryption() {
        features.push(Feature { name: "clientSideEncryption".to_owned() });
    }
    if !vault::types(context.conn)?.is_empty() {
        features.push(Feature { name: "vaultType".to_owned() });
    }
    features.push(Feature { name: keyferry_api::IDEMPOTENCY_FEATURE.to_owned() });
    text(&features)
}

pub(super) fn additional(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&AdditionalSettings {
        is_client_side_encryption_enabled: context.visit.environment.client_encryption(),
        max_attachment_size: 5 << 20,
    })
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
