// `node scripts/report-pictures.mjs RUN.html [FOLDER]`: pictures docs/report.png (light) and docs/report-dark.png of the top of a page
// that `puzzleflow report` wrote. Needs Chromium: CHROMIUM=PROGRAM says where it is not /usr/bin/chromium.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { indexedPng } from './indexed-png.mjs'
import { root } from './setup.mjs'

const [page, target = join(root, 'docs')] = process.argv.slice(2)
const [width, height] = [1100, 1500]

/** Pixels of a picture, four bytes each, decoded by the browser. */
const pixelsOf = (tab, png) =>
  tab.evaluate(
    async ([data, width, height]) => {
      const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob())
      const context = new OffscreenCanvas(width, height).getContext('2d')
      context.drawImage(picture, 0, 0)
      const bytes = context.getImageData(0, 0, width, height).data
      let text = ''
      for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768))
      return btoa(text)
    },
    [png.toString('base64'), width, height],
  )

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})
const decoder = await browser.newPage()
for (const [scheme, name] of [
  ['light', 'report.png'],
  ['dark', 'report-dark.png'],
]) {
  const tab = await browser.newPage({ viewport: { width, height }, colorScheme: scheme })
  await tab.goto(pathToFileURL(resolve(page)).href)
  const pixels = await pixelsOf(decoder, await tab.screenshot())
  writeFileSync(join(target, name), indexedPng(width, height, Buffer.from(pixels, 'base64')))
}
await browser.close()
