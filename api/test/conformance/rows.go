package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A row is one test case of the conformance program: a request, and a check of the guestbook's answer.
type row struct {
	name string
	request
	keeps keeps
}

// keeps is a check: it sends a request, and returns nil if the guestbook behaves as clients expect.
type keeps func(*book, request) error

// A group is a list of test cases that matter for the same reason. A group of test cases runs only if the server supports the profiles in
// the group's fields "profile" and "needs". The profile "keys" means that the server has more than one guestbook.
type group struct {
	profile, needs, why string
	rows                []row
}

func groups() []group { return slices.Concat(php, limits, origin, entries, live, concurrent) }

const (
	old     = ",first,second"
	updated = `{"message": "Updated"}`
)

var mebibyte = strings.Repeat("a", 1<<20)

var php = []group{
	{"php", "", "Clients compare these answers byte for byte, as Kubernetes' own end-to-end tests did.", []row{
		{"Kubernetes' own check: empty, Updated, the entry", get("cmd=set&key=KEY&value=TestEntry"), kubernetes},
		{"bytes of set", get("cmd=set&key=KEY&value=,TestEntry"), exactly(updated)},
		{"bytes of get", read, holding(",TestEntry", exactly(`{"data": ",TestEntry"}`))},
		{"bytes of an empty book", read, holding("", exactly(`{"data": ""}`))},
		{"bytes of ordinary text", read, holding(",é 😀 </script> & / '", exactly(`{"data": ",é 😀 </script> & / '"}`))},
		{"content type of set", get("cmd=set&key=KEY&value=x"), header("Content-Type", "application/json")},
		{"content type of get", read, header("Content-Type", "application/json")},
	}},
	{"php", "keys", "Two guestbooks on one Redis would overwrite each other.", []row{
		{"a key names a book", get("cmd=get&key=KEY-other"), holding(old, shows(""))},
	}},
	{"php", "", "A kept answer hides new messages; one taken for HTML runs what a visitor wrote.", []row{
		{"no cache keeps an answer", read, header("Cache-Control", "no-store")},
		{"no browser guesses another type", read, header("X-Content-Type-Options", "nosniff")},
	}},
	{"php", "", "The stock page encodes nothing, and PHP takes any query: a server that drops a pair empties the book.", []row{
		{"set of an empty value", get("cmd=set&key=KEY&value="), updates("")},
		{"set of a value without =", get("cmd=set&key=KEY&value"), updates("")},
		{"set with a semicolon", get("cmd=set&key=KEY&value=hi;%20there"), updates("hi; there")},
		{"set with a lone percent sign", get("cmd=set&key=KEY&value=100%%20sure"), updates("100% sure")},
		{"set with a bad escape", get("cmd=set&key=KEY&value=a%zz"), updates("a%zz")},
		{"set with an escaped ampersand", get("cmd=set&key=KEY&value=a%26b"), updates("a&b")},
		{"set with an escaped number sign", get("cmd=set&key=KEY&value=%23one"), updates("#one")},
		{"set with a plus", get("cmd=set&key=KEY&value=a+b%2Bc"), updates("a b+c")},
		{"set with a quote", get(`cmd=set&key=KEY&value=say%20"hi"`), updates(`say "hi"`)},
		{"set with a newline", get("cmd=set&key=KEY&value=a%0D%0Ab"), updates("a\r\nb")},
		{"set with an equals sign", get("cmd=set&key=KEY&value=a=b"), updates("a=b")},
		{"set with invalid UTF-8", get("cmd=set&key=KEY&value=a%FFb"), updates("a\xffb")},
		{"set with invalid UTF-8 that is not encoded", get("cmd=set&key=KEY&value=a\xc3b"), updates("a\xc3b")},
		{"set with NUL", get("cmd=set&key=KEY&value=a%00b"), updates("a\x00b")},
		{"set with duplicates takes the last", get("cmd=get&cmd=set&key=KEY-other&key=KEY&value=a&value=b"), updates("b")},
	}},
	{"php", "", "guestbook.php wrote these texts as they are, so a page that parses the answer as JSON showed no message at all.", []row{
		{"get of a quote is JSON", read, reads(`say "hi"`)},
		{"get of a backslash is JSON", read, reads(`a\b`)},
		{"get of control characters is JSON", read, reads("\x00\x1f")},
		{"get of invalid UTF-8 is JSON", read, reads("a\xffb")},
	}},
	{"php", "", "guestbook.php compares cmd with set exactly: a client that sends anything else reads, and must not write.", []row{
		{"cmd GET reads", get("cmd=GET&key=KEY"), reads(old)},
		{"cmd SET reads", get("cmd=SET&key=KEY&value=x"), reads(old)},
		{"an empty cmd reads", get("cmd=&key=KEY&value=x"), reads(old)},
		{"cmd[]=set reads", get("cmd[]=set&key=KEY&value=x"), reads(old)},
		{"cmd with a space reads", get("cmd=set+&key=KEY&value=x"), reads(old)},
	}},
	{"php", "", "phpinfo(), which guestbook.php answers, tells everybody the environment, with its passwords.", []row{
		{"no cmd", get("key=KEY&value=x"), refuses(400)},
		{"no parameters", get(""), refuses(400)},
		{"a body that is no form", post(`{"cmd": "set"}`).with("Content-Type", "application/json"), refuses(400)},
	}},
	{"php", "", "guestbook.php wrote an empty text, under an empty key or over all messages, and answered 200 with a warning in HTML.", []row{
		{"set without value", get("cmd=set&key=KEY"), refuses(400)},
		{"set with a list as value", get("cmd=set&key=KEY&value[]=x"), refuses(400)},
		{"set without key", get("cmd=set&value=x"), refuses(400)},
		{"set with an empty key", get("cmd=set&key=&value=x"), refuses(400)},
		{"set with a list as key", get("cmd=set&key[]=KEY&value=x"), refuses(400)},
		{"get without key", get("cmd=get"), refuses(400)},
		{"get with an empty key", get("cmd=get&key="), refuses(400)},
		{"HEAD", get("cmd=set&key=KEY&value=x").by("HEAD"), holding(old, unchanged(status(405)))},
		{"PUT", get("cmd=set&key=KEY&value=x").by("PUT"), refuses(405)},
	}},
	{"php", "", "During a rollout, every version of the page calls old and new pods at its own address.", []row{
		{"get at /guestbook", read.at("/guestbook"), reads(old)},
		{"get at /guestbook/", read.at("/guestbook/"), reads(old)},
		{"get at /guestbook.php", read.at("/guestbook.php"), reads(old)},
		{"get at /guestbook.php/extra", read.at("/guestbook.php/extra/path"), reads(old)},
		{"set at /guestbook", get("cmd=set&key=KEY&value=,x").at("/guestbook"), updates(",x")},
		{"set at /guestbook/", get("cmd=set&key=KEY&value=,x").at("/guestbook/"), updates(",x")},
		{"/guestbook/other is nothing", read.at("/guestbook/other"), status(404)},
	}},
	{"php", "", "An address is kept in logs and has an end; a form body is neither.", []row{
		{"set by POST", post("cmd=set&key=KEY&value=hi;+there%20100%"), updates("hi; there 100%")},
		{"get by POST", post("cmd=get&key=KEY"), reads(old)},
		{"the query wins over the body", post("cmd=get&key=KEY&value=body").asks("cmd=set&value=query"), updates("query")},
		{"a query with a body that is no form", post(`{"value": "y"}`).with("Content-Type", "application/json").asks("cmd=set&key=KEY&value=x"), updates("x")},
	}},
}

var limits = []group{
	{"limits", "php", "The stock page sends the whole book in the address: at 8 KB Apache and nginx stop it, and no message is stored from then on.", []row{
		{"a set of 8,200 bytes by GET", get("cmd=set&key=KEY&value=" + mebibyte[:8_200]), updates(mebibyte[:8_200])},
		{"a set of 200 KB by GET", get("cmd=set&key=KEY&value=" + mebibyte[:200_000]), updates(mebibyte[:200_000])},
		{"a form body of 1 MiB", post("value=" + mebibyte[6:]).asks("cmd=set&key=KEY"), updates(mebibyte[6:])},
		{"get of 1 MB", read, reads(mebibyte[:1_000_000])},
	}},
	{"limits", "php", "What has no end fills the server's memory. The one who sends it must learn why it is refused.", []row{
		{"a form body of over 1 MiB", post("value=" + mebibyte[5:]).asks("cmd=set&key=KEY"), refuses(413)},
		{"an address of over 256 KB", get("cmd=set&key=KEY&value=" + mebibyte[:270_000]), refuses(414)},
	}},
	{"limits", "entries", "One entry must not be a book.", []row{
		{"an entry of 4,096 bytes", form("text=" + strings.Repeat("b", 4096)), appends(strings.Repeat("b", 4096))},
		{"an entry of 4,097 bytes", form("text=" + strings.Repeat("b", 4097)), refuses(413)},
		{"an entry in a body of over 1 MiB", object(`{"text": "` + mebibyte), refuses(413)},
		{"an Idempotency-Key of 255 bytes", form("text=x").with("Idempotency-Key", strings.Repeat("a", 255)), appends("x")},
		{"an Idempotency-Key of 256 bytes", form("text=x").with("Idempotency-Key", strings.Repeat("a", 256)), refuses(400)},
	}},
}

var origin = []group{
	{"origin", "php", "Any page that a visitor opens could otherwise replace the whole book, without a click.", []row{
		{"set from another site", set.with("Sec-Fetch-Site", "cross-site"), refuses(403)},
		{"set from a sibling site", set.with("Sec-Fetch-Site", "same-site"), refuses(403)},
		{"set from another origin", set.with("Origin", "http://other.example"), refuses(403)},
		{"set by POST from another origin", post("cmd=set&key=KEY&value=x").with("Origin", "null"), refuses(403)},
		{"set by a navigation", set.with("Sec-Fetch-Site", "none").with("Sec-Fetch-Mode", "navigate"), refuses(403)},
		{"set by a browser that says no page", set.with("User-Agent", "Mozilla/5.0"), refuses(403)},
		{"set by a prerender", set.with("Sec-Fetch-Site", "same-origin").with("Sec-Purpose", "prefetch;prerender"), refuses(403)},
	}},
	{"origin", "php", "The guestbook's own page, and other sites that only read, must go on working.", []row{
		{"set from the page", set.with("Sec-Fetch-Site", "same-origin").with("Sec-Fetch-Mode", "cors"), updates("x")},
		{"set from the page over plain http", set.with("User-Agent", "Mozilla/5.0").with("Referer", "BASE/index.html"), updates("x")},
		{"get from another site", read.with("Sec-Fetch-Site", "cross-site"), reads(old)},
	}},
	{"origin", "entries", "Any page that a visitor opens could otherwise sign in the visitor's place.", []row{
		{"an entry from another site", form("text=x").with("Sec-Fetch-Site", "cross-site"), refuses(403)},
		{"an entry from another origin", form("text=x").with("Origin", "http://other.example"), refuses(403)},
		{"an entry from the page", form("text=x").with("Sec-Fetch-Site", "same-origin"), appends("x")},
	}},
	{"origin", "", "These tell strangers the environment, the state of Redis or what visitors do.", []row{
		{"/env tells nothing", request{method: "GET", path: "/env"}, status(404)},
		{"/info tells nothing", request{method: "GET", path: "/info"}, status(404)},
		{"/metrics tells nothing", request{method: "GET", path: "/metrics"}, status(404)},
	}},
}

var set, read = get("cmd=set&key=KEY&value=x"), get("cmd=get&key=KEY")

// kubernetes sends the requests of Kubernetes' own end-to-end tests to an empty guestbook.
var kubernetes = inTurn(puts(""), of(read, exactly(`{"data": ""}`)), exactly(updated), of(read, exactly(`{"data": "TestEntry"}`)))

func inTurn(checks ...keeps) keeps {
	return func(b *book, r request) error {
		for _, k := range checks {
			if err := k(b, r); err != nil {
				return err
			}
		}
		return nil
	}
}

func of(other request, k keeps) keeps { return func(b *book, _ request) error { return k(b, other) } }

// puts returns a function that sets the guestbook's text if the server supports the profile "php".
func puts(text string) keeps {
	return func(b *book, _ request) error {
		if !b.has("php") {
			return nil
		}
		return inTurn(stored, awaits(text))(b, setting(text, "cmd=get&key=KEY"))
	}
}

// holding returns a check that first sets the guestbook's text, and then runs the check k.
func holding(text string, k keeps) keeps { return inTurn(puts(text), k) }

func awaits(text string) keeps { return func(b *book, _ request) error { return b.await(text) } }

// expects returns a check that sends a request, and passes if the function "right" accepts the answer. If a wrong answer may come from a
// lagging slave, the check repeats the request.
func expects(want string, right func(answer) bool) keeps {
	return func(b *book, r request) error {
		for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			a, err := b.send(r)
			if err != nil || right(a) {
				return err
			}
			if !b.old(a) || time.Since(start) > maxLag {
				return &difference{a.String(), want}
			}
		}
	}
}

func exactly(body string) keeps {
	return expects("200 "+abbreviated(body), func(a answer) bool { return a.status == http.StatusOK && a.body == body })
}

func status(want int) keeps {
	return expects(fmt.Sprint(want), func(a answer) bool { return a.status == want })
}

func header(name, value string) keeps {
	return expects(fmt.Sprintf("one header %s: %s", name, value), func(a answer) bool { return slices.Equal(a.header[name], []string{value}) })
}

func shows(text string) keeps {
	text = inJSON(text)
	return expects("200 with the data "+abbreviated(text)+" in JSON", func(a answer) bool {
		return a.status == http.StatusOK && a.json.Data != nil && *a.json.Data == text
	})
}

func reads(text string) keeps { return holding(text, unchanged(shows(text))) }

// refuses returns a check that expects this status, the body {"error": "…"}, and an unchanged guestbook.
func refuses(status int) keeps {
	return holding(old, unchanged(expects(fmt.Sprintf(`%d {"error": "…"}`, status), func(a answer) bool {
		return a.status == status && a.json.Error != nil && *a.json.Error != ""
	})))
}

// unchanged returns a check that fails if the check k fails or changes the guestbook's text.
func unchanged(k keeps) keeps {
	return func(b *book, r request) error {
		held := b.holds
		err := k(b, r)
		if err == nil && held != nil && b.holds == nil {
			time.Sleep(min(max(20*time.Millisecond, 4*b.lag), 500*time.Millisecond)) // a lagging slave may need this time until it shows a write
			err = b.await(*held)
		}
		return err
	}
}

var stored = expects("200 with the message Updated in JSON", func(a answer) bool {
	return a.status == http.StatusOK && a.json.Message != nil && *a.json.Message == "Updated"
})

func updates(text string) keeps {
	return func(b *book, r request) error {
		return inTurn(puts("before-"+unique()), stored, awaits(text))(b, r)
	}
}
