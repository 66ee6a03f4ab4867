import { beginning, bytesOf, withName, withoutName } from "./text.js";
import { equal } from "./testing.js";

export default {
  "a beginning has whole letters only"() {
    equal("short", beginning("short", 80), "short");
    equal("of just the length", beginning("a".repeat(80), 80), "a".repeat(80));
    equal("an emoji at the end", beginning(`${"a".repeat(79)}👍🏽 and more`, 80), `${"a".repeat(79)}👍🏽…`);
    equal("an emoji past the end", beginning(`${"a".repeat(80)}👍🏽`, 80), `${"a".repeat(80)}…`);
    const family = "👩‍👩‍👧‍👦";
    equal("families", beginning(family.repeat(90), 80), `${family.repeat(80)}…`);
    equal("a flag", beginning(`${"a".repeat(79)}🇩🇪🇫🇷`, 80), `${"a".repeat(79)}🇩🇪…`);
    const tall = `Z${"\u0351".repeat(3000)}`;
    equal("one letter without an end", bytesOf(beginning(tall, 80)) < 2000, true);
  },
  "a name is on a line of its own, and is taken off again"() {
    equal("with", withName("Hello", " Ada "), "Hello\n— Ada");
    equal("without", withName("Hello", " \u200b"), "Hello");
    equal("off", withoutName("Hello\n— Ada", "Ada"), "Hello");
    equal("another's", withoutName("Hello\n— Bob", "Ada"), "Hello\n— Bob");
    equal("no name", withoutName("Hello", ""), "Hello");
  },
};
