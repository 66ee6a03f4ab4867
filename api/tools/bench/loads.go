package main

import "strings"

// load is one kind of request that the benchmark measures.
type load struct {
	name    string
	entries int    // number of entries in the guestbook before each run
	path    string // path and query of the URL
	size    int    // length in bytes of the answer that the program "floor" sends if FLOOR=constant
	writes  bool   // true if every request writes
	posts   int    // 20: every 20th request is a POST, and all other requests are GETs; 0: no request is a POST
	keyed   bool   // true if each POST has a new Idempotency-Key
}

const message = ",A message of thirty bytes....."

// posting is a Lua script for wrk, whose variables the function "measure" sets. The variable "run" differs in each run of wrk, so that
// every Idempotency-Key is new.
const posting = `
local n, headers = 0, {["Content-Type"] = "application/x-www-form-urlencoded"}
function request()
  n = n + 1
  if n % posts ~= 0 then return wrk.format("GET") end
  if keyed then headers["Idempotency-Key"] = run .. n end
  return wrk.format("POST", nil, headers, "text=A+message+of+thirty+bytes....")
end`

var loads = []load{
	{name: "get, 10 messages", entries: 10, path: "/guestbook/?cmd=get&key=messages", size: 10*len(message) + 12},
	{name: "get, 1,000 messages", entries: 1000, path: "/guestbook/?cmd=get&key=messages", size: 1000*len(message) + 12},
	{name: "set, 10 messages", entries: 10, path: "/guestbook/?cmd=set&key=messages&value=" + strings.Repeat(strings.ReplaceAll(message, " ", "%20"), 10), size: 22, writes: true},
	{name: "post entry", entries: 10, path: "/guestbook/entries", size: 56, writes: true, posts: 1},
	{name: "post entry, Idempotency-Key", entries: 10, path: "/guestbook/entries", size: 56, writes: true, posts: 1, keyed: true},
	{name: "newest page of 1,000", entries: 1000, path: "/guestbook/entries", size: 2900},
	{name: "95 pages, 5 posts", entries: 1000, path: "/guestbook/entries", size: 2900, posts: 20, keyed: true},
}
