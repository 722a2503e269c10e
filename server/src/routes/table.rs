//! Every endpoint. The router, batches and the `OpenAPI` document all read this one table.

use super::{Body, Context, Reply, Request, Visit};
use super::{
    activity, app, bin, folder, group, inbox, item, link, role, session, shortcut, snapshot, user, vault,
};
use crate::error::{Refusal, Result};
use crate::store::idempotency::Makes;
use http::{Method, StatusCode, header};
use keyferry_api as api;
use keyferry_api::error::code;
use keyferry_api::{BASE_PATH, Created, Empty, List};
use matchit::Router;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Who answers.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Anybody may ask.
    Open(fn(&Visit<'_>, Request) -> Result<Reply>),
    /// Signed-in users ask, alone or in a batch.
    SignedIn(fn(&Context<'_>, Request) -> Result<Vec<u8>>),
    /// The batch itself.
    Batch,
}

/// A parameter of a query.
#[derive(Clone, Copy)]
pub(crate) enum Param {
    /// A text.
    Text(&'static str),
    /// A text that must be there.
    Needed(&'static str),
    /// A whole number, 0 and above.
    Number(&'static str),
    /// `name[]=a&name[]=b`.
    Texts(&'static str),
    /// Whole numbers, written the same.
    Numbers(&'static str),
}

impl Param {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text(name)
            | Self::Needed(name)
            | Self::Number(name)
            | Self::Texts(name)
            | Self::Numbers(name) => name,
        }
    }
}

type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// One method on one path.
pub(crate) struct Endpoint {
    pub method: &'static str,
    /// Below [`BASE_PATH`], parameters in braces.
    pub path: &'static str,
    /// A sentence for the documentation.
    pub summary: &'static str,
    pub handler: Handler,
    pub query: &'static [Param],
    pub takes: Option<MakeSchema>,
    /// Whether the body may be missing.
    pub may_be_empty: bool,
    pub gives: MakeSchema,
    /// Whether it answers while the session still owes its one-time code.
    pub without_code: bool,
    /// Whether `limit` and `offset` are taken of its list when it is made.
    pub sliced: bool,
    /// Whether it heeds an `Idempotency-Key`, and what it makes. Not where answers hold tokens, which are kept nowhere.
    pub once: Option<Makes>,
}

impl Endpoint {
    const fn new<G: JsonSchema>(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        let gives = schema::<G>;
        let (query, takes, may_be_empty, without_code, sliced) = (&[], None, false, false, false);
        let once = None;
        Self { method, path, summary, handler, query, takes, may_be_empty, gives, without_code, sliced, once }
    }

    const fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(schema::<T>);
        self
    }

    const fn or_nothing(mut self) -> Self {
        self.may_be_empty = true;
        self
    }

    const fn query(mut self, query: &'static [Param]) -> Self {
        self.query = query;
        self
    }

    /// A short list, of which a part is given where that is asked for.
    const fn sliced(mut self) -> Self {
        self.sliced = true;
        self
    }

    /// What its query may hold.
    pub fn params(&self) -> impl Iterator<Item = Param> {
        let pages: &[Param] = if self.sliced { PAGES } else { &[] };
        self.query.iter().chain(pages).copied()
    }

    /// Heeds an `Idempotency-Key`.
    const fn once(mut self, makes: Makes) -> Self {
        self.once = Some(makes);
        self
    }

    const fn without_code(mut self) -> Self {
        self.without_code = true;
        self
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn get<G: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    handler: fn(&Context<'_>, Request) -> Result<Vec<u8>>,
) -> Endpoint {
    Endpoint::new::<G>("GET", path, summary, Handler::SignedIn(handler))
}

const fn post<T: JsonSchema, G: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    handler: fn(&Context<'_>, Request) -> Result<Vec<u8>>,
) -> Endpoint {
    Endpoint::new::<G>("POST", path, summary, Handler::SignedIn(handler)).takes::<T>()
}

const fn patch<T: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    handler: fn(&Context<'_>, Request) -> Result<Vec<u8>>,
) -> Endpoint {
    Endpoint::new::<Empty>("PATCH", path, summary, Handler::SignedIn(handler)).takes::<T>()
}

const fn delete<G: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    handler: fn(&Context<'_>, Request) -> Result<Vec<u8>>,
) -> Endpoint {
    Endpoint::new::<G>("DELETE", path, summary, Handler::SignedIn(handler))
}

const fn open<T: JsonSchema, G: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    handler: fn(&Visit<'_>, Request) -> Result<Reply>,
) -> Endpoint {
    Endpoint::new::<G>("POST", path, summary, Handler::Open(handler)).takes::<T>()
}

/// What every list takes.
const PAGES: &[Param] = &[Param::Number("limit"), Param::Number("offset"), Param::Number("page")];

/// What searches of items and shortcuts take; all conditions hold together.
const SEARCH: &[Param] = &[
    Param::Text("query"),
    Param::Texts("tags"),
    Param::Numbers("colorCodes"),
    Param::Texts("vaultIds"),
    Param::Texts("folderIds"),
    Param::Text("vaultId"),
    Param::Text("folderId"),
    Param::Number("limit"),
    Param::Number("offset"),
    Param::Number("page"),
];

/// All of them.
pub(crate) static ENDPOINTS: &[Endpoint] = &[
    open::<Empty, api::session::CsrfToken>(
        "/csrf-tokens/generate",
        "A CSRF token for a browser",
        session::csrf,
    )
    .or_nothing(),
    open::<api::session::Login, api::session::Tokens>(
        "/users/login",
        "Sign in with user name and password",
        session::login,
    ),
    open::<api::session::Refresh, api::session::Tokens>(
        "/sessions/refresh",
        "Replace both tokens; the old ones end",
        session::refresh,
    )
    .or_nothing(),
    open::<api::session::RefreshAccess, api::session::Tokens>(
        "/sessions/refresh-access-token",
        "Replace the access token",
        session::refresh_access,
    ),
    open::<api::session::Refresh, api::session::Tokens>(
        "/sessions/refresh-refresh-token",
        "Replace the refresh token",
        session::refresh_refresh,
    ),
    // Some clients send the refresh token along, which ends with its session.
    post::<api::session::Refresh, Empty>("/sessions/logout", "End the session", session::logout)
        .or_nothing()
        .without_code(),
    post::<api::session::OneTimeCode, Empty>(
        "/users/2fa/totp/authorize",
        "Give the one-time code that a login owes",
        session::authorize,
    )
    .without_code(),
    post::<Empty, api::session::OneTimeSecret>(
        "/users/2fa/totp/generate",
        "A secret for an authenticator, not asked for yet",
        session::generate_secret,
    )
    .or_nothing(),
    post::<api::session::OneTimeCode, Empty>(
        "/users/2fa/totp/enable",
        "Ask for one-time codes from now on",
        session::enable_codes,
    ),
    post::<api::session::OneTimeCode, Empty>(
        "/users/2fa/totp/disable",
        "Ask for one-time codes no more",
        session::disable_codes,
    ),
    get::<List<api::user::UserInfo>>(
        "/users",
        "Every user; others' e-mail addresses with user:read",
        user::list,
    )
    .query(&[
        Param::Text("search"),
        Param::Number("limit"),
        Param::Number("offset"),
        Param::Number("page"),
    ]),
    get::<api::user::UserInfo>("/users/{id}", "A user", user::get),
    patch::<api::user::UserChange>(
        "/users/{id}",
        "Change a user who may do no more than the caller (user:update)",
        user::update,
    ),
    delete::<Empty>("/users/{id}", "Take a user out (user:delete)", user::delete),
    post::<Empty, Empty>("/users/{id}/block", "Let a user in no more (user:block)", user::block).or_nothing(),
    post::<Empty, Empty>("/users/{id}/unblock", "Let a user in again (user:block)", user::unblock)
        .or_nothing(),
    get::<List<api::user::UserRole>>(
        "/user-roles",
        "What users may be; isOnlyManageable: those that the caller may give",
        role::list,
    )
    .query(&[Param::Text("includeUserRole"), Param::Text("isOnlyManageable")])
    .sliced(),
    post::<api::user::NewUserRole, Created>("/user-roles", "Make a role (userRole:manage)", role::create),
    get::<api::user::UserRole>("/user-roles/{id}", "A role and what it allows", role::get),
    patch::<api::user::UserRoleChange>("/user-roles/{id}", "Change a role (userRole:manage)", role::update),
    delete::<Empty>("/user-roles/{id}", "Remove a role that nobody has (userRole:manage)", role::delete),
    get::<api::user::SessionInfo>("/sessions/current/info", "The session that asks", session::info)
        .without_code(),
    get::<List<api::user::UserGroup>>("/user-groups", "Groups of users with their members", group::list)
        .query(&[
            Param::Text("search"),
            Param::Number("limit"),
            Param::Number("offset"),
            Param::Number("page"),
        ]),
    post::<api::user::NewUserGroup, Created>(
        "/user-groups",
        "Make a group (userGroup:manage)",
        group::create,
    ),
    get::<api::user::UserGroup>("/user-groups/{id}", "A group with its members", group::get),
    post::<api::user::NewUserGroup, Empty>(
        "/user-groups/{id}",
        "Rename a group (userGroup:manage)",
        group::rename,
    ),
    delete::<Empty>(
        "/user-groups/{id}",
        "Remove a group and its rights; its members stay (userGroup:manage)",
        group::delete,
    ),
    post::<api::user::GroupMembers, Empty>(
        "/user-groups/{id}/add-users",
        "Add members (userGroup:manage)",
        group::add,
    ),
    post::<api::user::GroupMembers, Empty>(
        "/user-groups/{id}/remove-users",
        "Take members out (userGroup:manage)",
        group::remove,
    ),
    get::<List<api::user::Right>>(
        "/user-groups/{id}/rights",
        "What a group may do where; for its members, and with access:read",
        group::rights,
    )
    .sliced(),
    post::<api::user::NewUser, Created>("/users", "Make a user (user:create)", user::create),
    get::<api::user::UserInfo>("/users/info", "Who is signed in; also while a code is owed", user::info)
        .without_code(),
    get::<api::user::UserKeys>("/users/keys", "The user's RSA keys, the private one encrypted", user::keys),
    post::<api::user::FirstKeys, Empty>(
        "/users/keys",
        "Give oneself keys, once: for who was made without any",
        user::set_keys,
    ),
    get::<api::user::MasterKeyOptions>(
        "/users/master-key/options",
        "How the master key comes from the master password",
        user::options,
    ),
    get::<api::user::NewMasterKeyOptions>(
        "/users/master-key/new-options",
        "How a new user's master key shall be derived",
        user::new_options,
    ),
    get::<api::user::PublicKey>(
        "/users/{id}/public-key",
        "What to wrap keys for a user with",
        user::public_key,
    ),
    get::<List<api::user::Right>>(
        "/users/{id}/rights",
        "What a user was given where, alone and through groups; others' with access:read",
        user::rights,
    )
    .sliced(),
    get::<Vec<api::app::Feature>>(
        "/app/features",
        "What this server can do beyond the common ground",
        app::features,
    ),
    get::<api::app::Settings>("/app/settings", "What passwords must have", app::settings),
    get::<api::app::AdditionalSettings>(
        "/app/settings/additional",
        "What else clients ask for",
        app::additional,
    ),
    get::<List<api::vault::Vault>>("/vaults", "The vaults that the user may see", vault::list).sliced(),
    post::<api::vault::NewVault, Created>("/vaults", "Make a vault (vault:create)", vault::create)
        .once(Makes::Vault),
    get::<api::vault::Vault>("/vaults/{id}", "A vault, with the user's copy of its key", vault::get),
    post::<api::vault::Rename, Empty>("/vaults/{id}", "Rename a vault", vault::rename).once(Makes::Nothing),
    delete::<Empty>("/vaults/{id}", "Delete a vault and all in it", vault::delete).once(Makes::Nothing),
    get::<List<api::vault::VaultUser>>("/vaults/{id}/users", "Who was given what in a vault", vault::users)
        .sliced(),
    post::<api::vault::VaultUser, Empty>(
        "/vaults/{id}/users",
        "Give a user a role in a vault, or none",
        vault::grant,
    )
    .once(Makes::Nothing),
    get::<List<api::vault::GroupRight>>(
        "/vaults/{id}/groups",
        "Which groups may do what in a vault",
        vault::groups,
    )
    .sliced(),
    post::<api::vault::GroupRight, api::vault::GroupGranted>(
        "/vaults/{id}/groups",
        "Give a group a role in a vault, or none; with copies of the key for its members",
        vault::grant_group,
    )
    .once(Makes::Nothing),
    get::<List<api::vault::WithoutKey>>(
        "/vaults/{id}/users-without-key",
        "Who has a right in an encrypted vault and no copy of its key yet; for its administrators",
        vault::without_key,
    )
    .sliced(),
    post::<api::vault::VaultKeys, Empty>(
        "/vaults/{id}/keys",
        "Give copies of the key to users who have a right and none",
        vault::give_keys,
    ),
    get::<List<api::vault::VaultType>>("/vault-types/all", "The types that a vault may have", vault::types)
        .sliced(),
    post::<api::vault::NewVaultType, Created>(
        "/vault-types",
        "Make a vault type (vaultType:manage)",
        vault::create_type,
    ),
    get::<List<api::vault::Administrator>>(
        "/vault-types/{id}/administrators",
        "Whom the key of a new vault is wrapped for",
        vault::administrators,
    )
    .sliced(),
    get::<List<api::folder::Folder>>("/folders", "The folders that the user may see", folder::list)
        .query(&[Param::Text("vaultId")])
        .sliced(),
    get::<List<api::folder::Folder>>("/folders/search", "Folders by a part of their name", folder::search)
        .query(&[
            Param::Text("query"),
            Param::Text("vaultId"),
            Param::Number("limit"),
            Param::Number("offset"),
            Param::Number("page"),
        ]),
    post::<api::folder::NewFolder, Created>("/folders", "Make a folder", folder::create).once(Makes::Folder),
    get::<api::folder::Folder>("/folders/{id}", "A folder with its path", folder::get),
    post::<api::folder::FolderChange, Empty>(
        "/folders/{id}",
        "Give a folder another name, or color",
        folder::change,
    )
    .once(Makes::Nothing),
    post::<api::folder::MoveFolder, Empty>(
        "/folders/{id}/move",
        "Move a folder within its vault",
        folder::relocate,
    )
    .once(Makes::Nothing),
    delete::<api::folder::Binned>(
        "/folders/{id}",
        "Put a folder and all below it into the bin",
        folder::delete,
    )
    .once(Makes::Nothing),
    get::<List<api::vault::VaultUser>>(
        "/folders/{id}/users",
        "Who has a role in a folder that differs from what is above",
        folder::users,
    )
    .sliced(),
    post::<api::vault::VaultUser, Empty>(
        "/folders/{id}/users",
        "Give a user a role in a folder",
        folder::grant,
    ),
    get::<List<api::vault::GroupRight>>(
        "/folders/{id}/groups",
        "Which groups have a role in a folder that differs from what is above",
        folder::groups,
    )
    .sliced(),
    post::<api::vault::GroupRight, api::vault::GroupGranted>(
        "/folders/{id}/groups",
        "Give a group a role in a folder; with copies of the vault's key for its members",
        folder::grant_group,
    ),
    delete::<Empty>(
        "/folders/{id}/users/{userId}",
        "Unsay what a user was given in a folder: what is above counts again",
        folder::forget_user,
    ),
    delete::<Empty>(
        "/folders/{id}/groups/{groupId}",
        "Unsay what a group was given in a folder: what is above counts again",
        folder::forget_group,
    ),
    get::<List<api::item::FoundItem>>("/items", "The items of a vault, or of a folder in it", item::list)
        .query(&[
            Param::Needed("vaultId"),
            Param::Text("folderId"),
            Param::Number("limit"),
            Param::Number("offset"),
            Param::Number("page"),
        ]),
    get::<List<api::item::FoundItem>>(
        "/items/search",
        "Items by text, tags, colors, vaults and folders",
        item::search,
    )
    .query(SEARCH),
    post::<api::item::ItemDraft, Created>("/items", "Make an item", item::create).once(Makes::Item),
    get::<api::item::Item>("/items/{id}", "An item whole; also by a shortcut's id", item::get),
    patch::<api::item::ItemDraft>("/items/{id}", "Change what is named; attachments are added", item::update)
        .once(Makes::Nothing),
    delete::<api::folder::Binned>("/items/{id}", "Put an item into the bin", item::delete)
        .once(Makes::Nothing),
    post::<api::item::MoveItem, Empty>("/items/{id}/move", "Move an item", item::relocate)
        .once(Makes::Nothing),
    post::<api::item::MoveItem, Created>("/items/{id}/copy", "Copy an item without its history", item::copy)
        .once(Makes::Item),
    get::<api::item::Attachment>(
        "/items/{id}/attachment/{attachmentId}",
        "An attachment with its content; also by the id of a shortcut or an inbox item",
        item::attachment,
    ),
    delete::<Empty>(
        "/items/{id}/attachment/{attachmentId}",
        "Take an attachment off an item; snapshots keep it",
        item::remove_attachment,
    )
    .once(Makes::Nothing),
    get::<List<api::item::SnapshotInfo>>(
        "/items/{id}/snapshots",
        "What an item was before each change, the newest first",
        snapshot::list,
    )
    .sliced(),
    get::<api::item::Snapshot>(
        "/items/{id}/snapshot/{snapshotId}",
        "An item as it was before a change",
        snapshot::get,
    ),
    get::<api::item::Attachment>(
        "/snapshots/{id}/attachment/{attachmentId}",
        "An attachment that an item had",
        snapshot::attachment,
    ),
    post::<api::shortcut::NewShortcut, Created>("/shortcuts", "Make a shortcut to an item", shortcut::create)
        .once(Makes::Nothing),
    get::<List<api::shortcut::ItemShortcut>>(
        "/shortcuts",
        "The shortcuts to an item, or to all in a vault, for whoever administers it",
        shortcut::list,
    )
    .query(&[Param::Text("itemId"), Param::Text("vaultId")])
    .sliced(),
    get::<List<api::shortcut::SeenItem>>(
        "/shortcuts/search",
        "Shortcuts, with what they lead to",
        shortcut::search,
    )
    .query(SEARCH),
    get::<api::shortcut::SeenItem>(
        "/shortcuts/{id}",
        "The item that a shortcut leads to, seen from its place",
        shortcut::get,
    ),
    patch::<api::item::ItemDraft>("/shortcuts/{id}", "Change the item of a shortcut", shortcut::update)
        .once(Makes::Nothing),
    delete::<Empty>("/shortcuts/{id}", "Remove a shortcut; the item stays", shortcut::delete)
        .once(Makes::Nothing),
    post::<api::link::NewLink, api::link::LinkMade>(
        "/links",
        "Make a link for somebody without an account (link:create)",
        link::create,
    ),
    get::<List<api::link::Link>>(
        "/links",
        "The links of an item; of all in a vault, for whoever administers it",
        link::list,
    )
    .query(&[Param::Text("itemId"), Param::Text("vaultId")])
    .sliced(),
    delete::<Empty>("/links/{id}", "End a link", link::delete),
    open::<api::link::OpenLink, api::link::OpenedLink>(
        "/links/{token}/open",
        "What a link shows; a single-use link ends",
        link::open,
    )
    .or_nothing(),
    get::<List<api::inbox::InboxInfo>>(
        "/inbox-items",
        "What was sent to the user; of an item, to whom it was sent, for whoever administers it",
        inbox::list,
    )
    .query(&[Param::Text("itemId"), Param::Text("vaultId")])
    .sliced(),
    post::<api::inbox::NewInboxItem, Created>("/inbox-items", "Send an item to a user", inbox::create)
        .once(Makes::Nothing),
    get::<api::inbox::InboxItem>("/inbox-items/{id}", "An item that was sent, as it is now", inbox::get),
    delete::<Empty>("/inbox-items/{id}", "Take an item out of an inbox", inbox::delete).once(Makes::Nothing),
    get::<List<api::bin::BinItem>>("/bin-items", "What was deleted and can be restored", bin::list)
        .query(&[Param::Text("vaultId")])
        .sliced(),
    post::<Empty, Empty>("/bin-items/{id}/restore", "Put back what was deleted", bin::restore)
        .once(Makes::Nothing)
        .or_nothing(),
    delete::<Empty>("/bin-items/{id}", "Delete for good", bin::purge).once(Makes::Nothing),
    get::<List<api::activity::Activity>>(
        "/activity-log",
        "Who did what; all with activityLog:read, a vault's for its administrators",
        activity::list,
    )
    .query(&[
        Param::Text("vaultId"),
        Param::Text("userId"),
        Param::Text("object"),
        Param::Number("after"),
        Param::Number("limit"),
        Param::Number("offset"),
        Param::Number("page"),
    ]),
    get::<api::activity::ActivityCheck>(
        "/activity-log/check",
        "Whether an entry is missing or was altered",
        activity::check,
    ),
    Endpoint::new::<api::batch::BatchAnswer<'static>>(
        "POST",
        "/batch",
        "Many requests in one, answered in order",
        Handler::Batch,
    )
    .takes::<api::batch::Batch<'static>>()
    .once(Makes::Nothing)
    .without_code(),
];

/// The endpoints by path.
static ROUTER: LazyLock<Router<Vec<&'static Endpoint>>> = LazyLock::new(|| {
    let mut paths: Vec<(&str, Vec<&Endpoint>)> = Vec::new();
    for endpoint in ENDPOINTS {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, methods)) => methods.push(endpoint),
            None => paths.push((endpoint.path, vec![endpoint])),
        }
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        // Two paths that clash are found by the first test that asks for anything.
        #[expect(clippy::expect_used, reason = "the table is constant")]
        router.insert(path, methods).expect("no two paths of the table clash");
    }
    router
});

/// Whether a request may stand in a batch with a key of the whole: what it says, or is answered, may be kept.
pub(crate) fn may_be_kept(method: &str, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let rest = path.strip_prefix(BASE_PATH).unwrap_or_default().trim_end_matches('/');
    let Ok(matched) = ROUTER.at(rest) else { return true };
    let endpoint = matched.value.iter().find(|endpoint| endpoint.method.eq_ignore_ascii_case(method));
    // What is not there is refused, and holds nobody up.
    endpoint.is_none_or(|endpoint| endpoint.method == "GET" || endpoint.once.is_some())
}

/// Who answers a request, and the request as they take it. `path` starts with [`BASE_PATH`].
pub(crate) fn find(
    method: Method,
    path: &str,
    query: Option<&str>,
    body: Body,
) -> Result<(&'static Endpoint, Request)> {
    let missing = || Refusal::not_found("endpoint");
    let rest = path.strip_prefix(BASE_PATH).ok_or_else(missing)?;
    let matched = ROUTER.at(rest.trim_end_matches('/')).map_err(|_| missing())?;
    let Some(endpoint) = matched.value.iter().find(|endpoint| endpoint.method == method.as_str()) else {
        let allowed: Vec<&str> = matched.value.iter().map(|endpoint| endpoint.method).collect();
        let message = format!("This address takes {}.", allowed.join(" and "));
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::METHOD_NOT_ALLOWED, message)
            .with_header(header::ALLOW, allowed.join(", ")));
    };
    let request = Request::new(method, matched.params.iter(), query, body)?;
    if endpoint.sliced || !endpoint.query.is_empty() {
        check_filters(endpoint, &request)?;
    }
    // A batch's members are looked at one by one.
    if let Some(members) = KNOWN.get(&(endpoint.method, endpoint.path)).filter(|_| endpoint.path != "/batch")
    {
        request.body.check_members(members)?;
    }
    Ok((endpoint, request))
}

/// A search, or a list, that leaves out a condition finds more than was asked for, and nobody notices: what looks like one and is
/// none is refused. Any other unknown parameter is ignored.
fn check_filters(endpoint: &Endpoint, request: &Request) -> Result<()> {
    let known: Vec<&str> = endpoint.params().map(Param::name).collect();
    for param in endpoint.params() {
        let single = !matches!(param, Param::Texts(_) | Param::Numbers(_));
        if single && request.count(param.name()) > 1 {
            return Err(Refusal::invalid(
                param.name(),
                format!("`{}` is given more than once.", param.name()),
            ));
        }
    }
    for name in request.names() {
        let looks_like_one = name.ends_with("Id")
            || name.ends_with("Ids")
            || ["filter", "filters", "where", "q"].contains(&name)
            || CONDITIONS.contains(name)
            || TEXTS.get(endpoint.path).is_some_and(|texts| texts.iter().any(|text| text == name));
        // Of a short word two letters are most of it.
        let near = |known: &&str| {
            let away = strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
            away <= if known.len() < 6 { 1 } else { 2 }
        };
        let slip = known.iter().any(near);
        if !known.contains(&name) && (looks_like_one || slip) {
            return Err(Refusal::malformed(format!(
                "`{}` is no condition of this list; it knows {}.",
                name.chars().take(100).collect::<String>(),
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// The members that each endpoint's body may have, where it takes one.
static KNOWN: LazyLock<HashMap<(&str, &str), Vec<String>>> = LazyLock::new(|| {
    let mut generator =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let takes = ENDPOINTS.iter().filter_map(|endpoint| Some((endpoint, endpoint.takes?)));
    takes
        .map(|(endpoint, schema)| {
            let schema = schema(&mut generator);
            let members = schema.get("properties").and_then(|all| all.as_object());
            let members = members.map(|all| all.keys().cloned().collect()).unwrap_or_default();
            ((endpoint.method, endpoint.path), members)
        })
        .collect()
});

/// The conditions of all lists: who asks one for what another takes means it.
static CONDITIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lists = ENDPOINTS.iter().filter(|endpoint| endpoint.sliced || !endpoint.query.is_empty());
    let names = lists.flat_map(Endpoint::params).map(Param::name);
    // These say how to answer.
    names.filter(|name| !["includeUserRole", "isOnlyManageable"].contains(name)).collect()
});

/// The members of each list's entries that are texts or numbers: whoever asks for entries by one, such as users by their
/// `email`, means a condition.
static TEXTS: LazyLock<HashMap<&str, Vec<String>>> = LazyLock::new(|| {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let lists = ENDPOINTS.iter().filter(|endpoint| endpoint.method == "GET");
    lists
        .map(|endpoint| {
            let schema = (endpoint.gives)(&mut generator);
            let members =
                schema.pointer("/properties/items/items/properties").and_then(|all| all.as_object());
            let is_text = |schema: &serde_json::Value| {
                let kinds = &schema["type"];
                ["string", "integer"].into_iter().any(|kind| {
                    kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
                })
            };
            let texts = members.into_iter().flatten().filter(|(_, schema)| is_text(schema));
            (endpoint.path, texts.map(|(name, _)| name.clone()).collect())
        })
        .collect()
});
