// The tables as a diagram: each is a link, reached by keyboard, with its references lit, and the same as a list.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, picture, signedIn, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

for (const [scheme, width] of [["light", 1280], ["dark", 360]]) {
  test(`the diagram is sound in ${scheme} at ${width}`, async () => {
    const page = await signedIn(browser, "/tables", { scheme, width });
    const diagram = page.getByRole("region", { name: "Tables and their references" });
    await diagram.waitFor();
    await sound(page, `the diagram in ${scheme} at ${width}`);
    if (width === 1280) await picture(page, "tables-diagram");
    await diagram.getByText("As a list").click();
    const told = await diagram.getByRole("listitem").allInnerTexts();
    assert.ok(told.length > 2 && told.every((one) => /^\w+\.[\w, ]+ → \w+$/.test(one)), told.join("\n"));
    await sound(page, `the list in ${scheme} at ${width}`);
  });
}

test("a table of the diagram is reached by keyboard, lights its references, and opens", async () => {
  const page = await signedIn(browser, "/tables");
  const diagram = page.getByRole("region", { name: "Tables and their references" });
  await diagram.getByText("As a list").click();
  const [first] = await diagram.getByRole("listitem").allInnerTexts();
  const name = first.split(".")[0];
  await diagram.getByRole("link", { name, exact: true }).focus();
  const isLit = () => diagram.locator("path").evaluateAll((all) => all.some((one) => getComputedStyle(one).opacity === "1"));
  for (let looks = 0; looks < 500 && !(await isLit()); looks += 1) await page.waitForTimeout(20); // it lights up in a transition
  assert.equal(await isLit(), true);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/console/tables/${name}`);
});
