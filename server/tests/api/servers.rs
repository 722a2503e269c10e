//! Two servers on one database, which are asked at once for what only one of them may do: nothing but the database is
//! between them. On both stores.

use crate::world::{World, id, user, world};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use sha1::Sha1;

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_default().to_owned()
}

async fn status(world: &World, method: &str, path: &str, token: &str, body: Value) -> u16 {
    world.send(method, path, token, true, body).await.0.as_u16()
}

/// Statuses in order, as it does not count which server was the first.
fn sorted<const N: usize>(mut statuses: [u16; N]) -> [u16; N] {
    statuses.sort_unstable();
    statuses
}

fn token_of(world: &World, name: &str) -> (String, String) {
    let new = world.environment.add_user(user(name)).unwrap();
    let token = world.environment.issue_session(&new).unwrap().access_token.unwrap();
    (new, token)
}

/// The code that an authenticator shows now (RFC 6238).
fn code_of(secret: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut mac = Hmac::<Sha1>::new_from_slice(&BASE32_NOPAD.decode(secret.as_bytes()).unwrap()).unwrap();
    mac.update(&(now / 30).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0x0f);
    let word = u32::from_be_bytes(digest[offset..offset + 4].try_into().unwrap());
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_code_opens_one_session() {
    let (one, ..) = world(ServeOptions::default());
    let other = one.opened_again();
    for round in 0..4 {
        let name = format!("user{round}");
        let (_, token) = token_of(&one, &name);
        let secret = text(&one.ok("POST", "/users/2fa/totp/generate", &token, json!({})).await, "secret");
        one.change("UPDATE users SET totp_enabled = 1 WHERE username = ?1", &[&name]);
        let login = json!({"username": name, "password": "correct horse"});
        let mut half = Vec::new();
        for _ in 0..4 {
            half.push(text(&one.ok("POST", "/users/login", "", login.clone()).await, "accessToken"));
        }
        let code = json!({"code": code_of(&secret)});
        let path = "/users/2fa/totp/authorize";
        let statuses = tokio::join!(
            status(&one, "POST", path, &half[0], code.clone()),
            status(&other, "POST", path, &half[1], code.clone()),
            status(&one, "POST", path, &half[2], code.clone()),
            status(&other, "POST", path, &half[3], code.clone()),
        );
        assert_eq!(sorted(statuses.into()), [200, 401, 401, 401], "round {round}");
        let open = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.owes_code = 0 AND u.totp_enabled = 1";
        // The one of before codes were on, and one for each round so far.
        assert_eq!(one.number(open), 2 * (round + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_used_once_and_replayed_for_nobody() {
    let (one, ..) = world(ServeOptions::default());
    let other = one.opened_again();
    let sessions = "SELECT count(*) FROM sessions WHERE family IN (SELECT family FROM used_refresh_tokens)";
    for _ in 0..10 {
        let login = json!({"username": "alice", "password": "correct horse"});
        let tokens = one.ok("POST", "/users/login", "", login).await;
        let refresh = json!({"refreshToken": tokens["refreshToken"]});
        let ask = |world| World::send(world, "POST", "/sessions/refresh", "", true, refresh.clone());
        let answers: [_; 4] = tokio::join!(ask(&one), ask(&other), ask(&one), ask(&other)).into();
        // Whose answer may have been lost gets a pair as well, for a while; the token itself was used once.
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        assert_eq!(one.number("SELECT count(*) FROM used_refresh_tokens"), 1);
        assert_eq!(one.number(sessions), 4, "the old pair is gone, and there are four new ones");
        // Whoever has a copy comes with it while its owner goes on: of the family nothing is left, in whichever order.
        one.change("UPDATE used_refresh_tokens SET used = used - 3600", &[]);
        let go_on = |world, index: usize| {
            let refresh = json!({"refreshToken": answers[index].1["refreshToken"]});
            World::send(world, "POST", "/sessions/refresh", "", true, refresh)
        };
        let (a, replayed, b) = tokio::join!(go_on(&other, 0), ask(&one), go_on(&other, 1));
        assert_eq!(replayed.0, 401);
        let pairs = [a, b];
        assert_eq!(one.number(sessions), 0, "{pairs:?}");
        for (_, pair) in answers.iter().chain(&pairs) {
            let token = text(pair, "accessToken");
            assert_eq!(status(&other, "GET", "/users/info", &token, Value::Null).await, 401);
        }
        one.change("DELETE FROM used_refresh_tokens", &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays_whoever_takes_the_other_away() {
    let (one, alice, _) = world(ServeOptions::default());
    let other = one.opened_again();
    let alice_id = id(&one.ok("GET", "/users/info", &alice, Value::Null).await);
    let administrators = "SELECT count(*) FROM users u JOIN user_roles r ON r.id = u.role_id
        WHERE r.code = 'administrator' AND u.blocked = 0 AND u.deleted = 0";
    for round in 0..8 {
        // Of the environment: each would take the other's role.
        let (second, second_token) = token_of(&one, &format!("second{round}"));
        let role = |code: &str| json!({"userRoleId": code});
        one.ok("PATCH", &format!("/users/{second}"), &alice, role("administrator")).await;
        let (take_second, take_alice) = (format!("/users/{second}"), format!("/users/{alice_id}"));
        let statuses: [u16; 2] = tokio::join!(
            status(&one, "PATCH", &take_second, &alice, role("user")),
            status(&other, "PATCH", &take_alice, &second_token, role("user")),
        )
        .into();
        assert_eq!(one.number(administrators), 1, "{statuses:?}");
        assert_eq!(sorted(statuses), [200, 403], "who was too late gives no roles any more");
        let all = "UPDATE users SET role_id = (SELECT id FROM user_roles WHERE code = 'administrator') WHERE id = ?1";
        one.change(all, &[&alice_id]);
        one.change(
            "UPDATE users SET role_id = (SELECT id FROM user_roles WHERE code = 'user') WHERE id = ?1",
            &[&second],
        );

        // Of a vault: each leaves it to the other.
        let vault = one.vault(&alice).await;
        let users = format!("/vaults/{vault}/users");
        let right = |user: &str, role: &str| json!({"userId": user, "role": role});
        one.ok("POST", &users, &alice, right(&second, "administer")).await;
        let statuses: [u16; 2] = tokio::join!(
            status(&one, "POST", &users, &alice, right(&alice_id, "read")),
            status(&other, "POST", &users, &second_token, right(&second, "read")),
        )
        .into();
        assert_eq!(sorted(statuses), [200, 409]);
        let left = format!("SELECT count(*) FROM vault_users WHERE vault_id = '{vault}' AND role = 3");
        assert_eq!(one.number(&left), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_go_into_each_other_at_once_make_no_circle() {
    let (one, alice, _) = world(ServeOptions::default());
    let other = one.opened_again();
    let vault = one.vault(&alice).await;
    for _ in 0..10 {
        let make = |name: &str| one.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name}));
        let (a, b) = (id(&make("a").await), id(&make("b").await));
        let into = |folder: &str| json!({"vaultId": vault, "parentFolderId": folder});
        let (move_a, move_b) = (format!("/folders/{a}/move"), format!("/folders/{b}/move"));
        let statuses: [u16; 2] = tokio::join!(
            status(&one, "POST", &move_a, &alice, into(&b)),
            status(&other, "POST", &move_b, &alice, into(&a)),
        )
        .into();
        assert_eq!(sorted(statuses), [200, 422]);
        let top =
            format!("SELECT count(*) FROM folders WHERE id IN ('{a}', '{b}') AND parent_folder_id IS NULL");
        assert_eq!(one.number(&top), 1, "one is still reached from the vault");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_of_one_revision_one_is_made() {
    let (one, alice, _) = world(ServeOptions::default());
    let other = one.opened_again();
    let vault = one.vault(&alice).await;
    let item = id(&one.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    for revision in 1..=10 {
        let change = |login: &str| json!({"login": login, "revision": revision});
        let statuses = tokio::join!(
            status(&one, "PATCH", &path, &alice, change("a")),
            status(&other, "PATCH", &path, &alice, change("b")),
            status(&one, "PATCH", &path, &alice, change("c")),
            status(&other, "PATCH", &path, &alice, change("d")),
        );
        assert_eq!(sorted(statuses.into()), [200, 409, 409, 409], "revision {revision}");
    }
    assert_eq!(one.number("SELECT count(*) FROM snapshots"), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_write_at_once_is_one_chain_of_activity() {
    let (one, alice, _) = world(ServeOptions::default());
    let other = one.opened_again();
    let vault = one.vault(&alice).await;
    let write = async |world: &World| {
        for number in 0..20 {
            let item = json!({"vaultId": vault, "name": number.to_string()});
            world.ok("POST", "/items", &alice, item).await;
        }
    };
    tokio::join!(write(&one), write(&other), write(&one), write(&other));
    let check = one.ok("GET", "/activity-log/check", &alice, Value::Null).await;
    assert_eq!((&check["broken"], &check["count"]), (&Value::Null, &json!(81)));
    // Each sees at once what the other has written.
    assert_eq!(other.ok("GET", "/activity-log/check", &alice, Value::Null).await, check);
}
