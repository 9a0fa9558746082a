// `node scripts/ui-pictures.mjs [FOLDER]`: takes the pictures docs/ui-*.png of the Temporal UI anew, or puts them into FOLDER.
//
//   ui-running.png  a search at work: its time line, the table of its stages, the tasks of a layer
//   ui-paused.png   the same search, paused
//   ui-failed.png   a search whose uptraining has failed and waits for a decision
//   ui-runs.png     the list of runs, with their search attributes
//
// It does small real searches with a server and a state directory of its own in a temporary folder, and removes all of it at
// the end: about five minutes on two cores. Linux only, with Chromium: CHROMIUM=PROGRAM says where it is not /usr/bin/chromium.
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { savePicture } from './pictures.mjs'
import { build, install, root } from './setup.mjs'

install()
build()
const { Place } = await import('../dist/test/cli/puzzleflow.js')
const { tinySpec, writeTinySearch } = await import('../dist/test/cli/tiny-search.js')

const target = process.argv[2] ?? join(root, 'docs')

/** The tiny search, a little less tiny, under another name and with other parameters. */
function spec(name, { distill = '60k', seed = 3, rates = {}, execution = '' } = {}) {
  const rate = (stage) => (rates[stage] === undefined ? '' : ` learningRate: ${rates[stage]},`)
  return tinySpec
    .replace('name: tiny', `name: ${name}`)
    .replace('model: ./parent', 'model: ./tiny-llama')
    .replace('seed: 3', `seed: ${seed}`)
    .replace('{ block: swiglu, width: [50%] }', '{ block: swiglu, width: [75%, 50%, 25%] }')
    .replace('distill: { tokens: 60k,', `distill: { tokens: ${distill},${rate('distill')}`)
    .replace('uptrain: {', `uptrain: {${rate('uptrain')}`)
    .concat(execution)
}
// Real failures: no float32 survives such steps.
const tooHigh = '1.0e+9'
const specs = {
  first: spec('first'),
  'bad-rate': spec('bad-rate', { seed: 4, rates: { distill: tooHigh } }),
  careful: spec('careful', { rates: { uptrain: tooHigh }, execution: 'execution: { uptrain: { onFailure: wait } }\n' }),
  night: spec('night', { distill: '600k' }),
  trial: spec('trial', { distill: '1M', seed: 5 }),
  today: spec('today', { distill: '1M', seed: 6 }),
}
const layers = 6
/** Tasks of `distill` in a layer. */
const variants = 6

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A command that must end with this exit code. @returns what it printed, as JSON */
async function command(place, args, wanted = 0) {
  const { code, stdout, stderr } = await place.run(...args, '--json')
  if (code !== wanted) throw new Error(`puzzleflow ${args.join(' ')} ended with ${code}:\n${stderr}`)
  return stdout === '' ? undefined : JSON.parse(stdout)
}

/** Where a stage of a run stands, as soon as it is as wanted. */
async function until(place, run, stage, wanted) {
  for (;;) {
    const { state, progress } = await command(place, ['status', run])
    const found = progress?.stages.find((own) => own.stage === stage)
    if (found && wanted(found)) return found
    if (state !== 'RUNNING') throw new Error(`${run} is ${state} before its stage ${stage} was as wanted`)
    await pause(500)
  }
}

/** Pages of the UI, and pieces of them one above the other. */
class Camera {
  constructor(browser, address) {
    this.browser = browser
    this.address = address
    this.width = 1400
  }

  /** A page so high that nothing has to be scrolled; beside the menu it is as wide as the pictures. */
  async open(path, height = 2000) {
    const context = await this.browser.newContext({
      viewport: { width: this.width + 256, height },
      locale: 'en-GB',
      timezoneId: 'UTC',
    })
    const columns = 'Status,Workflow ID,PuzzleModel,PuzzleStage,PuzzleProgress,PuzzleStatus,Start'.split(',')
    await context.addInitScript(
      (shown) => localStorage.setItem('namespace-workflow-table-columns', JSON.stringify({ default: shown })),
      columns.map((label) => ({ label })),
    )
    const page = await context.newPage()
    await page.goto(`${this.address}/namespaces/default/workflows${path}`)
    return page
  }

  /** A horizontal piece of a page. */
  async piece(page, top, bottom) {
    const clip = { x: 256, y: Math.floor(top), width: this.width, height: Math.ceil(bottom - top) }
    return page.screenshot({ clip, animations: 'disabled' })
  }

  /** Pieces one above the other, a line between them. */
  save = (name, pieces) => savePicture(this.browser, join(target, name), pieces)

  /** Title and tabs of a run's page, and what is wanted below them. */
  async run(id, ...parts) {
    const page = await this.open(`/${encodeURIComponent(id)}`)
    const tabs = page.getByRole('tablist')
    await tabs.waitFor()
    const pieces = []
    for (const part of parts) {
      const piece = await part(page)
      if (pieces.length === 0) {
        const { y, height } = await tabs.boundingBox()
        pieces.push(await this.piece(page, 64, y + height + 8))
      }
      pieces.push(piece)
    }
    await page.context().close()
    return pieces
  }

  /** @param most  pixels from its top: what began last is there */
  async timeline(page, most = Infinity) {
    await page.getByRole('tab', { name: 'Timeline' }).click()
    const ticks = page.locator('.tick-label')
    // The events are there when the input is; what draws the rows tells nothing.
    await page.getByText('"digest"').first().waitFor()
    await page.waitForTimeout(5000)
    const { y } = await page.getByRole('heading', { name: 'Timeline' }).boundingBox()
    const ends = await ticks.evaluateAll((all) => all.map((tick) => tick.getBoundingClientRect().bottom))
    return this.piece(page, y - 12, Math.min(y - 12 + most, Math.max(...ends) + 12))
  }

  async details(page) {
    await page.getByRole('tab', { name: 'User Metadata' }).click()
    const frame = page.locator('#user-metadata-current-details')
    await frame.contentFrame().locator('table').waitFor()
    await page.waitForTimeout(1500)
    const { y, height } = await frame.boundingBox()
    const title = await page.getByRole('heading', { name: 'Current Details' }).boundingBox()
    return this.piece(page, title.y - 12, y + height + 12)
  }

  async attributes(page) {
    await page.getByRole('tab', { name: 'Search Attributes' }).click()
    const last = page.getByText('PuzzleStatus').last()
    await last.waitFor()
    await page.waitForTimeout(500)
    const tabs = await page.getByRole('tablist').boundingBox()
    const { y, height } = await last.boundingBox()
    return this.piece(page, tabs.y + tabs.height + 4, y + height + 24)
  }

  async runs() {
    const page = await this.open(`?query=${encodeURIComponent('WorkflowType="search"')}`, 620)
    await page.getByRole('link', { name: /\/first$/ }).waitFor()
    await page.waitForTimeout(1500)
    return [await this.piece(page, 56, 620)]
  }
}

async function takePictures(place, browser) {
  const { uiAddress } = await command(place, ['server', 'start'])
  const camera = new Camera(browser, uiAddress)
  const timeline = (page) => camera.timeline(page)
  const top = (page) => camera.timeline(page, 358)
  const details = (page) => camera.details(page)
  const attributes = (page) => camera.attributes(page)
  /** Name of a run's workflow: the end of its page's address. */
  const start = async (run, ...more) => {
    const { ui } = await command(place, ['run', `${run}.yaml`, '--detach', ...more])
    return decodeURIComponent(ui.split('/').at(-1))
  }

  await command(place, ['run', 'first.yaml'])
  await command(place, ['run', 'bad-rate.yaml'], 4)
  const careful = await start('careful')
  await until(place, 'careful', 'uptrain', ({ waiting }) => waiting.length > 0)
  await camera.save('ui-failed.png', await camera.run(careful, top, details))

  const night = await start('night', '--concurrency', '2')
  // Two layers side by side: those of the third pair run.
  await until(place, 'night', 'distill', ({ done }) => done >= 4 * variants)
  const [search, layer] = [
    await camera.run(night, timeline, details),
    await camera.run(`${night}/distill/layer04`, timeline),
  ]
  await camera.save('ui-running.png', [...search, ...layer])
  await command(place, ['pause', 'night'])
  await camera.save('ui-paused.png', await camera.run(night, attributes, details))

  await start('trial')
  await until(place, 'trial', 'distill', ({ total }) => total > 0)
  await command(place, ['cancel', 'trial'])
  await start('today')
  await until(place, 'today', 'distill', ({ total }) => total > 0)
  await camera.save('ui-runs.png', await camera.runs())
}

const folder = await writeTinySearch(specs.first, layers)
renameSync(join(folder, 'parent'), join(folder, 'tiny-llama'))
for (const [name, text] of Object.entries(specs)) writeFileSync(join(folder, `${name}.yaml`), text)
const place = new Place(folder)
let browser
let cleaned
const cleanUp = () =>
  (cleaned ??= (async () => {
    await browser?.close()
    await place.endWorker()
    await place.run('server', 'stop')
    await place.close()
  })())
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => cleanUp().then(() => process.exit(130)))
try {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    // Ours end more than the browser.
    handleSIGINT: false,
    handleSIGTERM: false,
  })
  await takePictures(place, browser)
} finally {
  await cleanUp()
}
