/**
 * Kills the processes of a search at random moments and compares the result with that of the same search undisturbed.
 * Arguments: `--kills N` (default 50), `--seed N` (default 1), `--size short|whole|large` (default: by the number of kills).
 * The exit code is 0 if the search survived every kill and nothing differs.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { attemptLogVariable } from '../../activities/attempt-log.js'
import { stopServer } from '../../server/index.js'
import { Place } from '../cli/puzzleflow.js'
import { makeStateHome } from '../state-home.js'
import { Attempts } from './attempts.js'
import { differences } from './compare.js'
import { Keeper } from './keeper.js'
import { schedule } from './schedule.js'
import { writeChaosSearch, type Size } from './search.js'
import { Storm, type Kill } from './storm.js'
import { describeKill, summary } from './table.js'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    size: { type: 'string' },
  },
})
const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!(Number.isInteger(kills) && kills > 0 && Number.isInteger(seed)))
  throw new Error('--kills must be a positive integer and --seed an integer')

const command = ['run', 'search.yaml', '--heartbeat', '5'] as const
const stateHome = await makeStateHome()
const size = (values.size ?? (kills < 20 ? 'short' : 'whole')) as Size
if (!['short', 'whole', 'large'].includes(size)) throw new Error('--size must be short, whole or large')
const places: Place[] = []
/** Creates a new search. All share the machine's state, so the measurements of the first one are valid for all. */
async function newPlace(): Promise<{ place: Place; attempts: Attempts }> {
  const place = new Place(await writeChaosSearch(size), stateHome)
  places.push(place)
  const log = join(place.folder, 'attempts.log')
  place.environment[attemptLogVariable] = log
  return { place, attempts: new Attempts(log) }
}

const print = (line: string) => console.log(line)

async function main(): Promise<boolean> {
  print('Running the search undisturbed …')
  const reference = await newPlace()
  const { code, stderr } = await reference.place.run(...command)
  if (code !== 0) throw new Error(`The undisturbed search failed:\n${stderr}`)
  await reference.place.endWorker()
  const stages = reference.attempts.stages()
  const order = stages.map(({ name }) => name)

  const planned = schedule(kills, stages, seed)
  const done: Kill[] = []
  const errors: string[] = []
  const differ: string[] = []
  const rounds: Attempts[] = []
  // If a search ends before all kills are done, another one starts from scratch.
  while (done.length < kills) {
    const { place, attempts } = await newPlace()
    rounds.push(attempts)
    print(`Search ${rounds.length} with kills, in ${place.folder}`)
    const keeper = new Keeper(place, command)
    const storm = new Storm(place, stateHome, keeper, attempts, order)
    // Continue with the rest of the schedule; a search passes through its stages only once.
    let outcome: Kill | 'finished' | 'stuck' | undefined
    while (planned.length > 0) {
      outcome = await storm.strike(planned[0]!)
      if (typeof outcome === 'string') break
      planned.shift()
      done.push(outcome)
      print(describeKill(done.length, outcome))
    }
    if (outcome !== 'finished' && outcome !== 'stuck') outcome = await storm.ended()
    attempts.update()
    errors.push(...keeper.errors)
    if (outcome === 'stuck') {
      errors.push('the search is stuck')
      break
    }
    differ.push(...differences(reference.place, place))
    await place.endWorker()
  }
  const survived = done.length - errors.length
  for (const line of errors) print(`not survived: ${line}`)
  for (const line of differ) print(`differs: ${line}`)
  const report = summary({ done, survived, differ: differ.length, rounds, reference: reference.attempts, order })
  report.lines.forEach(print)
  return survived === kills && differ.length === 0 && report.stepsKept
}

try {
  process.exitCode = (await main()) ? 0 : 1
} finally {
  for (const place of places) await place.endWorker()
  process.env.XDG_STATE_HOME = stateHome
  await stopServer()
  // Keep the folders of a failed run for inspection.
  if (process.exitCode === 0) for (const { folder } of places) rmSync(folder, { recursive: true, force: true })
  rmSync(stateHome, { recursive: true, force: true })
}
