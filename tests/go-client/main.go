// A client of Passwork's API v1, written from what is known of the API and of its clients and not from this server: it
// signs in as a browser does, with a one-time code, refreshes, walks folders and shortcuts, administers users and groups,
// does what modules of configuration tools and a connector of an identity management do, and looks at the shape and the types of each answer.
//
//	go run . KEYFERRY [PAGE…]
//
// makes an environment in a temporary folder with that program, serves it on the loopback, and asks. The pages say how many
// calls and checks these are: one that says something else is an error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const login, password = "admin", "a login password of twenty"

// newServer makes an environment, serves it, and answers where, with the token of its first user.
func newServer(program, folder string) (address, token string, stop func(), err error) {
	place := filepath.Join(folder, "environment")
	run := func(words ...string) *exec.Cmd {
		command := exec.Command(program, words...)
		command.Dir, command.Stderr = folder, os.Stderr
		command.Env = []string{"HOME=" + folder, "KEYFERRY_KEYRING=off"}
		return command
	}
	said, err := run("--json", "env", "init", "embedded:"+place, "--user", login, "--client-encryption", "off").Output()
	if err != nil {
		return "", "", nil, fmt.Errorf("env init: %w", err)
	}
	var made struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(said, &made); err != nil {
		return "", "", nil, err
	}
	serve := run("--json", "serve", place, "--listen", "127.0.0.1:0", "--log", "off")
	out, err := serve.StdoutPipe()
	if err != nil {
		return "", "", nil, err
	}
	if err := serve.Start(); err != nil {
		return "", "", nil, err
	}
	stop = func() { _ = serve.Process.Kill(); _ = serve.Wait() }
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		stop()
		return "", "", nil, err
	}
	var ready struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		stop()
		return "", "", nil, err
	}
	return ready.URL, made.AccessToken, stop, nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go-client KEYFERRY [PAGE…]")
		os.Exit(2)
	}
	program, err := filepath.Abs(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	folder, err := os.MkdirTemp("", "go-client")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := 0
	address, token, stop, err := newServer(program, folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 2
	} else {
		t := &tally{}
		all(t, address, token)
		stop()
		for _, wrong := range t.wrong {
			fmt.Println("not as written:", wrong)
		}
		said := fmt.Sprintf("%d calls, %d of %d checks", t.calls, t.checks-len(t.wrong), t.checks)
		fmt.Println(said, "as written")
		if len(t.wrong) > 0 {
			code = 1
		}
		for _, page := range os.Args[2:] {
			if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), said) {
				fmt.Println(page, "does not say:", said)
				code = 1
			}
		}
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func all(t *tally, address, token string) {
	// The first user's own password and second factor are set up with the token that was shown at the making.
	owner := &client{tally: t, address: address, bearer: token, raw: true}
	me := owner.get("/users/info", nil)
	t.shape("GET /users/info", me, userShape)
	owner.send("PATCH", "/users/"+me.text("id"), object{"password": password})
	owner = freshOwner(t, address)
	secret := owner.send("POST", "/users/2fa/totp/generate", object{}).text("secret")
	owner.send("POST", "/users/2fa/totp/enable", object{"code": oneTimeCode(secret, time.Now().Add(-30*time.Second))})

	browser := signIn(t, address, secret)
	app(t, browser)
	walk(t, browser)
	administer(t, browser)
	automation(t, browser)
	identity(t, browser, address)
	signOut(t, browser)
}

// freshOwner signs in as a program does: without browser mode the access token is in the body.
func freshOwner(t *tally, address string) *client {
	c := &client{tally: t, address: address}
	answer := c.send("POST", "/users/login", object{"username": login, "password": password, "hostname": "here"})
	t.shape("POST /users/login", answer, object{
		"accessToken": token44, "refreshToken": token44, "accessTokenExpiredAt": seconds, "refreshTokenExpiredAt": seconds,
	})
	c.bearer, c.refreshToken = answer.text("accessToken"), answer.text("refreshToken")
	return c
}

func signIn(t *tally, address, secret string) *client {
	c := &client{tally: t, address: address, browser: true, raw: true}
	c.csrf = c.send("POST", "/csrf-tokens/generate", object{}).text("csrfToken")
	t.check("the browser gets a CSRF token", c.csrf != "")
	answer := c.send("POST", "/users/login", object{"username": login, "password": password, "hostname": address})
	t.shape("POST /users/login of a browser", answer, object{
		"refreshToken": token44, "csrfToken": filled, "accessTokenExpiredAt": seconds, "refreshTokenExpiredAt": seconds,
	})
	t.check("the access token comes as a cookie alone", !answer.has("accessToken") && len(c.cookie) > 0)
	t.check("the CSRF token rotates", answer.text("csrfToken") != c.csrf)
	c.csrf, c.refreshToken = answer.text("csrfToken"), answer.text("refreshToken")

	// The code is owed: who one is may be asked, and nothing else.
	info := c.get("/users/info", nil)
	t.check("/users/info answers while a code is owed", info.status == 200)
	t.check("and says that there is a second factor", info.value["isTwoFactorAuthEnabled"] == true)
	for _, path := range []string{"/vaults", "/users", "/items/search?query=a"} {
		c.refused("GET", path, nil, 401, "twoFactorAuthRequired")
	}
	wrong := c.send("POST", "/users/2fa/totp/authorize", object{"code": "000000"})
	t.check("a wrong code is 401", wrong.status == 401)
	right := c.send("POST", "/users/2fa/totp/authorize", object{"code": oneTimeCode(secret, time.Now())})
	t.check("the right code is taken", right.status == 200 && len(right.value) == 0)
	t.check("then everything answers", c.get("/vaults", nil).status == 200)

	// The session knows that it is a browser's: the mode is not said with the refresh.
	before, old := c.cookie, c.refreshToken
	c.browser = false
	c.raw = false
	answer = c.send("POST", "/sessions/refresh", object{"refreshToken": c.refreshToken})
	c.browser, c.raw = true, true
	t.check("a refresh is never wrapped", !answer.wrapped)
	t.shape("POST /sessions/refresh", answer, object{
		"refreshToken": token44, "accessTokenExpiredAt": seconds, "refreshTokenExpiredAt": seconds,
	})
	t.check("a browser's refresh sets the cookie", c.cookie != before && !answer.has("accessToken"))
	c.refreshToken = answer.text("refreshToken")
	t.check("the refresh token rotates", c.refreshToken != old)
	t.check("the session goes on", c.get("/users/info", nil).status == 200)
	// A write without the token against forged requests is refused; what reads needs none.
	kept := c.csrf
	c.csrf = ""
	t.check("a write needs the CSRF token", c.send("POST", "/vaults", object{"name": "forged"}).status >= 400)
	c.csrf = kept
	return c
}

func app(t *tally, c *client) {
	features := c.get("/app/features", nil)
	t.check("GET /app/features is a list", features.list != nil)
	for _, feature := range features.list {
		t.check("no type is announced that nobody made", feature.(map[string]any)["name"] != "vaultType")
	}
	complexity := object{"minLength": number, "isDigitsRequired": boolean, "isUppercaseRequired": boolean, "isSpecialCharactersRequired": boolean}
	t.shape("GET /app/settings", c.get("/app/settings", nil), object{
		"authPasswordComplexity": complexity, "masterPasswordComplexity": complexity,
	})
	t.check("GET /app/settings/additional", c.get("/app/settings/additional", nil).status == 200)
	t.check("GET /sessions/current/info", c.get("/sessions/current/info", nil).status == 200)
	codes := map[string]bool{}
	for _, kind := range c.items("/vault-types/all", nil) {
		t.shapeOf("a vault type", kind, object{"id": id, "name": filled, "code": filled})
		codes[kind["code"].(string)] = true
	}
	t.check("company and privateShared are always there", codes["company"] && codes["privateShared"])
	options := c.get("/users/master-key/options", nil)
	t.check("without client-side encryption there are no options", options.status == 200)
	t.shape("GET /users/master-key/new-options", c.get("/users/master-key/new-options", nil), object{
		"salt": filled, "iterations": number, "bytes": number, "digest": filled,
	})
	wrapped := *c
	wrapped.raw = false
	t.check("answers are wrapped unless raw is asked for", wrapped.get("/vaults", nil).wrapped)
	t.check("and raw where it is", !c.get("/vaults", nil).wrapped)
	missing := c.get("/vaults/aaaaaaaaaaaaaaaaaaaaaaaa", nil)
	t.error("a vault that is not there", missing, 404)
	t.error("an address that is not there", c.get("/no/such", nil), 404)
}

func walk(t *tally, c *client) {
	vault := c.made("/vaults", object{"name": "Infra / 1"})
	other := c.made("/vaults", object{"name": "Other"})
	folder := c.made("/folders", object{"vaultId": vault, "name": "databases"})
	below := c.made("/folders", object{"vaultId": vault, "parentFolderId": folder, "name": "main"})
	draft := object{
		"vaultId": vault, "folderId": below, "name": "pg", "login": "postgres", "url": "https://db.example", "tags": []string{"db", "prod"},
		"passwordEncrypted": "cGxhbnRlZA==", "customs": []object{{"name": "cG9ydA==", "type": "dGV4dA==", "value": "NTQzMg=="}},
		"attachments": []object{{"encryptedKey": "YWFhYQ==", "encryptedData": "WVE9PQ==", "hash": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "name": "a"}},
	}
	item := c.made("/items", draft)
	plain := c.made("/items", object{"vaultId": vault, "name": "bare", "folderId": nil})

	for _, one := range c.items("/vaults", nil) {
		t.shapeOf("an entry of GET /vaults", one, vaultShape)
	}
	t.shape("GET /vaults/{id}", c.get("/vaults/"+vault, nil), vaultShape)
	folders := c.items("/folders", url.Values{"vaultId": {vault}})
	t.check("the folders of a vault are flat", len(folders) == 2)
	for _, one := range folders {
		t.shapeOf("an entry of GET /folders", one, object{"id": id, "name": filled, "vaultId": id, "parentFolderId": orNull(id)})
	}
	whole := c.get("/folders/"+below, nil)
	t.shape("GET /folders/{id}", whole, folderShape)
	t.check("a folder's path goes from the vault down to itself", names(whole.value["path"]) == "Infra / 1 > databases > main")
	found := c.items("/folders/search", url.Values{"query": {"MAIN"}, "vaultId": {vault}})
	t.check("folders are searched", len(found) == 1 && found[0]["id"] == below && names(found[0]["path"]) != "")

	t.check("a vault lists all of its items", len(c.items("/items", url.Values{"vaultId": {vault}})) == 2)
	direct := c.items("/items", url.Values{"vaultId": {vault}, "folderId": {below}})
	t.check("a folder lists its direct ones", len(direct) == 1)
	for _, query := range []url.Values{
		{"query": {"pg"}}, {"tags[]": {"db", "prod"}}, {"vaultIds[]": {vault}, "query": {"pg"}},
		{"vaultId": {vault}, "query": {"pg"}}, {"folderIds[]": {below}}, {"colorCodes[]": {"0"}, "query": {"pg"}},
	} {
		hits := c.items("/items/search", query)
		t.check("search "+query.Encode(), len(hits) == 1 && hits[0]["id"] == item)
		for _, hit := range hits {
			t.shapeOf("a hit", hit, summaryShape)
			t.check("a hit has its path", names(hit["path"]) == "Infra / 1 > databases > main")
		}
	}
	t.check("all tags must match", len(c.items("/items/search", url.Values{"tags[]": {"db", "test"}})) == 0)
	answer := c.get("/items/"+item, nil)
	t.shape("GET /items/{id}", answer, itemShape)
	t.check("what was sent comes back", answer.text("passwordEncrypted") == "cGxhbnRlZA==" && answer.text("login") == "postgres")
	t.check("numbers of others are not there", !answer.has("createdAt") && !answer.has("updatedAt") && !answer.has("revision"))
	bare := c.get("/items/"+plain, nil)
	t.shape("an item of a name alone", bare, itemShape)
	t.check("lists are empty and never null", bare.value["tags"] != nil && bare.value["customs"] != nil && bare.value["attachments"] != nil)
	attachment := answer.value["attachments"].([]any)[0].(map[string]any)["id"].(string)
	t.shape("an attachment", c.get("/items/"+item+"/attachment/"+attachment, nil), object{
		"id": id, "name": text, "encryptedKey": filled, "encryptedData": filled, "hash": filled,
	})

	// A change leaves a snapshot.
	t.check("a change answers 200", c.send("PATCH", "/items/"+item, object{"vaultId": vault, "name": "pg", "login": "root"}).status == 200)
	t.error("a password in the clear", c.send("PATCH", "/items/"+item, object{"vaultId": vault, "password": "clear"}), 422)
	snapshots := c.items("/items/"+item+"/snapshots", nil)
	t.check("one snapshot for one change", len(snapshots) == 1)
	if len(snapshots) == 1 {
		before := c.get("/items/"+item+"/snapshot/"+snapshots[0]["id"].(string), nil)
		t.shape("a snapshot", before, object{
			"id": id, "itemId": id, "name": text, "login": orNull(text), "passwordEncrypted": orNull(text), "keyEncrypted": orNull(text),
			"customs": list, "attachments": list, "fieldsOrder": anything, "creatorId": orNull(id), "creator": personShape,
		})
		t.check("it is what was before", before.text("login") == "postgres")
	}

	batch := c.send("POST", "/batch", object{"requests": []object{
		{"method": "GET", "relativeUrl": "/api/v1/items/" + item},
		{"method": "GET", "relativeUrl": "/api/v1/items/aaaaaaaaaaaaaaaaaaaaaaaa"},
		{"method": "POST", "relativeUrl": "/api/v1/folders", "body": object{"vaultId": vault, "name": "by batch"}},
	}})
	answers, _ := batch.value["responses"].([]any)
	t.check("a batch answers each in order", len(answers) == 3)
	if len(answers) == 3 {
		first := answers[0].(map[string]any)
		t.check("200, 404, 200", first["statusCode"] == 200.0 && answers[1].(map[string]any)["statusCode"] == 404.0 && answers[2].(map[string]any)["statusCode"] == 200.0)
		t.shapeOf("a batched item", first["body"].(map[string]any), itemShape)
	}

	// Moves say where to, by either name.
	t.error("a move without a target", c.send("POST", "/folders/"+below+"/move", object{}), 422)
	c.send("POST", "/folders/"+below+"/move", object{"targetFolderId": nil})
	t.check("a folder moves to the top where that was said", c.get("/folders/"+below, nil).value["parentFolderId"] == nil)
	c.send("POST", "/folders/"+below+"/move", object{"targetFolderId": folder})
	t.check("and by targetFolderId", c.get("/folders/"+below, nil).value["parentFolderId"] == folder)
	c.send("POST", "/folders/"+below, object{"name": "renamed"})
	t.check("folders are renamed", c.get("/folders/"+below, nil).value["name"] == "renamed")
	binned := c.send("DELETE", "/items/"+plain, object{})
	t.shape("DELETE /items/{id}", binned, object{"binItemId": id})
	t.error("an unknown body", c.send("POST", "/folders", object{"unknown": 1}), 422)

	shortcuts(t, c, vault, other, item, below)
}

func shortcuts(t *tally, c *client, vault, other, item, folder string) {
	shortcut := c.made("/shortcuts", object{"vaultId": other, "folderId": nil, "itemId": item, "keyEncrypted": nil})
	seen := c.get("/shortcuts/"+shortcut, nil)
	t.shape("GET /shortcuts/{id}", seen, shortcutShape)
	t.check("a shortcut is the item", seen.text("id") == item && seen.text("name") == "pg")
	inner := seen.value["shortcut"].(map[string]any)
	t.check("with where it stands", inner["id"] == shortcut && inner["vaultId"] == other && inner["itemId"] == item)
	t.check("and no vault key", !seen.has("vaultMasterKeyEncrypted"))
	hits := c.items("/shortcuts/search", url.Values{"query": {"pg"}})
	t.check("shortcuts are searched", len(hits) == 1)
	for _, hit := range hits {
		t.shapeOf("a shortcut's hit", hit, shortcutShape)
	}
	through := c.get("/items/"+shortcut, nil)
	t.shape("GET /items/{shortcut id}", through, itemShape)
	t.check("shows the shortcut's id and vault", through.text("id") == shortcut && through.text("vaultId") == other)
	t.check("PATCH of a shortcut changes the item", c.send("PATCH", "/shortcuts/"+shortcut, object{"login": "by shortcut"}).status == 200 && c.get("/items/"+item, nil).text("login") == "by shortcut")

	// Somebody who reaches the item by the shortcut alone.
	guest := c.made("/users", object{"login": "guest", "fullName": "G. Uest", "password": password})
	t.check("a right in a vault", c.send("POST", "/vaults/"+other+"/users", object{"userId": guest, "role": "read"}).status == 200)
	g := &client{tally: t, address: c.address, raw: true}
	answer := g.send("POST", "/users/login", object{"username": "guest", "password": password, "hostname": "there"})
	g.bearer, g.refreshToken = answer.text("accessToken"), answer.text("refreshToken")
	t.check("sees one vault", len(g.items("/vaults", nil)) == 1)
	own := g.get("/items/"+item, nil)
	t.shape("the item by its own id", own, itemShape)
	t.check("shown in the shortcut's vault", own.text("vaultId") == other)
	t.error("its folder is not there", g.get("/folders/"+folder, nil), 404)
	t.error("nor is its vault", g.get("/vaults/"+vault, nil), 404)
	t.check("who may read may not write", g.send("PATCH", "/items/"+item, object{"login": "x"}).status == 403)

	link := c.send("POST", "/links", object{"itemId": item, "itemData": object{"name": "pg"}, "keyHash": nil, "keyEncrypted": nil, "type": "single_use", "expirationTime": "1 hour"})
	t.check("a link has an address", strings.Contains(link.text("url"), "/"))
	sent := c.send("POST", "/inbox-items", object{"itemId": item, "userId": guest, "keyEncrypted": nil})
	inbox := g.get("/inbox-items/"+sent.text("id"), nil)
	t.shape("GET /inbox-items/{id}", inbox, object{
		"id": id, "name": text, "vaultId": anything, "folderId": anything, "keyEncrypted": anything, "fieldsOrder": anything, "isDeleted": boolean, "isFavorite": boolean,
		"inbox": object{"id": id, "access": anything, "senderId": id, "createdAt": anything, "isViewed": boolean, "isUserNotified": boolean, "sender": personShape},
	})

	// A bearer's session refreshes with both tokens, and a used one has had its day.
	both := g.send("POST", "/sessions/refresh", object{"refreshToken": g.refreshToken})
	t.shape("a program's refresh", both, object{"accessToken": token44, "refreshToken": token44, "accessTokenExpiredAt": seconds, "refreshTokenExpiredAt": seconds})
	g.refused("GET", "/vaults", nil, 401, "")
	g.bearer, g.refreshToken = both.text("accessToken"), both.text("refreshToken")
	one := g.sendBare("POST", "/sessions/refresh-access-token", object{"accessToken": g.bearer})
	t.check("one token alone is refreshed without a header", one.text("accessToken") != "" && !one.has("refreshToken"))
	g.bearer = one.text("accessToken")
	two := g.sendBare("POST", "/sessions/refresh-refresh-token", object{"refreshToken": g.refreshToken})
	t.check("and the other", two.text("refreshToken") != "" && !two.has("accessToken"))

	t.check("blocking", c.send("POST", "/users/"+guest+"/block", object{}).status == 200)
	g.refused("GET", "/users/info", nil, 401, "")
	t.check("a blocked user does not sign in", g.sendBare("POST", "/users/login", object{"username": "guest", "password": password}).status >= 400)
	t.check("unblocking", c.send("POST", "/users/"+guest+"/unblock", object{}).status == 200)
	t.check("a session that ended stays so", g.get("/users/info", nil).status == 401)
	t.check("signing in again", g.sendBare("POST", "/users/login", object{"username": "guest", "password": password}).status == 200)
	t.check("deleting", c.send("DELETE", "/users/"+guest, object{}).status == 200)
	t.error("who is gone is not there", c.get("/users/"+guest, nil), 404)
}

func administer(t *tally, c *client) {
	role := ""
	for _, one := range c.items("/user-roles", url.Values{"includeUserRole": {"1"}, "isOnlyManageable": {"1"}}) {
		t.shapeOf("a role", one, object{"id": id, "code": filled, "name": filled, "isDefault": boolean})
		if one["code"] == "user" {
			role = one["id"].(string)
		}
	}
	t.check("there is a role of code user", role != "")
	users := []string{}
	for _, name := range []string{"ann", "bob"} {
		user := c.made("/users", object{"login": name, "email": name + "@example.com", "fullName": "Full " + name, "userRoleId": role})
		whole := c.get("/users/"+user, nil)
		t.shape("GET /users/{id}", whole, userShape)
		t.check("a user is named after the login, not the address", whole.text("login") == name && whole.text("username") == name && whole.text("email") == name+"@example.com")
		users = append(users, user)
	}
	t.error("a login that is taken", c.send("POST", "/users", object{"login": "ann"}), 409)
	named := c.made("/users", object{"username": "carol"})
	t.check("username is taken for the login", c.get("/users/"+named, nil).text("login") == "carol")
	hits := c.items("/users", url.Values{"search": {"ANN"}, "limit": {"5"}})
	t.check("users are searched", len(hits) == 1 && hits[0]["id"] == users[0])
	t.check("and limited", len(c.items("/users", url.Values{"limit": {"2"}})) == 2)
	for _, one := range c.items("/users", nil) {
		t.shapeOf("an entry of GET /users", one, userShape)
	}
	c.send("PATCH", "/users/"+users[0], object{"fullName": "Ann A", "email": "ann@new.example"})
	changed := c.get("/users/"+users[0], nil)
	t.check("users are changed", changed.text("fullName") == "Ann A" && changed.text("email") == "ann@new.example")
	t.shape("GET /users/keys", c.get("/users/keys", nil), object{"id": id, "keys": anything})
	t.shape("GET /users/{id}/public-key", c.get("/users/"+users[0]+"/public-key", nil), object{"publicKey": anything})

	group := c.made("/user-groups", object{"name": "Team"})
	t.check("POST /user-groups/{id} renames", c.send("POST", "/user-groups/"+group, object{"name": "Crew"}).status == 200)
	t.check("members are added", c.send("POST", "/user-groups/"+group+"/add-users", object{"userIds": users}).status == 200)
	one := c.get("/user-groups/"+group, nil)
	t.check("a group has its name", one.text("name") == "Crew" && one.text("id") == group)
	t.check("members are taken out", c.send("POST", "/user-groups/"+group+"/remove-users", object{"userIds": users[:1]}).status == 200)
	t.check("groups are listed", len(c.items("/user-groups", nil)) == 1)
	t.error("a user that is not there", c.send("POST", "/user-groups/"+group+"/add-users", object{"userIds": []string{"aaaaaaaaaaaaaaaaaaaaaaaa"}}), 404)
	t.error("a body that means nothing", c.send("POST", "/user-groups/"+group+"/add-users", object{"ids": users}), 422)
	t.check("a group is removed", c.send("DELETE", "/user-groups/"+group, object{}).status == 200)
	t.error("and gone", c.get("/user-groups/"+group, nil), 404)
	t.check("its members stay", c.get("/users/"+users[1], nil).status == 200)
	for _, user := range append(users, named) {
		t.check("users are deleted", c.send("DELETE", "/users/"+user, object{}).status == 200)
	}
}

func signOut(t *tally, c *client) {
	t.check("signing out", c.send("POST", "/sessions/logout", object{}).status == 200)
	c.refused("GET", "/vaults", nil, 401, "")
}
