// Two thousand endpoints: only what is in sight is in the page.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a gate of two thousand lanes holds few of them at once, and finds each", async () => {
  const page = await signedIn(browser);
  await page.getByText("/api/e0", { exact: true }).waitFor();
  assert.ok((await page.locator("ul > li[data-index]").count()) < 60);
  await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
  await page.getByText("/api/e1999", { exact: true }).waitFor();
  assert.ok((await page.locator("ul > li[data-index]").count()) < 60);
  await page.getByLabel("Filter by name, path or table").fill("e1234");
  await page.getByText("/api/e1234", { exact: true }).waitFor();
  await sound(page, "one of two thousand");
});
