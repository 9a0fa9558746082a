// What arms share: ordinary durable runs of the quickstart's search up to its scores, all in one store.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { stageEnvironment } from '../../dist/activities/stage-environment.js'
import { readRun } from '../../dist/cli/runs.js'
import { loadPlugins } from '../../dist/plugins/registry.js'
import { openStore } from '../../dist/store/index.js'
import { writeWhole } from '../pages.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const quickstart = fileURLToPath(new URL('../../examples/quickstart/search.yaml', import.meta.url))

export const digestOf = (value) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)

/** The searches of a folder and a store. */
export class Searches {
  /** @param options  of the command */
  constructor({ folder, store, profile, sizes, kept }) {
    Object.assign(this, { folder: resolve(folder), location: resolve(store), profile, sizes, onlyKept: kept })
    this.known = new Map()
    this.loaded = loadPlugins()
  }

  /** One cost table for all: what an arm finds does not depend on how busy the machine is meanwhile. */
  costs() {
    const file = join(this.folder, 'costs.json')
    if (this.profile !== undefined && !existsSync(file)) writeWhole(file, readFileSync(this.profile, 'utf8'))
    if (existsSync(file)) return file
    const { name } = this.write('costs', (spec) => spec)
    this.puzzleflow('run', join(this.folder, `${name}.yaml`), '--run', name, '--until', 'profile')
    this.puzzleflow('profile', name, '-o', `${file}.tmp`)
    renameSync(`${file}.tmp`, file)
    return file
  }

  /** A search up to its scores; undefined if only what has been measured is asked for, and it has not ended. @param changes  parameters of `distill` that differ from the reference's @param scoring  the same of `score` */
  scored(seed, changes = {}, scoring = {}) {
    const stages = { distill: { tokens: this.sizes.distill, ...changes }, score: { pairs: 'all', ...scoring } }
    return this.search(seed, stages, 'score')
  }

  /** The order in which whole layers are removed. */
  removals(seed) {
    return this.search(seed, { depth: { maximum: '90%' } }, 'depth', { runs: [{ run: 'drop' }] })
  }

  async search(seed, stages, until, space = {}) {
    const { name, file } = this.write(`search-${seed}`, (spec) => ({
      ...spec,
      seed,
      space: { ...spec.space, ...space },
      target: { ...spec.target, profile: this.costs() },
      stages: Object.entries(stages).reduce(
        (all, [stage, params]) => ({ ...all, [stage]: { ...all[stage], ...params } }),
        spec.stages,
      ),
    }))
    if (!this.known.has(name)) {
      if (!this.onlyKept) this.puzzleflow('run', file, '--run', name, '--until', until)
      this.known.set(name, await this.read(name))
    }
    return this.known.get(name)
  }

  /** Writes the spec of a run, which is named after what it says. */
  write(kind, change) {
    const at = (path) => resolve(dirname(quickstart), path)
    const spec = parse(readFileSync(quickstart, 'utf8'))
    const data = Object.entries(spec.data).map(([key, own]) => [key, own.path ? { ...own, path: at(own.path) } : own])
    const moved = { ...spec, model: at(spec.model), tasks: at(spec.tasks), data: Object.fromEntries(data) }
    const text = stringify(change(moved))
    const name = `${kind}-${digestOf(text)}`
    const file = join(this.folder, `${name}.yaml`)
    if (!existsSync(file)) writeWhole(file, text)
    return { name, file }
  }

  /** What a stage of the run would see, with the outputs of its stages. Undefined if it has not ended. */
  async read(name) {
    const store = (this.store ??= await openStore(this.location))
    if (this.onlyKept && !(await store.getDocument(`runs/${name}`))?.outputs) return undefined
    const { plan: ref, outputs } = await readRun(store, name)
    const plan = await store.readJson(ref)
    const stages = {}
    for (const [stage, of] of Object.entries(outputs)) stages[stage] = await store.readJson(of)
    const environment = stageEnvironment(plan, store, this.loaded, ['model', 'target', 'space'], () => {})
    return { ...environment, stages }
  }

  puzzleflow(...args) {
    const { status } = spawnSync(process.execPath, [command, ...args, '--store', this.location], {
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    if (status !== 0) {
      console.error(`puzzleflow ${args[0]} ended with exit code ${status}; the same command goes on from there.`)
      process.exit(status ?? 130)
    }
  }

  /** Ends the server that was started for the store. */
  end() {
    spawnSync(process.execPath, [command, 'server', 'stop', '--store', this.location], { stdio: 'ignore' })
  }
}
