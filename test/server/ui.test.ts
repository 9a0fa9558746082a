import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Frame, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { noChromium, startChromium, whySkipped } from '../chromium.js'
import { ensureServer } from '../../server/index.js'
import { group, page, search } from '../../workflows/index.js'
import { Place } from '../cli/puzzleflow.js'
import { serverTimeout, testServer } from '../temporal.js'

let browser: Browser
let trap: Server
let [address, ui, elsewhere] = ['', '', '']
/** What somebody's server was asked for. */
const asked: string[] = []
let place: Place | undefined

beforeAll(async () => {
  const { client } = await testServer()
  await client.connection.close()
  const info = await ensureServer({ log: () => undefined })
  ;[address, ui] = [info.address, info.uiAddress!]
  if (noChromium) return
  trap = createServer(({ url }, response) => {
    asked.push(url!)
    response.end()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  elsewhere = `127.0.0.1:${(trap.address() as AddressInfo).port}`
  browser = await startChromium()
}, serverTimeout)
afterAll(async () => {
  if (noChromium) return
  await browser.close()
  trap.close()
})
afterEach(() => place?.close())

interface State {
  readonly progress?: { readonly stages: readonly { readonly waiting: readonly string[] }[] }
}

/** Markup of every kind that asks a server for something, runs a script or looks like something else. */
const markup = () =>
  [
    `![picture](http://${elsewhere}/markdown.png)`,
    `[link](http://${elsewhere}/link)`,
    `<img src="http://${elsewhere}/html.png" onerror="window.hit = 1">`,
    '<script>window.hit = 1</script>',
    `<iframe src="http://${elsewhere}/frame"></iframe>`,
    `<style>@import url(http://${elsewhere}/css)</style>`,
    '<a href="javascript:window.hit = 1">click</a>',
    '**strong**',
    `http://${elsewhere}/bare`,
  ].join(' ')

/** Opens the page of a workflow and its tabs. @returns the frames in which the UI renders Markdown */
async function visit(page: Page, path: string): Promise<Frame[]> {
  await page.goto(`${ui}/namespaces/default/workflows/${path}`)
  for (const name of ['Event History', 'Timeline', 'User Metadata']) {
    await page.getByRole('tab', { name }).click()
    await page.getByRole('tab', { name, selected: true }).waitFor()
  }
  const rendered = () => page.frames().filter((frame) => frame.url().startsWith(`${ui}/render?content=`))
  await expect.poll(() => rendered().length).toBeGreaterThan(1)
  for (const frame of rendered()) await frame.waitForLoadState('networkidle')
  return rendered()
}

/** What a frame has of markup, and whether a script of somebody ran: text, because this is checked without the types of pages. */
const contents = (frame: Frame) =>
  frame.evaluate<{ marked: string[]; hit: number | null; text: string }>(`({
    marked: [...document.querySelectorAll('img, iframe, a, script:not([nonce]), strong')].map((own) => own.outerHTML),
    hit: window.hit ?? null,
    text: document.body.innerText,
  })`)

test.skipIf(noChromium)(
  `names and messages with markup are shown as text in the Temporal UI${whySkipped}`,
  async () => {
    place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-ui-')), inject('stateHome'))
    const name = '`<b>![x](y)|.yaml'
    writeFileSync(join(place.folder, 'fail.sh'), `cat message >&2; exit 1`)
    writeFileSync(join(place.folder, 'message'), markup())
    writeFileSync(
      join(place.folder, name),
      `apiVersion: puzzleflow/v1
name: markup
model: ${JSON.stringify(`folder/${markup().replaceAll('/', '%2f')}`)}
pipeline:
  inputs: { model: { type: string } }
  stages:
    bad: { uses: command, with: { command: [sh, fail.sh], sources: [fail.sh, message] }, onFailure: wait, retry: { maximumAttempts: 1 } }
`,
    )
    const begun = await place.run('run', name, '--address', address, '--detach', '--allow-plugin', '.')
    expect(begun).toMatchObject({ code: 0 })
    const waiting = async () => {
      const { stdout } = await place!.run('status', 'markup', '--address', address, '--json')
      const [state] = [JSON.parse(stdout) as State | State[]].flat()
      return state?.progress?.stages[0]!.waiting.length
    }
    await expect.poll(waiting, { interval: 500 }).toBe(1)
    const { client } = await testServer()
    const ids: string[] = []
    for await (const { workflowId } of client.workflow.list({ query: 'WorkflowType = "search"' })) ids.push(workflowId)
    await client.connection.close()
    const page = await browser.newPage()
    const frames = await visit(page, encodeURIComponent(ids.find((id) => id.endsWith('/markup'))!))
    const texts: string[] = []
    for (const frame of frames) {
      const { marked, hit, text } = await contents(frame)
      // The table's own sentence is strong.
      expect(marked.filter((html) => !/<strong>(bad|0 %)<\/strong>/.test(html))).toEqual([])
      expect(hit).toBeNull()
      texts.push(text)
    }
    expect(texts.join('\n')).toContain('![picture](http')
    expect(texts.join('\n')).toContain('`<b>![x](y)|.yaml')
    expect(await page.evaluate('window.hit ?? null')).toBeNull()
    expect(await page.locator(`[src*="${elsewhere}"], [href*="${elsewhere}"]`).count()).toBe(0)
    expect(asked).toEqual([])
    await page.close()
    await place.run('cancel', 'markup', '--address', address)
  },
  serverTimeout,
)

test.skipIf(noChromium)(
  `even markup that reaches the Temporal UI as such loads nothing and runs nothing${whySkipped}`,
  async () => {
    const { client } = await testServer()
    const workflowId = 'markup-itself'
    await client.workflow.start('search', {
      workflowId,
      taskQueue: 'of-nobody',
      args: [{}],
      staticSummary: markup().slice(0, 390),
      staticDetails: markup(),
    })
    const page = await browser.newPage()
    const frames = await visit(page, workflowId)
    for (const frame of frames) expect((await contents(frame)).hit).toBeNull()
    expect(await page.evaluate('window.hit ?? null')).toBeNull()
    expect(asked).toEqual([])
    await page.close()
    await client.workflow.getHandle(workflowId).terminate()
    await client.connection.close()
  },
  serverTimeout,
)

/** Ids of the workflows that a page of the UI lists, as it asks for them. */
async function listed(page: string): Promise<string[]> {
  const answer = await fetch(page.replace('/namespaces/', '/api/v1/namespaces/'))
  const { executions } = (await answer.json()) as { executions: { execution: { workflowId: string } }[] }
  return executions.map(({ execution }) => execution.workflowId)
}

test(
  'the page of all runs, as commands print it, lists searches without their groups and pages of tasks',
  async () => {
    place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-ui-')), inject('stateHome'))
    const { client } = await testServer()
    const parts = ['run', 'run/distill/layer00', 'run/score/page001'].map((path) => `puzzleflow-listed/${path}`)
    const types = [search, group, page].map(({ name }) => name)
    for (const [i, workflowId] of parts.entries())
      await client.workflow.start(types[i]!, { workflowId, taskQueue: 'of-nobody', args: [{}] })
    const { stdout } = await place.run('server', 'status')
    const link = /^All runs: (\S+)$/m.exec(stdout)![1]!
    const those = (ids: readonly string[]) => ids.filter((id) => id.startsWith('puzzleflow-listed/'))
    const all = link.replace(/\?.*/, '')
    await expect.poll(async () => those(await listed(all)).length, { interval: 200 }).toBe(3)
    expect(those(await listed(link))).toEqual([parts[0]])
    if (!noChromium) {
      const tab = await browser.newPage()
      await tab.goto(link)
      const rows = tab.getByRole('link', { name: /^puzzleflow-listed/ })
      await rows.first().waitFor()
      expect(await rows.allInnerTexts()).toEqual([parts[0]])
      await tab.close()
    }
    for (const workflowId of parts) await client.workflow.getHandle(workflowId).terminate()
    await client.connection.close()
  },
  serverTimeout,
)
