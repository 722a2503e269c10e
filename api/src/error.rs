//! Error bodies: status 400 and above with a list of coded messages.

use serde::{Deserialize, Serialize};

/// The body of every failed request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// At least one entry; the official client shows each `message`.
    #[serde(default)]
    pub errors: Vec<ErrorEntry>,
}

/// One reason for a failure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorEntry {
    /// One of [`code`], or a server's own word.
    #[serde(default)]
    pub code: String,
    /// The member of the request that is at fault.
    #[serde(default)]
    pub field: Option<String>,
    /// A sentence for a person.
    #[serde(default)]
    pub message: String,
    /// Of [`code::IDEMPOTENCY_KEY_REUSED`]: what the first request with the key made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
}

/// The codes that keyferry knows.
pub mod code {
    /// 401: refresh the session, then ask again.
    pub const ACCESS_TOKEN_EXPIRED: &str = "accessTokenExpired";
    /// 401: no session has this access token.
    pub const ACCESS_TOKEN_INVALID: &str = "accessTokenInvalid";
    /// 401: sign in again.
    pub const REFRESH_TOKEN_EXPIRED: &str = "refreshTokenExpired";
    /// 401: the master key at hand is not the user's.
    pub const MASTER_KEY_HASH_INVALID: &str = "masterKeyHashInvalid";
    /// 401: user name or password is wrong.
    pub const CREDENTIALS_INVALID: &str = "credentialsInvalid";
    /// 401: the session owes a one-time code; `POST /users/2fa/totp/authorize`.
    pub const TWO_FACTOR_AUTH_REQUIRED: &str = "twoFactorAuthRequired";
    /// 401: the one-time code is wrong, or was used already.
    pub const ONE_TIME_CODE_INVALID: &str = "oneTimeCodeInvalid";
    /// 403: a browser's request without its CSRF token.
    pub const CSRF_TOKEN_INVALID: &str = "csrfTokenInvalid";
    /// 403: the user may not do this here.
    pub const ACCESS_DENIED: &str = "accessDenied";
    /// 404: there is no such object, or the user may not see it.
    pub const NOT_FOUND: &str = "notFound";
    /// 405: this address takes other methods.
    pub const METHOD_NOT_ALLOWED: &str = "methodNotAllowed";
    /// 409: the object is not in a state that allows this.
    pub const CONFLICT: &str = "conflict";
    /// 422: a member of the request is missing or malformed.
    pub const VALIDATION_ERROR: &str = "validationError";
    /// 422: another request had this `Idempotency-Key`, and what it made stands as it was made.
    pub const IDEMPOTENCY_KEY_REUSED: &str = "idempotencyKeyReused";
    /// 429: slow down, for as long as `Retry-After` says.
    pub const TOO_MANY_REQUESTS: &str = "tooManyRequests";
    /// 500: the server failed; its own log says why.
    pub const INTERNAL_ERROR: &str = "internalError";
    /// 507: the disk under the environment is full.
    pub const STORAGE_FULL: &str = "storageFull";
}
