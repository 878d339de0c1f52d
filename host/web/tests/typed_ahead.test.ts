import { describe, expect, it } from "vitest";
import { isTyping, TypedAhead, type Typed } from "../src/notebook/typed_ahead";

const press = (key: string, more: Partial<KeyboardEvent> = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, getModifierState: () => false, ...more }) as KeyboardEvent;
const typed = (text: string): Typed[] => [...text].map((key) => ({ key: press(key) }));

/** A notebook of cells whose editors write down what they take; Escape leaves, and in command mode "j" goes on to the next cell. */
function setUp() {
  let place: string | null = "a";
  const texts: Record<string, string> = { a: "", b: "" };
  const commands: string[] = [];
  const carets: Record<string, number> = {};
  const ahead = new TypedAhead(
    () => place,
    (event) => {
      commands.push(event.key);
      if (event.key === "Enter") place = "b";
    },
  );
  const editor = (id: string) => ({
    caret: (offset: number) => void (carets[id] = offset),
    take(one: Typed) {
      if ("paste" in one) texts[id] += one.paste;
      else if ("text" in one) texts[id] += one.text;
      else if (one.key.key === "Escape") place = null;
      else texts[id] += one.key.key;
    },
  });
  return { ahead, texts, commands, carets, editor, go: (to: string | null) => (place = to) };
}

describe("what is typed before an editor is there", () => {
  it("is done in order when it comes, and by it from then on", () => {
    const { ahead, texts, carets, editor } = setUp();
    ahead.clicked("a", 3);
    for (const one of typed("x=")) ahead.add("a", one);
    ahead.add("a", { paste: "long" });
    ahead.add("a", { text: " text" });
    const stop = ahead.serve("a", editor("a"));
    for (const one of typed(";")) ahead.add("a", one);
    expect([texts.a, carets.a]).toEqual(["x=long text;", 3]);
    expect(ahead.untouched("a")).toBe(false);
    stop();
    expect(ahead.untouched("a")).toBe(true);
    for (const one of typed("!")) ahead.add("a", one);
    expect(ahead.untouched("a")).toBe(false);
    expect(texts.a).toBe("x=long text;");
    ahead.serve("a", editor("a"));
    expect(texts.a).toBe("x=long text;!");
  });

  it("goes where the keyboard is when a key leaves the cell", () => {
    const { ahead, texts, commands, editor } = setUp();
    ahead.serve("b", editor("b"));
    for (const one of [...typed("1"), { key: press("Escape") }, ...typed("j"), { key: press("Enter") }, ...typed("2")]) ahead.add("a", one);
    ahead.serve("a", editor("a"));
    expect([texts, commands]).toEqual([{ a: "1", b: "2" }, ["j", "Enter"]]);
  });

  it("stays in a cell that was left meanwhile, and moves nobody", () => {
    const { ahead, texts, editor, go } = setUp();
    for (const one of [...typed("12"), { key: press("Escape") }, { key: press("Enter", { shiftKey: true }) }]) ahead.add("a", one);
    go("b");
    ahead.serve("a", editor("a"));
    expect(texts).toEqual({ a: "12", b: "" });
  });

  it("is text and the keys of an editor, not what is the browser's", () => {
    const all = [press("a"), press("é"), press("😀"), press("Enter"), press("z", { ctrlKey: true }), press("@", { ctrlKey: true, altKey: true, getModifierState: (name) => name === "AltGraph" })];
    expect(all.map(isTyping)).toEqual(all.map(() => true));
    const none = [press("F5"), press("r", { ctrlKey: true }), press("v", { ctrlKey: true }), press("Shift"), press("Dead"), press("Process"), press("n", { keyCode: 229 })];
    expect(none.map(isTyping)).toEqual(none.map(() => false));
  });
});
