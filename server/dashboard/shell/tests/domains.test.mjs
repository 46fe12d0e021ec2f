import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { shownDomain } from "../domains.js";

const CASES = JSON.parse(readFileSync(new URL("domains.json", import.meta.url), "utf8"));

test("a domain is shown in U-labels, as the server shows it", () => {
  for (const [, counted, shown] of CASES) assert.equal(shownDomain(counted), shown);
});

test("what would look like another name stays in A-labels", () => {
  for (const label of ["xn--a\u202eb-", "xn--ab-0ea", `xn--${"a".repeat(200)}`, "xn--99999999999", "xn---"]) {
    assert.equal(shownDomain(`${label}.example`), `${label}.example`);
  }
  assert.equal(shownDomain(null), null);
});
