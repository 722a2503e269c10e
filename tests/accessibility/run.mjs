// Looks at pages with axe, in both themes, on a wide screen and on one of 360 pixels.
//
//     node run.mjs [--screenshots FOLDER] PAGE…
//
// Ends with 1 where axe finds anything, or a page is wider than its screen. Needs Chromium; CHROMIUM names it.
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { createRequire } from 'node:module';

const words = process.argv.slice(2);
const folder = words[0] === '--screenshots' ? words.splice(0, 2)[1] : null;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
let found = 0;
for (const file of words) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1000, 360]) {
      // The pages load nothing, and say so: axe is brought in from outside.
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      const page = await context.newPage();
      await page.goto(`file://${resolve(file)}`);
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => (await axe.run()).violations);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      const name = `${basename(file, '.html')}, ${colorScheme}, ${width} px`;
      for (const one of violations) {
        console.error(`${name}: ${one.id}: ${one.nodes[0].html}\n  ${one.nodes[0].failureSummary}`);
      }
      if (wider > 0) console.error(`${name}: ${wider} px wider than the screen`);
      found += violations.length + (wider > 0 ? 1 : 0);
      if (folder) {
        const path = join(folder, `${basename(file, '.html')}-${colorScheme}-${width}.png`);
        await page.screenshot({ path });
      }
      await context.close();
    }
  }
}
await browser.close();
console.log(`${words.length} pages, ${found} findings`);
process.exit(found > 0 ? 1 : 0);
