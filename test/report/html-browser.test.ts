import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noChromium, startChromium, whySkipped } from '../chromium.js'
import { reportPage } from '../../report/html/page.js'
import { comparisonPage } from '../../report/html/comparison.js'
import { sweepPage } from '../../report/html/sweep.js'
import { comparedPair } from './compared-pair.js'
import { searchReport } from './search-report.js'
import { sweepData } from './sweep-data.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser | undefined
beforeAll(async () => {
  if (noChromium) return
  browser = await startChromium()
})
afterAll(() => browser?.close())

const file = join(mkdtempSync(join(tmpdir(), 'puzzleflow-page-')), 'report.html')

/** Pages of each kind, with the number of their charts. @param text  stands for every text that comes from outside */
const pages = {
  search: { charts: 8, of: (text: string) => reportPage(searchReport({ text })) },
  comparison: { charts: 1, of: (text: string) => comparisonPage(comparedPair(text)) },
  sweep: { charts: 3, of: (text: string) => sweepPage(sweepData({ text })) },
} as const
const kinds = Object.keys(pages) as (keyof typeof pages)[]

/** Opens a page as a file. */
async function open(text: string, width: number, colorScheme: 'light' | 'dark') {
  writeFileSync(file, text)
  // axe is put into the page, whose policy allows no scripts.
  const page = await browser!.newPage({ viewport: { width, height: 800 }, colorScheme, bypassCSP: true })
  const said: string[] = []
  page.on('console', (message) => said.push(message.text()))
  page.on('pageerror', ({ message }) => said.push(message))
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) said.push(`asks for ${request.url()}`)
  })
  page.on('dialog', (dialog) => {
    said.push(`says ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(`file://${file}`)
  return { page, said }
}

test
  .skipIf(noChromium)
  .each(
    kinds.flatMap((kind) => [
      [kind, 1280, 'light'] as const,
      [kind, 1280, 'dark'] as const,
      [kind, 400, 'dark'] as const,
    ]),
  )(
  `the page about a %s, %i pixels wide and %s, is accessible, fits, and has nothing to fetch${whySkipped}`,
  async (kind, width, scheme) => {
    const { page, said } = await open(pages[kind].of('a text'), width, scheme)
    await page.evaluate(axe)
    const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>('axe.run()')
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)).toEqual([])
    // Wide charts and tables scroll by themselves.
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    const heights = await page.evaluate<number[]>(
      "[...document.querySelectorAll('svg[role=img]')].map((svg) => svg.getBoundingClientRect().height)",
    )
    expect(heights.length).toBe(pages[kind].charts)
    expect(Math.min(...heights)).toBeGreaterThan(50)
    expect(said).toEqual([])
    await page.close()
  },
)

/** Where a text of a chart is. */
interface Box {
  readonly text: string
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

test.skipIf(noChromium)(`labels of points lie on nothing, however near the points are${whySkipped}`, async () => {
  const { result, ...data } = searchReport()
  const { parent, child } = result
  // The first is the child's, as in most searches; the others are near it, or nearer to each other than labels are high.
  const ratios = [2.305, 2.301, 2.38, 2.07, 2.071, 2.31]
  const solutions = ratios.map((throughput, i) => ({
    objective: 0.1,
    predicted: { throughput: 2.36 * parent.throughput.predicted! },
    measured: { kl: i === 0 ? child.kl : 0.5 + i / 1000, throughput: { measured: throughput } },
    ratios: { throughput },
  }))
  const near = {
    ...result,
    ...{ solutions, attempts: [], ratios: { ...result.ratios, throughput: 2.305 } },
    child: { ...child, throughput: { ...child.throughput, predicted: 2.36 * parent.throughput.predicted! } },
  }
  const { page } = await open(reportPage({ ...data, result: near }), 1280, 'light')
  for (const name of ['Measured children: KL against throughput', 'Measured against predicted throughput']) {
    const boxes = await page.evaluate<
      Box[]
    >(`[...document.querySelectorAll('svg[aria-label="${name}"] text')].map((own) => {
      const { left, right, top, bottom } = own.getBoundingClientRect()
      return { text: own.textContent, left, right, top, bottom }
    })`)
    const labels = boxes.filter(({ text }) => /solution|child/.test(text))
    expect(labels.map(({ text }) => text)).toContain('solution 1, the child')
    expect(labels.length).toBeGreaterThan(3)
    const on = (a: Box, b: Box) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    for (const label of labels)
      expect(
        boxes.filter((own) => own !== label && on(own, label)).map(({ text }) => `${label.text} on ${text}`),
      ).toEqual([])
  }
  await page.close()
})

test.skipIf(noChromium).each(kinds)(
  `texts from outside run no script on the page about a %s, and fetch nothing${whySkipped}`,
  async (kind) => {
    const markup = `</title></style>"'><script>alert(1)</script><img src="http://127.0.0.1:9/x" onerror="alert(1)"><svg onload=alert(1)>`
    const { page, said } = await open(pages[kind].of(markup), 1280, 'light')
    expect(await page.locator('script, img').count()).toBe(0)
    expect(said).toEqual([])
    await page.close()
  },
)

test.skipIf(noChromium).each(kinds)(
  `the page about a %s prints on paper, charts and all${whySkipped}`,
  async (kind) => {
    const { page } = await open(pages[kind].of('a text'), 1280, 'light')
    const paper = await page.pdf({ format: 'A4' })
    expect(paper.subarray(0, 5).toString()).toBe('%PDF-')
    expect(paper.length).toBeGreaterThan(20_000)
    await page.close()
  },
)
