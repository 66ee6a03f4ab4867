package main

import "strings"

// load is one kind of request that the benchmark measures.
type load struct {
	name    string
	writes  bool
	entries int    // number of entries in the guestbook before each run
	path    string // path and query of the URL
	script  string // Lua script for wrk, if a request has more than a URL
	size    int    // length in bytes of the answer that FLOOR=constant makes the program floor send
}

const message = ",A message of thirty bytes....."

// post is a script for wrk that makes each request a POST of an entry.
const post = `
function request()
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded"}, "text=A+message+of+thirty+bytes....")
end`

// count is the beginning of the scripts postOnce and mixed. The script in count numbers wrk's threads, and declares a counter n for the
// requests of each thread.
const count = `
local n = 0
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
`

// postOnce is a script for wrk that makes each request a POST with a new Idempotency-Key.
const postOnce = count + `
function request()
  n = n + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded", ["Idempotency-Key"] = id .. "-" .. n .. "-" .. run}, "text=A+message+of+thirty+bytes....")
end`

// mixed is a script for wrk that makes 95 of 100 requests a GET of the newest page of entries, and 5 a POST of an entry.
const mixed = count + `
function request()
  n = n + 1
  if n % 20 ~= 0 then return wrk.format("GET") end
  return wrk.format("POST", "/guestbook/entries", {["Content-Type"] = "application/x-www-form-urlencoded", ["Idempotency-Key"] = id .. "-" .. n .. "-" .. run}, "text=A+message+of+thirty+bytes....")
end`

var loads = []load{
	{name: "get, 10 messages", entries: 10, path: "/guestbook/?cmd=get&key=messages", size: 10*len(message) + 12},
	{name: "get, 1,000 messages", entries: 1000, path: "/guestbook/?cmd=get&key=messages", size: 1000*len(message) + 12},
	{name: "set, 10 messages", writes: true, entries: 10, path: "/guestbook/?cmd=set&key=messages&value=" + strings.Repeat(strings.ReplaceAll(message, " ", "%20"), 10), size: 22},
	{name: "post entry", writes: true, entries: 10, path: "/guestbook/entries", script: post, size: 56},
	{name: "post entry, Idempotency-Key", writes: true, entries: 10, path: "/guestbook/entries", script: postOnce, size: 56},
	{name: "newest page of 1,000", entries: 1000, path: "/guestbook/entries", size: 2900},
	{name: "95 pages, 5 posts", entries: 1000, path: "/guestbook/entries", script: mixed, size: 2900},
}
