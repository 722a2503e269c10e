package main

import (
	"encoding/base64"
	"fmt"
	"sort"
	"strings"
)

// tally counts what was asked and what was looked at.
type tally struct {
	calls, checks int
	wrong         []string
}

func (t *tally) check(what string, right bool) {
	t.checks++
	if !right {
		t.wrong = append(t.wrong, what)
	}
}

func text(value any) bool     { _, is := value.(string); return is }
func filled(value any) bool   { text, is := value.(string); return is && text != "" }
func number(value any) bool   { _, is := value.(float64); return is }
func boolean(value any) bool  { _, is := value.(bool); return is }
func list(value any) bool     { _, is := value.([]any); return is }
func anything(value any) bool { return true }

// seconds is a time in Unix seconds, of these years.
func seconds(value any) bool {
	number, is := value.(float64)
	return is && number > 1.5e9 && number < 5e9
}

// id is 24 hexadecimal digits.
func id(value any) bool {
	text, is := value.(string)
	return is && len(text) == 24 && strings.Trim(text, "0123456789abcdef") == ""
}

// token44 is 32 random bytes in base64.
func token44(value any) bool { text, is := value.(string); return is && isToken(text) }

func isToken(text string) bool {
	bytes, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(bytes) == 32
}

// orNull is a value of a kind, or null: either way the member is there.
func orNull(kind func(any) bool) func(any) bool {
	return func(value any) bool { return value == nil || kind(value) }
}

func texts(value any) bool {
	all, is := value.([]any)
	for _, one := range all {
		is = is && text(one)
	}
	return is
}

func path(value any) bool {
	all, is := value.([]any)
	for place, one := range all {
		step, object := one.(map[string]any)
		is = is && object && id(step["vaultId"]) && text(step["name"]) && orNull(id)(step["folderId"])
		// The first is the vault itself.
		is = is && (step["folderId"] == nil) == (place == 0)
	}
	return is && len(all) > 0
}

func (t *tally) shape(what string, answer answer, wanted object) {
	t.check(fmt.Sprintf("%s answers 200 (%d)", what, answer.status), answer.status == 200)
	t.shapeOf(what, answer.value, wanted)
}

func (t *tally) shapeOf(what string, value map[string]any, wanted object) {
	members := make([]string, 0, len(wanted))
	for name := range wanted {
		members = append(members, name)
	}
	sort.Strings(members)
	for _, name := range members {
		member, has := value[name]
		where := what + ": " + name
		switch kind := wanted[name].(type) {
		case object:
			inner, is := member.(map[string]any)
			t.check(where+" is an object", is)
			if is {
				t.shapeOf(where, inner, kind)
			}
		case func(any) bool:
			t.check(where, has && kind(member))
		default:
			t.check(where+" has no kind", false)
		}
	}
}

// error insists on a status and on {"errors":[{code, field, message}]}.
func (t *tally) error(what string, answer answer, status int) {
	t.check(fmt.Sprintf("%s is %d (%d)", what, status, answer.status), answer.status == status)
	errors, is := answer.value["errors"].([]any)
	t.check(what+" has errors", is && len(errors) > 0)
	for _, one := range errors {
		entry, is := one.(map[string]any)
		t.check(what+" says why", is && filled(entry["code"]) && filled(entry["message"]))
	}
}

// names are those of a path's steps.
func names(value any) string {
	all, _ := value.([]any)
	steps := make([]string, 0, len(all))
	for _, one := range all {
		step, _ := one.(map[string]any)
		name, _ := step["name"].(string)
		steps = append(steps, name)
	}
	return strings.Join(steps, " > ")
}

var userShape = object{
	"id": id, "login": filled, "username": filled, "email": orNull(text), "fullName": orNull(text), "isTwoFactorAuthEnabled": boolean,
}

var personShape = object{"id": id, "login": filled, "fullName": orNull(text), "hasAvatar": boolean, "isDeleted": boolean}

var vaultShape = object{
	"id": id, "name": filled, "masterKeyEncrypted": orNull(text), "masterKeyHash": orNull(text), "salt": orNull(text), "typeId": orNull(text),
	"permissions": texts, "isVisible": boolean, "canLeaveVault": boolean, "canChangeVaultType": boolean,
	"directoryAccess": object{"isViewingAccess": boolean, "access": anything, "accessName": filled},
}

var folderShape = object{
	"id": id, "name": filled, "vaultId": id, "parentFolderId": orNull(id), "path": path, "permissions": texts, "color": anything,
}

var summaryShape = object{
	"id": id, "vaultId": id, "folderId": orNull(id), "name": text, "login": orNull(text), "url": orNull(text), "tags": texts, "color": number, "path": path,
}

var itemShape = object{
	"id": id, "vaultId": id, "folderId": orNull(id), "name": text, "login": orNull(text), "url": orNull(text), "description": orNull(text),
	"tags": texts, "color": number, "isFavorite": boolean, "isDeleted": boolean, "passwordEncrypted": orNull(text), "keyEncrypted": orNull(text),
	"customs": list, "attachments": list, "vaultMasterKeyEncrypted": orNull(text), "fieldsOrder": anything,
}

var shortcutShape = object{
	"id": id, "name": text, "login": orNull(text), "url": orNull(text), "description": orNull(text), "tags": texts, "color": number, "customs": list,
	"attachments": list, "passwordEncrypted": orNull(text), "keyEncrypted": orNull(text), "fieldsOrder": anything, "isDeleted": boolean, "isFavorite": boolean,
	"shortcut": object{"id": id, "keyEncrypted": orNull(text), "itemId": id, "vaultId": id, "folderId": orNull(id), "creator": personShape},
	"path":     path,
}
