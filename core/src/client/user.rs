//! The user who is signed in, other users' public keys, and what the server can do.

use crate::Result;
use crate::client::{Client, segment};
use http::Method;
use keyferry_api::Created;
use keyferry_api::app::{Feature, Settings};
use keyferry_api::user::{
    MasterKeyOptions, NewMasterKeyOptions, NewUser, PublicKey, Right, UserInfo, UserKeys,
};
use serde::Deserialize;

impl Client {
    /// Who is signed in.
    pub async fn user_info(&self) -> Result<UserInfo> {
        self.get("/users/info").await
    }

    /// The user's RSA keys, the private one encrypted.
    pub async fn user_keys(&self) -> Result<UserKeys> {
        self.get("/users/keys").await
    }

    /// How the master key comes from the master password.
    pub async fn master_key_options(&self) -> Result<MasterKeyOptions> {
        self.get("/users/master-key/options").await
    }

    /// What to wrap keys for a user with.
    pub async fn public_key(&self, user_id: &str) -> Result<PublicKey> {
        self.get(&format!("/users/{}/public-key", segment(user_id)?)).await
    }

    /// Every user.
    pub async fn users(&self) -> Result<Vec<UserInfo>> {
        self.list("/users").await
    }

    /// Makes a user; the id.
    pub async fn create_user(&self, user: &NewUser) -> Result<String> {
        self.write::<Created>(Method::POST, "/users", user).await.map(|created| created.id)
    }

    /// What a user may do where. Not every server has this call.
    pub async fn rights(&self, user_id: &str) -> Result<Vec<Right>> {
        self.list(&format!("/users/{}/rights", segment(user_id)?)).await
    }

    /// How a new user's master key shall be derived.
    pub async fn new_master_key_options(&self) -> Result<NewMasterKeyOptions> {
        self.get("/users/master-key/new-options").await
    }

    /// What passwords must have.
    pub async fn settings(&self) -> Result<Settings> {
        self.get("/app/settings").await
    }

    /// What the server can do beyond the common ground.
    pub async fn features(&self) -> Result<Vec<Feature>> {
        /// A bare list today; lists elsewhere come as `items`.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Features {
            Bare(Vec<Feature>),
            List { items: Vec<Feature> },
        }
        Ok(match self.get("/app/features").await? {
            Features::Bare(items) | Features::List { items } => items,
        })
    }
}
