// Half characters, which cannot travel.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mended } from "../../components/canvas/text_guard/half_characters.js";

test("half characters are replaced, whole ones are left", () => {
  assert.equal(mended("a\ud83db"), "a\ufdd0b");
  assert.equal(mended("\ude00\ud83d"), "\ufdd0\ufdd0");
  assert.equal(mended("cat 😀 שלום"), "cat 😀 שלום");
});
