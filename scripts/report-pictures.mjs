// `node scripts/report-pictures.mjs RUN.html [FOLDER]`: pictures docs/report.png (light) and docs/report-dark.png of the top of a page
// that `puzzleflow report` wrote. Needs Chromium: CHROMIUM=PROGRAM says where it is not /usr/bin/chromium.
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { savePicture } from './pictures.mjs'
import { root } from './setup.mjs'

const [page, target = join(root, 'docs')] = process.argv.slice(2)
const viewport = { width: 1100, height: 1500 }

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})
for (const [scheme, name] of [
  ['light', 'report.png'],
  ['dark', 'report-dark.png'],
]) {
  const tab = await browser.newPage({ viewport, colorScheme: scheme })
  await tab.goto(pathToFileURL(resolve(page)).href)
  await savePicture(browser, join(target, name), [await tab.screenshot()])
}
await browser.close()
