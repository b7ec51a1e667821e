import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
const [url, out, ...pages] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: ["--no-sandbox"] });
const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
for (const scheme of ["light", "dark"]) for (const width of [1280, 360]) {
  const context = await browser.newContext({ viewport: { width, height: 850 }, colorScheme: scheme, bypassCSP: false });
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) console.log(scheme, width, m.text().slice(0, 300)); });
  page.on("response", (r) => { if (r.status() === 401) console.log("401", r.url()); }); page.on("pageerror", (e) => console.log("PAGEERROR", e.message));
  await page.goto(url + "/console/");
  await page.getByLabel("Email").fill("root@example.com");
  await page.getByLabel("Password", { exact: true }).first().fill("a long password of ours");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation").waitFor({state: "attached"});
  for (const said of pages) {
    const [path, ...acts] = said.split("|");
    await page.goto(url + "/console" + path);
    await page.waitForTimeout(900);
    for (const act of acts) { const [what, name, value] = act.split("="); 
      if (what === "click") await page.getByText(name, { exact: false }).first().click();
      if (what === "btn") await page.getByRole("button", { name }).first().click();
      if (what === "fill") await page.getByLabel(name).last().fill(value);
      if (what === "lab") await page.getByLabel(name).last().click();
      if (what === "opt") await page.getByRole("option", { name }).first().click();
      if (what === "key") await page.keyboard.press(name);
      await page.waitForTimeout(500); }
    await page.waitForTimeout(900);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 0) console.log("OVERFLOW", path, width, over);
    const slug = (path.replaceAll("/", "_") || "_") + (acts.length ? "+" + acts.length : "");
    await page.screenshot({ path: `${out}/${slug}-${scheme}-${width}.png` });
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    for (const one of found.violations) console.log("AXE", path, scheme, width, one.id, one.nodes.length, one.nodes.slice(0, 2).map((n) => n.html.slice(0, 200) + " :: " + (n.any[0]?.message ?? "")).join("\n    "));
  }
  await context.close();
}
await browser.close();
