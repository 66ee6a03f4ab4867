package browser

import (
	"testing"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

// The page's parts, each driven alone. PART is the module; check collects what is not as it should be.
const partsPrelude = `(async () => {
	const PART = await import("./controllers.js");
	const wrong = [];
	const check = (what, got, want) => {
		if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(what + ": " + JSON.stringify(got) + ", want " + JSON.stringify(want));
	};
	const ids = (book) => book.entries.map(({ id }) => id);
	const page = (before, ...ids) => ({ before, old: false, entries: ids.map((id) => ({ id, text: "entry " + id })) });
	const until = async (condition) => { while (!condition()) await new Promise((next) => setTimeout(next, 5)); };
	const answer = (status, body) => new Response(JSON.stringify(body), { status });
	const posting = (post) => { window.fetch = (path, init) => post(init, path); };
`

func TestThePartsOfThePageWorkAlone(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	p := visit(t, pod.URL(), visitor{hurried: true})
	p.awaitState("live")
	for _, c := range []struct{ name, script string }{
		{"a book is read from its end and from its beginning", `
			const told = [];
			const book = new PART.Book((news) => told.push(news.length));
			check("read", book.isRead, false);
			book.take(page(30, 30, 40, 50));
			book.prepend(page(null, 0, 10, 20));
			book.add({ id: 60, text: "new" });
			book.add({ id: 60, text: "new" });
			check("entries", ids(book), [0, 10, 20, 30, 40, 50, 60]);
			check("told", told, [0, 1]);
			check("end", [book.last, book.newest, book.before], [60, 60, null]);
			book.letGo(3);
			check("the newest are kept", [ids(book), book.before], [[40, 50, 60], 40]);
		`},
		{"a page that continues a book is added to it, any other takes its place", `
			const book = new PART.Book();
			const now = (...ids) => { book.clear(); book.take(page(20, 20, 30)); book.take(page(...ids)); return book.entries.map(({ id }) => id); };
			check("the same", now(20, 20, 30), [20, 30]);
			check("one more", now(20, 20, 30, 40), [20, 30, 40]);
			check("older ones, too, which are left for later", now(0, 0, 10, 20, 30, 40), [20, 30, 40]);
			check("with a gap", now(50, 50, 60), [50, 60]);
			check("one is missing", now(20, 20, 40), [20, 40]);
			check("a replica that lags behind", now(10, 10, 20), [20, 30]);
			book.take({ before: null, old: true, entries: [{ id: 0, text: "x" }] });
			check("an old pod's, shorter once", ids(book), [20, 30]);
			book.take({ before: null, old: true, entries: [{ id: 0, text: "x" }] });
			check("and twice", ids(book), [0]);
		`},
		{"one's own entry is known before it is read", `
			const book = new PART.Book();
			book.confirm({ id: 70, text: "mine" });
			book.take(page(50, 50, 60));
			check("kept beside the first page", [ids(book), book.last], [[50, 60, 70], 60]);
			book.confirm({ id: 10, text: "mine, a repeat" });
			check("older than what is known", ids(book), [50, 60, 70]);
		`},
		{"entries of a book in one string", `
			check("all", PART.entriesOf(",a%2Cb,%252C,,é,x,  "), [{ id: 0, text: "a,b" }, { id: 6, text: "%2C" }, { id: 13, text: "é" }, { id: 16, text: "x" }]);
		`},
		{"an item's states", `
			const states = [];
			const book = new PART.Book();
			book.take(page(null));
			const outbox = new PART.Outbox(book, "test ", () => {
				const state = [...outbox.items.values()].map((item) => item.state).join();
				if (state !== states[states.length - 1]) states.push(state);
			});
			const run = async (text, ...statuses) => {
				states.length = 0;
				posting(async () => {
					const status = statuses.shift() ?? 201;
					if (status === 0) throw new TypeError("lost");
					return answer(status, status === 201 ? { id: book.newest + 10, text } : {});
				});
				outbox.sign(text);
				await until(() => /^(|refused|lost)$/.test(states[states.length - 1]) && states.length > 1);
				return states.join(" ");
			};
			check("sent", await run("a"), "sending ");
			check("busy at first", await run("b", 429, 429), "sending held sending held sending ");
			check("an old pod at first", await run("c", 404), "sending held sending ");
			check("no answer at first", await run("d", 0, 503), "sending unsure sending unsure sending ");
			check("no answer, then busy: it may be there all the same", await run("e", 0, 429), "sending unsure sending unsure sending ");
			check("refused", await run("f", 403), "sending refused");
			check("stored", Object.keys(localStorage).filter((name) => name.startsWith("test ")).length, 1);
			outbox.takeBack([...outbox.items.values()][0]);
			check("refused when it may be there", await run("g", 0, 403), "sending unsure sending lost");
			outbox.takeBack([...outbox.items.values()][0]);
			check("taken back", [outbox.items.size, Object.keys(localStorage).filter((name) => name.startsWith("test ")).length], [0, 0]);
		`},
		{"an item that may be in the book is not shown twice", `
			const book = new PART.Book();
			book.take(page(null, 0));
			const outbox = new PART.Outbox(book, "claims ");
			let reply;
			posting(() => new Promise((resolve) => { reply = resolve; }));
			outbox.sign("words");
			const copy = { id: 10, text: "words" };
			check("a copy", outbox.claims(copy), true);
			check("one from before", outbox.claims({ id: 0, text: "words" }), false);
			check("other words", outbox.claims({ id: 10, text: "other" }), false);
			reply(answer(201, copy));
			await until(() => outbox.items.size === 0);
			check("once it is in the book", [outbox.claims(copy), ids(book)], [false, [0, 10]]);
		`},
		{"a connection fills the gap after a sleep", `
			const asked = [];
			posting(async (init, path) => {
				const query = new URL(path, location).searchParams;
				asked.push([Number(query.get("limit")), query.get("before")]);
				const end = Number(query.get("before") ?? 20_000), from = end - 10 * query.get("limit");
				const { entries, before } = page(from, ...Array.from({ length: query.get("limit") }, (_, i) => from + 10 * i));
				return answer(200, { entries, before });
			});
			window.EventSource = class extends EventTarget { close() {} };
			const book = new PART.Book();
			book.take(page(10_000, 10_000, 10_010));
			const connection = new PART.Connection(book);
			connection.connect();
			await until(() => book.last === 19_990);
			connection.rest();
			check("asked", asked, [[50, null], [500, "19500"], [500, "14500"]]);
			check("nothing missing", [ids(book).length, book.entries[0].id], [1000, 10_000]);
		`},
		{"of all tabs one leads", `
			const told = new Set();
			const tab = (name) => {
				const tabs = new PART.Tabs("of the test");
				tabs.status = () => ({ state: "live", last: 7, name });
				tabs.hear = (message) => told.add(name + " hears " + message.name);
				tabs.changed = () => told.add(name + " is asked to lead");
				tabs.join();
				return { tabs, name };
			};
			// Those that ask at the same time may all lead for a moment.
			const leader = async (...all) => {
				for (;;) {
					const leads = await Promise.all(all.map(({ tabs }) => tabs.lead()));
					if (leads.filter(Boolean).length === 1) return all[leads.indexOf(true)];
					await new Promise((next) => setTimeout(next, 5));
				}
			};
			const all = [tab("a"), tab("b"), tab("c")];
			const first = await leader(...all), rest = all.filter((other) => other !== first);
			for (const { name } of rest) await until(() => told.has(name + " hears " + first.name));
			told.clear();
			first.tabs.leave();
			for (const { name } of rest) await until(() => told.has(name + " is asked to lead"));
			const second = await leader(...rest), third = rest.find((other) => other !== second);
			await until(() => told.has(third.name + " hears " + second.name));
			check("one only", [await second.tabs.lead(), await third.tabs.lead()], [true, false]);

			// One that claims without having heard of it is told so, a later claim counts, and one that stays silent is no leader.
			const stray = new BroadcastChannel("of the test");
			const answered = new Promise((next) => { stray.onmessage = ({ data }) => { if (data.term) next(data.name); }; });
			stray.postMessage({ term: 0, id: "0", name: "stray" });
			check("an older claim", [await answered, await second.tabs.lead()], [second.name, true]);
			told.clear();
			stray.postMessage({ term: 99, id: "z", name: "stray" });
			await until(() => told.has(second.name + " is asked to lead") && told.has(third.name + " hears stray"));
			await until(() => told.has(third.name + " is asked to lead"));
			stray.close();
			for (const { tabs } of all) tabs.leave();
		`},
		{"a connection hears from the tab that leads", `
			const asked = [];
			let all = [10];
			posting(async (init, path) => {
				asked.push(new URL(path, location).searchParams.get("seen"));
				return answer(200, page(null, ...all));
			});
			const tabs = { join() {}, leave() {}, say() {}, lead: async () => false, latest: { state: "live", last: 10 } };
			const book = new PART.Book(), states = [];
			const connection = new PART.Connection(book, (state) => states.push(state), tabs);
			await connection.connect();
			check("as the other says", states, ["live"]);
			const entry = (id, after) => tabs.hear({ state: "live", last: id, after, entry: { id, text: "entry " + id } });
			entry(20, 10);
			check("what comes", [ids(book), asked], [[10, 20], [null]]);
			all = [10, 20, 30, 40];
			entry(40, 30);
			await until(() => book.last === 40);
			check("what was missed is read", [ids(book), asked], [[10, 20, 30, 40], [null, "40"]]);
			await until(() => states.length && asked.length === 2);
			tabs.hear({ state: "polling", last: 40 });
			check("its state", states, ["live", "polling"]);
			all = [7];
			tabs.hear({ state: "live", last: -1, reset: true });
			await until(() => book.last === 7);
			check("another book", [ids(book), asked[2]], [[7], null]);
			connection.rest();
		`},
		{"a list shows a book and an outbox", `
			const act = {};
			const [ul, older, state, fresh] = ["ul", "button", "p", "button"].map((name) => document.createElement(name));
			document.body.prepend(ul, older, state, fresh);
			const book = new PART.Book(() => list.show());
			const outbox = new PART.Outbox(book, "list ", () => list.show());
			const list = new PART.List({ ul, older, state, fresh }, book, outbox, act);
			const shown = () => [...ul.children].map((li) => li.className + li.querySelector(".words").textContent);
			book.take(page(null, 0, 10));
			check("newest first", shown(), ["entry 10", "entry 0"]);
			posting(async () => answer(403, {}));
			outbox.sign("mine");
			await until(() => ul.querySelector(".failed"));
			check("what is unsent is above", shown(), ["failedmine", "entry 10", "entry 0"]);
			let discarded;
			act.discard = (item) => { discarded = item.text; };
			ul.querySelector(".discard").click();
			check("its buttons", discarded, "mine");
			outbox.takeBack([...outbox.items.values()][0]);
			book.take(page(null, 0), true);
			check("another book", shown(), ["entry 0"]);
			check("it is gone to, or not", [await list.goTo(0), await list.goTo(5)], [true, false]);
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			p.reload() // what a script replaces is whole again
			p.awaitState("live")
			var wrong []string
			p.eval(partsPrelude+c.script+`; return wrong; })()`, &wrong)
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}
