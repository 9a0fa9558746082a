import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { noChromium, startChromium, whySkipped } from '../chromium.js'
import { generate, Tokenizer, writeOnnx } from '../../model/index.js'
import { packageRoot } from '../../store/paths.js'
import { scratch } from '../model/tiny.js'
import { words, writeTokenizer } from '../stages/world.js'
import { openEvery } from './models.js'

let server: ChildProcess | undefined
afterEach(() => server?.kill())

/** Starts the example's server. @returns its address */
async function serve(folder: string): Promise<string> {
  server = spawn(process.execPath, [join(packageRoot(), 'examples/browser/serve.mjs'), folder, '0'])
  const [address] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string]
  return address
}

async function exportedFolder() {
  const model = await openEvery()
  writeTokenizer(model.folder)
  const folder = join(scratch(), 'exported')
  await writeOnnx(model, folder, { largestInline: 1000 })
  return { model, folder }
}

test.skipIf(noChromium)(`the page continues a text in Chromium as our decoder does${whySkipped}`, async () => {
  const { model, folder } = await exportedFolder()
  const tokenizer = Tokenizer.open(folder)
  const prompt = words.slice(10, 16).join(' ')
  const ids: number[] = []
  for await (const id of generate(model, tokenizer.encode(prompt), { maxTokens: 12 })) ids.push(id)
  const expected = tokenizer.decode(ids.filter((id) => !model.config.eos.includes(id)))

  const browser = await startChromium()
  try {
    const page = await browser.newPage()
    const problems: string[] = []
    page.on('pageerror', ({ message }) => problems.push(message))
    await page.goto(await serve(folder))
    await page.getByText('Ready.').waitFor({ timeout: 60_000 })
    await page.getByLabel('Text to continue').fill(prompt)
    await page.getByLabel('At most').fill('12')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByText(/\d+ tokens, /).waitFor({ timeout: 60_000 })
    expect(await page.locator('#text').textContent()).toBe(expected)
    expect(expected.split(' ').length).toBeGreaterThan(5)
    expect(problems).toEqual([])
  } finally {
    await browser.close()
  }
})

test('the example serves the page, its libraries and the model, and nothing else', async () => {
  const { folder } = await exportedFolder()
  const address = await serve(folder)
  const status = async (path: string) => (await fetch(new URL(path, address))).status
  for (const path of [
    '/',
    '/child.js',
    '/model/model.onnx',
    '/model/model.onnx.data',
    '/ort/ort.wasm.min.mjs',
    '/tokenizers.mjs',
  ])
    expect(await status(path), path).toBe(200)
  for (const path of [
    '/serve.mjs',
    '/model/',
    '/model/%2e%2e%2fconfig.json',
    '/..%2f..%2fpackage.json',
    '/model/notes.txt',
  ])
    expect(await status(path), path).toBe(404)
  expect((await fetch(address, { method: 'POST' })).status).toBe(405)
})
