import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { serveLive, type LiveServer } from '../../cli/live-server.js'
import { livePage } from '../../report/html/live.js'
import { reportPage } from '../../report/html/page.js'
import { noChromium, startChromium, whySkipped } from '../chromium.js'
import { liveData } from './live-data.js'
import { searchReport } from './search-report.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser | undefined
beforeAll(async () => {
  if (!noChromium) browser = await startChromium()
})
afterAll(() => browser?.close())

let server: LiveServer
beforeEach(async () => {
  server = await serveLive(0)
  server.show('1', livePage(liveData('first'), '1'))
})
afterEach(() => server.close())

/** Asks the server. @param host  that the request names */
const ask = (url: string, method = 'GET', host?: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    request(url, { method, ...(host !== undefined && { headers: { host } }) }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode!, body }))
    })
      .on('error', reject)
      .end()
  })

test('only who knows the secret address of this machine gets the page, and nothing can be changed', async () => {
  const { origin } = new URL(server.url)
  expect(await ask(server.url)).toMatchObject({
    status: 200,
    body: expect.stringContaining('first is running') as string,
  })
  expect(await ask(`${server.url}version`)).toEqual({ status: 200, body: '1' })
  expect((await ask(`${origin}/`)).status).toBe(404)
  expect((await ask(`${origin}/version`)).status).toBe(404)
  expect((await ask(server.url, 'POST')).status).toBe(405)
  expect((await ask(server.url, 'GET', 'rebound.example')).status).toBe(403)
})

test.skipIf(noChromium)(
  `the page loads itself again when there is another, and becomes the last one; its policy holds${whySkipped}`,
  async () => {
    const page = await browser!.newPage()
    const said: string[] = []
    page.on('console', (message) => said.push(message.text()))
    page.on('pageerror', ({ message }) => said.push(message))
    page.on('request', (asked) => {
      if (!asked.url().startsWith(server.url)) said.push(`asks for ${asked.url()}`)
    })
    await page.goto(server.url)
    server.show('2', livePage(liveData('second'), '2'))
    await page.locator('h1', { hasText: 'second is running' }).waitFor()
    expect(said).toEqual([])
    server.show('the last', reportPage(searchReport({ text: 'second' })))
    await server.seen(60_000)
    await page.locator('h1', { hasText: 'No acceptable child was found' }).waitFor()
    expect(await page.locator('script').count()).toBe(0)
    expect(said).toEqual([])
    await page.close()
  },
)

test.skipIf(noChromium)(`a page whose command has ended says so${whySkipped}`, async () => {
  const page = await browser!.newPage()
  await page.goto(server.url)
  expect(await page.locator('#gone').isVisible()).toBe(false)
  await server.close()
  await page.locator('#gone').waitFor({ state: 'visible' })
  await page.close()
})

test.skipIf(noChromium).each([
  [1280, 'light'],
  [400, 'dark'],
] as const)(`the page, %i pixels wide and %s, is accessible and fits${whySkipped}`, async (width, colorScheme) => {
  const page = await browser!.newPage({ viewport: { width, height: 800 }, colorScheme, bypassCSP: true })
  await page.goto(server.url)
  await page.evaluate(axe)
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>('axe.run()')
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)).toEqual([])
  expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  await page.close()
})
