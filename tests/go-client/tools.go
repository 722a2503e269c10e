package main

import (
	"fmt"
	"net/url"
)

// entry reads one answer as its members; nothing where it is none.
func (c *client) entry(path string) map[string]any {
	answer := c.get(path, nil)
	c.tally.check(fmt.Sprintf("%s answers 200 (%d)", answer.what, answer.status), answer.status == 200)
	return answer.value
}

// invalid insists on a 422 that names the member.
func (c *client) invalid(method, path string, body object, field string) {
	answer := c.send(method, path, body)
	c.tally.error(answer.what, answer, 422)
	errors, _ := answer.value["errors"].([]any)
	named := false
	for _, one := range errors {
		entry, _ := one.(map[string]any)
		named = named || entry["field"] == field
	}
	c.tally.check(fmt.Sprintf("%s %s names %s", method, path, field), named)
}

// automation is what modules of configuration tools do: whatever is asked for is looked for, made where it is not there, and
// changed where it differs; run again, nothing changes.
func automation(t *tally, c *client) {
	ensureVault := func(name string) string {
		for _, one := range c.items("/vaults", nil) {
			if one["name"] == name {
				return one["id"].(string)
			}
		}
		return c.made("/vaults", object{"name": name, "masterKeyEncrypted": nil, "masterKeyHash": nil, "salt": nil})
	}
	ensureFolder := func(vault string, parent any, name string) string {
		for _, one := range c.items("/folders", url.Values{"vaultId": {vault}}) {
			if one["name"] == name && one["parentFolderId"] == parent {
				return one["id"].(string)
			}
		}
		return c.made("/folders", object{"name": name, "vaultId": vault, "parentFolderId": parent})
	}
	changed := 0
	ensureItem := func(vault, folder, name string, wanted object) string {
		for _, one := range c.items("/items/search", url.Values{"query": {name}, "vaultIds[]": {vault}, "folderIds[]": {folder}}) {
			if one["name"] != name {
				continue
			}
			id := one["id"].(string)
			whole, patch := c.entry("/items/"+id), object{"vaultId": vault}
			for member, value := range wanted {
				if fmt.Sprint(whole[member]) != fmt.Sprint(value) {
					patch[member] = value
				}
			}
			if len(patch) > 1 {
				changed++
				t.check("a module's change", c.send("PATCH", "/items/"+id, patch).status == 200)
			}
			return id
		}
		changed++
		draft := object{"vaultId": vault, "folderId": folder, "name": name, "keyEncrypted": ""}
		for member, value := range wanted {
			draft[member] = value
		}
		return c.made("/items", draft)
	}
	wanted := object{"login": "svc", "url": "https://svc.example", "description": "", "tags": []string{"a", "b"}, "color": 4, "passwordEncrypted": "czE="}
	ids := map[string]bool{}
	for turn := 0; turn < 3; turn++ {
		vault := ensureVault("Automation")
		folder := ensureFolder(vault, ensureFolder(vault, nil, "prod"), "web")
		ids[ensureItem(vault, folder, "svc main", wanted)] = true
	}
	t.check("run three times, a module made one item", len(ids) == 1 && changed == 1)
	vault := ensureVault("Automation")
	folder := ensureFolder(vault, ensureFolder(vault, nil, "prod"), "web")
	wanted["login"], wanted["passwordEncrypted"] = "svc2", "czI="
	item := ensureItem(vault, folder, "svc main", wanted)
	t.check("what differs is changed, in one item", len(ids) == 1 && ids[item] && changed == 2)

	// Typed clients send every member, those that they mean nothing by as null; what they mean nothing by stays or is empty.
	c.send("PATCH", "/items/"+item, object{
		"vaultId": vault, "name": "svc main", "login": "svc3", "url": nil, "description": nil, "tags": nil, "color": nil, "customs": nil, "attachments": nil,
		"keyEncrypted": nil, "isFavorite": nil, "password": nil, "somethingNew": object{"of": "a later version"},
	})
	whole := c.entry("/items/" + item)
	t.shapeOf("an item after nulls", whole, itemShape)
	t.check("a member of a later version is ignored beside known ones", whole["login"] == "svc3")
	t.check("the password that was not named stays", whole["passwordEncrypted"] == "czI=")
	order := []any{"password", "login"}
	c.send("PATCH", "/items/"+item, object{"vaultId": vault, "fieldsOrder": order})
	t.check("the order of fields comes back", fmt.Sprint(c.entry("/items/" + item)["fieldsOrder"]) == fmt.Sprint(order))

	// A wrong value says which.
	c.invalid("POST", "/items", object{"vaultId": vault, "name": "n", "tags": "a,b"}, "tags")
	c.invalid("POST", "/items", object{"vaultId": vault, "name": "n", "color": "red"}, "color")
	c.invalid("POST", "/items", object{"vaultId": vault, "name": []int{1}}, "name")
	c.invalid("POST", "/items", object{"vaultId": vault, "name": "n", "password": "clear"}, "passwordEncrypted")
	c.invalid("POST", "/vaults", object{"name": 5}, "name")
	c.invalid("POST", "/folders", object{"vaultId": vault}, "name")
	c.invalid("PATCH", "/items/"+item, object{"vaultId": vault, "customs": "none"}, "customs")

	// Moves: of an item and of a folder, under each name that clients have for the target.
	other := ensureVault("Automation 2")
	for _, member := range []string{"folderId", "targetFolderId", "parentFolderId"} {
		t.check("an item moves by "+member, c.send("POST", "/items/"+item+"/move", object{"vaultId": vault, member: nil}).status == 200 && c.entry("/items/" + item)["folderId"] == nil)
		t.check("and back", c.send("POST", "/items/"+item+"/move", object{member: folder}).status == 200 && c.entry("/items/" + item)["folderId"] == folder)
	}
	for _, body := range []object{{}, {"vaultId": vault}, {"targetVaultId": other}, {"targetFolderId": ""}, {"folderId": []string{folder}}} {
		t.error(fmt.Sprint("an item's move to ", body), c.send("POST", "/items/"+item+"/move", body), 422)
		t.error(fmt.Sprint("a folder's move to ", body), c.send("POST", "/folders/"+folder+"/move", body), 422)
	}
	t.error("a folder does not go to another vault", c.send("POST", "/folders/"+folder+"/move", object{"vaultId": other, "parentFolderId": nil}), 422)
	t.error("nor below itself", c.send("POST", "/folders/"+folder+"/move", object{"targetFolderId": folder}), 422)
	t.check("all of it stands where it stood", c.entry("/items/" + item)["folderId"] == folder && c.entry("/folders/" + folder)["parentFolderId"] != nil)

	// Searches: what is asked for is what is found, or an error.
	many := []object{}
	for number := 0; number < 25; number++ {
		many = append(many, object{"method": "POST", "relativeUrl": "/api/v1/items", "body": object{"vaultId": other, "name": fmt.Sprintf("page %02d", number), "tags": []string{"page"}, "color": number % 2}})
	}
	t.check("a batch of creates", c.send("POST", "/batch", object{"requests": many}).status == 200)
	seen := map[string]bool{}
	for offset := 0; ; offset += 10 {
		page := c.items("/items/search", url.Values{"tags[]": {"page"}, "limit": {"10"}, "offset": {fmt.Sprint(offset)}})
		for _, one := range page {
			t.shapeOf("a hit of a page", one, summaryShape)
			seen[one["id"].(string)] = true
		}
		if len(page) < 10 {
			break
		}
	}
	t.check("pages hold everything once", len(seen) == 25)
	t.check("conditions hold together", len(c.items("/items/search", url.Values{"tags[]": {"page"}, "colorCodes[]": {"1"}, "vaultId": {other}})) == 12)
	t.check("in another vault nothing is found", len(c.items("/items/search", url.Values{"tags[]": {"page"}, "vaultId": {vault}})) == 0)
	for _, query := range []string{"name=page", "login=a", "vault=x&vaultIDs[]=" + vault, "search=page", "folderid=" + folder, "tag[]=page", "colorCode=1", "limit=ten", "groupIds[]=a"} {
		t.error("a search by "+query, c.get("/items/search?"+query, nil), 422)
	}
	for _, query := range []string{"query=page&_=1700000000", "query=page&utm_source=mail", "query=page&page=1"} {
		t.check("a search with "+query, len(c.get("/items/search?"+query, nil).value["items"].([]any)) == 25)
	}
	for _, id := range []string{vault, other} {
		t.check("a module takes a vault away", c.send("DELETE", "/vaults/"+id, object{}).status == 200)
	}
}

// identity is what a connector of an identity management does: it reads everybody page by page, makes and changes users
// by what a directory says, and puts them into groups.
func identity(t *tally, c *client, address string) {
	role := ""
	for _, one := range c.items("/user-roles", nil) {
		if one["code"] == "user" {
			role = one["id"].(string)
		}
	}
	users := map[string]string{}
	for number := 0; number < 7; number++ {
		name := fmt.Sprintf("idm-%d", number)
		users[name] = c.made("/users", object{"login": name, "email": name + "@corp.example", "fullName": "I. D. " + name, "userRoleId": role, "password": password})
	}
	all := []string{}
	for offset := 0; ; offset += 3 {
		page := c.items("/users", url.Values{"search": {"idm-"}, "limit": {"3"}, "offset": {fmt.Sprint(offset)}})
		for _, one := range page {
			t.shapeOf("a user of a page", one, userShape)
			all = append(all, one["login"].(string))
		}
		if len(page) < 3 {
			break
		}
	}
	t.check("pages hold every user once", len(all) == 7)
	t.check("users are searched by their address", len(c.items("/users", url.Values{"search": {"IDM-3@corp"}})) == 1)
	for _, query := range []string{"login=idm-1", "email=idm-1@corp.example", "query=idm-1", "userIds[]=x", "filter[login]=x", "fullName=x"} {
		t.error("users by "+query, c.get("/users?"+query, nil), 422)
	}
	// Read, changed in one member, sent back whole.
	path := "/users/" + users["idm-0"]
	change := func(member string, value any) object {
		whole := object(c.entry(path))
		whole[member] = value
		return whole
	}
	t.check("a user sent back with another name", c.send("PATCH", path, change("fullName", "New Name")).status == 200 && c.entry(path)["fullName"] == "New Name")
	t.check("with another login", c.send("PATCH", path, change("login", "idm-zero")).status == 200 && c.entry(path)["username"] == "idm-zero")
	t.check("with another username", c.send("PATCH", path, change("username", "idm-0")).status == 200 && c.entry(path)["login"] == "idm-0")
	c.invalid("PATCH", path, change("isBlocked", true), "isBlocked")
	t.error("a login that somebody has", c.send("PATCH", path, object{"login": "idm-1"}), 409)
	t.error("a role that is not there", c.send("PATCH", path, object{"userRoleId": "aaaaaaaaaaaaaaaaaaaaaaaa"}), 422)
	t.error("nothing that is known", c.send("PATCH", path, object{"displayName": "x", "active": false}), 422)
	t.check("a new password", c.send("PATCH", path, object{"password": "another password of twenty"}).status == 200)
	signIn := func(password string) *client {
		u := &client{tally: t, address: address, raw: true}
		answer := u.sendBare("POST", "/users/login", object{"username": "idm-0", "password": password, "hostname": "there"})
		u.bearer, u.refreshToken = answer.text("accessToken"), answer.text("refreshToken")
		return u
	}
	t.check("is the password", signIn("another password of twenty").bearer != "" && signIn(password).bearer == "")

	// Membership: twice is once, and a stranger changes nothing.
	group := c.made("/user-groups", object{"name": "IDM"})
	members := func() []any {
		ids, _ := c.entry("/user-groups/" + group)["userIds"].([]any)
		return ids
	}
	add, remove := "/user-groups/"+group+"/add-users", "/user-groups/"+group+"/remove-users"
	three := []string{users["idm-0"], users["idm-1"], users["idm-2"]}
	for turn := 0; turn < 2; turn++ {
		t.check("members are added", c.send("POST", add, object{"userIds": three}).status == 200)
	}
	t.check("each once", len(members()) == 3)
	t.error("somebody who is not there", c.send("POST", add, object{"userIds": []string{users["idm-4"], "aaaaaaaaaaaaaaaaaaaaaaaa"}}), 404)
	t.check("adds nobody", len(members()) == 3)
	for _, body := range []object{{}, {"userId": users["idm-4"]}, {"users": three}, {"userIds": users["idm-4"]}} {
		t.error(fmt.Sprint("members as ", body), c.send("POST", add, body), 422)
	}
	for turn := 0; turn < 2; turn++ {
		t.check("members are taken out", c.send("POST", remove, object{"userIds": three[:1]}).status == 200)
	}
	t.check("once", len(members()) == 2)

	// Somebody without any right to administer does none of this.
	user := signIn("another password of twenty")
	for _, one := range []struct {
		method, path string
		body         object
	}{
		{"POST", "/users", object{"login": "mine"}},
		{"PATCH", path, object{"fullName": "mine"}},
		{"DELETE", "/users/" + users["idm-1"], object{}},
		{"POST", "/users/" + users["idm-1"] + "/block", object{}},
		{"POST", "/users/" + users["idm-1"] + "/unblock", object{}},
		{"POST", "/user-groups", object{"name": "mine"}},
		{"POST", "/user-groups/" + group, object{"name": "mine"}},
		{"DELETE", "/user-groups/" + group, object{}},
		{"POST", add, object{"userIds": three}},
		{"POST", remove, object{"userIds": three}},
	} {
		t.error("as a user "+one.method+" "+one.path, user.send(one.method, one.path, one.body), 403)
		inner := user.send("POST", "/batch", object{"requests": []object{{"method": one.method, "relativeUrl": "/api/v1" + one.path, "body": one.body}}})
		answers, _ := inner.value["responses"].([]any)
		status := 0.0
		if len(answers) == 1 {
			status, _ = answers[0].(map[string]any)["statusCode"].(float64)
		}
		t.check("and in a batch "+one.method+" "+one.path, status == 403)
	}
	for _, role := range user.items("/user-roles", url.Values{"isOnlyManageable": {"1"}}) {
		t.check("a user gives no role but the usual one", role["code"] == "user")
	}

	// Blocking ends what was open: sessions, both tokens, links, and what others see through their shortcuts.
	vault := user.made("/vaults", object{"name": "of idm-0"})
	item := user.made("/items", object{"vaultId": vault, "name": "theirs", "passwordEncrypted": "cA=="})
	link := user.send("POST", "/links", object{"itemId": item, "itemData": object{}, "type": "reusable", "expirationTime": "1 week"})
	opened := "/links/" + lastPart(link.text("url")) + "/open"
	shared := c.made("/vaults", object{"name": "shared"})
	c.send("POST", "/vaults/"+shared+"/users", object{"userId": users["idm-0"], "role": "edit"})
	shortcut := user.made("/shortcuts", object{"vaultId": shared, "folderId": nil, "itemId": item, "keyEncrypted": nil})
	t.check("a shortcut leads there", c.get("/shortcuts/"+shortcut, nil).status == 200 && c.sendBare("POST", opened, object{}).status == 200)
	t.check("blocked", c.send("POST", path+"/block", object{}).status == 200 && c.entry(path)["isBlocked"] == true)
	t.error("a session", user.get("/vaults", nil), 401)
	t.error("a refresh", user.sendBare("POST", "/sessions/refresh", object{"refreshToken": user.refreshToken}), 401)
	t.error("a link", c.sendBare("POST", opened, object{}), 404)
	t.error("a shortcut", c.get("/shortcuts/"+shortcut, nil), 404)
	t.error("the item behind it", c.get("/items/"+item, nil), 404)
	t.check("found by no search", len(c.items("/shortcuts/search", url.Values{"query": {"theirs"}})) == 0)
	t.check("blocked twice is blocked", c.send("POST", path+"/block", object{}).status == 200)
	t.check("unblocked", c.send("POST", path+"/unblock", object{}).status == 200 && c.get("/shortcuts/"+shortcut, nil).status == 200 && c.sendBare("POST", opened, object{}).status == 200)
	t.error("who alone administers a vault stays", c.send("DELETE", path, object{}), 409)
	user = signIn("another password of twenty")
	t.check("a vault of their own ends", user.send("DELETE", "/vaults/"+vault, object{}).status == 200)
	for _, user := range users {
		t.check("a user is deleted", c.send("DELETE", "/users/"+user, object{}).status == 200)
	}
	t.check("and in no group", len(members()) == 0)
	t.check("nor found", len(c.items("/users", url.Values{"search": {"idm-"}})) == 0)
	t.check("a login is free again", c.send("DELETE", "/users/"+c.made("/users", object{"login": "idm-0"}), object{}).status == 200)
	t.check("the group goes", c.send("DELETE", "/user-groups/"+group, object{}).status == 200)
	t.check("and the vault", c.send("DELETE", "/vaults/"+shared, object{}).status == 200)
}
