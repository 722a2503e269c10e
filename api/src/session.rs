//! Signing in and keeping a session alive. Tokens are 32 random bytes in base64 (44 characters).

use serde::{Deserialize, Serialize};

/// `POST /users/login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The login password, which is not the master password.
    pub password: String,
    /// Where the user signs in from; informational.
    #[serde(default)]
    pub hostname: Option<String>,
}

/// The answer to a login or a refresh. A refresh of one token names only that token.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// The bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// What buys the next pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// For browsers; rotates with each login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_expired_at: Option<i64>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_expired_at: Option<i64>,
}

/// `POST /sessions/refresh` and `POST /sessions/refresh-refresh-token`. The body may be empty in the first.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The refresh token that ends with this call.
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// `POST /sessions/refresh-access-token`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefreshAccess {
    /// The access token to replace; expired is fine.
    pub access_token: String,
}

/// The answer of `POST /csrf-tokens/generate`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CsrfToken {
    /// The token.
    pub csrf_token: String,
}

/// What a browser sends with every request, and the cookie that then holds the access token.
pub mod browser {
    /// `1`: the access token comes as a cookie, not in the body.
    pub const MODE_HEADER: &str = "x-browser-mode";
    /// Needed with each write of a browser.
    pub const CSRF_HEADER: &str = "x-csrf-token";
    /// The cookie's name; its value is percent-encoded.
    pub const ACCESS_COOKIE: &str = "accessToken";
}

/// `POST /users/2fa/totp/authorize`, `/enable` and `/disable`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OneTimeCode {
    /// Six digits, RFC 6238.
    pub code: String,
}

/// The answer of `POST /users/2fa/totp/generate`: what an authenticator takes.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OneTimeSecret {
    /// Base32.
    pub secret: String,
    /// The same as `otpauth://…`.
    pub url: String,
}
