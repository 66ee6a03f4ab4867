package main

import "strings"

// load is one kind of request.
type load struct {
	name    string
	writes  bool
	entries int    // in the book before each run
	path    string // with its query
	script  string // for wrk, if a request has more than its address
	size    int    // of the floor's answer in bytes
}

const message = ",A message of thirty bytes....."

// post makes each request a post of an entry.
const post = `
function request()
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded"}, "text=A+message+of+thirty+bytes....")
end`

// count counts the requests of each of wrk's threads, which has an id.
const count = `
local n = 0
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
`

// postOnce makes each request a post with an idempotency key of its own.
const postOnce = count + `
function request()
  n = n + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded", ["Idempotency-Key"] = id .. "-" .. n .. "-" .. run}, "text=A+message+of+thirty+bytes....")
end`

// mixed makes 95 of a hundred requests a read of the newest page, and 5 a post.
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
