//! A document of every shape that other tools' formats have, for the law of conservation. A text is replaced by a token;
//! one that begins with `=` is a word that the reader has to know.

use serde_json::{Value, json};

/// What a format's documents look like, and which of their members are resolved.
pub(super) struct Shape {
    pub(super) values: Vec<Value>,
    pub(super) resolved: &'static [&'static str],
    /// The member of a zip archive that the document is.
    pub(super) member: Option<&'static str>,
}

fn shape(values: Vec<Value>, resolved: &'static [&'static str]) -> Shape {
    Shape { values, resolved, member: None }
}

fn within(member: &'static str, of: Shape) -> Shape {
    Shape { member: Some(member), ..of }
}

/// The shapes of a format; none for one that is no JSON.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn shapes(format: &str) -> Option<Shape> {
    Some(match format {
        "bitwarden-zip" => within("data.json", bitwarden()),
        "1pux" => one_password(),
        "protonpass-json" => proton_pass(),
        "protonpass-zip" => within("Proton Pass/data.json", proton_pass()),
        "enpass-json" => enpass(),
        "keeper-json" => keeper(),
        "psono-json" => psono(),
        "dashlane-json" => shape(
            vec![
                json!({"AUTHENTIFIANT": [{"title": "", "domain": "", "email": "", "login": "", "secondaryLogin": "", "password": "", "note": "", "id": ""}], "SECURENOTE": [{"title": "", "content": ""}], "version": ""}),
            ],
            &[],
        ),
        "nextcloud-json" => nextcloud(),
        "passman-json" => shape(
            vec![
                json!([{"credential_id": "", "guid": "", "label": "", "username": "", "email": "", "password": "", "url": "", "description": "", "tags": [{"text": ""}], "created": "", "changed": "", "otp": {"secret": "=GEZDGNBVGY3TQOJQ"}, "custom_fields": [{"label": "", "value": "", "field_type": "=password"}], "files": [{"filename": "", "file_data": ""}], "icon": ""}]),
            ],
            &["credential_id", "guid"],
        ),
        "devolutions-json" => shape(
            vec![
                json!({"Connections": [{"ConnectionType": "", "ID": "", "Name": "", "Group": "", "Description": "", "Url": "", "Credentials": {"UserName": "", "Domain": "", "Password": ""}, "MetaInformation": {"OS": ""}, "Keywords": ""}, {"ConnectionType": "", "Credentials": {"SafePassword": ""}}]}),
            ],
            &["ConnectionType", "ID"],
        ),
        "cxf" => cxf(),
        "cxf-zip" => within("cxf.json", cxf()),
        "aegis" => shape(
            vec![
                json!({"version": "", "header": {"slots": "", "params": ""}, "db": {"version": "", "entries": [{"type": "=totp", "uuid": "", "name": "", "issuer": "", "note": "", "icon": "", "favorite": true, "info": {"secret": "=GEZDGNBVGY3TQOJQ", "algo": "", "digits": "", "period": ""}, "groups": ["=g", ""]}], "groups": [{"uuid": "=g", "name": ""}]}}),
            ],
            &["version", "uuid", "slots", "params", "algo"],
        ),
        "2fas" => shape(
            vec![
                json!({"services": [{"name": "", "secret": "=GEZDGNBVGY3TQOJQ", "updatedAt": "", "otp": {"label": "", "account": "", "issuer": "", "digits": "", "period": "", "algorithm": "", "tokenType": "=TOTP", "source": "", "link": ""}, "order": {"position": ""}, "groupId": "=g"}], "groups": [{"id": "=g", "name": ""}], "schemaVersion": ""}),
            ],
            &["schemaVersion", "source", "algorithm"],
        ),
        "andotp" => shape(
            vec![
                json!([{"secret": "=GEZDGNBVGY3TQOJQ", "issuer": "", "label": "", "digits": "", "type": "=TOTP", "algorithm": "", "thumbnail": "", "last_used": "", "period": "", "tags": [""]}]),
            ],
            &["algorithm"],
        ),
        "freeotp" => shape(
            vec![
                json!({"tokenOrder": [""], "tokens": [{"algo": "", "counter": "", "digits": "", "issuerExt": "", "label": "", "period": "", "secret": [1, -2], "type": "=TOTP", "image": ""}]}),
            ],
            &["0", "counter", "algo"],
        ),
        "stratum" => shape(
            vec![
                json!({"Authenticators": [{"Type": 2, "Issuer": "", "Username": "", "Secret": "=GEZDGNBVGY3TQOJQ", "Algorithm": 1, "Digits": "", "Period": "", "Icon": ""}], "Categories": [{"Id": "=c", "Name": ""}], "AuthenticatorCategories": [{"AuthenticatorSecret": "=GEZDGNBVGY3TQOJQ", "CategoryId": "=c"}], "CustomIcons": [{"Data": ""}]}),
            ],
            &["AuthenticatorSecret", "Name"],
        ),
        "duo" => shape(
            vec![
                json!([{"name": "", "otpGenerator": {"otpSecret": "=GEZDGNBVGY3TQOJQ", "counter": ""}, "accountType": "", "pkey": "", "logoUri": ""}, {"name": "", "otpGenerator": {"otpSecret": "=GEZDGNBVGY3TQOJQ"}}, ""]),
            ],
            &["accountType", "pkey"],
        ),
        "steam" => shape(
            vec![
                json!({"accounts": {"a": {"shared_secret": "=MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "account_name": "", "identity_secret": "", "revocation_code": "", "steamid": "", "uri": "", "server_time": "", "Session": {"x": ""}}, "b": ""}}),
                json!({"shared_secret": "=MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "account_name": ""}),
            ],
            &["steamid", "uri"],
        ),
        "buttercup" => shape(
            vec![
                json!({"id": "", "a": {"x": {"value": ""}}, "c": "", "del": {"e": {"y": ""}}, "g": [{"id": "=g", "g": "=0", "t": "", "a": {"own": {"value": ""}}, "permissions": [""]}, ""], "e": [
                    {"id": "", "g": "=g", "p": {"title": {"value": "", "created": "", "updated": ""}, "username": {"value": ""}, "password": {"value": "", "history": [{"value": "", "updated": ""}]}, "URL": {"value": ""}, "note": {"value": ""}, "more": {"value": ""}, "old": {"value": "", "deleted": 1}}, "a": {"BC_ENTRY_FIELD_TYPE:more": {"value": "=password"}, "BC_ENTRY_TAGS": {"value": ""}, "BC_ENTRY_ATTACHMENT:1": {"value": ""}, "x": {"value": ""}}, "permissions": [""]},
                    {"id": "", "g": "=0", "p": {"title": "", "password": {"value": ""}, "cvv": {"value": ""}}, "a": {"BC_ENTRY_FACADE_TYPE": {"value": "=credit_card"}}}, ""]}),
            ],
            &["id"],
        ),
        "padloc" => shape(
            vec![
                json!({"id": "", "items": [{"id": "", "name": "", "icon": "", "category": "", "tags": [""], "note": "", "updated": "", "attachments": [{"name": ""}], "history": [{"name": ""}], "fields": [{"name": "", "type": "=username", "value": ""}, {"name": "", "type": "=password", "value": ""}, {"name": "", "type": "=url", "value": ""}, {"name": "", "type": "=note", "value": ""}, {"name": "", "type": "=pin", "value": ""}, {"name": "", "value": "", "masked": true}, {"name": "=x", "value": "=", "more": ""}, ""]}, ""]}),
                json!([{"uuid": "", "name": "", "fields": []}]),
            ],
            &["id", "icon", "uuid", "name"],
        ),
        "proton-authenticator" => shape(
            vec![
                json!({"version": "", "entries": [{"id": "", "content": {"uri": "", "entry_type": "", "name": ""}, "note": ""}]}),
            ],
            &["version", "id", "entry_type"],
        ),
        "k8s-secret" => shape(
            vec![
                json!({"apiVersion": "=v1", "kind": "=List", "items": [{"apiVersion": "=v1", "kind": "=Secret", "type": "", "metadata": {"name": "", "namespace": "", "labels": {"app": ""}}, "stringData": {"user": "", "password": "", "other": ""}}]}),
            ],
            &["type"],
        ),
        "vault-kv" => shape(
            vec![
                json!({"request_id": "", "lease_id": "", "lease_duration": "", "data": {"data": {"username": "", "password": "", "deep": {"x": [""]}}, "metadata": {"version": 1, "created_time": "", "custom_metadata": {"team": ""}}}, "warnings": [""]}),
                json!([{"lease_id": "", "data": {"user": "", "more": ""}}]),
            ],
            &["request_id", "lease_id", "lease_duration"],
        ),
        "kv-json" => shape(
            vec![
                json!({"apps": {"shop": {"db": {"username": "", "password": "", "port": "", "nested": {"a": ["", ""]}, "replica": {"password": ""}}, "token": {"value": ""}}}, "top": ""}),
            ],
            &[],
        ),
        "docker-config" => shape(
            vec![
                json!({"auths": {"registry.example": {"auth": "=dTpw", "email": "", "identitytoken": "", "username": ""}, "empty.example": {"auth": ""}}, "credsStore": "", "HttpHeaders": {"X": ""}}),
            ],
            &[],
        ),
        "infisical" => shape(
            vec![
                json!([{"key": "", "value": "", "type": "", "secretPath": "", "comment": "", "tags": [{"name": ""}], "id": "", "createdAt": ""}]),
                json!({"secrets": [{"secretKey": "", "secretValue": "", "secretComment": "", "secretPath": ""}], "imports": [""]}),
            ],
            &["type", "id"],
        ),
        "doppler" => shape(
            vec![
                json!({"DOPPLER_PROJECT": "", "DOPPLER_CONFIG": "", "DOPPLER_ENVIRONMENT": "", "KEY": "", "LONG": {"computed": "", "note": "", "computedVisibility": ""}}),
            ],
            &[],
        ),
        "aws-secrets" => shape(
            vec![
                json!({"SecretValues": [{"ARN": "", "Name": "", "VersionId": "", "SecretString": "", "VersionStages": [""], "CreatedDate": "", "Tags": [{"Key": "", "Value": ""}], "Description": ""}], "Errors": [""]}),
                json!({"Parameters": [{"Name": "", "Value": "", "Type": ""}]}),
                json!({"SecretList": [{"ARN": "", "Name": ""}]}),
            ],
            &["ARN", "VersionId", "Type"],
        ),
        "gcp-secrets" => shape(
            vec![
                json!([{"name": "=projects/p/secrets/s/versions/1", "payload": {"data": "=d29yZA==", "dataCrc32c": ""}, "labels": {"team": ""}, "createTime": ""}]),
            ],
            &["dataCrc32c"],
        ),
        "azure-keyvault" => shape(
            vec![
                json!([{"id": "=https://v.vault.azure.net/secrets/s/1", "value": "", "contentType": "", "tags": {"team": ""}, "attributes": {"created": "", "updated": "", "expires": "", "enabled": ""}, "kid": ""}]),
            ],
            &["kid"],
        ),
        "bitwarden-secrets" => shape(
            vec![
                json!({"projects": [{"id": "=p", "name": ""}], "secrets": [{"id": "", "key": "", "value": "", "note": "", "projectIds": ["=p", ""]}]}),
            ],
            &["id"],
        ),
        "op-json" => shape(
            vec![
                json!([op_item(), {"id": "", "title": "", "category": "", "vault": {"id": "", "name": ""}}]),
                op_item(),
            ],
            OP,
        ),
        "ksm-json" => shape(
            vec![
                json!([{"uid": "", "title": "", "type": "", "notes": "", "fields": [{"type": "=login", "value": [""]}, {"type": "=password", "value": ["", ""]}, {"type": "=url", "label": "", "value": [""]}, {"type": "=host", "label": "", "value": [{"hostName": "", "port": ""}]}, {"type": "=text", "label": "", "value": [], "required": false}, ""], "custom_fields": [{"type": "=secret", "label": "", "value": [""]}], "files": [{"name": ""}], "more": {"x": ""}}, ""]),
                json!({"uid": "", "fields": [{"type": "=oneTimeCode", "value": [""]}], "custom": ""}),
            ],
            &["uid", "type", "label"],
        ),
        "passky-json" => shape(
            vec![
                json!({"encrypted": false, "passwords": [{"id": "", "website": "", "username": "", "password": "", "message": "", "more": ""}, ""]}),
            ],
            &["id"],
        ),
        "terraform-state" => shape(
            vec![
                json!({"version": 4, "terraform_version": "", "serial": 1, "lineage": "", "outputs": {"a": {"value": "", "type": "", "sensitive": true}, "b": {"value": ["", {"c": ""}], "type": ["", ""]}, "c": ""},
                "resources": [{"module": "", "mode": "", "type": "", "name": "", "provider": "", "instances": [
                    {"index_key": "", "schema_version": 0, "attributes": {"result": "", "username": "", "host": "", "description": "", "api_token": "", "length": 16, "tags": {"x": ""}, "list": [""]}, "sensitive_attributes": [[{"type": "", "value": "=result"}]], "private": "", "dependencies": ["", ""], "more": ""}, ""]}, ""],
                "check_results": [{"x": ""}], "more": ""}),
            ],
            &[
                "terraform_version",
                "lineage",
                "module",
                "mode",
                "type",
                "name",
                "provider",
                "index_key",
                "0",
                "1",
                "unheard",
                "b",
                "c~0~1d",
            ],
        ),
        "lastpass-json" => shape(
            vec![
                json!([{"id": "", "name": "", "fullname": "", "username": "", "password": "", "last_modified_gmt": "", "last_touch": "", "group": "", "url": "", "note": ""}, {"url": "=http://sn", "group": "", "fullname": "", "username": ""}]),
            ],
            &["id", "fullname"],
        ),
        "fsk" => shape(
            vec![
                json!({"data": {"a": {"service": "", "username": "", "password": "", "url": "", "notes": "", "style": "", "color": "", "favorite": "=1", "creditNumber": "", "creditExpiry": ""}, "b": ""}, "version": ""}),
            ],
            &["style", "color", "version"],
        ),
        "avast-json" => shape(
            vec![
                json!({"logins": [{"custName": "", "url": "", "loginName": "", "pwd": "", "note": ""}], "notes": [{"label": "", "text": ""}], "cards": [{"custName": "", "cardNumber": "", "expirationDate": {"month": ""}}, ""]}),
            ],
            &[],
        ),
        "blur-json" => shape(
            vec![
                json!({"dntmeExport": true, "accounts": [{"label": "", "domain": "", "username": "=undefined", "email": "", "password": ""}, {"username": "", "email": ""}], "cards": [{"label": "", "number": ""}], "notes": [{"label": "", "content": ""}], "odd": ""}),
            ],
            &[],
        ),
        "passwordboss-json" => shape(
            vec![
                json!({"version": "", "folders": [{"id": "=f", "name": "", "parent": ""}, ""], "items": [{"id": "", "name": "", "type": "", "folder": "=f", "login_url": "", "identifiers": {"username": "", "email": "", "password": "", "totp": "", "notes": "", "custom_fields": [{"name": "", "type": "=password", "value": ""}, {"name": "", "value": ""}, ""]}}, {"name": "", "folder": "", "identifiers": "", "custom_fields": ""}]}),
            ],
            &["version", "id", "parent", "type"],
        ),
        "passpie-yaml" => shape(
            vec![
                json!({"handler": "=passpie", "version": "", "credentials": [{"name": "", "login": "", "password": "", "comment": "", "fullname": "", "modified": ""}, {"name": "=n", "login": "=l", "fullname": "=l@n"}, ""]}),
            ],
            &["version"],
        ),
        "gnome-json" => shape(
            vec![
                json!({"login": [{"display_name": "", "secret": "", "mtime": "", "attributes": {"username": "", "server": "", "xdg:schema": "=x", "port": "", "user": ""}}, ""], "empty": [], "odd": ""}),
            ],
            &[],
        ),
        "pmp-json" => shape(
            vec![
                json!({"operation": {"name": "", "result": {"status": ""}, "Details": [{"RESOURCE ID": "", "RESOURCE NAME": "", "RESOURCE TYPE": "", "DNS NAME": "", "ACCOUNT LIST": [{"ACCOUNT NAME": "", "ACCOUNT ID": "", "PASSWORD": "", "PASSWORD STATUS": "", "NOTES": "=N/A"}, ""]}, {"RESOURCE NAME": "", "RESOURCE URL": "", "ACCOUNT LIST": []}, ""]}}),
            ],
            &["RESOURCE ID", "ACCOUNT ID"],
        ),
        "cyberark-json" => shape(
            vec![
                json!({"value": [{"id": "", "name": "", "address": "", "userName": "", "platformId": "", "safeName": "", "secretType": "", "secret": "", "platformAccountProperties": {"Port": "", "deep": [""]}, "secretManagement": {"x": ""}, "createdTime": ""}, ""], "count": ""}),
                json!([{"safeName": "", "platformId": "", "name": ""}]),
            ],
            &["id", "secretType", "count"],
        ),
        "itglue-json" => shape(
            vec![
                json!({"data": [{"id": "", "type": "=passwords", "attributes": {"organization-id": "", "organization-name": "", "resource-url": "", "name": "", "username": "", "password": "", "url": "", "notes": "", "otp-secret": "", "password-category-name": "", "archived": true, "created-at": ""}, "relationships": {"x": ""}}, ""], "meta": {"total-count": ""}}),
                json!({"data": {"id": "", "type": "=passwords", "attributes": {"name": ""}}}),
            ],
            &["id", "organization-id"],
        ),
        "hudu-json" => shape(
            vec![
                json!({"asset_passwords": [{"id": "", "company_id": "", "company_name": "", "name": "", "username": "", "password": "", "url": "", "login_url": "", "description": "", "otp_secret": "", "password_type": "", "slug": "", "archived": true, "password_folder_name": ""}, {"name": "", "url": ""}, ""]}),
                json!({"asset_password": {"name": "", "password": ""}}),
            ],
            &["id", "company_id", "slug"],
        ),
        "pleasant-json" => shape(
            vec![
                json!({"Id": "", "Name": "", "Credentials": [], "Children": [{"Id": "", "ParentId": "", "Name": "", "Children": [{"Name": ""}, ""], "Credentials": [{"Id": "", "GroupId": "", "Name": "", "Username": "", "Password": "", "Url": "", "Notes": "", "Created": "", "Expires": "", "Tags": [{"Name": ""}], "CustomUserFields": {"Port": ""}, "Attachments": [{"FileName": "", "FileData": "=AAEC", "AttachmentId": ""}, {"FileName": "", "FileData": ""}, ""]}]}]}),
            ],
            &["Id", "ParentId", "GroupId", "AttachmentId"],
        ),
        _ => return None,
    })
}

const OP: &[&str] = &[
    "id",
    "category",
    "version",
    "state",
    "type",
    "purpose",
    "reference",
    "totp",
    "label",
    "unheard",
    "0",
    "b",
    "c~0~1d",
];

fn op_item() -> Value {
    json!({
        "id": "", "title": "", "version": "", "vault": {"id": "", "name": ""}, "category": "", "state": "", "last_edited_by": "", "created_at": "", "updated_at": "", "tags": ["", ""], "favorite": true,
        "urls": [{"label": "", "primary": true, "href": ""}, {"href": ""}, ""], "sections": [{"id": "", "label": ""}], "files": [{"id": "", "name": ""}],
        "fields": [
            {"id": "", "type": "", "purpose": "=USERNAME", "label": "", "value": "", "reference": ""}, {"id": "", "type": "=CONCEALED", "purpose": "=PASSWORD", "label": "", "value": "", "password_details": {"strength": ""}},
            {"purpose": "=NOTES", "value": ""}, {"id": "", "section": {"id": "", "label": ""}, "type": "=OTP", "label": "", "value": "", "totp": ""}, {"id": "", "type": "", "value": ""}, {"id": "", "label": ""}, "",
        ],
    })
}

fn bitwarden() -> Shape {
    let item =
        json!({"id": "", "type": 1, "name": "", "notes": "", "login": {"username": "", "password": ""}});
    shape(vec![json!({"encrypted": false, "folders": [{"id": "", "name": ""}], "items": [item]})], &["id"])
}

fn one_password() -> Shape {
    const RESOLVED: &[&str] = &[
        "accountName",
        "uuid",
        "type",
        "favIndex",
        "categoryUuid",
        "id",
        "name",
        "title",
        "fieldType",
        "guarded",
        "provider",
        "documentId",
        "decryptedSize",
        "keyType",
    ];
    let field =
        |kind: &str, value: Value| json!({"title": "", "id": "", "value": {kind: value}, "guarded": ""});
    let address = json!({"street": "", "city": "", "country": "", "zip": "", "state": ""});
    let key = json!({"privateKey": "", "metadata": {"publicKey": "", "fingerprint": "", "keyType": ""}});
    let fields = json!([
        field("string", json!("")),
        field("concealed", json!("")),
        field("totp", json!("")),
        field("date", json!(1)),
        field("monthYear", json!(203_108)),
        field("email", json!({"email_address": "", "provider": ""})),
        field("email", json!("")),
        field("address", address),
        field("file", json!({"fileName": "", "documentId": "", "decryptedSize": ""})),
        field("sshKey", key),
        field("reference", json!("")),
        field("passkey", json!({"rpId": "", "x": ""})),
        field("strange", json!({"deep": [""]})),
    ]);
    let item = json!({
        "uuid": "", "favIndex": "", "createdAt": "", "updatedAt": "", "state": "=active", "categoryUuid": "",
        "details": {
            "loginFields": [{"value": "", "id": "", "name": "", "fieldType": "", "designation": "=username"}, {"value": "", "name": "", "fieldType": "=P", "designation": "=password"}, {"value": "", "id": "", "name": "", "fieldType": "=C"}],
            "notesPlain": "", "password": "", "passwordHistory": [{"value": "", "time": ""}],
            "sections": [{"title": "", "name": "", "fields": fields}],
        },
        "overview": {"subtitle": "", "title": "", "url": "", "urls": [{"label": "", "url": ""}], "tags": [""]},
    });
    let document = json!({"accounts": [{"attrs": {"accountName": "", "name": "", "uuid": ""}, "vaults": [{"attrs": {"name": "", "uuid": "", "type": ""}, "items": [item, {"item": {"uuid": "", "overview": {"title": ""}}}]}]}]});
    shape(vec![document], RESOLVED)
}

fn proton_pass() -> Shape {
    let item = |kind: &str, content: Value| {
        json!({
            "itemId": "", "shareId": "", "state": 1, "aliasEmail": "", "contentFormatVersion": "", "createTime": "", "modifyTime": "", "pinned": true,
            "files": [], "data": {"metadata": {"name": "", "note": "", "itemUuid": ""}, "type": format!("={kind}"), "content": content, "platformSpecific": {"android": ""},
                "extraFields": [{"fieldName": "", "type": "=hidden", "data": {"content": ""}}, {"fieldName": "", "type": "=totp", "data": {"totpUri": ""}}]},
        })
    };
    let items = json!([
        item(
            "login",
            json!({"itemEmail": "", "itemUsername": "", "password": "", "urls": ["", ""], "totpUri": "", "passkeys": [{"rpId": ""}]})
        ),
        item(
            "creditCard",
            json!({"cardholderName": "", "number": "", "verificationNumber": "", "expirationDate": "", "pin": ""})
        ),
        item(
            "identity",
            json!({"fullName": "", "socialSecurityNumber": "", "extraPersonalDetails": [{"fieldName": "", "type": "=text", "data": {"content": ""}}]})
        ),
        item(
            "sshKey",
            json!({"publicKey": "", "privateKey": "", "sections": [{"sectionName": "", "sectionFields": [{"fieldName": "", "type": "=text", "data": {"content": ""}}]}]})
        ),
        item("wifi", json!({"ssid": "", "password": "", "security": ""})),
    ]);
    let document = json!({"version": "", "userId": "", "encrypted": false, "vaults": {"s": {"name": "", "description": "", "items": items}}});
    shape(
        vec![document],
        &["version", "userId", "itemId", "shareId", "contentFormatVersion", "itemUuid", "sectionName"],
    )
}

fn enpass() -> Shape {
    let field = |kind: &str| json!({"uid": "", "label": "", "type": format!("={kind}"), "value": "", "sensitive": 1, "order": "", "deleted": 0, "value_updated_at": "", "history": [{"value": ""}]});
    let fields = json!([field("username"), field("email"), field("password"), field("url"), field("totp"), field("ccExpiry"), field("ccNumber"), field("text"), {"label": "", "type": "=section", "value": "", "deleted": 0}, {"label": "", "type": "=text", "value": "", "deleted": 1}]);
    let item = json!({
        "uuid": "", "title": "", "subtitle": "", "note": "", "category": "", "template_type": "", "favorite": 1, "archived": 1, "trashed": 0,
        "folders": ["=f", ""], "createdAt": "", "updated_at": "", "fields": fields, "attachments": [{"name": "", "data": "", "kind": ""}], "icon": {"x": ""},
    });
    let document =
        json!({"folders": [{"uuid": "=f", "title": "", "parent_uuid": "", "icon": ""}], "items": [item]});
    shape(
        vec![document],
        &["uuid", "parent_uuid", "icon", "category", "template_type", "uid", "order", "label", "kind"],
    )
}

fn keeper() -> Shape {
    let own = json!({
        "$host::1": {"hostName": "", "port": ""}, "$text:dbType:1": "", "$oneTimeCode::1": "", "$keyPair::1": {"publicKey": "", "privateKey": ""},
        "$paymentCard::1": {"cardNumber": "", "cardExpirationDate": "", "cardSecurityCode": ""}, "$securityQuestion::1": {"question": "", "answer": ""},
        "$name::1": {"first": "", "last": ""}, "$address::1": {"street1": "", "city": ""}, "$date::1": 1_700_000_000_000_i64, "$secret:PIN:1": [""], "Plain": "", "TFC:Keeper": "",
    });
    let record = json!({
        "uid": "", "title": "", "$type": "", "login": "", "password": "", "login_url": "", "notes": "", "last_modified": "", "custom_fields": own,
        "references": {"$addressRef": ["", "=r2"]}, "folders": [{"shared_folder": "", "folder": "", "can_edit": ""}, {"folder": ""}], "schema": [""],
    });
    let document = json!({"shared_folders": [{"path": "", "uid": "", "manage_users": "", "permissions": [{"name": ""}]}], "records": [record, {"uid": "=r2", "title": ""}]});
    shape(vec![document], &["uid", "$type"])
}

fn psono() -> Shape {
    let items = json!([
        {"type": "=website_password", "id": "", "name": "", "website_password_title": "", "website_password_url": "", "website_password_username": "", "website_password_password": "", "website_password_notes": "", "website_password_totp_code": "", "website_password_totp_period": "=30", "create_date": "", "custom_fields": [{"name": "", "value": "", "type": ""}]},
        {"type": "=environment_variables", "environment_variables_title": "", "environment_variables_variables": [{"key": "", "value": ""}]},
        {"type": "=credit_card", "credit_card_title": "", "credit_card_number": "", "credit_card_cvc": "", "credit_card_name": "", "credit_card_valid_through": ""},
        {"type": "=ssh_own_key", "ssh_own_key_title": "", "ssh_own_key_public": "", "ssh_own_key_private": ""},
    ]);
    let document = json!({"folders": [{"id": "", "name": "", "folders": [{"name": "", "items": []}], "items": items}], "items": []});
    shape(vec![document], &["id", "name", "website_password_totp_period", "type", "create_date"])
}

fn nextcloud() -> Shape {
    let password = json!({
        "id": "", "label": "", "username": "", "password": "", "url": "", "notes": "", "folder": "=f", "tags": ["=t", ""], "favorite": true, "revision": "",
        "edited": "", "created": "", "customFields": [{"label": "", "type": "=secret", "value": ""}, {"label": "", "type": "=text", "value": ""}], "share": {"owner": ""},
    });
    let document = json!({"version": "", "encrypted": false, "folders": [{"id": "=f", "label": "", "parent": ""}], "tags": [{"id": "=t", "label": "", "color": ""}], "passwords": [password]});
    shape(vec![document], &["version", "id", "parent", "color", "revision"])
}

fn cxf() -> Shape {
    let editable = || json!({"fieldType": "", "value": "", "id": ""});
    let credentials = json!([
        {"type": "=basic-auth", "username": editable(), "password": ""}, {"type": "=totp", "secret": "=GEZDGNBVGY3TQOJQ", "period": "", "issuer": ""}, {"type": "=note", "content": editable()},
        {"type": "=custom-fields", "label": "", "fields": [{"fieldType": "=concealed-string", "value": "", "label": ""}]}, {"type": "=file", "id": "", "name": "", "decryptedSize": ""},
        {"type": "=passkey", "rpId": "", "key": ""}, {"type": "=api-key", "key": editable(), "username": editable(), "url": editable(), "expiryDate": editable()},
        {"type": "=credit-card", "number": editable(), "fullName": "", "verificationNumber": ""}, {"type": "=ssh-key", "privateKey": "", "keyComment": ""}, {"type": "=wifi", "ssid": "", "passphrase": ""},
        {"type": "=address", "city": editable()}, {"type": "=item-reference", "reference": {"item": ""}}, {"type": "=hologram", "value": ""},
    ]);
    let item = json!({"id": "=i", "title": "", "subtitle": "", "creationAt": "", "modifiedAt": "", "favorite": true, "tags": [""], "scope": {"urls": ["", ""], "androidApps": [{"bundleId": "", "name": ""}]}, "credentials": credentials, "extensions": [{"name": ""}]});
    let collection = json!({"id": "", "title": "", "items": [{"item": "=i", "account": ""}], "subCollections": [{"id": "", "title": "", "items": [{"item": "=i"}]}]});
    let document = json!({"version": {"major": 1, "minor": 0}, "exporterRpId": "", "timestamp": "", "accounts": [{"id": "", "username": "", "collections": [collection], "items": [item]}]});
    shape(
        vec![document],
        &[
            "exporterRpId",
            "timestamp",
            "id",
            "username",
            "account",
            "fieldType",
            "label",
            "name",
            "decryptedSize",
            "period",
            "issuer",
        ],
    )
}
