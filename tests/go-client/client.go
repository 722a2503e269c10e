package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type object map[string]any

// client asks as one user does.
type client struct {
	tally        *tally
	address      string
	bearer       string
	refreshToken string
	// browser: the token is a cookie, and writes carry the CSRF token.
	browser bool
	cookie  string
	csrf    string
	raw     bool
}

// answer is what came: an object, or a bare list.
type answer struct {
	what    string
	status  int
	value   map[string]any
	list    []any
	wrapped bool
}

func (a answer) text(name string) string { text, _ := a.value[name].(string); return text }
func (a answer) has(name string) bool    { _, has := a.value[name]; return has }

func (c *client) get(path string, query url.Values) answer {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.ask("GET", path, nil, true)
}

func (c *client) send(method, path string, body object) answer {
	return c.ask(method, path, body, true)
}

// sendBare sends no proof of who asks.
func (c *client) sendBare(method, path string, body object) answer {
	return c.ask(method, path, body, false)
}

// items is a list, whole.
func (c *client) items(path string, query url.Values) []map[string]any {
	answer := c.get(path, query)
	list, ok := answer.value["items"].([]any)
	c.tally.check(answer.what+" has items", answer.status == 200 && ok)
	all := []map[string]any{}
	for _, one := range list {
		entry, ok := one.(map[string]any)
		c.tally.check(answer.what+" has objects", ok)
		all = append(all, entry)
	}
	return all
}

// made is the id of what a call made.
func (c *client) made(path string, body object) string {
	answer := c.send("POST", path, body)
	c.tally.shape("POST "+path, answer, object{"id": id})
	return answer.text("id")
}

// refused insists on a status, and on a code where one is known.
func (c *client) refused(method, path string, body object, status int, code string) {
	answer := c.ask(method, path, body, true)
	c.tally.error(answer.what, answer, status)
	if code != "" {
		errors, _ := answer.value["errors"].([]any)
		first := map[string]any{}
		if len(errors) > 0 {
			first, _ = errors[0].(map[string]any)
		}
		c.tally.check(answer.what+" says "+code, first["code"] == code)
	}
}

func (c *client) ask(method, path string, body object, proof bool) answer {
	c.tally.calls++
	result := answer{what: method + " " + path}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		c.tally.check(result.what+": the body", err == nil)
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, c.address+"/api/v1"+path, content)
	if err != nil {
		c.tally.check(fmt.Sprint(result.what, ": ", err), false)
		return result
	}
	request.Header.Set("Content-Type", "application/json")
	// A browser's client sends it always, empty without client-side encryption.
	request.Header.Set("X-Master-Key-Hash", "")
	if c.raw {
		request.Header.Set("X-Response-Format", "raw")
	}
	if c.browser {
		request.Header.Set("X-Browser-Mode", "1")
	}
	if c.csrf != "" && proof {
		request.Header.Set("X-CSRF-Token", c.csrf)
	}
	if c.cookie != "" && proof {
		request.Header.Set("Cookie", "accessToken="+c.cookie)
	}
	if c.bearer != "" && proof {
		request.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		c.tally.check(fmt.Sprint(result.what, ": ", err), false)
		return result
	}
	defer reply.Body.Close()
	result.status = reply.StatusCode
	for _, cookie := range reply.Cookies() {
		if cookie.Name == "accessToken" {
			decoded, err := url.QueryUnescape(cookie.Value)
			c.tally.check("the cookie is URL-encoded base64 of 32 bytes", err == nil && isToken(decoded))
			c.tally.check("the cookie is kept from pages", cookie.HttpOnly)
			c.cookie = cookie.Value
		}
	}
	text, err := io.ReadAll(reply.Body)
	c.tally.check(result.what+": the answer arrives", err == nil)
	text, result.wrapped = unwrap(text)
	var parsed any
	c.tally.check(result.what+" answers JSON", json.Unmarshal(text, &parsed) == nil)
	switch parsed := parsed.(type) {
	case map[string]any:
		result.value = parsed
	case []any:
		result.list = parsed
	}
	return result
}

// lastPart is what stands behind the last slash of an address.
func lastPart(address string) string { return address[strings.LastIndex(address, "/")+1:] }

// unwrap takes the JSON out of {"format":"base64","content":…}.
func unwrap(text []byte) ([]byte, bool) {
	var wrapping struct{ Format, Content string }
	if json.Unmarshal(text, &wrapping) != nil || wrapping.Format != "base64" {
		return text, false
	}
	inner, err := base64.StdEncoding.DecodeString(wrapping.Content)
	if err != nil {
		return text, false
	}
	return inner, true
}

// oneTimeCode is RFC 6238: SHA-1, six digits, thirty seconds.
func oneTimeCode(secret string, at time.Time) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(secret, "=")))
	if err != nil {
		return ""
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/30))
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	word := binary.BigEndian.Uint32(sum[offset:offset+4]) & 0x7fffffff
	return fmt.Sprintf("%06d", word%1000000)
}
