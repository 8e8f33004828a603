// The web app in a real browser; e2e_browser.py starts the server. node browser.mjs URL CHROMIUM SCREENSHOTS
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import puppeteer from "puppeteer-core";

const [base, chromium, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TIMEOUT_MS = 60000;
const HOSTILE = "<img src=x onerror=alert(1)>";

const browser = await puppeteer.launch({executablePath: chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  protocolTimeout: TIMEOUT_MS});
const problems = [];

async function open(width = 1200, height = 850) {
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.setViewport({width, height});
  await page.setBypassCSP(false);
  page.on("pageerror", (error) => problems.push(`error in the page: ${error.message}`));
  page.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (line) => {
    if (line.type() === "error" && !/status of 40[134]/.test(line.text()))
      problems.push(`console: ${line.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:") && !request.url().startsWith("blob:"))
      problems.push(`request to another host: ${request.url()}`);
  });
  return page;
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);
const holds = (page, test, ...values) => page.waitForFunction(test, {polling: 100}, ...values);
const shows = (page, selector, part) => holds(page, (where, what) =>
  [...document.querySelectorAll(where)].some((element) => element.textContent.includes(what)), selector, part);
const goTo = async (page, path, selector = "h1") => {
  await page.goto(base + path);
  return page.waitForSelector(selector);
};
const type = async (page, selector, words) => (await page.waitForSelector(selector)).type(words);
const click = async (page, selector) => (await page.waitForSelector(selector)).click();
const press = async (page, label) => (await page.waitForSelector(`::-p-aria([name="${label}"][role="button"])`)).click();

/** A picture to be looked at, and a check that people with a screen reader can use the page. */
async function keep(page, name) {
  await page.screenshot({path: join(screenshots, `${name}.png`), fullPage: true});
  const session = await page.createCDPSession(); // the policy of the page allows no script of others
  await session.send("Runtime.evaluate", {expression: axe});
  const {result} = await session.send("Runtime.evaluate", {awaitPromise: true, returnByValue: true,
    expression: `axe.run().then(({violations}) => violations.filter(({impact}) => impact === "serious" || impact === "critical")
      .map(({id, nodes}) => id + ": " + nodes.map(({html}) => html.slice(0, 160)).join(" | ")))`});
  for (const violation of result.value)
    problems.push(`${name}: ${violation}`);
  await session.detach();
}

async function logIn(page) {
  await goTo(page, "/", "input[name=name]");
  await keep(page, "login");
  await type(page, "input[name=name]", "test");
  await type(page, "input[name=password]", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  assert.match(await text(page, "[role=alert]"), /[Pp]assword/);
  await page.$eval("input[name=password]", (input) => { input.value = ""; });
  await type(page, "input[name=password]", "test");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".row");
}

async function browse(page) {
  await shows(page, ".row", "20,000");
  await shows(page, ".row", HOSTILE); // as text
  await type(page, "input[type=search]", "numbers");
  await holds(page, () => document.querySelectorAll(".row").length === 1);
  await holds(page, () => document.querySelector(".row polyline") !== null);
  await keep(page, "streams");
  await click(page, ".row");
  await page.waitForSelector(".u-over");
}

const plotted = (page) => page.$eval("[data-points]", (element) => Number(element.dataset.points));
const counted = (page) => page.$eval(".statistics dd", (element) => Number(element.textContent.replace(/\D/g, "")));

async function plot(page) {
  await shows(page, ".statistics dd", "20,000");
  await holds(page, () => Number(document.querySelector("[data-points]")?.dataset.points) > 1000);
  assert.ok(await plotted(page) < 20000, "all points are drawn");
  await keep(page, "stream");
  const saved = await page.evaluate(async () => (await (await fetch(document.querySelector("a[download$=csv]").href)).text()).split("\r\n"));
  assert.equal(saved.length, 20000 + 2, "CSV has a header, everything, and an end of its last line");
  for (let zoom = 0; zoom < 3; zoom++) {
    const before = await counted(page);
    const box = await (await page.$(".u-over")).boundingBox();
    await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.55, box.y + box.height / 2, {steps: 5});
    await page.mouse.up();
    await holds(page, (old) => Number(document.querySelector(".statistics dd")?.textContent.replace(/\D/g, "")) < old, before);
  }
  assert.match(page.url(), /t1=.*t2=/);
  const raw = await counted(page);
  assert.ok(raw > 10 && raw < 200, `${raw} points after three zooms`);
  await holds(page, (count) => Number(document.querySelector("[data-points]")?.dataset.points) === count, raw); // every one of them
  const again = await open(); // the address shows the same
  await again.goto(page.url());
  await again.waitForSelector(".u-over");
  await holds(again, (count) => Number(document.querySelector(".statistics dd")?.textContent.replace(/\D/g, "")) === count, raw);
  await again.close();
}

async function rate(page) {
  const other = await open();
  await goTo(other, "/test/user/mood", ".stars");
  await goTo(page, "/test/user/mood", ".stars");
  await shows(other, ".muted", "No datapoints yet");
  await page.bringToFront(); // a page behind another is not drawn
  const begun = Date.now();
  await (await page.waitForSelector("[aria-label='7 of 10 stars']")).click();
  await shows(other, ".muted b", "7");
  console.log(`seen in another tab after ${Date.now() - begun} ms`);
  await shows(page, "[role=status]", "Inserted.");
  await shows(page, ".muted b", "7");
  await page.waitForSelector(".u-over");
  await keep(page, "rating");
  await other.close();
}

async function manage(page) {
  await goTo(page, "/");
  await press(page, "New device");
  await type(page, "dialog[open] input[name=name]", "shared");
  await click(page, "dialog[open] input[name=public]");
  await click(page, "dialog[open] form button:not([type=button])");
  await shows(page, ".chips a", "shared");
  await press(page, "New stream");
  await type(page, "dialog[open] input[name=name]", "made");
  await holds(page, () => [...document.querySelectorAll("dialog[open] select[name=on] option")].some(({value}) => value === "shared"));
  await page.select("dialog[open] select[name=on]", "shared");
  await keep(page, "new-stream");
  await click(page, "dialog[open] form button:not([type=button])");
  await shows(page, "h1", "made");
  assert.equal(new URL(page.url()).pathname, "/test/shared/made");
  await press(page, "Delete");
  await type(page, "dialog[open] input", "made");
  await click(page, "dialog[open] form button");
  await holds(page, () => window.location.pathname === "/test/shared");
  await goTo(page, "/test/shared/made", "[role=alert]");
}

async function others(page) {
  for (const [name, path, selector] of [["booleans", "/test/user/lamp", ".u-over"], ["track", "/test/user/way", ".track"],
    ["table", "/test/user/texts", "td.value"], ["account", "/?page=account", "code"], ["users", "/?page=users", "tbody tr"], ["server", "/?page=server", "dd"],
    ["compare", "/?page=compare&streams=test/user/numbers,test/user/lamp", ".u-over"]]) {
    await goTo(page, path, selector);
    await keep(page, name);
  }
  await shows(page, "th", "test/user/lamp");
  await goTo(page, "/test/user/numbers", ".u-over");
  await click(page, "details.script summary");
  await type(page, "details.script textarea", "if d >");
  await page.waitForSelector("details.script [role=alert]");
  await page.$eval("details.script textarea", (area) => { area.value = ""; });
  await type(page, "details.script textarea", "count | if last");
  await shows(page, "details.script td", "20,000");
  await press(page, "Use it");
  await shows(page, "dialog[open] pre", "curl -u");
  await keep(page, "snippets");
  await page.setViewport({width: 360, height: 740});
  await goTo(page, "/", ".row");
  await keep(page, "phone");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), "a phone has to scroll sideways");
  await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: "dark"}]);
  await goTo(page, "/test/user/numbers", ".u-over");
  await keep(page, "phone-dark");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), "a phone has to scroll sideways");
}

async function logOut(page) {
  const other = await open();
  await goTo(other, "/", ".row");
  await page.bringToFront();
  await goTo(page, "/", ".row");
  await press(page, "Log out");
  await page.waitForSelector("input[name=password]");
  await goTo(page, "/test/user/numbers", "input[name=password]");
  await other.bringToFront(); // the session of another tab has ended, too
  await press(other, "New stream");
  await type(other, "dialog[open] input[name=name]", "late");
  await click(other, "dialog[open] form button:not([type=button])");
  await other.waitForSelector("input[name=password]");
  await other.close();
}

try {
  const page = await open();
  for (const step of [logIn, browse, plot, rate, manage, others, logOut]) {
    await step(page).catch(async (error) => {
      await page.bringToFront();
      await page.screenshot({path: join(screenshots, "failed.png")});
      throw new Error(`${step.name}: ${error.stack}\n${problems.join("\n")}`);
    });
  }
  assert.deepEqual(problems, []);
  console.log("ok");
} finally {
  await browser.close();
}
