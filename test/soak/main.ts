/**
 * Runs small searches for hours, with kills at random moments. Every search must succeed. Reports how the memory of every process
 * develops. Arguments: `--minutes N` (default 120), `--seed N` (default 1).
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pause, stopServer } from '../../server/index.js'
import { Keeper } from '../chaos/keeper.js'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { uniform } from '../noise.js'
import { childrenOf, kill, serverOf } from '../processes.js'
import { makeStateHome } from '../state-home.js'
import { Memory } from './memory.js'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '120' }, seed: { type: 'string', default: '1' } },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
if (!(minutes > 0 && Number.isInteger(seed)))
  throw new Error('--minutes must be a positive number and --seed an integer')

const stateHome = await makeStateHome()
const place = new Place(await writeTinySearch(tinySpec), stateHome)
const random = uniform(seed)
const begin = performance.now()
const elapsed = () => (performance.now() - begin) / 60_000
const memories = {
  command: new Memory('command'),
  worker: new Memory('worker'),
  child: new Memory('child'),
  server: new Memory('server'),
}

const processes = (command: Keeper): Record<keyof typeof memories, readonly number[]> => {
  const defined = (pid: number | undefined) => (pid === undefined ? [] : [pid])
  const { worker } = place
  return {
    command: defined(command.pid),
    worker: defined(worker),
    child: worker === undefined ? [] : childrenOf(worker),
    server: defined(serverOf(stateHome)),
  }
}

/** What to kill in a search: a child in each, the command in every third; worker and server only once, so that they grow old. */
let isHalfOver = false
function victimsOf(search: number): (keyof typeof memories)[] {
  const old = !isHalfOver && elapsed() > minutes / 2
  isHalfOver ||= old
  return ['child', ...(search % 3 === 0 ? (['command'] as const) : []), ...(old ? (['worker', 'server'] as const) : [])]
}

function sizeOf(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}

const summary = () => Object.values(memories).map((memory) => memory.summary(Math.min(300, minutes * 6)))
let [searches, kills] = [0, 0]
const problems: string[] = []
let seconds = 20
while (elapsed() < minutes && problems.length === 0) {
  searches++
  // A different seed, so that nothing from earlier searches can be reused.
  const name = `soak-${searches}`
  const spec = tinySpec.replace('name: tiny', `name: ${name}`).replace('seed: 3', `seed: ${searches}`)
  writeFileSync(join(place.folder, 'search.yaml'), spec)
  const started = performance.now()
  const keeper = new Keeper(place, ['run', 'search.yaml', '--heartbeat', '5'])
  const planned = victimsOf(searches).map((kind) => ({ kind, at: started + random() * seconds * 1000 }))
  // What is killed when follows the clock: that is what is tried here.
  for (let sampled = 0; !keeper.finished && !keeper.gaveUp; await pause(100)) {
    const now = performance.now()
    if (now - sampled > 2000) {
      sampled = now
      const pids = processes(keeper)
      for (const kind of Object.keys(memories) as (keyof typeof memories)[]) memories[kind].take(pids[kind])
    }
    const due = planned.findIndex(({ at }) => at < now)
    if (due >= 0) {
      const pids = processes(keeper)[planned[due]!.kind]
      if (pids.length === 0) continue
      planned.splice(due, 1)
      kill(pids[Math.floor(random() * pids.length)]!)
      kills++
    }
    if (now - started > 600_000) {
      problems.push(`search ${searches} took more than ten minutes`)
      break
    }
  }
  problems.push(...keeper.errors)
  if (!keeper.finished && keeper.errors.length === 0 && problems.length === 0)
    problems.push(`search ${searches} gave up`)
  if (keeper.finished) {
    const { verdict } = JSON.parse(readFileSync(join(place.folder, `runs/${name}/result.json`), 'utf8')) as {
      verdict: string
    }
    if (verdict !== 'accepted') problems.push(`search ${searches}: ${verdict}`)
    seconds = (performance.now() - started) / 1000
  }
  if (searches % 10 === 0) {
    console.log(
      `${elapsed().toFixed(0)} min: ${searches} searches, ${kills} kills, store ${(sizeOf(place.store) / 1e6).toFixed(0)} MB`,
    )
    for (const line of summary()) console.log(`  ${line}`)
  }
}
console.log(`${searches} searches with ${kills} kills in ${elapsed().toFixed(0)} minutes; problems: ${problems.length}`)
for (const line of [...problems, ...summary()]) console.log(line)
process.exitCode = problems.length === 0 ? 0 : 1
await place.endWorker()
process.env.XDG_STATE_HOME = stateHome
await stopServer()
if (process.exitCode === 0) await place.close()
rmSync(stateHome, { recursive: true, force: true })
